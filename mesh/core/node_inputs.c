// Inputs that are streams: items on their way to the handler of a call, and the credit that comes
// back. Nothing goes before the handler began to read, so no item overtakes its REQUEST, and one
// that is refused costs none. The call ends as any other; its input ends with it.
#include "core/error.h"
#include "core/mem.h"
#include "core/node_state.h"

// ---- calling

static mesh_output *push_input(mesh_node *node, const mesh_peer *peer, uint32_t serve_slot,
                               const mesh_reply *item, void *owned) {
    mesh_output *out = mesh_outbox_push(&node->outbox, MESH_OUT_INPUT, owned);
    out->peer = peer->handle;
    out->slot = serve_slot;
    out->flags = item->flags;
    out->payload = item->payload;
    out->cost = (uint32_t)(MESH_REPLY_HEAD_LEN + item->payload.len);
    return out;
}

static void input_self(mesh_node *node, const mesh_reply *item) {
    uint32_t serve_slot = mesh_serves_find(&node->serves, MESH_PEER_SELF, item->call_id);
    if (serve_slot == MESH_SERVE_NONE) return;
    void *copy = mem_copy(item->payload.data, item->payload.len);
    mesh_reply local = *item;
    local.payload.data = copy;
    (void)push_input(node, &node->self, serve_slot, &local, copy);
}

// Nobody waits for what the other side does with the input any more, but for its answer.
static void await_answer(mesh_node *node, uint32_t slot, const mesh_made_call *call) {
    if (call->timeout_ms != 0 && !call->stream.is_begun)
        mesh_deadlines_set(&node->deadlines, slot, node->now_ms + call->timeout_ms);
}

int mesh_node_input(mesh_node *node, uint64_t now_ms, uint32_t slot, uint32_t flags,
                    mesh_bytes payload) {
    node->now_ms = now_ms;
    mesh_made_call *call = mesh_calls_get(&node->calls, slot);
    if (!call || call->input.is_broken) return 0;
    if (!call->has_input) return MESH_EINVAL;
    mesh_peer *peer = mesh_node_peers_get(node, call->peer);
    int err = mesh_node_streams_judge(node, peer, payload.len);
    if (err == 0) err = mesh_stream_put(&call->input, payload.len);
    if (err != 0) return err;
    if (call->input.is_over) await_answer(node, slot, call);
    mesh_reply item = {.call_id = mesh_calls_id(&node->calls, slot),
                       .flags = (uint8_t)(flags & MESH_MESSAGE_HAS_HEADERS),
                       .payload = payload};
    if (peer == &node->self) {
        input_self(node, &item);
    } else {
        mesh_node_streams_send(node, peer, MESH_FRAME_INPUT, &item);
    }
    return 0;
}

// The handler's word: limit 0 says that it reads no more.
static int take(mesh_node *node, uint32_t slot, uint64_t limit) {
    mesh_made_call *call = mesh_calls_get(&node->calls, slot);
    uint64_t before = call->input.limit;
    if (limit == 0) {
        if (call->input.is_broken) return 0;
        call->input.is_broken = true;
        if (before > 0 && !call->input.is_over) await_answer(node, slot, call);
    } else {
        int err = mesh_stream_raise(&call->input, limit);
        if (err != 0) return err;
        if (before == 0) mesh_deadlines_clear(&node->deadlines, slot);
    }
    mesh_output *out = mesh_outbox_push(&node->outbox, MESH_OUT_TAKE, NULL);
    out->peer = call->peer;
    out->slot = slot;
    out->cost = limit == 0 ? 0 : (uint32_t)(limit - before);
    return 0;
}

int mesh_node_inputs_take_take(mesh_node *node, const mesh_peer *peer, mesh_bytes body) {
    mesh_grant grant;
    int err = mesh_grant_parse(body, &grant);
    if (err != 0) return err;
    uint32_t slot = mesh_calls_find(&node->calls, grant.call_id, peer->handle);
    if (slot == MESH_CALL_NONE) return 0; // it crossed the end of the call
    bool is_right =
        mesh_calls_get(&node->calls, slot)->has_input && !mesh_node_calls_is_unsent(node, slot);
    return is_right ? take(node, slot, grant.limit) : MESH_EPROTO;
}

// ---- serving

int mesh_node_inputs_take_item(mesh_node *node, mesh_peer *peer, mesh_link_message *message) {
    mesh_reply item;
    int err = mesh_reply_parse(message->body, &item);
    if (err != 0) return err;
    uint32_t slot = mesh_serves_find(&node->serves, peer->handle, item.call_id);
    if (slot == MESH_SERVE_NONE) return 0; // the call ended while it was under way
    mesh_served_call *served = mesh_serves_get(&node->serves, slot);
    if (!served->has_input) return MESH_EPROTO;
    if (message->is_dropped) { // a gap: the rest is worth nothing
        mesh_node_calls_break_off(node, slot, MESH_CALL_OVERLOADED);
        return 0;
    }
    err = mesh_stream_put(&served->input, item.payload.len);
    if (err != 0 || served->input.is_broken) return err;
    (void)push_input(node, peer, slot, &item, message->owned);
    message->owned = NULL;
    return 0;
}

void mesh_node_take(mesh_node *node, uint64_t now_ms, uint32_t serve_slot, uint32_t bytes) {
    node->now_ms = now_ms;
    mesh_served_call *served = mesh_serves_get(&node->serves, serve_slot);
    if (!served || !served->is_live || !served->has_input) return;
    if (served->input.is_over || served->input.is_broken) return; // nothing comes
    if (bytes == 0) {
        served->input.is_broken = true;
    } else {
        uint64_t limit = served->input.limit + bytes;
        if (mesh_stream_raise(&served->input, limit) != 0) return;
        mesh_deadlines_clear(&node->deadlines, MESH_NODE_DEADLINE_SERVE + serve_slot);
    }
    mesh_grant grant = {served->call_id, bytes == 0 ? 0 : served->input.limit};
    if (served->peer == MESH_PEER_SELF) {
        uint32_t slot = mesh_calls_find(&node->calls, grant.call_id, MESH_PEER_SELF);
        if (slot != MESH_CALL_NONE) (void)take(node, slot, grant.limit);
        return;
    }
    mesh_peer *peer = mesh_node_peers_get(node, served->peer);
    mesh_link_grant(peer->link, MESH_FRAME_TAKE, &grant);
    mesh_link_pump(peer->link, now_ms);
    mesh_node_links_settle(node, peer);
}
