// What a peer's messages do here. Everything in them was judged by message.c; names of our own
// things are looked up here.
#include "core/error.h"
#include "core/mem.h"
#include "core/node_state.h"
#include "core/subject.h"

static void take_shape(mesh_node *node, const mesh_peer *peer, const mesh_link_message *message) {
    mesh_output *out = mesh_outbox_push(&node->outbox, MESH_OUT_SHAPE, NULL);
    out->peer = peer->handle;
    out->payload = message->body;
}

static bool is_understood(mesh_node *node, const mesh_link *link, const mesh_queue_entry *entry) {
    if (link->has_inputs || entry->type != MESH_FRAME_REQUEST) return true;
    return !mesh_calls_get(&node->calls, entry->tag)->has_input;
}

// Before READY nobody knew the peer's limit, or what it understands: what waits and is over that
// goes no further.
static void drop_unfit(mesh_node *node, mesh_peer *peer) {
    for (uint32_t channel = 0; channel < MESH_CHANNEL_COUNT; channel++) {
        if (!mesh_channel_has_credit(channel)) continue; // answers cannot wait yet
        size_t cursor = 0;
        mesh_queue_entry *entry;
        while ((entry = mesh_queue_each(&peer->link->queues[channel], &cursor))) {
            if (entry->is_dropped) continue;
            bool has_room = mesh_link_fits(peer->link, entry->len);
            if (has_room && is_understood(node, peer->link, entry)) continue;
            entry->is_dropped = true;
            if (entry->type == MESH_FRAME_PUB)
                mesh_node_links_lose(node, peer, false, 1);
            else
                mesh_node_calls_fail(node, entry->tag,
                                     has_room ? MESH_CALL_NO_METHOD : MESH_CALL_OVERLOADED, false);
        }
    }
}

static size_t answers_waiting(const mesh_link *link) {
    size_t bytes = 0;
    for (mesh_lane lane = 0; lane < MESH_LANE_COUNT; lane++)
        bytes += mesh_queue_bytes(&link->queues[mesh_channel_of(MESH_FRAME_REPLY, lane)]);
    return bytes;
}

static int take_cancel(mesh_node *node, mesh_peer *peer, const mesh_link_message *message) {
    mesh_cancel cancel;
    int err = mesh_cancel_parse(message->body, &cancel);
    if (err != 0) return err;
    uint32_t slot = mesh_serves_find(&node->serves, peer->handle, cancel.call_id);
    if (slot != MESH_SERVE_NONE) mesh_node_calls_abort(node, slot, cancel.code);
    return 0;
}

// Scopes are judged by the subject, so it must be one that the subscription asked for: else any
// allowed subject would open every subscription.
static bool is_for(const mesh_entry *entry, mesh_bytes subject) {
    return entry && entry->kind == MESH_ENTRY_SUBSCRIPTION &&
           mesh_subject_matches(entry->name, subject);
}

static bool may_request(const mesh_peer *peer, const mesh_entry *entry, mesh_bytes name) {
    if (!peer->cert) return true;
    return entry->kind == MESH_ENTRY_SERVICE
               ? mesh_scope_allows(peer->cert, MESH_VERB_CALL, entry->name)
               : mesh_scope_allows(peer->cert, MESH_VERB_PUBLISH, name);
}

// The code to refuse a request with, or 0.
static uint32_t judge_request(mesh_node *node, const mesh_peer *peer, const mesh_entry *entry,
                              mesh_bytes name) {
    if (node->is_closed) return MESH_CALL_CLOSED;
    if (!entry) return MESH_CALL_NO_RESPONDERS;
    if (!may_request(peer, entry, name)) {
        node->stats.forbidden++;
        return MESH_CALL_FORBIDDEN;
    }
    if (peer->serve_count >= MESH_NODE_SERVES_PER_LINK_MAX) return MESH_CALL_OVERLOADED;
    return node->serves.used_count >= MESH_CALLS_MAX ? MESH_CALL_OVERLOADED : 0;
}

static int take_request(mesh_node *node, mesh_peer *peer, mesh_link_message *message) {
    mesh_request request;
    int err = mesh_request_parse(message->body, &request);
    if (err != 0) return err;
    if (mesh_serves_find(&node->serves, peer->handle, request.call_id) != MESH_SERVE_NONE)
        return MESH_EPROTO;
    // Each request brings one answer, small ones too: credit alone does not bound what a peer that
    // does not read makes us keep.
    if (answers_waiting(peer->link) > MESH_LINK_REPLIES_MAX) return MESH_EQUOTA;
    const mesh_entry *entry =
        mesh_registry_find(node->registry, node->options.node_id, request.endpoint);
    bool is_subject = entry && entry->kind == MESH_ENTRY_SUBSCRIPTION;
    if (is_subject && !mesh_subject_is_valid(request.name)) return MESH_EPROTO;
    if (is_subject && !is_for(entry, request.name)) entry = NULL;
    uint32_t refusal = judge_request(node, peer, entry, request.name);
    bool has_input = request.flags & MESH_MESSAGE_IS_STREAM;
    if (refusal == 0 && is_subject && has_input) refusal = MESH_CALL_NO_METHOD;
    if (refusal == 0 && message->is_dropped) refusal = MESH_CALL_OVERLOADED;
    if (refusal != 0) {
        mesh_link_consumed(peer->link, message->channel, message->cost);
        mesh_node_calls_refuse(node, peer, request.call_id, refusal);
        return 0;
    }
    mesh_served_call call = {.call_id = request.call_id,
                             .peer = peer->handle,
                             .epoch = peer->epoch,
                             .cost = message->cost,
                             .told = node->outbox.tail,
                             .channel = (uint8_t)message->channel,
                             .has_input = has_input};
    uint32_t slot = mesh_serves_open(&node->serves, &call, &peer->first_serve);
    peer->serve_count++;
    if (request.deadline_ms != 0)
        mesh_deadlines_set(&node->deadlines, MESH_NODE_DEADLINE_SERVE + slot,
                           node->now_ms + request.deadline_ms);
    mesh_output *out = mesh_outbox_push(&node->outbox, MESH_OUT_REQUEST, message->owned);
    message->owned = NULL;
    out->peer = peer->handle;
    out->slot = slot;
    out->endpoint = request.endpoint;
    out->name = request.name;
    out->timeout_ms = request.deadline_ms;
    out->flags = request.flags;
    out->payload = request.payload;
    return 0;
}

