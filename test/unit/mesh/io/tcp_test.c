#include "io/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/limits.h"
#include "test.h"

enum { SILENT_MS = 300, PROBES = 3 };

// Both ends of a connection within this host.
static void connect_pair(int fds[2]) {
    int listening;
    EXPECT_OK(mesh_tcp_listen(&(mesh_addr){.family = 4, .ip = {127, 0, 0, 1}}, &listening));
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(mesh_tcp_port(listening)),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_OK(connect(fds[0], (struct sockaddr *)&at, sizeof at));
    struct pollfd ready = {.fd = listening, .events = POLLIN};
    EXPECT_EQ(1, poll(&ready, 1, 10000));
    fds[1] = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
    EXPECT_TRUE(fds[1] >= 0);
    for (int i = 0; i < 2; i++) {
        mesh_tcp_tune(fds[i]);
        mesh_tcp_be_patient(fds[i]);
    }
    close(listening);
}

static struct tcp_info info_of(int fd) {
    struct tcp_info info;
    socklen_t len = sizeof info;
    EXPECT_OK(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len));
    return info;
}

static bool is_silent(int fd) {
    if (!mesh_tcp_is_silent(fd, SILENT_MS)) return false;
    (void)poll(NULL, 0, SILENT_MS / 3); // an answer that is on its way
    return mesh_tcp_is_silent(fd, SILENT_MS);
}

TEST(a_port_that_is_taken_gives_no_socket) {
    int first, second = -1;
    mesh_addr at = {.family = 4, .ip = {127, 0, 0, 1}};
    EXPECT_OK(mesh_tcp_listen(&at, &first));
    at.port = mesh_tcp_port(first);
    EXPECT_EQ(-EADDRINUSE, mesh_tcp_listen(&at, &second));
    EXPECT_EQ(-1, second);
    close(first);
}

TEST(who_reads_nothing_but_answers_probes_is_not_silent) {
    int fds[2];
    connect_pair(fds);
    static uint8_t bytes[64 << 10];
    while (send(fds[0], bytes, sizeof bytes, MSG_DONTWAIT) > 0) {
    }
    // Some probes later they are so rare that the last word is older than a silence may be.
    while (info_of(fds[0]).tcpi_backoff < PROBES || info_of(fds[0]).tcpi_last_ack_recv < SILENT_MS)
        EXPECT_FALSE(is_silent(fds[0]));
    EXPECT_FALSE(is_silent(fds[0]));
    close(fds[0]);
    close(fds[1]);
}

TEST(a_connection_at_rest_is_the_kernels_to_judge) {
    int fds[2], value;
    socklen_t len = sizeof value;
    connect_pair(fds);
    EXPECT_FALSE(mesh_tcp_is_silent(fds[0], 0));
    EXPECT_OK(getsockopt(fds[0], IPPROTO_TCP, TCP_USER_TIMEOUT, &value, &len));
    EXPECT_EQ(0, value);
    int idle_s, every_s, count;
    EXPECT_OK(getsockopt(fds[0], IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, &len));
    EXPECT_OK(getsockopt(fds[0], IPPROTO_TCP, TCP_KEEPINTVL, &every_s, &len));
    EXPECT_OK(getsockopt(fds[0], IPPROTO_TCP, TCP_KEEPCNT, &count, &len));
    EXPECT_EQ(MESH_TCP_TIMEOUT_MS, 1000 * (idle_s + every_s * count));
    close(fds[0]);
    close(fds[1]);
}
