// Agents of several hosts in one program: their ports, their links, and strangers who come as one
// of them.
#include "io/agent_peers.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "core/error.h"
#include "core/limits.h"
#include "core/link.h"
#include "core/mem.h"
#include "io/gate.h"
#include "io/tcp.h"
#include "pki.h"
#include "test.h"

enum { GUARD_MS = 30000, SEEN_MAX = 512 };

typedef struct host {
    pki_host pki;
    mesh_agent_peers *peers;
    mesh_gate *gate;
    mesh_addr port;
    char seen[SEEN_MAX]; // what its events said
    uint32_t ups, downs, messages, failures, last_len;
    int error; // of the last dial that failed
    uint8_t last[MESH_AGENT_MESSAGE_MAX];
} host;

static uv_loop_t loop;
static uv_timer_t guard;

static void on_guard(uv_timer_t *timer) {
    (void)timer;
    fail_msg("what was waited for has not come");
}

static void note(host *h, const char *what, const mesh_identity *peer) {
    size_t len = strlen(h->seen);
    (void)snprintf(h->seen + len, SEEN_MAX - len, "%s %u; ", what, (unsigned)peer->boot_id);
}

static void on_up(const mesh_identity *peer, void *user) {
    host *h = user;
    h->ups++;
    note(h, "up", peer);
}

static void on_message(const mesh_identity *peer, mesh_bytes message, void *user) {
    host *h = user;
    (void)peer;
    h->messages++;
    h->last_len = (uint32_t)message.len;
    memcpy(h->last, message.data, message.len);
}

static void on_down(const mesh_identity *peer, const char *why, void *user) {
    host *h = user;
    EXPECT_TRUE(strlen(why) > 0);
    h->downs++;
    note(h, "down", peer);
}

static void on_dial_failed(const mesh_addr *to, int err, void *user) {
    host *h = user;
    EXPECT_EQ(4, to->family);
    h->failures++;
    h->error = err;
}

static const uint8_t *on_preamble(const mesh_preamble *preamble, void *user) {
    host *h = user;
    return preamble->kind == MESH_KIND_AGENT ? h->pki.self.knock_key : NULL;
}

static void on_guest(int fd, const mesh_preamble *preamble, void *user) {
    host *h = user;
    (void)preamble;
    mesh_agent_peers_accept(h->peers, fd);
}

static void open_host(host *h) {
    static const mesh_gate_events gate_events = {on_preamble, on_guest};
    static const mesh_agent_peers_events events = {on_up, on_message, on_down, on_dial_failed};
    EXPECT_OK(mesh_addr_parse("127.0.0.1:1", &h->port));
    h->port.port = 0; // any
    int fd;
    EXPECT_OK(mesh_tcp_listen(&h->port, &fd));
    h->port.port = mesh_tcp_port(fd);
    EXPECT_OK(mesh_gate_open(&loop, fd, &gate_events, h, &h->gate));
    h->peers = mesh_agent_peers_open(&loop, &h->pki.self, h->pki.signer.cert.host_id, &events, h);
}

static host *make_host(uint8_t key) {
    host *h = mem_alloc(sizeof *h);
    pki_host_init(&h->pki, key, (uint64_t)time(NULL), "*");
    open_host(h);
    return h;
}

static void close_host(host *h) {
    mesh_gate_close(h->gate);
    mesh_agent_peers_close(h->peers);
    free(h);
}

static void set_up(void) {
    uv_loop_init(&loop);
    uv_timer_init(&loop, &guard);
    uv_timer_start(&guard, on_guard, GUARD_MS, 0);
}

