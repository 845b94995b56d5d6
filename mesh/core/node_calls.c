// Calls, both ways: choosing who answers, outcomes, deadlines, cancelling.
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/mem.h"
#include "core/node_state.h"
#include "core/subject.h"
#include "core/tags.h"
#include "core/version.h"

enum {
    TEXT_HEAD_LEN = 2,
    TEXT_MAX = 128,
    VERSIONS_LOOK_MAX = 256, // instances whose versions are told
    RANGE_SHOWN = 32,
    VERSIONS_TAIL = 9,
    MSGPACK_STR8 = 0xd9,
    REQUEST_FLAGS = MESH_MESSAGE_HAS_HEADERS | MESH_MESSAGE_IS_STREAM,
};

// ---- choosing

static size_t list_targets(mesh_node *node, const mesh_call *call, const mesh_target **out) {
    if (!call->is_subject) return mesh_registry_service(node->registry, call->name, out);
    const mesh_route *route = mesh_registry_route(node->registry, call->name);
    *out = route->callable;
    return route->callable_count;
}

static mesh_peer *choose(mesh_node *node, const mesh_call *call, uint32_t *out_entry_id) {
    const mesh_target *targets = NULL;
    size_t count = list_targets(node, call, &targets);
    if (call->to_peer == MESH_PEER_ANY) {
        const mesh_target *chosen = mesh_node_choose(node, targets, count, &call->pick, false);
        if (!chosen) return NULL;
        *out_entry_id = chosen->entry_id;
        return mesh_node_peers_get(node, chosen->tag);
    }
    for (size_t i = 0; i < count; i++) {
        if (targets[i].tag != call->to_peer) continue;
        *out_entry_id = targets[i].entry_id;
        return mesh_node_peers_get(node, call->to_peer);
    }
    return NULL;
}

// ---- outcomes

static mesh_bytes write_text(uint8_t out[TEXT_HEAD_LEN + TEXT_MAX], mesh_bytes text) {
    CHECK(text.len <= TEXT_MAX);
    out[0] = MSGPACK_STR8;
    out[1] = (uint8_t)text.len;
    memcpy(out + TEXT_HEAD_LEN, text.data, text.len);
    return (mesh_bytes){out, TEXT_HEAD_LEN + text.len};
}

static mesh_output *push_error(mesh_node *node, uint32_t slot, uint32_t peer, uint32_t code,
                               bool is_maybe) {
    mesh_output *out = mesh_outbox_push(&node->outbox, MESH_OUT_ERROR, NULL);
    out->slot = slot;
    out->peer = peer;
    out->code = code;
    out->is_maybe = is_maybe;
    return out;
}

// Frees the slot; returns the peer it was open to.
static mesh_peer *finish(mesh_node *node, uint32_t slot) {
    mesh_peer *peer = mesh_node_peers_get(node, mesh_calls_get(&node->calls, slot)->peer);
    mesh_deadlines_clear(&node->deadlines, slot);
    mesh_calls_close(&node->calls, slot, &peer->first_call);
    peer->in_flight--;
    return peer;
}

void mesh_node_calls_fail(mesh_node *node, uint32_t slot, uint32_t code, bool is_maybe) {
    const mesh_peer *peer = finish(node, slot);
    (void)push_error(node, slot, peer->handle, code, is_maybe);
}

void mesh_node_calls_complete(mesh_node *node, uint32_t slot, const mesh_reply *reply,
                              void *owned) {
    const mesh_peer *peer = finish(node, slot);
    mesh_output_kind kind = reply->code == 0 ? MESH_OUT_REPLY : MESH_OUT_ERROR;
    mesh_output *out = mesh_outbox_push(&node->outbox, kind, owned);
    out->slot = slot;
    out->peer = peer->handle;
    out->code = reply->code;
    out->is_maybe = reply->is_maybe;
    out->flags = reply->flags;
    out->payload = reply->payload;
}

