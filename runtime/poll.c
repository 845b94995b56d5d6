#include "poll.h"

#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "spin.h"

// Longer than a sleeping peer needs to wake and answer: or two that both sleep never find out that
// looking pays.
enum { SPIN_NS = 120 * 1000 };

static _Thread_local bool is_message_expected;
static _Thread_local runtime_spin spin;

void runtime_poll_expect(bool is_expecting) {
    is_message_expected = is_expecting;
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// Pinned to one core, looking would only keep the peer from running.
static bool has_other_cores(void) {
    cpu_set_t cores;
    return sched_getaffinity(0, sizeof cores, &cores) == 0 && CPU_COUNT(&cores) > 1;
}

static int wait_for(int fd, struct epoll_event *events, int count, int timeout_ms,
                    const sigset_t *mask) {
    return (int)syscall(SYS_epoll_pwait, fd, events, count, timeout_ms, mask, _NSIG / 8);
}

static int look(int fd, struct epoll_event *events, int count, const sigset_t *mask) {
    uint64_t end_ns = now_ns() + SPIN_NS;
    int found;
    do
        found = wait_for(fd, events, count, 0, mask);
    while (found == 0 && now_ns() < end_ns);
    return found;
}

static int wait_or_look(int fd, struct epoll_event *events, int count, int timeout_ms,
                        const sigset_t *mask) {
    // libuv asks with 0 first and then again to measure idle time: only the second call is a wait.
    bool is_worth_it = is_message_expected && timeout_ms != 0;
    if (!is_worth_it || !runtime_spin_should(&spin))
        return wait_for(fd, events, count, timeout_ms, mask);
    int found = has_other_cores() ? look(fd, events, count, mask) : 0;
    runtime_spin_learn(&spin, found > 0);
    return found != 0 ? found : wait_for(fd, events, count, timeout_ms, mask);
}

__attribute__((visibility("default"))) int epoll_wait(int fd, struct epoll_event *events, int count,
                                                      int timeout_ms) {
    return wait_or_look(fd, events, count, timeout_ms, NULL);
}

__attribute__((visibility("default"))) int
epoll_pwait(int fd, struct epoll_event *events, int count, int timeout_ms, const sigset_t *mask) {
    return wait_or_look(fd, events, count, timeout_ms, mask);
}
