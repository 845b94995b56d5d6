// The driver of one member between a hand-made agent (the other end of its control socket) and a
// hand-made peer (the other end of a link). Every test ends with as many descriptors as it began.
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/control.h"
#include "core/error.h"
#include "core/frame.h"
#include "core/mem.h"
#include "core/message.h"
#include "io/member.h"
#include "io/packet.h"
#include "node.pb-c.h"
#include "test.h"

enum { SELF_ID = 11, PEER_ID = 22, SERVICE_ID = 3, SUBSCRIPTION_ID = 4, GUARD_MS = 10000 };

typedef struct fixture {
    uv_loop_t loop;
    uv_timer_t guard;
    mesh_member *w;
    int agent, peer; // our ends
    int fd_count;
    bool is_over; // destroyed in a callback
    uint32_t told[MESH_MEMBER_CLOSED + 1];
    uint32_t peer_handle, batches, replies, errors, error_code, messages;
    char payloads[8]; // of the messages, one byte of each
    bool is_maybe;
    int listening;
    int destroy_at; // a mesh_member_agent_event, AT_OUTPUT or AT_BATCH
} fixture;

enum { NOWHERE = -1, AT_OUTPUT = 100, AT_BATCH = 101 };

static int count_fds(void) {
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

static void destroy_here(fixture *f, int here) {
    if (f->destroy_at != here) return;
    f->is_over = true;
    mesh_member_destroy(f->w);
}

static void on_output(const mesh_output *out, void *user) {
    fixture *f = user;
    EXPECT_FALSE(f->is_over);
    if (out == NULL) {
        f->batches++;
        destroy_here(f, AT_BATCH);
        return;
    }
    if (out->kind == MESH_OUT_PEER && out->is_up) f->peer_handle = out->peer;
    if (out->kind == MESH_OUT_MESSAGE && f->messages < sizeof f->payloads - 1 &&
        out->payload.len > 0)
        f->payloads[f->messages] = (char)out->payload.data[0];
    if (out->kind == MESH_OUT_MESSAGE) f->messages++;
    if (out->kind == MESH_OUT_REPLY) f->replies++;
    if (out->kind == MESH_OUT_ERROR) {
        f->errors++;
        f->error_code = out->code;
        f->is_maybe = out->is_maybe;
    }
    destroy_here(f, AT_OUTPUT);
}

static void on_agent(mesh_member_agent_event event, uint32_t id, int status, const char *text,
                     void *user) {
    fixture *f = user;
    (void)id;
    (void)text;
    EXPECT_FALSE(f->is_over);
    f->told[event]++;
    if (event == MESH_MEMBER_LISTENING) f->listening = status;
    destroy_here(f, (int)event);
}

static void on_guard(uv_timer_t *timer) {
    (void)timer;
    fail_msg("what was waited for has not come");
}

static void run_until(fixture *f, const uint32_t *count) {
    while (*count == 0)
        uv_run(&f->loop, UV_RUN_ONCE);
}

// ---- the agent

static void say_with(fixture *f, const Warren__Node__ToNode *message, const int *fds,
                     size_t fd_count) {
    uint8_t bytes[1024];
    EXPECT_TRUE(warren__node__to_node__get_packed_size(message) <= sizeof bytes);
    size_t len = warren__node__to_node__pack(message, bytes);
    EXPECT_OK(mesh_packet_send(f->agent, (mesh_bytes){bytes, len}, fds, fd_count));
}

#define SAY(F, FDS, FD_COUNT, KIND, MEMBER, BODY)                                                  \
    do {                                                                                           \
        Warren__Node__ToNode message = WARREN__NODE__TO_NODE__INIT;                                \
        message.kind_case = WARREN__NODE__TO_NODE__KIND_##KIND;                                    \
        message.MEMBER = (BODY);                                                                   \
        say_with(F, &message, FDS, FD_COUNT);                                                      \
    } while (0)

static void say_peer(fixture *f) {
    Warren__Node__Peer peer = WARREN__NODE__PEER__INIT, *peers = &peer;
    peer.node_id = PEER_ID;
    peer.name = "theirs.0";
    Warren__Node__Entry entry = WARREN__NODE__ENTRY__INIT;
    entry.entry_id = SERVICE_ID;
    entry.name = "theirs";
    Warren__Node__OwnedEntry owned = WARREN__NODE__OWNED_ENTRY__INIT, *put = &owned;
    owned.node_id = PEER_ID;
    owned.entry = &entry;
    Warren__Node__Registry registry = WARREN__NODE__REGISTRY__INIT;
    registry.n_up = registry.n_put = 1;
    registry.up = &peers;
    registry.put = &put;
    SAY(f, NULL, 0, REGISTRY, registry, &registry);
}

static void say_joined(fixture *f) {
    Warren__Node__Joined joined = WARREN__NODE__JOINED__INIT;
    SAY(f, NULL, 0, JOINED, joined, &joined);
}

static void say_down(fixture *f) {
    Warren__Node__Down down = WARREN__NODE__DOWN__INIT;
    down.node_id = PEER_ID;
    down.reason = "killed";
    SAY(f, NULL, 0, DOWN, down, &down);
}

static void say_link(fixture *f, uint64_t node_id, int fd) {
    Warren__Node__Link link = WARREN__NODE__LINK__INIT;
    link.node_id = node_id;
    SAY(f, &fd, 1, LINK, link, &link);
    close(fd);
}

// A link whose other end is the peer's.
static void hand_out_link(fixture *f) {
    int fds[2];
    EXPECT_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
    say_link(f, PEER_ID, fds[0]);
    f->peer = fds[1];
}

// The node's next message to the agent, freed by the caller.
static Warren__Node__ToAgent *heard(fixture *f) {
    static uint8_t buffer[MESH_PACKET_LEN_MAX];
    mesh_packet packet;
    EXPECT_OK(mesh_packet_receive(f->agent, MSG_DONTWAIT, buffer, &packet));
    Warren__Node__ToAgent *message = warren__node__to_agent__unpack(NULL, packet.len, buffer);
    EXPECT_TRUE(message != NULL);
    return message;
}

// ---- the peer

static void peer_writes(fixture *f, uint8_t type, uint32_t channel, mesh_bytes body) {
    uint8_t bytes[1024];
    size_t frame_len = MESH_FRAME_HEAD_LEN + body.len;
    bytes[0] = (uint8_t)(frame_len >> 8);
    bytes[1] = (uint8_t)frame_len;
    uint8_t *at = mesh_frame_put_head(bytes + MESH_RECORD_HEAD_LEN, body.len, type,
                                      MESH_FRAME_FIRST, channel);
    if (body.len > 0) memcpy(at, body.data, body.len);
    ssize_t len = (ssize_t)(MESH_RECORD_HEAD_LEN + frame_len);
    EXPECT_EQ(len, send(f->peer, bytes, (size_t)len, MSG_NOSIGNAL));
}

static void peer_greets(fixture *f) {
    mesh_ready ready = {.minor_min = 1,
                        .minor_max = 1,
                        .node_id = PEER_ID,
                        .max_frame = MESH_FRAME_LEN_DEFAULT,
                        .max_message = MESH_MESSAGE_LEN_DEFAULT,
                        .request_credit = 1 << 20,
                        .publish_credit = 1 << 20};
    uint8_t body[MESH_CONTROL_WRITE_MAX];
    size_t len = mesh_ready_write(body, &ready);
    peer_writes(f, MESH_FRAME_READY, MESH_CHANNEL_CONTROL, (mesh_bytes){body, len});
}

static void peer_answers(fixture *f, uint64_t call_id) {
    uint8_t body[MESH_MESSAGE_HEAD_MAX];
    size_t len = mesh_reply_write(body, &(mesh_reply){.call_id = call_id});
    peer_writes(f, MESH_FRAME_REPLY, MESH_CHANNEL_REPLY, (mesh_bytes){body, len});
}

static void peer_publishes(fixture *f, const char *payload) {
    uint8_t body[MESH_MESSAGE_HEAD_MAX];
    size_t len = mesh_pub_write(body, 0, (uint32_t[]){SUBSCRIPTION_ID}, 1, mesh_bytes_text("a"));
    body[len++] = (uint8_t)payload[0];
    peer_writes(f, MESH_FRAME_PUB, MESH_CHANNEL_PUBLISH, (mesh_bytes){body, len});
}

// Runs the loop until the node has written a frame of this type to the peer; false: the end came.
static bool peer_sees(fixture *f, uint8_t type, mesh_request *out_request) {
    static uint8_t bytes[64 << 10];
    size_t len = 0;
    for (;;) {
        uv_run(&f->loop, UV_RUN_NOWAIT);
        ssize_t got = recv(f->peer, bytes + len, sizeof bytes - len, MSG_DONTWAIT);
        if (got == 0) return false;
        if (got < 0) continue;
        len += (size_t)got;
        mesh_bytes input = {bytes, len}, record;
        mesh_frame frame;
        while (mesh_record_take(&input, &record) == 0)
            while (record.len > 0 && mesh_frame_take(&record, MESH_FRAME_LEN_MAX, &frame) == 0) {
                if (frame.type != type) continue;
                if (out_request != NULL) EXPECT_OK(mesh_request_parse(frame.body, out_request));
                return true;
            }
    }
}

static bool is_at_end(int fd) {
    uint8_t byte;
    return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

// ---- the node

static void make_call(fixture *f, uint32_t slot) {
    mesh_call call = {.slot = slot,
                      .to_peer = MESH_PEER_ANY,
                      .name = mesh_bytes_text("theirs"),
                      .method = mesh_bytes_text("run")};
    EXPECT_OK(mesh_node_call(mesh_member_node(f->w), uv_now(&f->loop), &call));
    mesh_member_flush(f->w);
}

static fixture *opened(uint64_t self_id) {
    fixture *f = mem_alloc(sizeof *f);
    f->destroy_at = NOWHERE;
    f->peer = -1;
    EXPECT_OK(uv_loop_init(&f->loop));
    EXPECT_OK(uv_timer_init(&f->loop, &f->guard));
    EXPECT_OK(uv_timer_start(&f->guard, on_guard, GUARD_MS, 0));
    f->guard.data = f;
    f->fd_count = count_fds();
    int fds[2];
    EXPECT_OK(mesh_packet_pair(fds));
    f->agent = fds[0];
    Warren__Node__Welcome welcome = WARREN__NODE__WELCOME__INIT;
    welcome.node_id = self_id;
    welcome.name = "app.0";
    SAY(f, NULL, 0, WELCOME, welcome, &welcome);
    mesh_member_options options = {.control_fd = fds[1]};
    EXPECT_OK(mesh_member_open(&f->loop, &options, on_output, on_agent, f, &f->w));
    return f;
}

// Knows the peer and what it serves.
static fixture *met(void) {
    fixture *f = opened(SELF_ID);
    say_peer(f);
    run_until(f, &f->peer_handle);
    return f;
}

// The link is open; a call waits for its answer.
static fixture *linked(mesh_request *out_request) {
    fixture *f = met();
    make_call(f, 1);
    hand_out_link(f);
    peer_greets(f);
    EXPECT_TRUE(peer_sees(f, MESH_FRAME_REQUEST, out_request));
    warren__node__to_agent__free_unpacked(heard(f), NULL);
    return f;
}

// Has a subscription, and an open link to the peer, on which nothing was said yet.
static fixture *subscribed(uint64_t self_id) {
    fixture *f = opened(self_id);
    say_peer(f);
    run_until(f, &f->peer_handle);
    mesh_entry entry = {
        .entry_id = SUBSCRIPTION_ID, .kind = MESH_ENTRY_SUBSCRIPTION, .name = mesh_bytes_text("a")};
    EXPECT_OK(mesh_member_announce(f->w, &entry));
    warren__node__to_agent__free_unpacked(heard(f), NULL);
    hand_out_link(f);
    peer_greets(f);
    EXPECT_TRUE(peer_sees(f, MESH_FRAME_READY, NULL));
    return f;
}

static void finish(fixture *f) {
    if (!f->is_over) mesh_member_destroy(f->w);
    if (f->agent >= 0) close(f->agent);
    if (f->peer >= 0) close(f->peer);
    uv_close((uv_handle_t *)&f->guard, NULL);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    EXPECT_EQ(f->fd_count, count_fds());
    EXPECT_OK(uv_loop_close(&f->loop));
    free(f);
}

// ---- opening

TEST(the_socket_to_the_agent_is_not_used_up_by_bad_tags_or_a_silent_agent) {
    fixture *f = opened(SELF_ID);
    int fds[2];
    EXPECT_OK(mesh_packet_pair(fds));
    mesh_member *again;
    mesh_member_options options = {.control_fd = fds[1], .tags = "side"};
    EXPECT_EQ(UV_EINVAL, mesh_member_open(&f->loop, &options, on_output, on_agent, f, &again));
    options.tags = "side=left";
    EXPECT_EQ(UV_ETIMEDOUT, mesh_member_open(&f->loop, &options, on_output, on_agent, f, &again));
    Warren__Node__Welcome welcome = WARREN__NODE__WELCOME__INIT;
    welcome.node_id = SELF_ID;
    close(f->agent);
    f->agent = fds[0];
    SAY(f, NULL, 0, WELCOME, welcome, &welcome);
    EXPECT_OK(mesh_member_open(&f->loop, &options, on_output, on_agent, f, &again));
    mesh_member_destroy(again);
    finish(f);
}

// ---- links

TEST(a_call_asks_the_agent_for_a_link_and_goes_by_it) {
    fixture *f = met();
    make_call(f, 1);
    Warren__Node__ToAgent *message = heard(f);
    EXPECT_EQ(WARREN__NODE__TO_AGENT__KIND_CONNECT, message->kind_case);
    EXPECT_EQ(PEER_ID, message->connect->node_id);
    EXPECT_EQ(1, message->connect->links);
    warren__node__to_agent__free_unpacked(message, NULL);
    hand_out_link(f);
    peer_greets(f);
    mesh_request request;
    EXPECT_TRUE(peer_sees(f, MESH_FRAME_REQUEST, &request));
    EXPECT_EQ(SERVICE_ID, request.endpoint);
    peer_answers(f, request.call_id);
    run_until(f, &f->replies);
    EXPECT_EQ(0, f->errors);
    finish(f);
}

TEST(calls_fail_undelivered_when_the_agent_has_no_link_to_give) {
    fixture *f = met();
    make_call(f, 1);
    Warren__Node__ConnectFailed failed = WARREN__NODE__CONNECT_FAILED__INIT;
    failed.node_id = PEER_ID;
    SAY(f, NULL, 0, CONNECT_FAILED, connect_failed, &failed);
    run_until(f, &f->errors);
    EXPECT_EQ(MESH_CALL_PEER_LOST, f->error_code);
    EXPECT_FALSE(f->is_maybe);
    finish(f);
}

TEST(calls_fail_undelivered_when_the_link_is_no_socket) {
    fixture *f = met();
    make_call(f, 1);
    say_link(f, PEER_ID, open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    run_until(f, &f->errors);
    EXPECT_EQ(MESH_CALL_PEER_LOST, f->error_code);
    EXPECT_FALSE(f->is_maybe);
    finish(f);
}

TEST(calls_fail_undelivered_when_the_link_came_without_its_socket) {
    fixture *f = met();
    make_call(f, 1);
    Warren__Node__Link link = WARREN__NODE__LINK__INIT;
    link.node_id = PEER_ID;
    SAY(f, NULL, 0, LINK, link, &link);
    run_until(f, &f->errors);
    EXPECT_EQ(MESH_CALL_PEER_LOST, f->error_code);
    finish(f);
}

TEST(calls_fail_undelivered_when_this_process_may_open_no_more) {
    fixture *f = met();
    make_call(f, 1);
    hand_out_link(f);
    struct rlimit limit, none;
    EXPECT_OK(getrlimit(RLIMIT_NOFILE, &limit));
    none = limit;
    none.rlim_cur = 3;
    EXPECT_OK(setrlimit(RLIMIT_NOFILE, &none));
    run_until(f, &f->errors);
    EXPECT_OK(setrlimit(RLIMIT_NOFILE, &limit));
    EXPECT_FALSE(f->is_maybe);
    EXPECT_EQ(0, f->told[MESH_MEMBER_LOST]);
    EXPECT_TRUE(is_at_end(f->peer));
    finish(f);
}

// ---- two sockets for one pair: each end gets them in the same order, or an agent died between the
// two ends.

// Gives the peer's end of the new one; that of the old one stays the fixture's.
static int hand_out_second(fixture *f) {
    int first = f->peer;
    hand_out_link(f);
    int second = f->peer;
    f->peer = first;
    return second;
}

static void hear_all(fixture *f) {
    say_joined(f);
    f->told[MESH_MEMBER_JOINED] = 0;
    run_until(f, &f->told[MESH_MEMBER_JOINED]);
}

TEST(what_was_sent_by_the_first_of_two_sockets_comes_before_the_second_one) {
    for (uint64_t self_id = SELF_ID; self_id <= 33; self_id += 22) {
        fixture *f = subscribed(self_id);
        peer_publishes(f, "1");
        int second = hand_out_second(f);
        peer_publishes(f, "2");
        close(f->peer);
        f->peer = second;
        peer_greets(f);
        peer_publishes(f, "3");
        while (f->messages < 3)
            uv_run(&f->loop, UV_RUN_ONCE);
        EXPECT_TEXT("123", f->payloads);
        finish(f);
    }
}

TEST(a_second_socket_of_which_the_other_end_has_not_heard_changes_nothing) {
    for (uint64_t self_id = SELF_ID; self_id <= 33; self_id += 22) {
        fixture *f = subscribed(self_id);
        close(hand_out_second(f));
        hear_all(f);
        make_call(f, 1);
        EXPECT_TRUE(peer_sees(f, MESH_FRAME_REQUEST, NULL));
        peer_publishes(f, "1");
        run_until(f, &f->messages);
        EXPECT_EQ(0, f->errors);
        finish(f);
    }
}

TEST(of_more_sockets_the_newest_is_next) {
    fixture *f = subscribed(SELF_ID);
    int second = hand_out_second(f), third = hand_out_second(f);
    close(f->peer);
    f->peer = third;
    peer_greets(f);
    peer_publishes(f, "1");
    run_until(f, &f->messages);
    EXPECT_TRUE(is_at_end(second));
    close(second);
    finish(f);
}

TEST(what_waits_goes_by_the_second_socket_when_the_first_has_no_other_end) {
    fixture *f = met();
    make_call(f, 1);
    hand_out_link(f);
    int second = hand_out_second(f);
    close(f->peer);
    f->peer = second;
    EXPECT_TRUE(peer_sees(f, MESH_FRAME_READY, NULL));
    peer_greets(f);
    EXPECT_TRUE(peer_sees(f, MESH_FRAME_REQUEST, NULL));
    EXPECT_EQ(0, f->errors);
    finish(f);
}

static void expect_connect(fixture *f) {
    struct pollfd ready = {.fd = f->agent, .events = POLLIN};
    while (poll(&ready, 1, 0) == 0)
        uv_run(&f->loop, UV_RUN_NOWAIT);
    Warren__Node__ToAgent *message = heard(f);
    EXPECT_EQ(WARREN__NODE__TO_AGENT__KIND_CONNECT, message->kind_case);
    warren__node__to_agent__free_unpacked(message, NULL);
}

TEST(a_socket_whose_other_end_nobody_got_is_asked_for_again) {
    fixture *f = met();
    make_call(f, 1);
    for (int times = 0; times < 3; times++) {
        expect_connect(f);
        hand_out_link(f);
        close(f->peer);
    }
    expect_connect(f);
    hand_out_link(f);
    peer_greets(f);
    EXPECT_TRUE(peer_sees(f, MESH_FRAME_REQUEST, NULL));
    EXPECT_EQ(0, f->errors);
    finish(f);
}

TEST(a_link_by_which_nothing_would_go_is_not_asked_for_again) {
    fixture *f = met();
    hand_out_link(f);
    close(f->peer);
    f->peer = -1;
    hear_all(f);
    uint8_t byte;
    EXPECT_EQ(-1, recv(f->agent, &byte, 1, MSG_PEEK | MSG_DONTWAIT));
    finish(f);
}

TEST(a_peer_that_breaks_the_protocol_is_told_reported_and_cut_off) {
    fixture *f = linked(NULL);
    peer_writes(f, 0x50, 0, (mesh_bytes){0});
    EXPECT_TRUE(peer_sees(f, MESH_FRAME_GOAWAY, NULL));
    EXPECT_TRUE(is_at_end(f->peer));
    run_until(f, &f->errors);
    EXPECT_EQ(MESH_CALL_PEER_LOST, f->error_code);
    Warren__Node__ToAgent *message = heard(f);
    EXPECT_EQ(WARREN__NODE__TO_AGENT__KIND_LINK_FAILED, message->kind_case);
    EXPECT_EQ(PEER_ID, message->link_failed->node_id);
    warren__node__to_agent__free_unpacked(message, NULL);
    finish(f);
}

TEST(a_peer_that_dies_is_noticed_at_once_also_with_our_bytes_unread) {
    mesh_request request;
    fixture *f = linked(&request);
    make_call(f, 2); // stays unread
    peer_answers(f, request.call_id);
    close(f->peer);
    f->peer = -1;
    run_until(f, &f->errors);
    EXPECT_EQ(1, f->replies);
    EXPECT_EQ(MESH_CALL_PEER_LOST, f->error_code);
    EXPECT_TRUE(f->is_maybe);
    finish(f);
}

TEST(a_peer_that_will_not_read_any_more_has_ended_the_link) {
    fixture *f = linked(NULL);
    EXPECT_OK(shutdown(f->peer, SHUT_RD));
    make_call(f, 2);
    run_until(f, &f->errors);
    EXPECT_EQ(MESH_CALL_PEER_LOST, f->error_code);
    finish(f);
}

// More than the socket takes waits for a peer that does not read.
static void fill(fixture *f) {
    static uint8_t payload[MESH_MESSAGE_LEN_DEFAULT];
    mesh_call call = {.to_peer = MESH_PEER_ANY,
                      .name = mesh_bytes_text("theirs"),
                      .payload = {payload, sizeof payload}};
    for (call.slot = 10; call.slot < 14; call.slot++)
        EXPECT_OK(mesh_node_call(mesh_member_node(f->w), uv_now(&f->loop), &call));
    mesh_member_flush(f->w);
}

TEST(a_peer_that_says_goodbye_and_does_not_read_has_ended_the_link) {
    fixture *f = linked(NULL);
    fill(f);
    uint8_t body[MESH_CONTROL_WRITE_MAX];
    size_t len = mesh_goaway_write(body, MESH_GOAWAY_NORMAL, "");
    peer_writes(f, MESH_FRAME_GOAWAY, MESH_CHANNEL_CONTROL, (mesh_bytes){body, len});
    run_until(f, &f->errors);
    EXPECT_EQ(MESH_CALL_PEER_LOST, f->error_code);
    finish(f);
}

// ---- the agent

TEST(without_the_agent_links_go_on_and_new_ones_fail) {
    mesh_request request;
    fixture *f = linked(&request);
    close(f->agent);
    f->agent = -1;
    run_until(f, &f->told[MESH_MEMBER_LOST]);
    EXPECT_EQ(MESH_EGONE, mesh_member_join(f->w));
    peer_answers(f, request.call_id);
    run_until(f, &f->replies);
    close(f->peer);
    f->peer = -1;
    make_call(f, 1);
    run_until(f, &f->errors);
    EXPECT_EQ(MESH_CALL_PEER_LOST, f->error_code);
    finish(f);
}

TEST(a_link_that_was_asked_for_fails_with_the_agent) {
    fixture *f = met();
    make_call(f, 1);
    close(f->agent);
    f->agent = -1;
    run_until(f, &f->errors);
    EXPECT_EQ(1, f->told[MESH_MEMBER_LOST]);
    EXPECT_FALSE(f->is_maybe);
    finish(f);
}

TEST(what_the_agent_said_before_it_died_is_heard_also_with_our_bytes_unread) {
    fixture *f = met();
    make_call(f, 1); // Connect stays unread
    hand_out_link(f);
    peer_greets(f);
    close(f->agent);
    f->agent = -1;
    EXPECT_TRUE(peer_sees(f, MESH_FRAME_REQUEST, NULL));
    run_until(f, &f->told[MESH_MEMBER_LOST]);
    EXPECT_EQ(0, f->errors);
    finish(f);
}

TEST(an_agent_that_is_not_understood_is_hung_up_on) {
    fixture *f = met();
    int size = MESH_PACKET_LEN_MAX + 1;
    uint8_t *bytes = mem_alloc((size_t)size);
    EXPECT_EQ(size, send(f->agent, bytes, (size_t)size, 0));
    run_until(f, &f->told[MESH_MEMBER_LOST]);
    EXPECT_TRUE(is_at_end(f->agent));
    free(bytes);
    finish(f);
}

TEST(descriptors_nobody_asked_for_are_closed) {
    fixture *f = met();
    int fds[3];
    for (int i = 0; i < 3; i++)
        fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    EXPECT_OK(mesh_member_listen(f->w, 0, "", 80, 0, false));
    Warren__Node__Listening listening = WARREN__NODE__LISTENING__INIT;
    listening.error = UV_EADDRINUSE;
    SAY(f, fds, 1, LISTENING, listening, &listening);
    SAY(f, fds, 1, LISTENING, listening, &listening); // answered already
    Warren__Node__Link link = WARREN__NODE__LINK__INIT;
    link.node_id = 404;
    SAY(f, fds, 2, LINK, link, &link);
    Warren__Node__Joined joined = WARREN__NODE__JOINED__INIT;
    SAY(f, fds, 3, JOINED, joined, &joined);
    EXPECT_OK(mesh_packet_send(f->agent, mesh_bytes_text("\xff\xff"), fds, 3));
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    run_until(f, &f->told[MESH_MEMBER_JOINED]);
    EXPECT_EQ(UV_EADDRINUSE, f->listening);
    finish(f);
}

// ---- leaving

TEST(closing_writes_goodbye_and_ends_when_the_links_have_ended) {
    fixture *f = linked(NULL);
    mesh_member_close(f->w, GUARD_MS);
    mesh_member_flush(f->w);
    EXPECT_TRUE(peer_sees(f, MESH_FRAME_GOAWAY, NULL));
    run_until(f, &f->told[MESH_MEMBER_CLOSED]);
    EXPECT_EQ(1, f->told[MESH_MEMBER_CLOSED]);
    EXPECT_EQ(MESH_CALL_CLOSED, f->error_code);
    finish(f);
}

TEST(closing_waits_for_a_peer_that_does_not_read_no_longer_than_it_was_told) {
    fixture *f = linked(NULL);
    fill(f);
    mesh_member_close(f->w, 20);
    mesh_member_flush(f->w);
    EXPECT_EQ(0, f->told[MESH_MEMBER_CLOSED]);
    run_until(f, &f->told[MESH_MEMBER_CLOSED]);
    EXPECT_EQ(1, f->told[MESH_MEMBER_CLOSED]);
    finish(f);
}

// ---- destroying inside a callback

static void run_until_over(fixture *f) {
    while (!f->is_over)
        uv_run(&f->loop, UV_RUN_ONCE);
    finish(f);
}

TEST(destroyed_when_closed_by_the_time_limit) {
    fixture *f = linked(NULL);
    fill(f);
    f->destroy_at = MESH_MEMBER_CLOSED;
    mesh_member_close(f->w, 20);
    mesh_member_flush(f->w);
    run_until_over(f);
}

TEST(destroyed_when_closed_with_its_last_link) {
    fixture *f = linked(NULL);
    f->destroy_at = MESH_MEMBER_CLOSED;
    mesh_member_close(f->w, GUARD_MS);
    mesh_member_flush(f->w);
    run_until_over(f);
}

TEST(destroyed_when_the_agent_is_lost) {
    fixture *f = linked(NULL);
    f->destroy_at = MESH_MEMBER_LOST;
    close(f->agent);
    f->agent = -1;
    run_until_over(f);
}

TEST(destroyed_in_the_middle_of_the_agents_packets) {
    fixture *f = linked(NULL);
    f->destroy_at = MESH_MEMBER_JOINED;
    say_joined(f);
    say_joined(f);
    say_down(f);
    run_until_over(f);
}

TEST(destroyed_by_a_message_with_more_of_them_to_come) {
    for (int at = AT_OUTPUT; at <= AT_BATCH; at++) {
        mesh_request request = {0};
        fixture *f = linked(&request);
        peer_answers(f, request.call_id);
        peer_answers(f, request.call_id);
        f->destroy_at = at;
        run_until_over(f);
    }
}
