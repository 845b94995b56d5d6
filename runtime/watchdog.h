// What the agent learns of a node without its loop: that it turns (heartbeat.h), and the JavaScript
// that keeps it from turning. The thread that watches the leash is woken for that: a node has no
// other one that is sure to be there.
#pragma once

#include <stdbool.h>

// Takes fd, the memory. From now on the default loop of this thread beats. A failure is told on
// stderr, and the node lives without.
void runtime_watchdog_start(int fd);

// Around each wait of a loop for its epoll descriptor.
void runtime_watchdog_waits(int epoll_fd);
void runtime_watchdog_runs(int epoll_fd);

// From another thread: the agent has asked something.
void runtime_watchdog_asked(void);
