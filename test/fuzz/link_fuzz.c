// A member of the mesh against a peer that is who it says but sends whatever it likes. The first
// byte chooses:
//   even  a stream, byte for byte, read in pieces
//   odd   commands of one byte and its arguments: well-formed frames with odd contents (so that the
//   search
//         need not invent lengths), and what the program of this node does meanwhile
// Whatever comes: every call made has one outcome, bounds hold, nothing leaks.
#include "core/be.h"
#include "core/control.h"
#include "core/frame.h"
#include "core/mem.h"
#include "core/node.h"
#include "core/node_state.h"
#include "fuzz.h"

enum {
    SELF_ID = 1,
    PEER_ID = 2,
    CALLS = 4,
    SERVES_KEPT = 64,
    FRAME_MAX = 2048,
    CREDIT = 4096,
    ASSEMBLED_MAX = 8192
};

typedef struct target {
    mesh_node *node;
    uint32_t peer;
    bool is_linked;
    uint64_t now_ms;
    bool is_call_open[CALLS];
    uint32_t serves[SERVES_KEPT];
    size_t serve_count;
    uint64_t held[MESH_LANE_COUNT];
} target;

// Every byte that is given out must be there to read.
static void read_all(mesh_bytes bytes) {
    volatile uint8_t seen = 0;
    for (size_t i = 0; i < bytes.len; i++)
        seen = bytes.data[i];
    (void)seen;
}

static void take(target *t, const mesh_output *out) {
    read_all(out->payload);
    read_all(out->name);
    if (out->kind == MESH_OUT_REPLY || out->kind == MESH_OUT_ERROR) {
        CHECK(out->slot < CALLS && t->is_call_open[out->slot]);
        t->is_call_open[out->slot] = false;
    }
    if (out->kind == MESH_OUT_REQUEST && t->serve_count < SERVES_KEPT)
        t->serves[t->serve_count++] = out->slot;
    if (out->kind == MESH_OUT_MESSAGE)
        t->held[out->flags & MESH_IS_BULK ? MESH_LANE_BULK : MESH_LANE_NORMAL] += out->cost;
}

static void poll_all(target *t) {
    mesh_output out;
    while (mesh_node_poll(t->node, &out))
        take(t, &out);
    CHECK(t->node->assemblies.bytes <= ASSEMBLED_MAX);
    for (size_t lane = 0; lane < MESH_LANE_COUNT; lane++)
        CHECK(t->held[lane] <= CREDIT + MESH_MESSAGE_LEN_DEFAULT + MESH_MESSAGE_HEAD_MAX + 65536);
}

static void link_down(target *t) {
    if (t->is_linked) mesh_node_link_down(t->node, t->now_ms, t->peer);
    t->is_linked = false;
    memset(t->held, 0, sizeof t->held); // the debt of the old link is the core's to remember
    poll_all(t);
}

static void receive(target *t, const uint8_t *bytes, size_t len) {
    while (len > 0 && t->is_linked) {
        uint8_t *buffer;
        size_t cap;
        mesh_node_link_input(t->node, t->peer, &buffer, &cap);
        CHECK(cap > 0);
        size_t part = len < cap ? len : cap;
        memcpy(buffer, bytes, part);
        int err = mesh_node_link_received(t->node, t->now_ms, t->peer, part);
        poll_all(t);
        if (err != 0) link_down(t);
        bytes += part;
        len -= part;
    }
}

static void send_frame(target *t, uint8_t type, uint8_t flags, uint32_t channel, mesh_bytes body) {
    uint8_t record[MESH_RECORD_HEAD_LEN + MESH_FRAME_HEAD_LEN + FRAME_MAX];
    uint8_t *at = store_be16(record, (uint32_t)(MESH_FRAME_HEAD_LEN + body.len));
    at = mesh_frame_put_head(at, body.len, type, flags, channel);
    if (body.len > 0) memcpy(at, body.data, body.len);
    receive(t, record, MESH_RECORD_HEAD_LEN + MESH_FRAME_HEAD_LEN + body.len);
}

