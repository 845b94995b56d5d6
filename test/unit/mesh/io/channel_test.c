#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/error.h"
#include "core/limits.h"
#include "io/channel.h"
#include "test.h"

typedef struct side {
    mesh_channel *channel;
    size_t packets, bytes, fds;
    int end_err, ends;
    bool close_at_first;
} side;

static void on_packet(mesh_channel *channel, mesh_bytes bytes, mesh_packet *packet, void *user) {
    side *s = user;
    s->packets++;
    s->bytes += bytes.len;
    s->fds += packet->fd_count;
    if (s->close_at_first) mesh_channel_close(channel);
}

static void on_end(mesh_channel *channel, int err, void *user) {
    side *s = user;
    s->end_err = err;
    s->ends++;
    mesh_channel_close(channel);
}

static void open_pair(uv_loop_t *loop, side *a, side *b) {
    int fds[2];
    EXPECT_OK(uv_loop_init(loop));
    EXPECT_OK(mesh_packet_pair(fds));
    EXPECT_OK(mesh_channel_open(loop, fds[0], on_packet, on_end, a, &a->channel));
    EXPECT_OK(mesh_channel_open(loop, fds[1], on_packet, on_end, b, &b->channel));
}

static void finish(uv_loop_t *loop) {
    uv_run(loop, UV_RUN_DEFAULT);
    EXPECT_OK(uv_loop_close(loop));
}

TEST(what_the_socket_does_not_take_waits_and_arrives_complete_and_in_time_for_the_end) {
    uv_loop_t loop;
    side a = {0}, b = {0};
    open_pair(&loop, &a, &b);
    uint8_t *bytes = calloc(1, MESH_PACKET_LEN_MAX);
    for (int i = 0; i < 100; i++)
        mesh_channel_send(a.channel, (mesh_bytes){bytes, MESH_PACKET_LEN_MAX}, NULL, 0);
    EXPECT_TRUE(mesh_channel_queued(a.channel) > 0);
    while (mesh_channel_queued(a.channel) > 0)
        uv_run(&loop, UV_RUN_ONCE);
    mesh_channel_close(a.channel);
    finish(&loop);
    EXPECT_EQ(100, b.packets);
    EXPECT_EQ(100 * (size_t)MESH_PACKET_LEN_MAX, b.bytes);
    EXPECT_EQ(1, b.ends);
    EXPECT_EQ(MESH_EGONE, b.end_err);
    free(bytes);
}

TEST(a_descriptor_that_had_to_wait_still_arrives) {
    uv_loop_t loop;
    side a = {0}, b = {0};
    open_pair(&loop, &a, &b);
    uint8_t *bytes = calloc(1, MESH_PACKET_LEN_MAX);
    for (int i = 0; i < 20; i++) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        mesh_channel_send(a.channel, (mesh_bytes){bytes, MESH_PACKET_LEN_MAX}, &fd, 1);
        close(fd);
    }
    while (mesh_channel_queued(a.channel) > 0)
        uv_run(&loop, UV_RUN_ONCE);
    mesh_channel_close(a.channel);
    finish(&loop);
    EXPECT_EQ(20, b.fds);
    free(bytes);
}

TEST(a_reader_that_lets_too_much_pile_up_is_cut_off) {
    uv_loop_t loop;
    side a = {0}, b = {0};
    open_pair(&loop, &a, &b);
    mesh_channel_pause(b.channel, true);
    uint8_t *bytes = calloc(1, MESH_PACKET_LEN_MAX);
    for (int i = 0; i < MESH_CHANNEL_QUEUE_MAX / MESH_PACKET_LEN_MAX + 20; i++)
        mesh_channel_send(a.channel, (mesh_bytes){bytes, MESH_PACKET_LEN_MAX}, NULL, 0);
    EXPECT_TRUE(mesh_channel_queued(a.channel) <= MESH_CHANNEL_QUEUE_MAX);
    while (a.ends == 0)
        uv_run(&loop, UV_RUN_ONCE);
    EXPECT_EQ(MESH_EQUOTA, a.end_err);
    mesh_channel_pause(b.channel, false);
    finish(&loop);
    free(bytes);
}

