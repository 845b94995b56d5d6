// Answers that are streams: items on their way to the caller, and the credit that comes back. How a
// stream ends is the call's: one REPLY or ERROR, in order behind the last item (node_calls.c).
#include "core/error.h"
#include "core/mem.h"
#include "core/node_state.h"

// ---- serving

int mesh_node_streams_judge(const mesh_node *node, const mesh_peer *peer, size_t len) {
    if (len > node->options.max_message_len) return MESH_ETOOBIG;
    if (peer == &node->self) return 0;
    if (!mesh_link_fits(peer->link, MESH_MESSAGE_HEAD_MAX + len)) return MESH_ETOOBIG;
    return mesh_link_queued(peer->link, MESH_LANE_BULK) > MESH_QUEUE_MAX ? MESH_EQUOTA : 0;
}

static mesh_output *push_item(mesh_node *node, const mesh_peer *peer, uint32_t slot, void *owned) {
    mesh_output *out = mesh_outbox_push(&node->outbox, MESH_OUT_ITEM, owned);
    out->peer = peer->handle;
    out->slot = slot;
    return out;
}

static void item_self(mesh_node *node, uint64_t call_id, const mesh_reply *item) {
    uint32_t slot = mesh_calls_find(&node->calls, call_id, MESH_PEER_SELF);
    if (slot == MESH_CALL_NONE) return;
    mesh_deadlines_clear(&node->deadlines, slot);
    mesh_made_call *call = mesh_calls_get(&node->calls, slot);
    (void)mesh_stream_move(&call->stream, item->payload.len); // its book is the server's
    void *copy = mem_copy(item->payload.data, item->payload.len);
    mesh_output *out = push_item(node, &node->self, slot, copy);
    out->flags = item->flags;
    out->payload = (mesh_bytes){copy, item->payload.len};
    out->cost = (uint32_t)(MESH_REPLY_HEAD_LEN + item->payload.len);
}

// Always by the bulk lane: no small call stands behind a stream.
void mesh_node_streams_send(mesh_node *node, mesh_peer *peer, uint8_t type,
                            const mesh_reply *item) {
    uint8_t head[MESH_MESSAGE_HEAD_MAX];
    mesh_link_send_options send = {
        .type = type,
        .lane = MESH_LANE_BULK,
        .expires_at_ms = UINT64_MAX,
        .head = {head, mesh_reply_write(head, item)},
        .payload = item->payload,
    };
    (void)mesh_node_links_send(node, peer, &send);
    mesh_node_links_settle(node, peer);
}

int mesh_node_item(mesh_node *node, uint64_t now_ms, uint32_t serve_slot, uint32_t flags,
                   mesh_bytes payload) {
    node->now_ms = now_ms;
    mesh_served_call *served = mesh_serves_get(&node->serves, serve_slot);
    if (!served || !served->is_live) return 0; // ABORT was said
    mesh_peer *peer = mesh_node_peers_get(node, served->peer);
    int err = served->stream.is_broken ? MESH_EPROTO : 0;
    if (err == 0 && peer != &node->self && !peer->link->has_streams) err = MESH_EVERSION;
    if (err == 0) err = mesh_node_streams_judge(node, peer, payload.len);
    if (err == 0) err = mesh_stream_move(&served->stream, payload.len);
    if (err != 0) {
        served->stream.is_broken |= err != MESH_EFLOW;
        return err;
    }
    mesh_deadlines_clear(&node->deadlines, MESH_NODE_DEADLINE_SERVE + serve_slot);
    mesh_reply item = {.call_id = served->call_id,
                       .flags = (uint8_t)(flags & MESH_MESSAGE_HAS_HEADERS),
                       .payload = payload};
    if (peer == &node->self) {
        item_self(node, served->call_id, &item);
    } else {
        mesh_node_streams_send(node, peer, MESH_FRAME_ITEM, &item);
    }
    return 0;
}

bool mesh_node_is_awaited(mesh_node *node, uint32_t serve_slot) {
    const mesh_served_call *served = mesh_serves_get(&node->serves, serve_slot);
    return served && served->is_live;
}

static int raise(mesh_node *node, uint32_t serve_slot, uint64_t limit) {
    mesh_served_call *served = mesh_serves_get(&node->serves, serve_slot);
    uint64_t before = served->stream.limit;
    int err = mesh_stream_raise(&served->stream, limit);
    if (err != 0) return err;
    mesh_output *out = mesh_outbox_push(&node->outbox, MESH_OUT_GRANT, NULL);
    out->peer = served->peer;
    out->slot = serve_slot;
    out->cost = (uint32_t)(limit - before);
    return 0;
}

int mesh_node_streams_take_grant(mesh_node *node, const mesh_peer *peer, mesh_bytes body) {
    mesh_grant grant;
    int err = mesh_grant_parse(body, &grant);
    if (err != 0) return err;
    uint32_t slot = mesh_serves_find(&node->serves, peer->handle, grant.call_id);
    return slot == MESH_SERVE_NONE ? 0 : raise(node, slot, grant.limit);
}

// ---- calling

int mesh_node_streams_take_item(mesh_node *node, const mesh_peer *peer,
                                mesh_link_message *message) {
    mesh_reply item;
    int err = mesh_reply_parse(message->body, &item);
    if (err != 0) return err;
    uint32_t slot = mesh_calls_find(&node->calls, item.call_id, peer->handle);
    if (slot == MESH_CALL_NONE) {
        node->stats.late_replies++;
        return 0;
    }
    if (mesh_node_calls_is_unsent(node, slot)) return MESH_EPROTO;
    if (message->is_dropped) { // a gap: the rest is worth nothing
        mesh_node_calls_give_up(node, slot, MESH_CALL_OVERLOADED);
        return 0;
    }
    mesh_made_call *call = mesh_calls_get(&node->calls, slot);
    err = mesh_stream_move(&call->stream, item.payload.len);
    if (err != 0) return err;
    mesh_deadlines_clear(&node->deadlines, slot);
    mesh_output *out = push_item(node, peer, slot, message->owned);
    message->owned = NULL;
    out->flags = item.flags;
    out->payload = item.payload;
    out->cost = (uint32_t)(MESH_REPLY_HEAD_LEN + item.payload.len);
    return 0;
}

void mesh_node_grant(mesh_node *node, uint64_t now_ms, uint32_t slot, uint32_t bytes) {
    node->now_ms = now_ms;
    mesh_made_call *call = mesh_calls_get(&node->calls, slot);
    if (!call || !call->stream.is_begun || bytes == 0) return;
    if (mesh_stream_raise(&call->stream, call->stream.limit + bytes) != 0) return;
    mesh_grant grant = {mesh_calls_id(&node->calls, slot), call->stream.limit};
    mesh_peer *peer = mesh_node_peers_get(node, call->peer);
    if (peer == &node->self) {
        uint32_t serve_slot = mesh_serves_find(&node->serves, MESH_PEER_SELF, grant.call_id);
        if (serve_slot != MESH_SERVE_NONE) (void)raise(node, serve_slot, grant.limit);
        return;
    }
    mesh_link_grant(peer->link, MESH_FRAME_GRANT, &grant);
    mesh_link_pump(peer->link, now_ms);
    mesh_node_links_settle(node, peer);
}
