#include "port.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test.h"

// Below those that the system gives to whoever connects: such a one may be another's at the next
// moment. Each process begins at a place of its own. As test/e2e/ports.mjs.
enum { FIRST = 10000, COUNT = 22000, OF_A_PROCESS = 20 };

static bool is_free(uint16_t port) {
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_bound = bind(fd, (struct sockaddr *)&any, sizeof any) == 0;
    EXPECT_OK(close(fd));
    return is_bound;
}

uint16_t test_free_port(void) {
    static unsigned tried;
    for (;;) {
        unsigned place = ((unsigned)getpid() * OF_A_PROCESS + tried++) % COUNT;
        uint16_t port = (uint16_t)(FIRST + place);
        if (is_free(port)) return port;
    }
}