TEST(closing_in_the_middle_of_a_batch_delivers_nothing_more) {
    uv_loop_t loop;
    side a = {0}, b = {.close_at_first = true};
    open_pair(&loop, &a, &b);
    for (int i = 0; i < 10; i++)
        mesh_channel_send(a.channel, mesh_bytes_text("x"), NULL, 0);
    finish(&loop);
    EXPECT_EQ(1, b.packets);
    EXPECT_EQ(0, b.ends);
    EXPECT_EQ(1, a.ends);
}

TEST(all_that_a_peer_said_before_it_died_is_heard_also_with_our_bytes_unread) {
    uv_loop_t loop;
    side a = {0};
    int fds[2];
    EXPECT_OK(uv_loop_init(&loop));
    EXPECT_OK(mesh_packet_pair(fds));
    EXPECT_OK(mesh_channel_open(&loop, fds[0], on_packet, on_end, &a, &a.channel));
    mesh_channel_send(a.channel, mesh_bytes_text("never read"), NULL, 0);
    for (int i = 0; i < 100; i++)
        EXPECT_OK(mesh_packet_send(fds[1], mesh_bytes_text("x"), NULL, 0));
    close(fds[1]);
    finish(&loop);
    EXPECT_EQ(100, a.packets);
    EXPECT_EQ(1, a.ends);
    EXPECT_EQ(MESH_EGONE, a.end_err);
}

TEST(without_descriptors_for_what_must_wait_the_channel_ends) {
    uv_loop_t loop;
    side a = {0}, b = {0};
    open_pair(&loop, &a, &b);
    mesh_channel_pause(b.channel, true);
    uint8_t *bytes = calloc(1, MESH_PACKET_LEN_MAX);
    while (mesh_channel_queued(a.channel) == 0)
        mesh_channel_send(a.channel, (mesh_bytes){bytes, MESH_PACKET_LEN_MAX}, NULL, 0);
    struct rlimit limit, none;
    EXPECT_OK(getrlimit(RLIMIT_NOFILE, &limit));
    none = limit;
    none.rlim_cur = 3;
    EXPECT_OK(setrlimit(RLIMIT_NOFILE, &none));
    int fd = STDERR_FILENO;
    mesh_channel_send(a.channel, mesh_bytes_text("x"), &fd, 1);
    EXPECT_OK(setrlimit(RLIMIT_NOFILE, &limit));
    while (a.ends == 0)
        uv_run(&loop, UV_RUN_ONCE);
    EXPECT_EQ(UV_EMFILE, a.end_err);
    mesh_channel_pause(b.channel, false);
    finish(&loop);
    EXPECT_EQ(0, b.fds);
    free(bytes);
}

TEST(small_packets_count_with_what_is_kept_about_them) {
    uv_loop_t loop;
    side a = {0}, b = {0};
    open_pair(&loop, &a, &b);
    mesh_channel_pause(b.channel, true);
    uint8_t *bytes = calloc(1, MESH_PACKET_LEN_MAX);
    while (mesh_channel_queued(a.channel) == 0)
        mesh_channel_send(a.channel, (mesh_bytes){bytes, MESH_PACKET_LEN_MAX}, NULL, 0);
    size_t before = mesh_channel_queued(a.channel);
    for (int i = 0; i < 1000; i++)
        mesh_channel_send(a.channel, (mesh_bytes){bytes, 1}, NULL, 0);
    EXPECT_TRUE(mesh_channel_queued(a.channel) - before > 32 * (size_t)1000);
    mesh_channel_pause(b.channel, false);
    while (mesh_channel_queued(a.channel) > 0)
        uv_run(&loop, UV_RUN_ONCE);
    mesh_channel_close(a.channel);
    finish(&loop);
    free(bytes);
}
