// Before a loop that has reason to expect a message sleeps, it looks for it a moment longer.
// warren-node does that where the loop waits: libuv's epoll_wait and epoll_pwait resolve to
// poll.c's. The addon has no say there, so addon/poll.c looks right before the loop waits.
#pragma once

#include <stdbool.h>

#include <uv.h>

// Called right before this thread's loop waits: is a message likely soon, since an answer is
// awaited or messages just came?
void runtime_poll_expect(uv_loop_t *loop, bool is_expecting);
