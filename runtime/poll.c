#include "poll.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "look.h"
#include "watchdog.h"

static _Thread_local bool is_message_expected;

void runtime_poll_expect(uv_loop_t *loop, bool is_expecting) {
    (void)loop;
    is_message_expected = is_expecting;
}

typedef struct wait {
    int fd;
    struct epoll_event *events;
    int count;
    const sigset_t *mask;
} wait;

static int wait_for(const wait *w, int timeout_ms) {
    return (int)syscall(SYS_epoll_pwait, w->fd, w->events, w->count, timeout_ms, w->mask,
                        _NSIG / 8);
}

static int find(void *user) {
    return wait_for(user, 0);
}

static int wait_or_look(wait w, int timeout_ms) {
    runtime_watchdog_waits(w.fd);
    // libuv asks with 0 first and then again to measure idle time: only the second call is a wait.
    int found = is_message_expected && timeout_ms != 0 ? runtime_look(find, &w) : 0;
    if (found == 0) found = wait_for(&w, timeout_ms);
    runtime_watchdog_runs(w.fd);
    return found;
}

__attribute__((visibility("default"))) int epoll_wait(int fd, struct epoll_event *events, int count,
                                                      int timeout_ms) {
    return wait_or_look((wait){fd, events, count, NULL}, timeout_ms);
}

__attribute__((visibility("default"))) int
epoll_pwait(int fd, struct epoll_event *events, int count, int timeout_ms, const sigset_t *mask) {
    return wait_or_look((wait){fd, events, count, mask}, timeout_ms);
}