static bool may_be_delivered(mesh_node *node, const mesh_peer *peer, const mesh_made_call *call) {
    if (peer == &node->self) return true;
    return peer->link && mesh_link_may_be_sent(peer->link, call->place);
}

bool mesh_node_calls_is_unsent(mesh_node *node, uint32_t slot) {
    const mesh_made_call *call = mesh_calls_get(&node->calls, slot);
    const mesh_peer *peer = mesh_node_peers_get(node, call->peer);
    return peer->link && mesh_link_is_waiting(peer->link, call->place);
}

void mesh_node_calls_fail_of(mesh_node *node, mesh_peer *peer, bool has_queue) {
    for (uint32_t slot = peer->first_call; slot != MESH_CALL_NONE;) {
        const mesh_made_call *call = mesh_calls_get(&node->calls, slot);
        uint32_t next = call->next;
        if (!has_queue || !mesh_link_is_waiting(peer->link, call->place))
            mesh_node_calls_fail(node, slot, MESH_CALL_PEER_LOST,
                                 may_be_delivered(node, peer, call));
        slot = next;
    }
}

// Ends a call from this side: takes the request back, or tells the peer when `cancel_code` is not
// 0.
static void end_call(mesh_node *node, uint32_t slot, uint32_t code, uint16_t cancel_code) {
    const mesh_made_call *call = mesh_calls_get(&node->calls, slot);
    mesh_peer *peer = mesh_node_peers_get(node, call->peer);
    uint64_t call_id = mesh_calls_id(&node->calls, slot);
    if (peer == &node->self) {
        mesh_node_calls_fail(node, slot, code, true);
        uint32_t serve_slot = mesh_serves_find(&node->serves, MESH_PEER_SELF, call_id);
        if (serve_slot != MESH_SERVE_NONE) mesh_node_calls_abort(node, serve_slot, code);
        return;
    }
    bool is_back = mesh_link_take_back(peer->link, call->place);
    // What is in the output goes out, also when not a byte of it has gone yet.
    mesh_node_calls_fail(node, slot, code, !is_back);
    if (!is_back && cancel_code != 0) {
        mesh_link_cancel(peer->link, &(mesh_cancel){call_id, cancel_code});
        mesh_link_pump(peer->link, node->now_ms);
    }
    mesh_node_links_settle(node, peer);
}

void mesh_node_calls_expire(mesh_node *node, uint32_t slot) {
    // The deadline travelled with the request and ends it there too, but not when the answer began
    // to be a stream right before.
    if (mesh_calls_get(&node->calls, slot))
        end_call(node, slot, MESH_CALL_TIMEOUT, MESH_CALL_TIMEOUT);
}

void mesh_node_calls_give_up(mesh_node *node, uint32_t slot, uint32_t code) {
    end_call(node, slot, code, MESH_CALL_CANCELLED);
}

void mesh_node_cancel(mesh_node *node, uint64_t now_ms, uint32_t slot) {
    node->now_ms = now_ms;
    if (mesh_calls_get(&node->calls, slot))
        end_call(node, slot, MESH_CALL_CANCELLED, MESH_CALL_CANCELLED);
}

void mesh_node_calls_close(mesh_node *node) {
    for (uint32_t slot = 0; slot < node->calls.cap; slot++) {
        if (mesh_calls_get(&node->calls, slot)) end_call(node, slot, MESH_CALL_CLOSED, 0);
    }
    for (uint32_t slot = 0; slot < node->serves.made; slot++) {
        mesh_node_calls_abort(node, slot, MESH_CALL_CLOSED);
    }
}

// ---- making a call

static int judge_call(const mesh_node *node, const mesh_call *call) {
    if (!mesh_calls_is_free(&node->calls, call->slot)) return MESH_EINVAL;
    if (call->method.len > MESH_NAME_LEN_MAX || call->name.len > MESH_NAME_LEN_MAX)
        return MESH_EINVAL;
    if (call->is_subject && !mesh_subject_is_valid(call->name)) return MESH_EINVAL;
    if (!mesh_node_pick_is_valid(&call->pick)) return MESH_EINVAL;
    return call->payload.len > node->options.max_message_len ? MESH_ETOOBIG : 0;
}

