#include "agent/activity.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool read_file(pid_t pid, const char *name, char *out, size_t cap) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t len = read(fd, out, cap - 1);
    close(fd);
    out[len > 0 ? len : 0] = '\0';
    return len > 0;
}

// Those in which programs wait, as a rule; "": another.
static const char *name_of(long number) {
    switch (number) {
    case SYS_futex: return "futex: Atomics.wait, or a lock";
    case SYS_read: return "read";
    case SYS_pread64: return "pread64: a file";
    case SYS_write: return "write: a pipe or a file that takes nothing";
    case SYS_fsync: return "fsync: a disk";
    case SYS_openat: return "openat: a file, or a pipe without a reader";
    case SYS_wait4: return "wait4: a child process";
    case SYS_flock: return "flock: a file that another has locked";
    case SYS_epoll_pwait: return "epoll_pwait: a synchronous child process";
#ifdef SYS_epoll_wait
    case SYS_epoll_wait: return "epoll_wait: a synchronous child process";
#endif
    case SYS_clock_nanosleep: return "clock_nanosleep: it sleeps";
    default: return "";
    }
}

static const char *describe_state(char state) {
    switch (state) {
    case 'D': return "waits for a device";
    case 'T':
    case 't': return "is stopped by a signal or a debugger";
    default: return "sleeps";
    }
}

// As in ps; 'S' when it is not known.
static char state_of(pid_t pid) {
    char stat[512];
    if (!read_file(pid, "stat", stat, sizeof stat)) return 'S';
    const char *end = strrchr(stat, ')'); // behind the name, which may have any bytes
    if (end == NULL || end[1] != ' ' || end[2] == '\0') return 'S';
    return end[2];
}

static bool is_stop(char state) {
    return state == 'T' || state == 't';
}

bool agent_activity_is_stopped(pid_t pid) {
    return is_stop(state_of(pid));
}

bool agent_activity_is_running(pid_t pid) {
    return state_of(pid) == 'R';
}

void agent_activity_describe(pid_t pid, uint64_t asked_ms, char *out, size_t cap) {
    char call[128], state = state_of(pid);
    if (state == 'R') {
        (void)snprintf(out, cap,
                       "    its main thread runs native code, a sort or an addon's, that could not "
                       "be interrupted for %.1f s\n",
                       (double)asked_ms / 1000);
        return;
    }
    long number = -1;
    bool is_known = !is_stop(state) && read_file(pid, "syscall", call, sizeof call) &&
                    sscanf(call, "%ld", &number) == 1 && number >= 0;
    const char *name = is_known ? name_of(number) : "";
    if (name[0] != '\0')
        (void)snprintf(out, cap, "    its main thread %s (%s)\n", describe_state(state), name);
    else if (is_known)
        (void)snprintf(out, cap, "    its main thread %s in system call %ld\n",
                       describe_state(state), number);
    else
        (void)snprintf(out, cap, "    its main thread %s\n", describe_state(state));
}
