#include "member_fixture.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/control.h"
#include "core/mem.h"
#include "io/packet.h"

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

void on_output(const mesh_output *out, void *user) {
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

void on_agent(mesh_member_agent_event event, uint32_t id, int status, const char *text,
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

void run_until(fixture *f, const uint32_t *count) {
    while (*count == 0)
        uv_run(&f->loop, UV_RUN_ONCE);
}

// ---- the agent

void say_with(fixture *f, const Warren__Node__ToNode *message, const int *fds, size_t fd_count) {
    uint8_t bytes[1024];
    EXPECT_TRUE(warren__node__to_node__get_packed_size(message) <= sizeof bytes);
    size_t len = warren__node__to_node__pack(message, bytes);
    EXPECT_OK(mesh_packet_send(f->agent, (mesh_bytes){bytes, len}, fds, fd_count));
}

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

void say_joined(fixture *f) {
    Warren__Node__Joined joined = WARREN__NODE__JOINED__INIT;
    SAY(f, NULL, 0, JOINED, joined, &joined);
}

void say_down(fixture *f) {
    Warren__Node__Down down = WARREN__NODE__DOWN__INIT;
    down.node_id = PEER_ID;
    down.reason = "killed";
    SAY(f, NULL, 0, DOWN, down, &down);
}

void say_link(fixture *f, uint64_t node_id, int fd) {
    Warren__Node__Link link = WARREN__NODE__LINK__INIT;
    link.node_id = node_id;
    SAY(f, &fd, 1, LINK, link, &link);
    close(fd);
}

void hand_out_link(fixture *f) {
    int fds[2];
    EXPECT_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
    say_link(f, PEER_ID, fds[0]);
    f->peer = fds[1];
}

Warren__Node__ToAgent *heard(fixture *f) {
    static uint8_t buffer[MESH_PACKET_LEN_MAX];
    mesh_packet packet;
    EXPECT_OK(mesh_packet_receive(f->agent, MSG_DONTWAIT, buffer, &packet));
    Warren__Node__ToAgent *message = warren__node__to_agent__unpack(NULL, packet.len, buffer);
    EXPECT_TRUE(message != NULL);
    return message;
}

// ---- the peer

void peer_writes(fixture *f, uint8_t type, uint32_t channel, mesh_bytes body) {
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

void peer_greets(fixture *f) {
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

void peer_answers(fixture *f, uint64_t call_id) {
    uint8_t body[MESH_MESSAGE_HEAD_MAX];
    size_t len = mesh_reply_write(body, &(mesh_reply){.call_id = call_id});
    peer_writes(f, MESH_FRAME_REPLY, MESH_CHANNEL_REPLY, (mesh_bytes){body, len});
}

void peer_publishes(fixture *f, const char *payload) {
    uint8_t body[MESH_MESSAGE_HEAD_MAX];
    size_t len = mesh_pub_write(body, 0, (uint32_t[]){SUBSCRIPTION_ID}, 1, mesh_bytes_text("a"));
    body[len++] = (uint8_t)payload[0];
    peer_writes(f, MESH_FRAME_PUB, MESH_CHANNEL_PUBLISH, (mesh_bytes){body, len});
}

bool peer_sees(fixture *f, uint8_t type, mesh_request *out_request) {
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

bool is_at_end(int fd) {
    uint8_t byte;
    return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

// ---- the node

void make_call(fixture *f, uint32_t slot) {
    mesh_call call = {.slot = slot,
                      .to_peer = MESH_PEER_ANY,
                      .name = mesh_bytes_text("theirs"),
                      .method = mesh_bytes_text("run")};
    EXPECT_OK(mesh_node_call(mesh_member_node(f->w), uv_now(&f->loop), &call));
    mesh_member_flush(f->w);
}

fixture *opened(uint64_t self_id) {
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

fixture *met(void) {
    fixture *f = opened(SELF_ID);
    say_peer(f);
    run_until(f, &f->peer_handle);
    return f;
}

fixture *linked(mesh_request *out_request) {
    fixture *f = met();
    make_call(f, 1);
    hand_out_link(f);
    peer_greets(f);
    EXPECT_TRUE(peer_sees(f, MESH_FRAME_REQUEST, out_request));
    warren__node__to_agent__free_unpacked(heard(f), NULL);
    return f;
}

fixture *subscribed(uint64_t self_id) {
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

void fill(fixture *f) {
    static uint8_t payload[MESH_MESSAGE_LEN_DEFAULT];
    mesh_call call = {.to_peer = MESH_PEER_ANY,
                      .name = mesh_bytes_text("theirs"),
                      .payload = {payload, sizeof payload}};
    for (call.slot = 10; call.slot < 14; call.slot++)
        EXPECT_OK(mesh_node_call(mesh_member_node(f->w), uv_now(&f->loop), &call));
    mesh_member_flush(f->w);
}

void finish(fixture *f) {
    if (!f->is_over) mesh_member_destroy(f->w);
    if (f->agent >= 0) close(f->agent);
    if (f->peer >= 0) close(f->peer);
    uv_close((uv_handle_t *)&f->guard, NULL);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    EXPECT_EQ(f->fd_count, count_fds());
    EXPECT_OK(uv_loop_close(&f->loop));
    free(f);
}