static void open_call(mesh_node *node, const mesh_call *call, mesh_peer *peer) {
    mesh_made_call *made =
        mesh_calls_open(&node->calls, call->slot, peer->handle, &peer->first_call);
    made->has_input = call->flags & MESH_MESSAGE_IS_STREAM;
    made->timeout_ms = call->timeout_ms;
    peer->in_flight++;
    if (call->timeout_ms != 0)
        mesh_deadlines_set(&node->deadlines, call->slot, node->now_ms + call->timeout_ms);
}

static void call_self(mesh_node *node, const mesh_call *call, uint32_t entry_id) {
    mesh_peer *self = &node->self;
    if (node->serves.used_count >= MESH_CALLS_MAX || node->self_called > MESH_QUEUE_MAX) {
        (void)push_error(node, call->slot, MESH_PEER_SELF, MESH_CALL_OVERLOADED, false);
        return;
    }
    open_call(node, call, self);
    mesh_served_call served = {.call_id = mesh_calls_id(&node->calls, call->slot),
                               .cost = (uint32_t)call->payload.len,
                               .told = node->outbox.tail,
                               .has_input = call->flags & MESH_MESSAGE_IS_STREAM};
    node->self_called += served.cost;
    uint32_t slot = mesh_serves_open(&node->serves, &served, &self->first_serve);
    if (call->timeout_ms != 0)
        mesh_deadlines_set(&node->deadlines, MESH_NODE_DEADLINE_SERVE + slot,
                           node->now_ms + call->timeout_ms);
    mesh_bytes name = call->is_subject ? call->name : call->method;
    uint8_t *copy = mem_alloc(name.len + call->payload.len);
    if (name.len > 0) memcpy(copy, name.data, name.len);
    if (call->payload.len > 0) memcpy(copy + name.len, call->payload.data, call->payload.len);
    mesh_output *out = mesh_outbox_push(&node->outbox, MESH_OUT_REQUEST, copy);
    out->peer = MESH_PEER_SELF;
    out->slot = slot;
    out->endpoint = entry_id;
    out->name = (mesh_bytes){copy, name.len};
    out->timeout_ms = call->timeout_ms;
    out->flags = call->flags & REQUEST_FLAGS;
    out->payload = (mesh_bytes){copy + name.len, call->payload.len};
}

static void call_peer(mesh_node *node, const mesh_call *call, mesh_peer *peer, uint32_t entry_id) {
    mesh_link *link = mesh_node_links_need(node, peer);
    bool fits = mesh_link_fits(link, MESH_MESSAGE_HEAD_MAX + call->payload.len);
    mesh_lane lane = mesh_lane_of_flags(call->flags);
    if (link->state == MESH_LINK_OPEN && !link->has_inputs &&
        (call->flags & MESH_MESSAGE_IS_STREAM)) {
        (void)push_error(node, call->slot, peer->handle, MESH_CALL_NO_METHOD, false);
        return;
    }
    if (!fits || mesh_link_queued(link, lane) > MESH_QUEUE_MAX) {
        (void)push_error(node, call->slot, peer->handle, MESH_CALL_OVERLOADED, false);
        return;
    }
    open_call(node, call, peer);
    uint8_t head[MESH_MESSAGE_HEAD_MAX];
    mesh_request request = {
        .call_id = mesh_calls_id(&node->calls, call->slot),
        .deadline_ms = call->timeout_ms,
        .endpoint = entry_id,
        .flags = (uint8_t)(call->flags & REQUEST_FLAGS),
        .name = call->is_subject ? call->name : call->method,
    };
    mesh_link_send_options send = {
        .type = MESH_FRAME_REQUEST,
        .lane = lane,
        .tag = call->slot,
        .expires_at_ms = call->timeout_ms ? node->now_ms + call->timeout_ms : UINT64_MAX,
        .head = {head, mesh_request_write(head, &request)},
        .payload = call->payload,
    };
    mesh_link_place place = mesh_node_links_send(node, peer, &send);
    mesh_calls_get(&node->calls, call->slot)->place = place;
    mesh_node_links_settle(node, peer);
}

