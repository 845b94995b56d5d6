// The public port, and strangers at it.
#include "io/gate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/limits.h"
#include "io/tcp.h"
#include "pki.h"
#include "test.h"

enum { GUARD_MS = 10000, GUESTS_MAX = 256 };

static uv_loop_t loop;
static uv_timer_t guard;
static mesh_gate *gate;
static struct sockaddr_in port;
static pki_host host;
static uint32_t came;
static int came_fd;
static mesh_preamble came_with;

static const uint8_t *on_preamble(const mesh_preamble *preamble, void *user) {
    (void)user;
    return preamble->kind == MESH_KIND_ADMIN ? NULL : host.self.knock_key;
}

static void on_guest(int fd, const mesh_preamble *preamble, void *user) {
    (void)user;
    came++;
    came_fd = fd;
    came_with = *preamble;
}

static void on_guard(uv_timer_t *timer) {
    (void)timer;
    fail_msg("what was waited for has not come");
}

static void set_up(void) {
    static const mesh_gate_events events = {on_preamble, on_guest};
    came = 0;
    uv_loop_init(&loop);
    uv_timer_init(&loop, &guard);
    uv_timer_start(&guard, on_guard, GUARD_MS, 0);
    pki_host_init(&host, 10, PKI_NOW_S, "*");
    port = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd;
    EXPECT_OK(mesh_tcp_listen(&(mesh_addr){.family = 4, .ip = {127, 0, 0, 1}}, &fd));
    port.sin_port = htons(mesh_tcp_port(fd));
    EXPECT_OK(mesh_gate_open(&loop, fd, &events, NULL, &gate));
}

static void tear_down(void) {
    mesh_gate_close(gate);
    uv_close((uv_handle_t *)&guard, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    EXPECT_OK(uv_loop_close(&loop));
}

// From 127.0.0.`last`: the whole network is this host.
static int connect_from(uint8_t last) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr = {htonl(INADDR_LOOPBACK - 1 + last)}};
    EXPECT_OK(bind(fd, (struct sockaddr *)&from, sizeof from));
    EXPECT_OK(connect(fd, (struct sockaddr *)&port, sizeof port));
    return fd;
}

static void write_flight(uint8_t out[MESH_KNOCK_LEN], mesh_link_kind kind, uint64_t salt) {
    mesh_handshake *handshake =
        mesh_handshake_create(&(mesh_handshake_options){.self = &host.self,
                                                        .is_dialler = true,
                                                        .ephemeral_secret = {21},
                                                        .kind = kind,
                                                        .salt = salt,
                                                        .peer_node_id = 7});
    mesh_bytes bytes = mesh_handshake_output(handshake);
    EXPECT_EQ(MESH_KNOCK_LEN, bytes.len);
    memcpy(out, bytes.data, bytes.len);
    mesh_handshake_destroy(handshake);
}

static void turn_until_came(uint32_t count) {
    while (came < count)
        uv_run(&loop, UV_RUN_ONCE);
}

static void turn_until_strangers(uint64_t count) {
    while (mesh_gate_stats_get(gate).strangers < count)
        uv_run(&loop, UV_RUN_ONCE);
}

static void turn_until_silent(uint32_t count) {
    while (mesh_gate_stats_get(gate).silent < count)
        uv_run(&loop, UV_RUN_ONCE);
}

static void expect_cut_off(int fd) {
    uint8_t byte;
    ssize_t len = recv(fd, &byte, 1, 0);
    EXPECT_TRUE(len == 0 || (len < 0 && errno == ECONNRESET)); // and not a byte was said
    close(fd);
}

