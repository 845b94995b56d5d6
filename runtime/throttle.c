#include "throttle.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "small_thread.h"

enum {
    PERIOD_NS_PER_PERCENT = 1000000, // a tenth of a second, divided by 100
    NS_PER_S = 1000000000,
    LIST_LEN = 8 << 10,
};

// Signals that no program names: JavaScript knows none of the real-time ones.
static int hold_signal(void) {
    return SIGRTMAX - 3;
}
static int used_up_signal(void) {
    return SIGRTMAX - 4;
}

static atomic_uint is_holding; // also the futex on which they wait

static void on_hold(int number) {
    int saved_errno = errno;
    (void)number;
    while (atomic_load(&is_holding) != 0)
        (void)syscall(SYS_futex, &is_holding, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
    errno = saved_errno;
}

static uint64_t now_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static struct timespec timespec_of(uint64_t ns) {
    return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
}

// One that waits for something uses no time, and its system call is not to be interrupted.
static int is_running(int tasks_fd, const char *tid) {
    char path[64], text[128];
    snprintf(path, sizeof path, "%.16s/stat", tid);
    int fd = openat(tasks_fd, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t len = read(fd, text, sizeof text - 1);
    close(fd);
    text[len > 0 ? len : 0] = '\0';
    const char *end = strrchr(text, ')');
    return end != NULL && strncmp(end, ") R", 3) == 0;
}

// Without malloc(), whose lock may be with one that is held.
static void signal_threads(pid_t self) {
    static char list[LIST_LEN] __attribute__((aligned(8)));
    int fd = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    for (long len; (len = syscall(SYS_getdents64, fd, list, sizeof list)) > 0;)
        for (long at = 0; at < len;) {
            const struct dirent64 *entry = (const struct dirent64 *)(void *)(list + at);
            at += entry->d_reclen;
            int tid = atoi(entry->d_name);
            if (tid > 0 && tid != self && is_running(fd, entry->d_name))
                (void)syscall(SYS_tgkill, getpid(), tid, hold_signal());
        }
    close(fd);
}

static void hold(pid_t self, uint64_t ns) {
    struct timespec left = timespec_of(ns);
    atomic_store(&is_holding, 1);
    signal_threads(self);
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
    atomic_store(&is_holding, 0);
    (void)syscall(SYS_futex, &is_holding, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static void *keep(void *arg) {
    uint64_t percent = (uint64_t)(uintptr_t)arg, share_ns = percent * PERIOD_NS_PER_PERCENT;
    pid_t self = (pid_t)syscall(SYS_gettid);
    prctl(PR_SET_NAME, "throttle");
    sigset_t used_up;
    sigemptyset(&used_up);
    sigaddset(&used_up, used_up_signal());
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = used_up_signal()};
    event._sigev_un._tid = self;
    timer_t timer;
    if (timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer) != 0) return NULL;
    // What is used while the others are held (by one that waited, and was not told) is owed too:
    // the books are never closed.
    uint64_t last_ns = now_ns(CLOCK_MONOTONIC), had_ns = now_ns(CLOCK_PROCESS_CPUTIME_ID),
             owed_ns = 0;
    for (;;) {
        struct itimerspec at = {.it_value = timespec_of(share_ns)};
        if (timer_settime(timer, 0, &at, NULL) != 0) return NULL;
        while (sigwaitinfo(&used_up, NULL) < 0)
            continue;
        uint64_t at_ns = now_ns(CLOCK_MONOTONIC), has_ns = now_ns(CLOCK_PROCESS_CPUTIME_ID);
        owed_ns += (has_ns - had_ns) / percent * 100; // how long that should have taken
        owed_ns -= owed_ns < at_ns - last_ns ? owed_ns : at_ns - last_ns;
        last_ns = at_ns;
        had_ns = has_ns;
        if (owed_ns > 0) hold(self, owed_ns);
    }
}

int runtime_throttle_start(uint32_t percent) {
    if (percent == 0) return 0;
    struct sigaction action = {.sa_handler = on_hold, .sa_flags = SA_RESTART};
    sigfillset(&action.sa_mask);
    int err = sigaction(hold_signal(), &action, NULL) == 0 ? 0 : -errno;
    if (err == 0) err = runtime_small_thread_start(keep, (void *)(uintptr_t)percent);
    if (err != 0)
        fprintf(stderr, "cannot start a node within its limits: no thread for it: %s\n",
                strerror(-err));
    return err;
}