static mesh_bytes version_of(const mesh_target *target) {
    return mesh_tags_get(target->entry->tags, mesh_bytes_text(MESH_TAG_VERSION));
}

static bool is_known(const mesh_target *targets, size_t until, mesh_bytes version) {
    for (size_t i = 0; i < until; i++) {
        mesh_bytes other = version_of(&targets[i]);
        if (other.len == version.len && memcmp(other.data, version.data, version.len) == 0)
            return true;
    }
    return false;
}

// "there are 2.1.0, 1.4.0"; false when one of them fits: then it is something else.
static bool list_versions(const mesh_target *targets, size_t count, mesh_bytes range,
                          char out[TEXT_MAX]) {
    int len = snprintf(out, TEXT_MAX, "nobody serves version %.*s of it (there are",
                       (int)(range.len < RANGE_SHOWN ? range.len : RANGE_SHOWN),
                       (const char *)range.data);
    const int head_len = len;
    for (size_t i = 0; i < count; i++) {
        mesh_bytes version = version_of(&targets[i]);
        if (version.len > 0 && mesh_version_fits(version, range)) return false;
        if (version.len == 0 || is_known(targets, i, version)) continue;
        if ((size_t)len + version.len + VERSIONS_TAIL > TEXT_MAX) continue; // enough is said
        len += snprintf(out + len, TEXT_MAX - (size_t)len, "%s%.*s", len > head_len ? ", " : " ",
                        (int)version.len, (const char *)version.data);
    }
    (void)snprintf(out + len, TEXT_MAX - (size_t)len, "%s)", len > head_len ? "" : " none");
    return true;
}

// Nobody was chosen, and nobody who is there has the version that was asked for.
static void explain_versions(mesh_node *node, const mesh_call *call, mesh_output *out) {
    const mesh_target *targets = NULL;
    mesh_bytes range = mesh_tags_get(call->pick.tags, mesh_bytes_text(MESH_TAG_VERSION));
    size_t count = list_targets(node, call, &targets);
    char text[TEXT_MAX];
    if (range.len == 0 || count == 0 || call->to_peer != MESH_PEER_ANY) return;
    if (count > VERSIONS_LOOK_MAX) count = VERSIONS_LOOK_MAX;
    if (!list_versions(targets, count, range, text)) return;
    uint8_t *payload = mem_alloc(TEXT_HEAD_LEN + TEXT_MAX);
    out->payload = write_text(payload, mesh_bytes_text(text));
    mesh_outbox_retire(&node->outbox, payload);
}

int mesh_node_call(mesh_node *node, uint64_t now_ms, const mesh_call *call) {
    node->now_ms = now_ms;
    int err = judge_call(node, call);
    if (err != 0) return err;
    uint32_t entry_id = 0;
    mesh_peer *peer = node->is_closed ? NULL : choose(node, call, &entry_id);
    if (!peer) {
        uint32_t code = node->is_closed ? MESH_CALL_CLOSED : MESH_CALL_NO_RESPONDERS;
        mesh_output *out = push_error(node, call->slot, call->to_peer, code, false);
        if (!node->is_closed) explain_versions(node, call, out);
    } else if (peer == &node->self) {
        call_self(node, call, entry_id);
    } else {
        call_peer(node, call, peer, entry_id);
    }
    return 0;
}

// ---- serving

