#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "core/limits.h"
#include "io/packet.h"
#include "test.h"

static uint8_t buffer[MESH_PACKET_LEN_MAX];

TEST(a_packet_carries_its_bytes_and_a_descriptor_that_works) {
    int pair[2], pipe_ends[2];
    EXPECT_OK(mesh_packet_pair(pair));
    EXPECT_OK(pipe(pipe_ends));
    EXPECT_OK(mesh_packet_send(pair[0], mesh_bytes_text("hello"), &pipe_ends[1], 1));

    mesh_packet packet;
    EXPECT_OK(mesh_packet_receive(pair[1], 0, buffer, &packet));
    EXPECT_BYTES("hello", ((mesh_bytes){buffer, packet.len}));
    EXPECT_EQ(1, packet.fd_count);
    EXPECT_TRUE(fcntl(packet.fds[0], F_GETFD) & FD_CLOEXEC);
    char c;
    EXPECT_EQ(1, write(packet.fds[0], "x", 1));
    EXPECT_EQ(1, read(pipe_ends[0], &c, 1));

    mesh_packet_close_fds(&packet);
    for (int i = 0; i < 2; i++) {
        close(pair[i]);
        close(pipe_ends[i]);
    }
}

TEST(the_largest_packet_fits_the_socket_and_one_byte_more_is_refused) {
    int pair[2];
    EXPECT_OK(mesh_packet_pair(pair));
    uint8_t *bytes = calloc(1, MESH_PACKET_LEN_MAX + 1);
    EXPECT_OK(mesh_packet_send(pair[0], (mesh_bytes){bytes, MESH_PACKET_LEN_MAX}, NULL, 0));
    EXPECT_EQ(-EMSGSIZE,
              mesh_packet_send(pair[0], (mesh_bytes){bytes, MESH_PACKET_LEN_MAX + 1}, NULL, 0));
    mesh_packet packet;
    EXPECT_OK(mesh_packet_receive(pair[1], 0, buffer, &packet));
    EXPECT_EQ(MESH_PACKET_LEN_MAX, packet.len);
    free(bytes);
    close(pair[0]);
    close(pair[1]);
}

TEST(a_packet_over_the_limit_from_outside_is_refused_and_its_descriptors_are_closed) {
    int pair[2];
    EXPECT_OK(mesh_packet_pair(pair));
    size_t len = MESH_PACKET_LEN_MAX + 4096;
    uint8_t *bytes = calloc(1, len);
    EXPECT_EQ(len, send(pair[0], bytes, len, 0));
    mesh_packet packet;
    EXPECT_EQ(MESH_ETOOBIG, mesh_packet_receive(pair[1], 0, buffer, &packet));
    EXPECT_EQ(0, packet.fd_count);
    free(bytes);
    close(pair[0]);
    close(pair[1]);
}

TEST(the_end_of_the_peer_is_told_after_its_last_packet) {
    int pair[2];
    EXPECT_OK(mesh_packet_pair(pair));
    EXPECT_OK(mesh_packet_send(pair[0], mesh_bytes_text("last"), NULL, 0));
    close(pair[0]);
    mesh_packet packet;
    EXPECT_OK(mesh_packet_receive(pair[1], 0, buffer, &packet));
    EXPECT_EQ(MESH_EGONE, mesh_packet_receive(pair[1], 0, buffer, &packet));
    close(pair[1]);
}

TEST(a_listening_socket_is_for_its_owner_alone) {
    char path[] = "/tmp/warren-packet-XXXXXX";
    close(mkstemp(path));
    unlink(path);
    int fd, client;
    EXPECT_OK(mesh_packet_listen(path, &fd));
    struct stat info;
    EXPECT_OK(stat(path, &info));
    EXPECT_EQ(0600, info.st_mode & 0777);
    EXPECT_OK(mesh_packet_connect(path, &client));
    close(client);
    close(fd);
    EXPECT_EQ(-ECONNREFUSED, mesh_packet_connect(path, &client));
    unlink(path);
    EXPECT_EQ(-ENOENT, mesh_packet_connect(path, &client));
}

TEST(a_path_that_no_socket_address_can_hold_is_refused) {
    char path[200];
    memset(path, 'a', sizeof path);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    int fd;
    EXPECT_EQ(-ENAMETOOLONG, mesh_packet_listen(path, &fd));
    EXPECT_EQ(-ENAMETOOLONG, mesh_packet_connect(path, &fd));
}

TEST(a_process_that_may_open_no_more_gets_the_packet_without_descriptors) {
    int pair[2];
    EXPECT_OK(mesh_packet_pair(pair));
    const int fds[] = {pair[0], pair[1]};
    EXPECT_OK(mesh_packet_send(pair[0], mesh_bytes_text("x"), fds, 2));
    struct rlimit limit, low;
    EXPECT_OK(getrlimit(RLIMIT_NOFILE, &limit));
    low = limit;
    low.rlim_cur = (rlim_t)pair[1] + 2; // room for one of the two
    EXPECT_OK(setrlimit(RLIMIT_NOFILE, &low));
    mesh_packet packet;
    EXPECT_OK(mesh_packet_receive(pair[1], 0, buffer, &packet));
    EXPECT_EQ(1, packet.len);
    EXPECT_EQ(0, packet.fd_count);
    EXPECT_OK(setrlimit(RLIMIT_NOFILE, &limit));
    EXPECT_EQ(-1, fcntl(pair[1] + 1, F_GETFD)); // the one that came is closed
    close(pair[0]);
    close(pair[1]);
}
