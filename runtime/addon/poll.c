// poll.h in a process whose loop belongs to Node.js alone.
#include "poll.h"

#include <poll.h>

#include "look.h"

static int find(void *user) {
    return poll(user, 1, 0);
}

void runtime_poll_expect(uv_loop_t *loop, bool is_expecting) {
    // The loop would not sleep: something else of the program's is due.
    if (!is_expecting || uv_backend_timeout(loop) == 0) return;
    // A set of epoll is readable when something in it is ready; what that is, the loop finds
    // itself.
    struct pollfd set = {.fd = uv_backend_fd(loop), .events = POLLIN};
    (void)runtime_look(find, &set);
}