// The slot was freed: its credit goes back. NULL: there is nobody to answer.
static mesh_peer *release(mesh_node *node, const mesh_served_call *served) {
    mesh_peer *peer = mesh_node_peers_get(node, served->peer);
    if (peer == &node->self) {
        node->self_called -= served->cost;
        return peer;
    }
    if (!peer || !peer->link || peer->epoch != served->epoch) return NULL;
    peer->serve_count--;
    mesh_link_consumed(peer->link, served->channel, served->cost);
    return peer;
}

// A call that was aborted before anybody here saw it: it never runs.
static void forget(mesh_node *node, uint32_t serve_slot) {
    mesh_served_call served = *mesh_serves_get(&node->serves, serve_slot);
    mesh_serves_close(&node->serves, serve_slot);
    (void)release(node, &served);
}

void mesh_node_calls_abort(mesh_node *node, uint32_t serve_slot, uint32_t code) {
    const mesh_served_call *served = mesh_serves_get(&node->serves, serve_slot);
    if (!served || !served->is_live) return;
    mesh_peer *peer = mesh_node_peers_get(node, served->peer);
    mesh_deadlines_clear(&node->deadlines, MESH_NODE_DEADLINE_SERVE + serve_slot);
    mesh_serves_abort(&node->serves, serve_slot, &peer->first_serve);
    if (mesh_outbox_take_back(&node->outbox, served->told)) { // it came while nobody looked
        forget(node, serve_slot);
        return;
    }
    mesh_output *out = mesh_outbox_push(&node->outbox, MESH_OUT_ABORT, NULL);
    out->peer = peer->handle;
    out->slot = serve_slot;
    out->code = code;
}

void mesh_node_calls_stop(mesh_node *node, uint32_t serve_slot) {
    uint32_t handle = mesh_serves_get(&node->serves, serve_slot)->peer;
    mesh_node_calls_abort(node, serve_slot, MESH_CALL_TIMEOUT);
    mesh_peer *peer = mesh_node_peers_get(node, handle);
    if (!peer->link) return;
    mesh_link_pump(peer->link, node->now_ms); // its credit
    mesh_node_links_settle(node, peer);
}

void mesh_node_calls_abort_of(mesh_node *node, mesh_peer *peer, uint32_t code) {
    while (peer->first_serve != MESH_SERVE_NONE)
        mesh_node_calls_abort(node, peer->first_serve, code);
}

// Behind the items of a stream.
static mesh_lane answer_lane(const mesh_served_call *served) {
    return served->stream.is_begun ? MESH_LANE_BULK : mesh_channel_lane(served->channel);
}

static void send_reply(mesh_node *node, mesh_peer *peer, const mesh_reply *reply, mesh_lane lane) {
    uint8_t head[MESH_MESSAGE_HEAD_MAX];
    mesh_link_send_options send = {
        .type = reply->code == 0 ? MESH_FRAME_REPLY : MESH_FRAME_ERROR,
        .lane = lane,
        .expires_at_ms = UINT64_MAX,
        .head = {head, mesh_reply_write(head, reply)},
        .payload = reply->payload,
    };
    (void)mesh_node_links_send(node, peer, &send);
}

void mesh_node_calls_refuse(mesh_node *node, mesh_peer *peer, uint64_t call_id, uint32_t code) {
    send_reply(node, peer, &(mesh_reply){.call_id = call_id, .code = (uint16_t)code},
               MESH_LANE_NORMAL);
}

void mesh_node_calls_break_off(mesh_node *node, uint32_t serve_slot, uint32_t code) {
    const mesh_served_call *served = mesh_serves_get(&node->serves, serve_slot);
    mesh_peer *peer = mesh_node_peers_get(node, served->peer);
    mesh_reply error = {.call_id = served->call_id, .code = (uint16_t)code, .is_maybe = true};
    send_reply(node, peer, &error, answer_lane(served));
    mesh_node_calls_abort(node, serve_slot, code);
}

// A handler that answered NO_METHOD and the like did not run; any other error leaves it open.
static bool may_have_run(uint32_t code) {
    return code != MESH_CALL_NO_METHOD && code != MESH_CALL_NO_RESPONDERS &&
           code != MESH_CALL_OVERLOADED;
}

