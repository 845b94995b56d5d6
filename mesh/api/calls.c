// What the program asks and says: calls and publications. A call's id is its slot in the core and a
// number that counts how often the slot was used.
#include "api/state.h"
#include "core/error.h"
#include "core/mem.h"

enum { TIMEOUT_DEFAULT_MS = 5000, SLOT_BITS = 32, DETAIL_LEN_MAX = 512 };

static int take_slot(warren *w, uint32_t *out) {
    if (w->free_count > 0) {
        *out = w->free_calls[--w->free_count];
        return 0;
    }
    if (w->call_count == MESH_CALLS_MAX) return WARREN_OVERLOADED;
    w->calls = mem_grow(w->calls, sizeof *w->calls, w->call_count + 1, &w->call_cap);
    w->calls[w->call_count] = (api_call){0};
    *out = (uint32_t)w->call_count++;
    return 0;
}

static void free_slot(warren *w, uint32_t slot) {
    w->calls[slot].is_open = false;
    w->calls[slot].generation++;
    w->free_calls = mem_grow(w->free_calls, sizeof *w->free_calls, w->free_count + 1, &w->free_cap);
    w->free_calls[w->free_count++] = slot;
}

static int address(const warren *w, const warren_callee *callee, mesh_call *call) {
    call->is_subject = callee->subject != NULL;
    bool are_names =
        api_is_name(callee->subject ? callee->subject : callee->service, &call->name) &&
        (callee->subject || api_is_name(callee->method, &call->method));
    if (!are_names) return WARREN_INVALID;
    call->to_peer = MESH_PEER_ANY;
    call->timeout_ms = callee->timeout_ms == 0 ? TIMEOUT_DEFAULT_MS : callee->timeout_ms;
    if (callee->timeout_ms == WARREN_NO_TIMEOUT) call->timeout_ms = 0;
    int err = api_pick(callee->key, callee->tags, &call->pick);
    if (err != 0 || callee->node == 0) return err;
    const api_peer *peer = api_peers_find(w, callee->node);
    if (!peer) return WARREN_NOT_FOUND;
    call->to_peer = peer->handle;
    return 0;
}

static int start(warren *w, mesh_call *call) {
    int err = take_slot(w, &call->slot);
    if (err != 0) return err;
    err = api_error(mesh_node_call(mesh_member_node(w->member), api_now_ms(w), call));
    if (err != 0) free_slot(w, call->slot);
    return err;
}

int warren_call(warren *w, const warren_callee *callee, warren_bytes payload,
                warren_answer_cb on_answer, void *user, uint64_t *out_call) {
    if (w->is_closing) return WARREN_CLOSED;
    mesh_call call = {0};
    api_message message = {0};
    int err = address(w, callee, &call);
    if (err == 0) err = api_message_write(w, payload, callee->headers, callee->is_bulk, &message);
    call.flags = message.flags;
    call.payload = message.payload;
    if (err == 0) err = start(w, &call);
    free(message.memory);
    if (err != 0) return err;
    api_call *made = &w->calls[call.slot];
    *made = (api_call){.on_answer = on_answer,
                       .on_item = callee->on_item,
                       .user = user,
                       .generation = made->generation,
                       .is_open = true};
    if (out_call) *out_call = call.slot | (uint64_t)made->generation << SLOT_BITS;
    return WARREN_OK;
}

void warren_cancel(warren *w, uint64_t call) {
    uint32_t slot = (uint32_t)call;
    bool is_open = slot < w->call_count && w->calls[slot].is_open &&
                   w->calls[slot].generation == call >> SLOT_BITS;
    if (is_open) mesh_node_cancel(mesh_member_node(w->member), api_now_ms(w), slot);
}

int warren_publish(warren *w, const char *subject, warren_bytes payload,
                   const warren_publish_options *options) {
    static const warren_publish_options defaults;
    if (w->is_closing) return WARREN_CLOSED;
    if (!options) options = &defaults;
    mesh_publication pub = {0};
    api_message message = {0};
    if (!api_is_name(subject, &pub.subject)) return WARREN_INVALID;
    int err = api_pick(options->key, options->tags, &pub.pick);
    if (err == 0) err = api_message_write(w, payload, options->headers, options->is_bulk, &message);
    pub.flags = message.flags;
    pub.payload = message.payload;
    if (err == 0)
        err = api_error(mesh_node_publish_to(mesh_member_node(w->member), api_now_ms(w), &pub));
    free(message.memory);
    return err;
}

// ---- answers

// The sentence that came with an outcome of the mesh's own, if one did: a short MessagePack string.
static const char *detail_of(warren_bytes payload, char out[DETAIL_LEN_MAX]) {
    const uint8_t *at = payload.data;
    if (payload.len < 2) return NULL;
    size_t head = at[0] == 0xd9 ? 2 : (at[0] & 0xe0) == 0xa0 ? 1 : 0;
    size_t len = payload.len - head;
    if (head == 0 || len == 0 || len >= DETAIL_LEN_MAX) return NULL;
    memcpy(out, at + head, len);
    out[len] = '\0';
    return out;
}

static void end_call(warren *w, const mesh_output *out) {
    api_call call = w->calls[out->slot];
    warren_answer answer = {.error = out->kind == MESH_OUT_REPLY ? 0 : (int)out->code,
                            .is_maybe = out->kind == MESH_OUT_REPLY || out->is_maybe,
                            .from = api_peers_id(w, out->peer)};
    free_slot(w, out->slot);
    api_content content = {0};
    bool has_value = out->payload.len > 0;
    int err = has_value ? api_content_read(w, out, &content) : 0;
    if (err != 0) {
        w->bad_payloads++;
        answer.error = api_error(err);
        content = (api_content){0};
    }
    if (call.stopped != WARREN_OK) answer.error = call.stopped;
    answer.payload = content.payload;
    answer.text = warren_error_text(answer.error);
    char detail[DETAIL_LEN_MAX];
    warren_thrown thrown;
    if (answer.error == WARREN_APPLICATION) {
        if (warren_thrown_read(answer.payload, &thrown) && thrown.message[0])
            answer.text = thrown.message;
    } else if (answer.error != WARREN_OK) {
        const char *said = detail_of(answer.payload, detail);
        if (said) answer.text = said;
    }
    call.on_answer(w, &answer, call.user);
}

static void take_item(warren *w, const mesh_output *out) {
    api_call call = w->calls[out->slot];
    mesh_node *node = mesh_member_node(w->member);
    if (call.stopped != WARREN_OK) return;
    api_content content;
    bool is_begin = out->payload.len == 0;
    int err = is_begin ? 0 : api_content_read(w, out, &content);
    w->bad_payloads += err != 0;
    if (!call.on_item || err != 0) {
        w->calls[out->slot].stopped = err != 0 ? api_error(err) : WARREN_STREAM;
        mesh_node_cancel(node, api_now_ms(w), out->slot);
        return;
    }
    if (is_begin) return;
    call.on_item(w, content.payload, call.user);
    // It may have been cancelled, and the slot used again, in there.
    const api_call *now = &w->calls[out->slot];
    if (now->is_open && now->generation == call.generation)
        mesh_node_grant(node, api_now_ms(w), out->slot, out->cost);
}

void api_calls_take(warren *w, const mesh_output *out) {
    if (out->slot >= w->call_count || !w->calls[out->slot].is_open) return;
    if (out->kind == MESH_OUT_ITEM)
        take_item(w, out);
    else
        end_call(w, out);
}
