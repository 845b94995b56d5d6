#include "agent/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "port.h"
#include "test.h"

static int connect_to(uint32_t port) {
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int err = connect(fd, (struct sockaddr *)&at, sizeof at) == 0 ? 0 : -errno;
    close(fd);
    return err;
}

TEST(one_address_is_one_socket_for_all_instances) {
    agent_sockets *s = agent_sockets_create();
    agent_listen request = {.address = "127.0.0.1", .port = test_free_port()};
    int fd = agent_sockets_listen(s, &request);
    EXPECT_TRUE(fd >= 0);
    EXPECT_EQ(fd, agent_sockets_listen(s, &request));
    EXPECT_OK(connect_to(request.port)); // before anybody accepts
    agent_sockets_destroy(s);
    EXPECT_EQ(-ECONNREFUSED, connect_to(request.port));
}

TEST(another_service_cannot_take_the_port) {
    agent_sockets *a = agent_sockets_create(), *b = agent_sockets_create();
    agent_listen request = {.address = "127.0.0.1", .port = test_free_port()};
    EXPECT_TRUE(agent_sockets_listen(a, &request) >= 0);
    EXPECT_EQ(-EADDRINUSE, agent_sockets_listen(b, &request));
    agent_sockets_destroy(b);
    agent_sockets_destroy(a);
}

TEST(no_address_means_all_also_of_ipv4) {
    agent_sockets *s = agent_sockets_create();
    agent_listen request = {.address = "", .port = test_free_port()};
    EXPECT_TRUE(agent_sockets_listen(s, &request) >= 0);
    EXPECT_OK(connect_to(request.port));
    agent_sockets_destroy(s);
}

TEST(what_is_no_address_or_port_is_refused) {
    agent_sockets *s = agent_sockets_create();
    EXPECT_EQ(-EINVAL, agent_sockets_listen(s, &(agent_listen){.address = "", .port = 0}));
    EXPECT_EQ(-EINVAL, agent_sockets_listen(s, &(agent_listen){.address = "", .port = 65536}));
    EXPECT_EQ(-EINVAL,
              agent_sockets_listen(s, &(agent_listen){.address = "localhost", .port = 80}));
    EXPECT_EQ(-EADDRNOTAVAIL,
              agent_sockets_listen(s, &(agent_listen){.address = "192.0.2.1", .port = 8000}));
    agent_sockets_destroy(s);
}

TEST(a_service_has_a_bounded_number_of_sockets) {
    agent_sockets *s = agent_sockets_create();
    char address[32];
    uint32_t port = test_free_port();
    for (int i = 1; i <= AGENT_SOCKETS_MAX; i++) {
        (void)snprintf(address, sizeof address, "127.0.0.%d", i);
        EXPECT_TRUE(agent_sockets_listen(s, &(agent_listen){.address = address, .port = port}) >=
                    0);
    }
    EXPECT_EQ(-EMFILE,
              agent_sockets_listen(s, &(agent_listen){.address = "127.0.1.1", .port = port}));
    agent_sockets_destroy(s);
}