static const char TOO_MANY[] = "too many answers wait for this caller";

// In place of an answer. Borrows `text`.
static mesh_reply refusal_of(const mesh_reply *reply, const char *why,
                             uint8_t text[TEXT_HEAD_LEN + TEXT_MAX]) {
    return (mesh_reply){.call_id = reply->call_id,
                        .code = MESH_CALL_OVERLOADED,
                        .is_maybe = true,
                        .payload = write_text(text, mesh_bytes_text(why))};
}

static void answer_peer(mesh_node *node, mesh_peer *peer, const mesh_reply *reply, mesh_lane lane) {
    const char *refusal = NULL;
    if (!mesh_link_fits(peer->link, MESH_MESSAGE_HEAD_MAX + reply->payload.len)) {
        refusal = "the answer is larger than a message may be";
    } else if (mesh_link_queued(peer->link, lane) > MESH_QUEUE_MAX) {
        refusal = TOO_MANY;
    }
    if (!refusal) {
        send_reply(node, peer, reply, lane);
        return;
    }
    uint8_t text[TEXT_HEAD_LEN + TEXT_MAX];
    mesh_reply error = refusal_of(reply, refusal, text);
    send_reply(node, peer, &error, lane);
}

static void answer_self(mesh_node *node, const mesh_reply *reply) {
    uint32_t slot = mesh_calls_find(&node->calls, reply->call_id, MESH_PEER_SELF);
    if (slot == MESH_CALL_NONE) return;
    mesh_reply local = *reply;
    uint8_t text[TEXT_HEAD_LEN + TEXT_MAX];
    if (node->self_answered > MESH_LINK_REPLIES_MAX) local = refusal_of(reply, TOO_MANY, text);
    node->self_answered += local.payload.len;
    void *copy = mem_copy(local.payload.data, local.payload.len);
    local.payload.data = copy;
    mesh_node_calls_complete(node, slot, &local, copy);
}

// Ends the call here; false when nobody waits for the answer.
static bool close_served(mesh_node *node, uint32_t serve_slot, mesh_served_call *out_served) {
    mesh_served_call *served = mesh_serves_get(&node->serves, serve_slot);
    *out_served = *served;
    if (served->is_live) {
        mesh_peer *peer = mesh_node_peers_get(node, served->peer);
        mesh_deadlines_clear(&node->deadlines, MESH_NODE_DEADLINE_SERVE + serve_slot);
        mesh_serves_abort(&node->serves, serve_slot, &peer->first_serve);
    }
    mesh_serves_close(&node->serves, serve_slot);
    return out_served->is_live;
}

void mesh_node_answer(mesh_node *node, uint64_t now_ms, uint32_t serve_slot, uint32_t code,
                      uint32_t flags, mesh_bytes payload) {
    node->now_ms = now_ms;
    if (!mesh_serves_get(&node->serves, serve_slot)) return;
    mesh_served_call served;
    bool is_awaited = close_served(node, serve_slot, &served);
    if (code > MESH_CALL_NO_METHOD) code = MESH_CALL_APPLICATION;
    if (served.stream.is_broken && code == 0) { // an end would hide what is missing
        code = MESH_CALL_OVERLOADED;
        payload = (mesh_bytes){0};
    }
    mesh_reply reply = {
        .call_id = served.call_id,
        .code = (uint16_t)code,
        .is_maybe = code != 0 && may_have_run(code),
        .flags = (uint8_t)(flags & MESH_MESSAGE_HAS_HEADERS),
        .payload = payload,
    };
    mesh_peer *peer = release(node, &served);
    if (!peer) return;
    if (peer == &node->self) {
        if (is_awaited) answer_self(node, &reply);
        return;
    }
    if (is_awaited) answer_peer(node, peer, &reply, answer_lane(&served));
    mesh_link_pump(peer->link, now_ms);
    mesh_node_links_settle(node, peer);
}
