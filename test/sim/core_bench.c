// What the core costs, without sockets: two members back to back in one thread, small messages.
// Prints nanoseconds per message, both sides and the copy between them together.
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/mem.h"
#include "core/node.h"

enum { PAYLOAD_LEN = 32, BATCH = 64, SERVICE_ID = 1, SUBSCRIPTION_ID = 2 };

typedef struct side {
    mesh_node *node;
    uint64_t id;
    uint32_t peer;
    uint64_t messages, replies;
} side;

static const uint8_t payload[PAYLOAD_LEN] = "thirty-two bytes of user payload";

static double now_ns(void) {
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec * 1e9 + (double)at.tv_nsec;
}

static void link_both(side *sides, int dialler) {
    for (int i = 0; i < 2; i++) {
        side *s = &sides[i];
        CHECK(mesh_node_link_up(s->node, 1, &s->peer, sides[1 - i].id, i == dialler) == 0);
    }
}

static void take(side *sides, int i, const mesh_output *out) {
    side *s = &sides[i];
    if (out->kind == MESH_OUT_CONNECT) {
        link_both(sides, i);
    } else if (out->kind == MESH_OUT_MESSAGE) {
        s->messages++;
        mesh_node_consumed(s->node, out->peer, MESH_LANE_NORMAL, out->cost);
    } else if (out->kind == MESH_OUT_REQUEST) {
        mesh_node_answer(s->node, 1, out->slot, 0, 0, out->payload);
    } else if (out->kind == MESH_OUT_REPLY) {
        s->replies++;
    }
}

static void poll_side(side *sides, int i) {
    mesh_output out;
    while (mesh_node_poll(sides[i].node, &out))
        take(sides, i, &out);
}

static bool carry(side *sides, int from) {
    side *source = &sides[from], *target = &sides[1 - from];
    poll_side(sides, from);
    mesh_bytes bytes = mesh_node_link_output(source->node, source->peer);
    if (bytes.len == 0) return false;
    uint8_t *buffer;
    size_t cap;
    mesh_node_link_input(target->node, target->peer, &buffer, &cap);
    size_t len = bytes.len < cap ? bytes.len : cap;
    memcpy(buffer, bytes.data, len);
    mesh_node_link_sent(source->node, 1, source->peer, len);
    CHECK(mesh_node_link_received(target->node, 1, target->peer, len) == 0);
    poll_side(sides, 1 - from);
    return true;
}

static void run(side *sides) {
    while (carry(sides, 0) | carry(sides, 1)) {
    }
}

static void setup(side *sides) {
    for (uint64_t i = 0; i < 2; i++) {
        sides[i] = (side){.id = i + 1};
        mesh_node_options options = {.node_id = i + 1, .seed = i};
        sides[i].node = mesh_node_create(&options);
    }
    const mesh_entry entries[] = {
        {SERVICE_ID, MESH_ENTRY_SERVICE, mesh_bytes_text("pricing"), {0}},
        {SUBSCRIPTION_ID, MESH_ENTRY_SUBSCRIPTION, mesh_bytes_text("orders.*.created"), {0}},
    };
    for (int i = 0; i < 2; i++) {
        mesh_peer_info info = {.node_id = sides[1 - i].id};
        mesh_node_peer_up(sides[i].node, &info);
    }
    for (size_t i = 0; i < 2; i++) {
        CHECK(mesh_node_announce(sides[1].node, &entries[i]) == 0);
        CHECK(mesh_node_entry_put(sides[0].node, sides[1].id, &entries[i]) == 0);
    }
}

static double one_way(side *sides, uint64_t count) {
    mesh_bytes subject = mesh_bytes_text("orders.eu.created");
    uint64_t before = sides[1].messages;
    double start = now_ns();
    for (uint64_t i = 0; i < count; i++) {
        CHECK(mesh_node_publish(sides[0].node, 1, subject, 0, (mesh_bytes){payload, PAYLOAD_LEN}) ==
              0);
        if (i % BATCH == 0) run(sides);
    }
    run(sides);
    CHECK(sides[1].messages - before == count);
    return (now_ns() - start) / (double)count;
}

static double calls(side *sides, uint64_t count) {
    uint64_t before = sides[0].replies;
    mesh_call call = {.to_peer = MESH_PEER_ANY,
                      .name = mesh_bytes_text("pricing"),
                      .method = mesh_bytes_text("quote"),
                      .timeout_ms = 5000,
                      .payload = {payload, PAYLOAD_LEN}};
    double start = now_ns();
    for (uint64_t i = 0; i < count; i++) {
        call.slot = (uint32_t)(i % BATCH);
        CHECK(mesh_node_call(sides[0].node, 1, &call) == 0);
        if (i % BATCH == BATCH - 1) run(sides);
    }
    run(sides);
    CHECK(sides[0].replies - before == count);
    return (now_ns() - start) / (double)count;
}

static double round_trips(side *sides, uint64_t count) {
    mesh_call call = {.to_peer = MESH_PEER_ANY,
                      .name = mesh_bytes_text("pricing"),
                      .timeout_ms = 5000,
                      .payload = {payload, PAYLOAD_LEN}};
    double start = now_ns();
    for (uint64_t i = 0; i < count; i++) {
        CHECK(mesh_node_call(sides[0].node, 1, &call) == 0);
        run(sides);
    }
    return (now_ns() - start) / (double)count;
}

int main(void) {
    side sides[2];
    setup(sides);
    (void)one_way(sides, 200000);
    (void)calls(sides, 64000);
    (void)printf("one way, 32 bytes:            %6.0f ns\n", one_way(sides, 5000000));
    (void)printf("call and reply, 64 at a time: %6.0f ns\n", calls(sides, 1280000));
    (void)printf("call and reply, one at a time:%6.0f ns\n", round_trips(sides, 1000000));
    for (int i = 0; i < 2; i++)
        mesh_node_destroy(sides[i].node);
    return 0;
}
