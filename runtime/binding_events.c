// Events: C to JavaScript.
#include <stdio.h>
#include <string.h>

#include "binding_state.h"
#include "core/mem.h"

enum {
    // So much JavaScript gets at once. What it makes of more would be out of the cache when the
    // program reads it; and what is asked or answered goes out before the rest is looked at, so
    // that both ends of a link work at the same time.
    TURN_LEN = 32 << 10,
    TURN_CALLS = 24,
};

static size_t padded(size_t len) {
    return (len + 7) & ~(size_t)7;
}

static void call_js_once(binding *b) {
    napi_handle_scope scope;
    napi_value on_events, receiver, len;
    size_t told = b->inbox_len;
    if (napi_open_handle_scope(b->env, &scope) != napi_ok) return;
    napi_get_reference_value(b->env, b->on_events, &on_events);
    napi_get_reference_value(b->env, b->receiver, &receiver);
    napi_create_uint32(b->env, (uint32_t)told, &len);
    b->is_in_js = true;
    // An exception of the program's is Node's to report: it is uncaught, like in any other
    // callback.
    if (napi_make_callback(b->env, b->async, receiver, on_events, 1, &len, NULL) ==
        napi_pending_exception) {
        napi_value error;
        if (napi_get_and_clear_last_exception(b->env, &error) == napi_ok)
            napi_fatal_exception(b->env, error);
    }
    b->is_in_js = false;
    napi_close_handle_scope(b->env, scope);
    // A flush inside may have added what failed.
    b->turn_calls = 0;
    b->inbox_len -= told;
    memmove(b->inbox, b->inbox + told, b->inbox_len);
}

void binding_events_deliver(binding *b) {
    while (b->inbox_len > 0 && !b->is_in_js) {
        call_js_once(b);
        binding_commands_run(b);
    }
}

void binding_events_put(binding *b, const binding_entry *e) {
    size_t len = padded(BINDING_HEAD_LEN + e->name.len + e->payload.len);
    CHECK(len <= b->box_len); // the core keeps messages below the limit this process chose
    if (b->inbox_len + len > b->box_len) binding_events_deliver(b);
    CHECK(b->inbox_len + len <= b->box_len);
    uint8_t *at = b->inbox + b->inbox_len;
    const uint32_t words[BINDING_WORDS] = {
        (uint32_t)len,         e->kind | e->flags << 8,  e->id,   e->peer, e->arg,
        (uint32_t)e->name.len, (uint32_t)e->payload.len, e->extra};
    memcpy(at, words, sizeof words);
    if (e->name.len > 0) memcpy(at + BINDING_HEAD_LEN, e->name.data, e->name.len);
    if (e->payload.len > 0)
        memcpy(at + BINDING_HEAD_LEN + e->name.len, e->payload.data, e->payload.len);
    b->inbox_len += len;
}

// JavaScript gets what is there once it is enough for a turn, and what it asked or answered goes
// out.
static void end_full_turn(binding *b) {
    if (b->inbox_len < TURN_LEN && b->turn_calls < TURN_CALLS) return;
    binding_events_deliver(b);
    mesh_member_write(b->w);
    // Its handlers may have taken long: calls behind them that are too late by now never run.
    uv_loop_t *loop = b->prepare.loop;
    uv_update_time(loop);
    mesh_node_tick(mesh_member_node(b->w), uv_now(loop));
}

static void put_peer(binding *b, const mesh_output *out) {
    binding_entry e = {
        .kind = BINDING_EV_PEER, .peer = out->peer, .flags = out->is_up ? BINDING_FLAG_BOOL : 0};
    char text[1024];
    if (out->info != NULL) {
        const mesh_peer_info *info = out->info;
        int len =
            snprintf(text, sizeof text, "%016llx%c%.*s%c%.*s", (unsigned long long)info->node_id, 0,
                     (int)info->service.len, (const char *)info->service.data, 0,
                     (int)info->host.len, (const char *)info->host.data);
        CHECK(len > 0 && (size_t)len < sizeof text); // names are at most MESH_NAME_LEN_MAX
        e.arg = info->pid;
        e.extra = info->instance;
        e.name = info->name;
        e.payload = (mesh_bytes){(uint8_t *)text, (size_t)len};
    }
    binding_events_put(b, &e);
}

static binding_event stream_event(mesh_output_kind kind) {
    switch (kind) {
    case MESH_OUT_ITEM: return BINDING_EV_ITEM;
    case MESH_OUT_GRANT: return BINDING_EV_GRANT;
    case MESH_OUT_INPUT: return BINDING_EV_INPUT;
    default: return BINDING_EV_TAKE;
    }
}

