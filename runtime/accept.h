// Which of the processes that share a listening socket accepts its next connection. libuv accepts
// all that is there at once, so the one that wakes first would have them all; and it cannot be
// asked to stop for a while. This stands between libuv and the kernel: it defines accept4, as
// poll.c does epoll_wait.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "balance.h"

// From now on connections of the listening socket `fd` are shared fairly, by way of the balance in
// `memory_fd` (takes it; -1: there is none). *out_view, which the caller unmaps, is the same for
// the program, and *out_place this process's place in it; NULL without.
void runtime_accept_open(uv_loop_t *loop, int fd, int memory_fd, balance **out_view,
                         uint32_t *out_place);
// Accepts nothing any more and leaves what comes to the others, while the socket stays open.
void runtime_accept_shut(int fd);
// Before the socket is closed. Fine for one that was never opened.
void runtime_accept_close(int fd);
void runtime_accept_close_all(void); // of this thread: its loop ends