static bool is_open(int fd) {
    uint8_t byte;
    return recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

TEST(who_knocks_right_is_let_in_with_all_bytes_unread) {
    set_up();
    uint8_t flight[MESH_KNOCK_LEN], seen[MESH_KNOCK_LEN];
    write_flight(flight, MESH_KIND_NODE, 1);
    int fd = connect_from(1);
    EXPECT_EQ(40, send(fd, flight, 40, 0)); // in two pieces
    turn_until_silent(1);
    EXPECT_EQ(0, came);
    EXPECT_EQ(50, send(fd, flight + 40, 50, 0));
    turn_until_came(1);
    EXPECT_EQ(MESH_KIND_NODE, came_with.kind);
    EXPECT_EQ(7, came_with.target);
    EXPECT_EQ(MESH_KNOCK_LEN, recv(came_fd, seen, sizeof seen, 0));
    assert_memory_equal(flight, seen, sizeof seen);
    EXPECT_EQ(1, send(came_fd, "x", 1, 0)); // blocking or not, it is a socket like any other
    EXPECT_EQ(1, recv(fd, seen, 1, 0));
    close(came_fd);
    close(fd);
    tear_down();
}

TEST(garbage_is_cut_off_without_a_word) {
    set_up();
    for (uint32_t i = 0; i < 20; i++) {
        uint8_t garbage[300];
        for (size_t at = 0; at < sizeof garbage; at++)
            garbage[at] = (uint8_t)rand();
        int fd = connect_from(1);
        EXPECT_EQ(sizeof garbage, send(fd, garbage, sizeof garbage, 0));
        turn_until_strangers(i + 1);
        expect_cut_off(fd);
    }
    EXPECT_EQ(0, came);
    tear_down();
}

TEST(each_flipped_bit_of_a_first_flight_is_cut_off) {
    set_up();
    uint8_t flight[MESH_KNOCK_LEN];
    write_flight(flight, MESH_KIND_AGENT, 1);
    for (uint32_t at = 0; at < MESH_KNOCK_LEN; at++) {
        int fd = connect_from(1);
        flight[at] ^= (uint8_t)(1 << at % 8);
        EXPECT_EQ(sizeof flight, send(fd, flight, sizeof flight, 0));
        flight[at] ^= (uint8_t)(1 << at % 8);
        turn_until_strangers(at + 1);
        expect_cut_off(fd);
    }
    EXPECT_EQ(0, came);
    tear_down();
}

TEST(a_recorded_first_flight_is_cut_off) {
    set_up();
    uint8_t flight[MESH_KNOCK_LEN];
    write_flight(flight, MESH_KIND_AGENT, 1);
    int first = connect_from(1), again = connect_from(2);
    EXPECT_EQ(sizeof flight, send(first, flight, sizeof flight, 0));
    turn_until_came(1);
    close(came_fd);
    EXPECT_EQ(sizeof flight, send(again, flight, sizeof flight, 0));
    turn_until_strangers(1);
    expect_cut_off(again);
    EXPECT_EQ(1, came);
    close(first);
    tear_down();
}

TEST(a_kind_that_nobody_may_come_as_is_cut_off) {
    set_up();
    uint8_t flight[MESH_KNOCK_LEN];
    write_flight(flight, MESH_KIND_ADMIN, 1);
    int fd = connect_from(1);
    EXPECT_EQ(sizeof flight, send(fd, flight, sizeof flight, 0));
    turn_until_strangers(1);
    expect_cut_off(fd);
    tear_down();
}

TEST(who_hangs_up_early_is_forgotten) {
    set_up();
    int fd = connect_from(1);
    EXPECT_EQ(10, send(fd, "wrn!......", 10, 0));
    turn_until_silent(1);
    close(fd);
    turn_until_strangers(1);
    EXPECT_EQ(0, mesh_gate_stats_get(gate).silent);
    tear_down();
}

TEST(who_is_silent_for_3_s_is_cut_off) {
    set_up();
    int fd = connect_from(1);
    uint64_t before_ms = uv_now(&loop);
    turn_until_strangers(1);
    expect_cut_off(fd);
    EXPECT_TRUE(uv_now(&loop) - before_ms < UINT64_C(2) * MESH_KNOCK_TIMEOUT_MS);
    tear_down();
}

TEST(many_silent_connections_of_one_address_keep_nobody_out) {
    set_up();
    int silent[MESH_SILENT_PER_ADDRESS_MAX + 3];
    for (uint32_t i = 0; i < MESH_SILENT_PER_ADDRESS_MAX + 3; i++)
        silent[i] = connect_from(1);
    turn_until_strangers(3);
    EXPECT_EQ(MESH_SILENT_PER_ADDRESS_MAX, mesh_gate_stats_get(gate).silent);
    for (int i = 0; i < 3; i++) // the oldest
        expect_cut_off(silent[i]);
    for (int i = 3; i < MESH_SILENT_PER_ADDRESS_MAX + 3; i++) {
        EXPECT_TRUE(is_open(silent[i]));
        close(silent[i]);
    }
    tear_down();
}

// Of an address with fewer connections than others.
TEST(a_flood_from_many_addresses_makes_room_from_those_that_have_most) {
    set_up();
    int silent[GUESTS_MAX];
    uint32_t count = 0;
    int honest = connect_from(200);
    turn_until_silent(1);
    for (uint8_t address = 1; address <= 16; address++)
        for (int i = 0; i < MESH_SILENT_PER_ADDRESS_MAX; i++) {
            silent[count++] = connect_from(address);
            uv_run(&loop, UV_RUN_NOWAIT);
        }
    turn_until_strangers(count + 1 - MESH_SILENT_MAX);
    EXPECT_EQ(MESH_SILENT_MAX, mesh_gate_stats_get(gate).silent);
    uint8_t flight[MESH_KNOCK_LEN];
    write_flight(flight, MESH_KIND_AGENT, 1);
    EXPECT_EQ(sizeof flight, send(honest, flight, sizeof flight, 0));
    turn_until_came(1);
    close(came_fd);
    close(honest);
    while (count > 0)
        close(silent[--count]);
    tear_down();
}

TEST(without_descriptors_who_comes_waits_and_the_loop_rests) {
    set_up();
    uint8_t flight[MESH_KNOCK_LEN];
    write_flight(flight, MESH_KIND_AGENT, 1);
    int fd = connect_from(1);
    EXPECT_EQ(sizeof flight, send(fd, flight, sizeof flight, 0));
    struct rlimit before, none;
    EXPECT_OK(getrlimit(RLIMIT_NOFILE, &before));
    none = (struct rlimit){.rlim_cur = (rlim_t)fd + 1, .rlim_max = before.rlim_max};
    EXPECT_OK(setrlimit(RLIMIT_NOFILE, &none));
    uint64_t before_ms = uv_now(&loop);
    uint32_t turns = 0;
    for (; uv_now(&loop) - before_ms < 1000; turns++)
        uv_run(&loop, UV_RUN_ONCE);
    EXPECT_TRUE(turns < 50);
    EXPECT_OK(setrlimit(RLIMIT_NOFILE, &before));
    turn_until_came(1);
    close(came_fd);
    close(fd);
    tear_down();
}