static void link_up(target *t, bool has_ready) {
    link_down(t);
    CHECK(mesh_node_link_up(t->node, t->now_ms, &t->peer, PEER_ID, true) == 0);
    t->is_linked = true;
    if (!has_ready) return;
    mesh_ready ready = {.minor_min = 1,
                        .minor_max = 1,
                        .features = MESH_FEATURE_STREAMS | MESH_FEATURE_INPUTS,
                        .node_id = PEER_ID,
                        .max_frame = MESH_FRAME_LEN_DEFAULT,
                        .max_message = MESH_MESSAGE_LEN_MIN,
                        .request_credit = CREDIT,
                        .publish_credit = CREDIT};
    uint8_t body[MESH_CONTROL_WRITE_MAX];
    size_t len = mesh_ready_write(body, &ready);
    send_frame(t, MESH_FRAME_READY, MESH_FRAME_FIRST, 0, (mesh_bytes){body, len});
}

static void call(target *t, uint32_t slot) {
    if (t->is_call_open[slot]) return;
    t->is_call_open[slot] = true;
    mesh_call made = {.slot = slot,
                      .to_peer = MESH_PEER_ANY,
                      .name = mesh_bytes_text("theirs"),
                      .timeout_ms = 100,
                      .flags =
                          (slot & 1 ? MESH_IS_BULK : 0) | (slot & 2 ? MESH_INPUT_IS_STREAM : 0),
                      .payload = mesh_bytes_text("question")};
    CHECK(mesh_node_call(t->node, t->now_ms, &made) == 0);
}

static void answer(target *t, uint8_t code) {
    if (t->serve_count == 0) return;
    mesh_node_answer(t->node, t->now_ms, t->serves[--t->serve_count], code, 0,
                     mesh_bytes_text("answer"));
}

// Of the request that came last, and of the call that it is not.
static void stream(target *t, uint8_t command) {
    uint32_t slot = command / 8 % CALLS;
    mesh_bytes payload = {(const uint8_t *)"item", command & 8 ? 4 : 0};
    (void)mesh_node_input(t->node, t->now_ms, slot, 0, payload);
    if (t->serve_count == 0) return;
    uint32_t serve_slot = t->serves[t->serve_count - 1];
    mesh_node_take(t->node, t->now_ms, serve_slot, command & 16 ? command : 0);
    (void)mesh_node_item(t->node, t->now_ms, serve_slot, 0, payload);
    mesh_node_grant(t->node, t->now_ms, slot, command);
}

static void setup(target *t) {
    *t = (target){.now_ms = 1};
    mesh_node_options options = {
        .node_id = SELF_ID, .seed = 1, .credit = CREDIT, .assembled_max = ASSEMBLED_MAX};
    t->node = mesh_node_create(&options);
    mesh_peer_info info = {.node_id = PEER_ID, .name = mesh_bytes_text("peer")};
    mesh_node_peer_up(t->node, &info);
    const mesh_entry own[] = {
        {1, MESH_ENTRY_SERVICE, mesh_bytes_text("mine"), {0}, {0}},
        {2, MESH_ENTRY_SUBSCRIPTION, mesh_bytes_text("a.*"), {0}, {0}},
        {3, MESH_ENTRY_SUBSCRIPTION, mesh_bytes_text(">"), mesh_bytes_text("q"), {0}},
    };
    for (size_t i = 0; i < 3; i++)
        CHECK(mesh_node_announce(t->node, &own[i]) == 0);
    const mesh_entry theirs[] = {
        {1, MESH_ENTRY_SERVICE, mesh_bytes_text("theirs"), {0}, {0}},
        {2, MESH_ENTRY_SUBSCRIPTION, mesh_bytes_text("b"), {0}, {0}},
    };
    for (size_t i = 0; i < 2; i++)
        CHECK(mesh_node_entry_put(t->node, PEER_ID, &theirs[i]) == 0);
    poll_all(t);
}