static void put_output(binding *b, const mesh_output *out) {
    binding_entry e = {
        .peer = out->peer, .flags = out->flags, .name = out->name, .payload = out->payload};
    switch (out->kind) {
    case MESH_OUT_PEER: put_peer(b, out); return;
    case MESH_OUT_SERVICE:
        e.kind = BINDING_EV_SERVICE;
        e.flags = out->is_up ? BINDING_FLAG_BOOL : 0;
        break;
    case MESH_OUT_SHAPE: e.kind = BINDING_EV_SHAPE; break;
    case MESH_OUT_MESSAGE:
        e.kind = BINDING_EV_MESSAGE;
        e.id = out->endpoint;
        e.arg = out->cost;
        break;
    case MESH_OUT_REQUEST:
        e.kind = BINDING_EV_REQUEST;
        e.id = out->slot;
        e.arg = out->timeout_ms;
        e.extra = out->endpoint;
        break;
    case MESH_OUT_ABORT:
        e.kind = BINDING_EV_ABORT;
        e.id = out->slot;
        e.arg = out->code;
        break;
    case MESH_OUT_REPLY:
        e.kind = BINDING_EV_REPLY;
        e.id = out->slot;
        break;
    case MESH_OUT_ERROR:
        e.kind = BINDING_EV_ERROR;
        e.id = out->slot;
        e.arg = out->code;
        e.flags |= out->is_maybe ? BINDING_FLAG_BOOL : 0;
        break;
    case MESH_OUT_ITEM:
    case MESH_OUT_GRANT:
    case MESH_OUT_INPUT:
    case MESH_OUT_TAKE:
        e.kind = stream_event(out->kind);
        e.id = out->slot;
        e.arg = out->cost;
        break;
    case MESH_OUT_DOWN:
        e.kind = BINDING_EV_DOWN;
        e.arg = (uint32_t)out->exit_code;
        e.extra = (uint32_t)out->exit_signal;
        break;
    case MESH_OUT_DRAIN: e.kind = BINDING_EV_DRAIN; break;
    case MESH_OUT_GAP:
        e.kind = BINDING_EV_GAP;
        e.arg = out->cost;
        e.flags = out->is_from ? BINDING_FLAG_BOOL : 0;
        break;
    case MESH_OUT_FLUSHED: e.kind = BINDING_EV_FLUSHED; break;
    default: return; // the driver's
    }
    binding_events_put(b, &e);
    bool is_call = out->kind == MESH_OUT_REQUEST || out->kind == MESH_OUT_REPLY;
    b->turn_calls += is_call;
    b->is_message_likely |= is_call || out->kind == MESH_OUT_MESSAGE;
    end_full_turn(b);
}

void binding_events_update_state(binding *b) {
    mesh_node_stats stats = mesh_node_stats_get(mesh_member_node(b->w));
    for (size_t lane = 0; lane < MESH_LANE_COUNT; lane++) {
        uint64_t queued = stats.queued_bytes[lane];
        b->state[BINDING_WORD_QUEUED + lane] = queued < UINT32_MAX ? (uint32_t)queued : UINT32_MAX;
    }
}

void binding_events_on_output(const mesh_output *out, void *user) {
    binding *b = user;
    if (out != NULL) {
        put_output(b, out);
        return;
    }
    binding_events_update_state(b);
    binding_events_deliver(b);
}

void binding_events_on_agent(mesh_member_agent_event kind, uint32_t id, int status,
                             const char *text, void *user) {
    binding *b = user;
    if (kind == MESH_MEMBER_BALANCE) {
        b->listening_memory = (uint32_t)status + 1;
        return;
    }
    static const uint32_t kinds[] = {
        [MESH_MEMBER_JOINED] = BINDING_EV_JOINED,
        [MESH_MEMBER_ANNOUNCED] = BINDING_EV_ANNOUNCED,
        [MESH_MEMBER_LISTENING] = BINDING_EV_LISTENING,
        [MESH_MEMBER_LEASE] = BINDING_EV_LEASE,
        [MESH_MEMBER_DRAIN] = BINDING_EV_RETIRE,
        [MESH_MEMBER_CHECK] = BINDING_EV_CHECK,
        [MESH_MEMBER_REFUSED] = BINDING_EV_REFUSED,
        [MESH_MEMBER_LOST] = BINDING_EV_LOST,
        [MESH_MEMBER_CLOSED] = BINDING_EV_CLOSED,
    };
    binding_entry e = {.kind = kinds[kind], .id = id, .name = mesh_bytes_text(text)};
    if (kind == MESH_MEMBER_LISTENING) {
        e.arg = status < 0 ? (uint32_t)status : 0;
        e.extra = status < 0 ? 0 : (uint32_t)status;
        e.peer = b->listening_memory;
        b->listening_memory = 0;
    }
    char token[24];
    if (kind == MESH_MEMBER_LEASE) {
        e.arg = (uint32_t)status;
        (void)snprintf(token, sizeof token, "%llu",
                       (unsigned long long)mesh_member_lease_token(b->w, id));
        e.payload = mesh_bytes_text(token);
    }
    if (kind == MESH_MEMBER_DRAIN) e.arg = id;
    if (kind == MESH_MEMBER_CHECK) e.arg = (uint32_t)status;
    if (kind == MESH_MEMBER_CLOSED) b->state[BINDING_WORD_IS_CLOSED] = 1;
    binding_events_put(b, &e);
}