static int take_reply(mesh_node *node, mesh_peer *peer, mesh_link_message *message) {
    mesh_reply reply;
    int err = message->type == MESH_FRAME_REPLY ? mesh_reply_parse(message->body, &reply)
                                                : mesh_error_parse(message->body, &reply);
    if (err != 0) return err;
    uint32_t slot = mesh_calls_find(&node->calls, reply.call_id, peer->handle);
    if (slot == MESH_CALL_NONE) {
        node->stats.late_replies++;
        return 0;
    }
    // Ids are easy to guess, and the queue must not keep the request of a call that is over.
    if (mesh_node_calls_is_unsent(node, slot)) return MESH_EPROTO;
    if (message->is_dropped) {
        mesh_node_calls_fail(node, slot, MESH_CALL_OVERLOADED, true);
        return 0;
    }
    mesh_node_calls_complete(node, slot, &reply, message->owned);
    message->owned = NULL;
    return 0;
}

static mesh_output *push_message(mesh_node *node, const mesh_peer *peer, uint32_t entry_id,
                                 const mesh_pub *pub, mesh_lane lane) {
    mesh_output *out = mesh_outbox_push(&node->outbox, MESH_OUT_MESSAGE, NULL);
    out->peer = peer->handle;
    out->endpoint = entry_id;
    out->name = pub->subject;
    out->flags = pub->flags | mesh_lane_flags(lane);
    out->payload = pub->payload;
    return out;
}

static int take_pub(mesh_node *node, mesh_peer *peer, mesh_link_message *message) {
    if (message->is_dropped) {
        mesh_node_links_lose(node, peer, true, 1);
        mesh_link_consumed(peer->link, message->channel, message->cost);
        return 0;
    }
    mesh_pub pub;
    int err = mesh_pub_parse(message->body, &pub);
    if (err != 0) return err;
    mesh_output *last = NULL;
    mesh_lane lane = mesh_channel_lane(message->channel);
    bool is_allowed = !peer->cert || mesh_scope_allows(peer->cert, MESH_VERB_PUBLISH, pub.subject);
    node->stats.forbidden += !is_allowed;
    for (size_t i = 0; is_allowed && i < pub.target_count; i++) {
        uint32_t entry_id = mesh_pub_target(&pub, i);
        const mesh_entry *entry =
            mesh_registry_find(node->registry, node->options.node_id, entry_id);
        if (is_for(entry, pub.subject)) {
            last = push_message(node, peer, entry_id, &pub, lane);
        } else {
            node->stats.unknown_targets++;
        }
    }
    if (!last) {
        mesh_link_consumed(peer->link, message->channel, message->cost);
        return 0;
    }
    // One publication is paid for once, with the last of its messages, which also keeps the memory.
    last->cost = message->cost;
    peer->held_cost[lane] += message->cost;
    mesh_outbox_retire(&node->outbox, message->owned);
    message->owned = NULL;
    return 0;
}

static int dispatch(mesh_node *node, mesh_peer *peer, mesh_link_message *message) {
    switch (message->type) {
    case MESH_FRAME_READY:
        mesh_node_links_ready(node, peer, message->is_restart);
        drop_unfit(node, peer);
        return 0;
    case MESH_FRAME_SHAPE: take_shape(node, peer, message); return 0;
    case MESH_FRAME_CANCEL: return take_cancel(node, peer, message);
    case MESH_FRAME_GRANT: return mesh_node_streams_take_grant(node, peer, message->body);
    case MESH_FRAME_ITEM: return mesh_node_streams_take_item(node, peer, message);
    case MESH_FRAME_INPUT: return mesh_node_inputs_take_item(node, peer, message);
    case MESH_FRAME_TAKE: return mesh_node_inputs_take_take(node, peer, message->body);
    case MESH_FRAME_REQUEST: return take_request(node, peer, message);
    case MESH_FRAME_REPLY:
    case MESH_FRAME_ERROR: return take_reply(node, peer, message);
    case MESH_FRAME_PUB: return take_pub(node, peer, message);
    default: return 0; // GOAWAY and CREDIT: the link keeps them, the caller acts on them
    }
}

int mesh_node_receive(mesh_node *node, mesh_peer *peer, mesh_link_message *message) {
    if (message->cost > 0) node->stats.received_messages++; // control frames cost nothing
    int err = dispatch(node, peer, message);
    free(message->owned);
    return err;
}