static void finish(target *t) {
    link_down(t);
    while (t->serve_count > 0)
        answer(t, 0);
    mesh_node_tick(t->node, t->now_ms + 1000000);
    mesh_node_peer_down(t->node, t->now_ms, PEER_ID, mesh_bytes_text("crash"), 1, 0);
    poll_all(t);
    CHECK(t->node->calls.open_count == 0 && t->node->linked_count == 0);
    CHECK(t->node->assemblies.bytes == 0);
    mesh_node_destroy(t->node);
}

static void program_step(target *t, uint8_t command) {
    switch (command % 8) {
    case 0: call(t, command / 8 % CALLS); break;
    case 1: mesh_node_cancel(t->node, t->now_ms, command / 8 % CALLS); break;
    case 2: command & 64 ? stream(t, command) : answer(t, command / 8); break;
    case 3:
        for (mesh_lane lane = 0; lane < MESH_LANE_COUNT; lane++)
            mesh_node_consumed(t->node, t->peer, lane, t->held[lane]);
        memset(t->held, 0, sizeof t->held);
        break;
    case 4:
        (void)mesh_node_publish(t->node, t->now_ms, mesh_bytes_text("b"),
                                command & 8 ? MESH_IS_BULK : 0, mesh_bytes_text("news"));
        break;
    case 5: mesh_node_tick(t->node, t->now_ms += command); break;
    case 6: {
        size_t len = mesh_node_link_output(t->node, t->peer).len;
        if (len > 0) mesh_node_link_sent(t->node, t->now_ms, t->peer, 1 + len * command / 512);
        break;
    }
    default: link_up(t, command & 8); break;
    }
    poll_all(t);
}

// Commands: below 128 a step of the program; else a frame: type, flags, channel, length, body.
static void run_commands(target *t, const uint8_t *data, size_t size) {
    static const uint8_t types[] = {
        MESH_FRAME_READY,  MESH_FRAME_PING,   MESH_FRAME_PONG,    MESH_FRAME_GOAWAY,
        MESH_FRAME_CREDIT, MESH_FRAME_SHAPE,  MESH_FRAME_REQUEST, MESH_FRAME_REPLY,
        MESH_FRAME_ERROR,  MESH_FRAME_CANCEL, MESH_FRAME_PUB,     0x50,
        MESH_FRAME_ITEM,   MESH_FRAME_GRANT,  MESH_FRAME_INPUT,   MESH_FRAME_TAKE};
    static const uint8_t channels[] = {0, 0, 0, 0, 1, 0, 1, 3, 3, 1, 2, 0, 6, 1, 6, 1};
    while (size > 0) {
        uint8_t command = data[0];
        if (command < 128) {
            program_step(t, command);
            data++, size--;
            continue;
        }
        if (size < 4) return;
        size_t at = command % sizeof types, len = load_be16(data + 2) % FRAME_MAX;
        // Mostly the right channel: a wrong one ends the link and with it the run.
        uint32_t channel = data[1] & 0x40 ? data[1] >> 4 : command & 0x10 ? 2 : channels[at];
        if (types[at] != MESH_FRAME_CREDIT && !(data[1] & 0x40)) channel = channels[at];
        if (channel != 0 && data[1] & 0x20) channel += MESH_CHANNELS_PER_LANE;
        uint8_t flags = data[1] & (MESH_FRAME_FIRST | MESH_FRAME_MORE | MESH_FRAME_IGNORABLE);
        data += 4, size -= 4;
        if (len > size) len = size;
        if (!t->is_linked) link_up(t, true);
        send_frame(t, types[at], flags, channel, (mesh_bytes){data, len});
        data += len, size -= len;
    }
}

static void run_stream(target *t, const uint8_t *data, size_t size, size_t piece) {
    for (size_t at = 0; at < size && t->is_linked; at += piece)
        receive(t, data + at, size - at < piece ? size - at : piece);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    target t;
    setup(&t);
    bool is_commands = data[0] & 1, has_ready = data[0] & 2;
    link_up(&t, has_ready);
    call(&t, 0);
    poll_all(&t);
    if (is_commands)
        run_commands(&t, data + 1, size - 1);
    else
        run_stream(&t, data + 1, size - 1, (size_t)1 + data[0]);
    finish(&t);
    return 0;
}
