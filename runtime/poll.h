// Where the loop waits. libuv's epoll_wait and epoll_pwait resolve to this executable's (poll.c),
// so that a loop that has reason to expect a message looks for it a moment longer before it sleeps.
#pragma once

#include <stdbool.h>

// Says for this thread's next wait whether a message is likely soon: an answer is awaited, or
// messages just came.
void runtime_poll_expect(bool is_expecting);