static void tear_down(void) {
    uv_close((uv_handle_t *)&guard, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    EXPECT_OK(uv_loop_close(&loop));
}

static void run_until(const uint32_t *count, uint32_t wanted) {
    while (*count < wanted)
        uv_run(&loop, UV_RUN_ONCE);
}

static const uint8_t *id_of(const host *h) {
    return h->pki.signer.cert.host_id;
}

static void dial(host *from, const host *to, bool is_known) {
    (void)mesh_agent_peers_dial(from->peers, &to->port, is_known ? id_of(to) : NULL);
}

static void link_up(host *a, host *b) {
    dial(a, b, true);
    run_until(&a->ups, 1);
    run_until(&b->ups, 1);
}

static int say(host *from, const host *to, const char *text) {
    return mesh_agent_peers_send(from->peers, id_of(to), mesh_bytes_text(text));
}

TEST(two_agents_link_and_talk_both_ways) {
    set_up();
    host *a = make_host(10), *b = make_host(11);
    link_up(a, b);
    EXPECT_TEXT("up 11; ", a->seen);
    EXPECT_TEXT("up 10; ", b->seen);
    EXPECT_OK(say(a, b, "hello"));
    run_until(&b->messages, 1);
    EXPECT_BYTES("hello", ((mesh_bytes){b->last, b->last_len}));
    EXPECT_OK(say(b, a, "and back"));
    run_until(&a->messages, 1);
    EXPECT_BYTES("and back", ((mesh_bytes){a->last, a->last_len}));
    EXPECT_TRUE(mesh_agent_peers_find(a->peers, id_of(b)) != NULL);
    close_host(a);
    run_until(&b->downs, 1);
    EXPECT_EQ(MESH_ENOTFOUND, say(b, b, "nobody"));
    close_host(b);
    tear_down();
}

TEST(the_largest_message_goes_through_and_a_larger_one_is_refused) {
    set_up();
    host *a = make_host(10), *b = make_host(11);
    link_up(a, b);
    uint8_t *large = mem_alloc(MESH_AGENT_MESSAGE_MAX + 1);
    for (size_t i = 0; i < MESH_AGENT_MESSAGE_MAX; i++)
        large[i] = (uint8_t)(i * 7);
    EXPECT_EQ(MESH_ETOOBIG, mesh_agent_peers_send(a->peers, id_of(b),
                                                  (mesh_bytes){large, MESH_AGENT_MESSAGE_MAX + 1}));
    for (int i = 0; i < 100; i++) // many times the credit and the socket's buffer
        EXPECT_OK(
            mesh_agent_peers_send(a->peers, id_of(b), (mesh_bytes){large, MESH_AGENT_MESSAGE_MAX}));
    run_until(&b->messages, 100);
    EXPECT_EQ(MESH_AGENT_MESSAGE_MAX, b->last_len);
    assert_memory_equal(large, b->last, MESH_AGENT_MESSAGE_MAX);
    free(large);
    close_host(a);
    close_host(b);
    tear_down();
}

TEST(a_host_that_is_linked_is_not_dialled_again) {
    set_up();
    host *a = make_host(10), *b = make_host(11);
    EXPECT_TRUE(mesh_agent_peers_dial(a->peers, &b->port, id_of(b)));
    EXPECT_TRUE(mesh_agent_peers_dial(a->peers, &b->port, id_of(b))); // ends with the first
    run_until(&a->ups, 1);
    EXPECT_FALSE(mesh_agent_peers_dial(a->peers, &b->port, id_of(b)));
    EXPECT_EQ(0, a->failures);
    close_host(a);
    close_host(b);
    tear_down();
}

TEST(a_seed_is_an_address_without_a_name) {
    set_up();
    host *a = make_host(10), *b = make_host(11);
    dial(a, b, false);
    run_until(&a->ups, 1);
    EXPECT_TEXT("up 11; ", a->seen);
    close_host(a);
    close_host(b);
    tear_down();
}

TEST(a_seed_that_is_this_host_itself_is_no_peer) {
    set_up();
    host *a = make_host(10);
    dial(a, a, false);
    run_until(&a->failures, 1);
    EXPECT_EQ(MESH_EEXIST, a->error);
    EXPECT_EQ(0, a->ups);
    close_host(a);
    tear_down();
}

static size_t open_files(void) {
    size_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

TEST(links_that_nobody_needs_take_no_more_sockets_than_handshakes_may) {
    enum { DIALS = 2 * MESH_GREETINGS_MAX };
    set_up();
    host *a = make_host(10);
    size_t before = open_files();
    for (uint32_t i = 1; i <= DIALS; i++) {
        dial(a, a, false);
        run_until(&a->failures, i);
    }
    // Each dialler keeps its end until the other one has seen it; here both are in one process.
    EXPECT_TRUE(open_files() <= before + DIALS + MESH_GREETINGS_MAX + 1);
    close_host(a);
    tear_down();
}

TEST(another_host_than_the_dialled_one_is_no_peer) {
    set_up();
    host *a = make_host(10), *b = make_host(11), *c = make_host(12);
    (void)mesh_agent_peers_dial(a->peers, &b->port, id_of(c));
    run_until(&a->failures, 1);
    EXPECT_EQ(MESH_EWRONGPEER, a->error);
    EXPECT_EQ(0, a->ups + b->ups + c->ups);
    close_host(a);
    close_host(b);
    close_host(c);
    tear_down();
}

TEST(a_seed_where_another_host_is_looked_for_is_a_peer_and_the_other_one_is_not) {
    set_up();
    host *a = make_host(10), *b = make_host(11), *c = make_host(12);
    EXPECT_TRUE(mesh_agent_peers_dial(a->peers, &b->port, NULL));
    EXPECT_TRUE(mesh_agent_peers_dial(a->peers, &b->port, id_of(b)));
    EXPECT_TRUE(mesh_agent_peers_dial(a->peers, &b->port, id_of(c)));
    run_until(&a->ups, 1);
    run_until(&a->failures, 1);
    EXPECT_EQ(MESH_EWRONGPEER, a->error);
    EXPECT_TEXT("up 11; ", a->seen);
    EXPECT_TRUE(mesh_agent_peers_dial(a->peers, &c->port, NULL));
    EXPECT_TRUE(mesh_agent_peers_dial(a->peers, &c->port, id_of(a))); // joins the seed's
    run_until(&a->ups, 2);
    run_until(&a->failures, 2);
    EXPECT_EQ(MESH_EWRONGPEER, a->error);
    close_host(a);
    close_host(b);
    close_host(c);
    tear_down();
}

TEST(two_agents_that_dial_each_other_at_once_keep_one_link) {
    for (int round = 0; round < 20; round++) {
        set_up();
        host *a = make_host(10), *b = make_host(11);
        dial(round % 2 == 0 ? a : b, round % 2 == 0 ? b : a, true);
        for (int turn = 0; turn < round / 2; turn++)
            uv_run(&loop, UV_RUN_ONCE);
        dial(round % 2 == 0 ? b : a, round % 2 == 0 ? a : b, true);
        while (a->messages == 0 || b->messages == 0) {
            (void)say(a, b, "x");
            (void)say(b, a, "y");
            uv_run(&loop, UV_RUN_ONCE);
        }
        EXPECT_EQ(1, a->ups - a->downs);
        EXPECT_EQ(1, b->ups - b->downs);
        EXPECT_TRUE(a->downs <= 1 && b->downs <= 1);
        close_host(a);
        close_host(b);
        tear_down();
    }
}

TEST(nobody_listens) {
    set_up();
    host *a = make_host(10), *b = make_host(11);
    mesh_gate_close(b->gate);
    b->gate = NULL;
    dial(a, b, true);
    run_until(&a->failures, 1);
    EXPECT_EQ(UV_ECONNREFUSED, a->error);
    close_host(a);
    close_host(b);
    tear_down();
}

TEST(an_agent_that_was_started_again_takes_the_place_of_its_old_life) {
    set_up();
    host *a = make_host(10), *b = make_host(11);
    link_up(b, a);
    host *again = make_host(11); // the old one is still there, as after a cut in the network
    again->pki.self.boot_id = 5000;
    dial(again, a, true);
    run_until(&again->ups, 1);
    EXPECT_TEXT("up 11; down 11; up 5000; ", a->seen);
    run_until(&b->downs, 1);
    close_host(a);
    close_host(b);
    close_host(again);
    tear_down();
}

TEST(goodbye_comes_after_all_that_was_sent) {
    set_up();
    host *a = make_host(10), *b = make_host(11);
    link_up(a, b);
    for (int i = 0; i < 50; i++)
        EXPECT_OK(say(a, b, "one of fifty"));
    mesh_agent_peers_hang_up(a->peers, id_of(b));
    EXPECT_EQ(MESH_ENOTFOUND, say(a, b, "after goodbye"));
    run_until(&a->downs, 1);
    run_until(&b->downs, 1);
    EXPECT_EQ(50, b->messages);
    close_host(a);
    close_host(b);
    tear_down();
}

// ---- strangers

static void expect_failure(host *a, host *b, int want) {
    dial(a, b, true);
    run_until(&a->failures, 1);
    EXPECT_EQ(want, a->error);
    EXPECT_EQ(0, a->ups + b->ups);
    close_host(a);
    close_host(b);
    tear_down();
}

TEST(without_the_knock_key_there_is_no_answer) {
    set_up();
    host *a = make_host(10), *b = make_host(11);
    a->pki.self.knock_key[3] ^= 1;
    dial(a, b, true);
    run_until(&a->failures, 1);
    EXPECT_TRUE(a->error == MESH_ECLOSED || a->error == UV_ECONNRESET);
    EXPECT_EQ(1, mesh_gate_stats_get(b->gate).strangers);
    close_host(a);
    close_host(b);
    tear_down();
}

TEST(without_the_clusters_link_key_there_is_no_link) {
    set_up();
    host *a = make_host(10), *b = make_host(11);
    a->pki.self.link_psk[3] ^= 1;
    dial(a, b, true);
    run_until(&a->failures, 1); // closed by the listener, who could not read the last message
    EXPECT_EQ(0, a->ups + b->ups);
    close_host(a);
    close_host(b);
    tear_down();
}

TEST(a_certificate_that_another_issuer_signed_makes_no_link) {
    set_up();
    host *a = make_host(10), *b = make_host(11);
    b->pki.chain[1] = pki_issue(&b->pki.signer.cert, 77, b->pki.certs[1]);
    expect_failure(a, b, MESH_ECERT);
}

TEST(somebody_elses_certificate_makes_no_link) {
    set_up();
    host *a = make_host(10), *b = make_host(11);
    b->pki.self.link_secret[0] = 160; // the chain is b's, the key is not
    expect_failure(a, b, MESH_ECERT);
}

TEST(an_expired_certificate_makes_no_link) {
    set_up();
    host *a = make_host(10), *b = make_host(11);
    pki_host_init(&b->pki, 11, (uint64_t)time(NULL) - UINT64_C(3) * PKI_DAY_S, "*");
    expect_failure(a, b, MESH_ECERTTIME);
}

// ---- a peer that goes silent

typedef struct wire { // carries bytes between a dialler and a host, until it is frozen
    uv_poll_t port, sides[2];
    mesh_addr address, to;
    int port_fd, fds[2];
    uint32_t carries;
    mesh_dial *dial;
} wire;

static void on_side(uv_poll_t *poll, int status, int events) {
    wire *w = poll->data;
    int way = poll == &w->sides[1];
    uint8_t bytes[4096];
    (void)events;
    ssize_t len = status < 0 ? 0 : recv(w->fds[way], bytes, sizeof bytes, MSG_DONTWAIT);
    if (len <= 0)
        (void)uv_poll_stop(poll);
    else
        (void)send(w->fds[!way], bytes, (size_t)len, MSG_NOSIGNAL);
}

static void freeze(wire *w) {
    for (int i = 0; i < 2; i++)
        (void)uv_poll_stop(&w->sides[i]);
}

static void on_far(int err, int fd, void *user) {
    wire *w = user;
    EXPECT_OK(err);
    w->fds[1] = fd;
    w->carries = 1;
    for (int i = 0; i < 2; i++) {
        EXPECT_OK(uv_poll_init(&loop, &w->sides[i], w->fds[i]));
        w->sides[i].data = w;
        EXPECT_OK(uv_poll_start(&w->sides[i], UV_READABLE, on_side));
    }
}

static void on_port(uv_poll_t *poll, int status, int events) {
    wire *w = poll->data;
    (void)status;
    (void)events;
    w->fds[0] = accept(w->port_fd, NULL, NULL);
    (void)uv_poll_stop(poll);
    EXPECT_OK(mesh_dial_open(&loop, &w->to, MESH_DIAL_TIMEOUT_MS, on_far, w, &w->dial));
}

static void open_wire(wire *w, const host *to) {
    *w = (wire){.address = {.family = 4, .ip = {127, 0, 0, 1}}, .to = to->port};
    EXPECT_OK(mesh_tcp_listen(&w->address, &w->port_fd));
    w->address.port = mesh_tcp_port(w->port_fd);
    EXPECT_OK(uv_poll_init(&loop, &w->port, w->port_fd));
    w->port.data = w;
    EXPECT_OK(uv_poll_start(&w->port, UV_READABLE, on_port));
}

static void close_wire(wire *w) {
    uv_close((uv_handle_t *)&w->port, NULL);
    close(w->port_fd);
    for (int i = 0; i < 2; i++) {
        uv_close((uv_handle_t *)&w->sides[i], NULL);
        close(w->fds[i]);
    }
    uv_run(&loop, UV_RUN_NOWAIT); // the handles are on our stack
}

TEST(a_peer_that_goes_silent_is_down_after_15_s_and_one_at_rest_is_not) {
    set_up();
    host *a = make_host(10), *b = make_host(11), *c = make_host(12);
    wire w;
    open_wire(&w, b);
    link_up(a, c);
    (void)mesh_agent_peers_dial(a->peers, &w.address, id_of(b));
    run_until(&b->ups, 1);
    run_until(&a->ups, 2);
    freeze(&w);
    uint64_t before_ms = uv_now(&loop);
    run_until(&a->downs, 1);
    run_until(&b->downs, 1);
    EXPECT_TRUE(uv_now(&loop) - before_ms >= MESH_DEAD_AFTER_MS - 1000);
    EXPECT_TEXT("up 12; up 11; down 11; ", a->seen);
    EXPECT_TEXT("up 10; ", c->seen);
    EXPECT_OK(say(a, c, "still here"));
    run_until(&c->messages, 1);
    close_wire(&w);
    close_host(a);
    close_host(b);
    close_host(c);
    tear_down();
}

// As the kernel does for an agent that was killed with bytes unread: a reset, behind data that has
// arrived.
TEST(a_reset_right_behind_a_message_ends_the_link) {
    set_up();
    host *a = make_host(10), *b = make_host(11);
    wire w;
    open_wire(&w, b);
    (void)mesh_agent_peers_dial(a->peers, &w.address, id_of(b));
    run_until(&a->ups, 1);
    run_until(&b->ups, 1);
    freeze(&w);
    mesh_tcp_tune(w.fds[0]); // nothing waits here
    EXPECT_OK(say(b, a, "last words"));
    uint8_t bytes[4096];
    ssize_t len = recv(w.fds[1], bytes, sizeof bytes, 0);
    EXPECT_TRUE(len > 0);
    EXPECT_EQ(len, send(w.fds[0], bytes, (size_t)len, MSG_NOSIGNAL));
    const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    EXPECT_OK(connect(w.fds[0], &nowhere, sizeof nowhere)); // resets the connection
    uint64_t before_ms = uv_now(&loop);
    run_until(&a->downs, 1);
    EXPECT_EQ(1, a->messages);
    EXPECT_TRUE(uv_now(&loop) - before_ms < MESH_PING_AFTER_MS);
    close_wire(&w);
    close_host(a);
    close_host(b);
    tear_down();
}

TEST(a_peer_that_does_not_read_is_cut_off) {
    set_up();
    host *a = make_host(10), *b = make_host(11);
    wire w;
    open_wire(&w, b);
    (void)mesh_agent_peers_dial(a->peers, &w.address, id_of(b));
    run_until(&a->ups, 1);
    freeze(&w);
    uint8_t *large = mem_alloc(MESH_AGENT_MESSAGE_MAX);
    int err = 0;
    uint32_t count = 0;
    for (; err == 0; count++)
        err =
            mesh_agent_peers_send(a->peers, id_of(b), (mesh_bytes){large, MESH_AGENT_MESSAGE_MAX});
    EXPECT_EQ(MESH_EQUOTA, err);
    EXPECT_TRUE(count > 200 && count < 600);
    EXPECT_EQ(0, a->downs); // told from the loop
    run_until(&a->downs, 1);
    free(large);
    close_wire(&w);
    close_host(a);
    close_host(b);
    tear_down();
}

// Who breaks the rules could otherwise go on with it for as long as it reads nothing.
TEST(a_peer_that_was_hung_up_is_neither_heard_nor_waited_for) {
    set_up();
    host *a = make_host(10), *b = make_host(11);
    wire w;
    open_wire(&w, b);
    (void)mesh_agent_peers_dial(a->peers, &w.address, id_of(b));
    run_until(&a->ups, 1);
    run_until(&b->ups, 1);
    (void)uv_poll_stop(&w.sides[0]); // b hears nothing more of a
    uint8_t *large = mem_alloc(MESH_AGENT_MESSAGE_MAX);
    for (int i = 0; i < 150; i++)
        EXPECT_OK(
            mesh_agent_peers_send(a->peers, id_of(b), (mesh_bytes){large, MESH_AGENT_MESSAGE_MAX}));
    mesh_agent_peers_hang_up(a->peers, id_of(b));
    EXPECT_EQ(0, mesh_agent_peers_queued(a->peers, id_of(b)));
    EXPECT_OK(say(b, a, "and another thing"));
    run_until(&a->downs, 1);
    EXPECT_EQ(0, a->messages);
    EXPECT_EQ(0, b->downs); // it was not for b that it ended
    free(large);
    close_wire(&w);
    close_host(a);
    close_host(b);
    tear_down();
}
