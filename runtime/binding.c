#include "binding.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <uv.h>

#include "core/error.h"
#include "core/mem.h"
#include "io/member.h"
#include "object.h"
#include "poll.h"
#include "secure/cipher_openssl.h"

typedef struct binding {
    napi_env env;
    napi_ref on_events, receiver;
    napi_async_context async;
    mesh_member *w;
    uv_prepare_t prepare;
    uint8_t *inbox, *outbox;
    uint32_t *state;
    size_t box_len, inbox_len;
    uint32_t turn_calls;       // requests and replies in the inbox
    uint32_t listening_memory; // 1 + descriptor, for the LISTENING that follows
    bool is_in_js;
    bool is_message_likely; // one came, or an answer was asked for, since the loop last slept
} binding;

// A launched process gets the agent's socket once, whatever environment (thread) asks for it first.
static int control_fd = -1;

void binding_set_control_fd(int fd) {
    control_fd = fd;
}

enum {
    FAILURE_LEN_MAX = 1024,
    // So much JavaScript gets at once. What it makes of more would be out of the cache when the
    // program reads it; and what is asked or answered goes out before the rest is looked at, so
    // that both ends of a link work at the same time.
    TURN_LEN = 32 << 10,
    TURN_CALLS = 24,
};

static const size_t HEAD_LEN = BINDING_WORDS * sizeof(uint32_t);

static size_t padded(size_t len) {
    return (len + 7) & ~(size_t)7;
}

// ---- events: C to JavaScript
// ---------------------------------------------------------------------

static void run_commands(binding *b);

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

static void call_js(binding *b) {
    while (b->inbox_len > 0 && !b->is_in_js) {
        call_js_once(b);
        run_commands(b);
    }
}

typedef struct event {
    uint32_t kind, flags, id, peer, arg, extra;
    mesh_bytes name, payload;
} event;

static void put_event(binding *b, const event *e) {
    size_t len = padded(HEAD_LEN + e->name.len + e->payload.len);
    CHECK(len <= b->box_len); // the core keeps messages below the limit this process chose
    if (b->inbox_len + len > b->box_len) call_js(b);
    CHECK(b->inbox_len + len <= b->box_len);
    uint8_t *at = b->inbox + b->inbox_len;
    const uint32_t words[BINDING_WORDS] = {
        (uint32_t)len,         e->kind | e->flags << 8,  e->id,   e->peer, e->arg,
        (uint32_t)e->name.len, (uint32_t)e->payload.len, e->extra};
    memcpy(at, words, sizeof words);
    if (e->name.len > 0) memcpy(at + HEAD_LEN, e->name.data, e->name.len);
    if (e->payload.len > 0) memcpy(at + HEAD_LEN + e->name.len, e->payload.data, e->payload.len);
    b->inbox_len += len;
}

// JavaScript gets what is there once it is enough for a turn, and what it asked or answered goes
// out.
static void end_full_turn(binding *b) {
    if (b->inbox_len < TURN_LEN && b->turn_calls < TURN_CALLS) return;
    call_js(b);
    mesh_member_write(b->w);
    // Its handlers may have taken long: calls behind them that are too late by now never run.
    uv_loop_t *loop = b->prepare.loop;
    uv_update_time(loop);
    mesh_node_tick(mesh_member_node(b->w), uv_now(loop));
}

static void put_peer(binding *b, const mesh_output *out) {
    event e = {
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
    put_event(b, &e);
}

static void put_output(binding *b, const mesh_output *out) {
    event e = {.peer = out->peer, .flags = out->flags, .name = out->name, .payload = out->payload};
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
        e.kind = BINDING_EV_ITEM;
        e.id = out->slot;
        e.arg = out->cost;
        break;
    case MESH_OUT_GRANT:
        e.kind = BINDING_EV_GRANT;
        e.id = out->slot;
        e.arg = out->cost;
        break;
    case MESH_OUT_INPUT:
        e.kind = BINDING_EV_INPUT;
        e.id = out->slot;
        e.arg = out->cost;
        break;
    case MESH_OUT_TAKE:
        e.kind = BINDING_EV_TAKE;
        e.id = out->slot;
        e.arg = out->cost;
        break;
    case MESH_OUT_DOWN:
        e.kind = BINDING_EV_DOWN;
        e.arg = (uint32_t)out->exit_code;
        e.extra = (uint32_t)out->exit_signal;
        break;
    case MESH_OUT_DRAIN: e.kind = BINDING_EV_DRAIN; break;
    case MESH_OUT_FLUSHED: e.kind = BINDING_EV_FLUSHED; break;
    default: return; // the driver's
    }
    put_event(b, &e);
    bool is_call = out->kind == MESH_OUT_REQUEST || out->kind == MESH_OUT_REPLY;
    b->turn_calls += is_call;
    b->is_message_likely |= is_call || out->kind == MESH_OUT_MESSAGE;
    end_full_turn(b);
}

static void update_state(binding *b) {
    mesh_node_stats stats = mesh_node_stats_get(mesh_member_node(b->w));
    for (size_t lane = 0; lane < MESH_LANE_COUNT; lane++) {
        uint64_t queued = stats.queued_bytes[lane];
        b->state[BINDING_WORD_QUEUED + lane] = queued < UINT32_MAX ? (uint32_t)queued : UINT32_MAX;
    }
}

static void on_output(const mesh_output *out, void *user) {
    binding *b = user;
    if (out != NULL) {
        put_output(b, out);
        return;
    }
    update_state(b);
    call_js(b);
}

static void on_agent(mesh_member_agent_event kind, uint32_t id, int status, const char *text,
                     void *user) {
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
    event e = {.kind = kinds[kind], .id = id, .name = mesh_bytes_text(text)};
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
    put_event(b, &e);
}

// ---- commands: JavaScript to C
// -------------------------------------------------------------------

typedef struct command {
    uint32_t kind, flags, id, peer, arg, extra;
    mesh_bytes name, aux, payload;
} command;

// What the program did not check is told, but never calls back in the middle of its own flush.
static void fail_command(binding *b, const command *c, int err) {
    if (b->inbox_len + FAILURE_LEN_MAX > b->box_len) return;
    event e = {.kind = BINDING_EV_COMMAND_FAILED,
               .id = c->id,
               .peer = c->peer,
               .arg = (uint32_t)err,
               .extra = c->kind,
               .name = mesh_bytes_text(mesh_error_text(err))};
    put_event(b, &e);
}

// Takes tags and key off the end of `aux`.
static mesh_pick take_pick(mesh_bytes *aux, uint32_t extra) {
    size_t key_len = extra >> 8 & 0xff, tags_len = extra >> 16 & 0xff;
    CHECK(key_len + tags_len <= aux->len);
    aux->len -= key_len + tags_len;
    const uint8_t *key = aux->data + aux->len;
    return (mesh_pick){.key = {key, key_len}, .tags = {key + key_len, tags_len}};
}

static int run_publish(binding *b, const command *c, uint64_t now_ms) {
    mesh_bytes aux = c->aux;
    mesh_publication pub = {.subject = c->name,
                            .flags = c->flags,
                            .payload = c->payload,
                            .pick = take_pick(&aux, c->extra)};
    return mesh_node_publish_to(mesh_member_node(b->w), now_ms, &pub);
}

static int run_announce(binding *b, const command *c) {
    mesh_bytes queue = c->aux;
    mesh_pick pick = take_pick(&queue, c->extra);
    mesh_entry entry = {.entry_id = c->id,
                        .kind = (mesh_entry_kind)c->arg,
                        .name = c->name,
                        .queue = queue,
                        .tags = pick.tags};
    return mesh_member_announce(b->w, &entry);
}

static int run_call(binding *b, const command *c, uint64_t now_ms) {
    b->is_message_likely = true;
    mesh_bytes method = c->aux;
    mesh_pick pick = take_pick(&method, c->extra);
    mesh_call call = {.slot = c->id,
                      .is_subject = (c->extra & 1) != 0,
                      .to_peer = c->peer,
                      .pick = pick,
                      .name = c->name,
                      .method = method,
                      .timeout_ms = c->arg,
                      .flags = c->flags,
                      .payload = c->payload};
    return mesh_node_call(mesh_member_node(b->w), now_ms, &call);
}

static int run_listen(binding *b, const command *c) {
    char address[64];
    if (c->name.len >= sizeof address) return MESH_EINVAL;
    memcpy(address, c->name.data, c->name.len);
    address[c->name.len] = '\0';
    return mesh_member_listen(b->w, c->id, address, c->arg, c->extra & 0x7fffffff, c->extra >> 31);
}

static int run_hold(binding *b, const command *c) {
    char id[17];
    if (c->name.len >= sizeof id) return MESH_EINVAL;
    memcpy(id, c->name.data, c->name.len);
    id[c->name.len] = '\0';
    mesh_member_hold(b->w, strtoull(id, NULL, 16), c->arg == 1);
    return 0;
}

static int run_lease(binding *b, const command *c) {
    mesh_lease_ask ask = {
        .id = c->id, .name = c->name, .ttl_s = c->arg, .is_waiting = c->extra == 1};
    return mesh_member_ask_lease(b->w, &ask);
}

static int run_command(binding *b, const command *c, uint64_t now_ms) {
    mesh_node *node = mesh_member_node(b->w);
    switch ((binding_command)c->kind) {
    case BINDING_JOIN: return mesh_member_join(b->w);
    case BINDING_PUBLISH: return run_publish(b, c, now_ms);
    case BINDING_CALL: return run_call(b, c, now_ms);
    case BINDING_CANCEL: mesh_node_cancel(node, now_ms, c->id); return 0;
    case BINDING_ANSWER:
        mesh_node_answer(node, now_ms, c->id, c->arg, c->flags, c->payload);
        return 0;
    case BINDING_ANNOUNCE: return run_announce(b, c);
    case BINDING_WITHDRAW: mesh_member_withdraw(b->w, c->id); return 0;
    case BINDING_CONSUMED:
        mesh_node_consumed(node, c->peer,
                           c->flags & BINDING_FLAG_BULK ? MESH_LANE_BULK : MESH_LANE_NORMAL,
                           c->arg);
        return 0;
    case BINDING_SHAPE: return mesh_node_shape(node, c->payload);
    case BINDING_MONITOR:
        (void)mesh_node_monitor(node, c->peer);
        return 0; // a DOWN event tells the rest
    case BINDING_DEMONITOR: mesh_node_demonitor(node, c->peer); return 0;
    case BINDING_LISTEN: return run_listen(b, c);
    case BINDING_FLUSH: mesh_node_flush(node); return 0;
    case BINDING_HOLD: return run_hold(b, c);
    case BINDING_ITEM: return mesh_node_item(node, now_ms, c->id, c->flags, c->payload);
    case BINDING_GRANT: mesh_node_grant(node, now_ms, c->id, c->arg); return 0;
    case BINDING_INPUT: return mesh_node_input(node, now_ms, c->id, c->flags, c->payload);
    case BINDING_TAKE: mesh_node_take(node, now_ms, c->id, c->arg); return 0;
    case BINDING_RETIRE: mesh_member_retire(b->w, c->id); return 0;
    case BINDING_RETIRED: mesh_member_drained(b->w, c->arg); return 0;
    case BINDING_CHECKED: mesh_member_checked(b->w, c->id, c->arg == 1, c->name); return 0;
    case BINDING_READY:
        if (c->arg == 2)
            mesh_member_stands_by(b->w);
        else
            mesh_member_ready(b->w, c->arg == 1);
        return 0;
    case BINDING_LEASE: return run_lease(b, c);
    case BINDING_UNLEASE: mesh_member_end_lease(b->w, c->id); return 0;
    default: return MESH_EINVAL;
    }
}

static size_t load_command(const uint8_t *at, size_t room, command *out) {
    uint32_t words[BINDING_WORDS];
    CHECK(room >= sizeof words);
    memcpy(words, at, sizeof words);
    size_t name_len = words[5] & 0xffff, aux_len = words[5] >> 16, payload_len = words[6];
    CHECK(words[0] <= room && HEAD_LEN + name_len + aux_len + payload_len <= words[0]);
    *out = (command){.kind = words[1] & 0xff,
                     .flags = words[1] >> 8,
                     .id = words[2],
                     .peer = words[3],
                     .arg = words[4],
                     .extra = words[7],
                     .name = {at + HEAD_LEN, name_len},
                     .aux = {at + HEAD_LEN + name_len, aux_len},
                     .payload = {at + HEAD_LEN + name_len + aux_len, payload_len}};
    return words[0];
}

static void run_commands(binding *b) {
    size_t len = b->state[BINDING_WORD_OUTBOX_LEN];
    if (len == 0) return;
    CHECK(len <= b->box_len);
    // Deadlines count from when the program asked, which may be long after the turn began.
    uv_loop_t *loop = b->prepare.loop;
    uv_update_time(loop);
    uint64_t now_ms = uv_now(loop);
    for (size_t at = 0; at < len;) {
        command c;
        at += load_command(b->outbox + at, len - at, &c);
        int err = run_command(b, &c, now_ms);
        if (err != 0) fail_command(b, &c, err);
    }
    b->state[BINDING_WORD_OUTBOX_LEN] = 0;
    update_state(b);
}

// Right before the loop sleeps: what this turn's JavaScript asked for becomes one write per link.
static void on_prepare(uv_prepare_t *prepare) {
    binding *b = prepare->data;
    run_commands(b);
    mesh_member_flush(b->w);
    call_js(b); // what a command failed with, where nothing else came
    runtime_poll_expect(b->prepare.loop, b->is_message_likely);
    b->is_message_likely = false;
}

// ---- the functions JavaScript calls
// ----------------------------------------------------------------

static binding *binding_of(napi_env env, napi_callback_info info, size_t *argc, napi_value *argv) {
    void *data = NULL;
    napi_get_cb_info(env, info, argc, argv, NULL, NULL);
    napi_get_instance_data(env, &data);
    return data;
}

static napi_value js_flush(napi_env env, napi_callback_info info) {
    size_t argc = 0;
    binding *b = binding_of(env, info, &argc, NULL);
    if (b->w == NULL) return NULL;
    run_commands(b);
    mesh_member_write(b->w);
    update_state(b);
    return NULL;
}

static napi_value js_ref(napi_env env, napi_callback_info info) {
    size_t argc = 1;
    napi_value argv[1];
    bool is_ref = false;
    binding *b = binding_of(env, info, &argc, argv);
    if (b->w == NULL || napi_get_value_bool(env, argv[0], &is_ref) != napi_ok) return NULL;
    mesh_member_ref(b->w, is_ref);
    return NULL;
}

static napi_value js_close(napi_env env, napi_callback_info info) {
    size_t argc = 1;
    napi_value argv[1];
    uint32_t timeout_ms = 0;
    binding *b = binding_of(env, info, &argc, argv);
    if (b->w == NULL || napi_get_value_uint32(env, argv[0], &timeout_ms) != napi_ok) return NULL;
    run_commands(b);
    mesh_member_close(b->w, timeout_ms);
    return NULL;
}

static napi_value js_is_lease_valid(napi_env env, napi_callback_info info) {
    size_t argc = 1;
    napi_value argv[1], value;
    uint32_t id = 0;
    binding *b = binding_of(env, info, &argc, argv);
    bool is_valid = b->w != NULL && napi_get_value_uint32(env, argv[0], &id) == napi_ok &&
                    mesh_member_is_lease_valid(b->w, id);
    napi_get_boolean(env, is_valid, &value);
    return value;
}

static napi_value js_stats(napi_env env, napi_callback_info info) {
    size_t argc = 0;
    binding *b = binding_of(env, info, &argc, NULL);
    napi_value object;
    napi_create_object(env, &object);
    if (b->w == NULL) return object;
    mesh_node_stats stats = mesh_node_stats_get(mesh_member_node(b->w));
    object_set_number(env, object, "queuedBytes", stats.queued_bytes[MESH_LANE_NORMAL]);
    object_set_number(env, object, "queuedBulkBytes", stats.queued_bytes[MESH_LANE_BULK]);
    object_set_number(env, object, "unsentBytes", stats.unsent_bytes);
    object_set_number(env, object, "lateReplies", stats.late_replies);
    object_set_number(env, object, "lostPublications", stats.lost_publications);
    object_set_number(env, object, "unknownTargets", stats.unknown_targets);
    object_set_number(env, object, "sentMessages", stats.sent_messages);
    object_set_number(env, object, "receivedMessages", stats.received_messages);
    return object;
}

static napi_value js_has_control(napi_env env, napi_callback_info info) {
    (void)info;
    napi_value value;
    napi_get_boolean(env, control_fd >= 0, &value);
    return value;
}

// Address space only: pages are taken as they are written.
static uint8_t *map_box(size_t len) {
    void *box =
        mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return mem_check(box == MAP_FAILED ? NULL : box);
}

static void set_box(napi_env env, napi_value object, const char *name, void *memory, size_t len) {
    napi_value box;
    napi_create_external_arraybuffer(env, memory, len, NULL, NULL, &box);
    napi_set_named_property(env, object, name, box);
}

static int open_mesh(binding *b, napi_value js_options) {
    char agent_path[256], name[MESH_NAME_LEN_MAX + 1];
    uv_loop_t *loop;
    napi_get_uv_event_loop(b->env, &loop);
    mesh_member_options options = {
        .control_fd = control_fd,
        .agent_path =
            object_get_text(b->env, js_options, "agentPath", agent_path, sizeof agent_path),
        .name = object_get_text(b->env, js_options, "name", name, sizeof name),
        .max_message_len = object_get_number(b->env, js_options, "maxMessage"),
    };
    size_t message_len =
        options.max_message_len != 0 ? options.max_message_len : MESH_MESSAGE_LEN_DEFAULT;
    b->box_len = message_len + BINDING_BOX_SLACK;
    mesh_cipher_use(&mesh_aead_openssl); // Node.js brings it
    int err = mesh_member_open(loop, &options, on_output, on_agent, b, &b->w);
    if (err != UV_EINVAL && err != UV_ETIMEDOUT) control_fd = -1; // used up, also by a failure
    if (err != 0) return err;
    uv_prepare_init(loop, &b->prepare);
    b->prepare.data = b;
    uv_prepare_start(&b->prepare, on_prepare);
    uv_unref((uv_handle_t *)&b->prepare);
    return 0;
}

static napi_value describe_self(binding *b) {
    const mesh_member_self *self = mesh_member_self_get(b->w);
    napi_value object;
    char id[17];
    (void)snprintf(id, sizeof id, "%016llx", (unsigned long long)self->node_id);
    napi_create_object(b->env, &object);
    object_set_text(b->env, object, "id", id);
    object_set_text(b->env, object, "name", self->name);
    object_set_text(b->env, object, "service", self->service);
    object_set_text(b->env, object, "host", self->host);
    object_set_number(b->env, object, "instance", self->instance);
    object_set_number(b->env, object, "incarnation", self->incarnation);
    set_box(b->env, object, "inbox", b->inbox, b->box_len);
    set_box(b->env, object, "outbox", b->outbox, b->box_len);
    set_box(b->env, object, "state", b->state, BINDING_STATE_WORDS * sizeof(uint32_t));
    return object;
}

static napi_value js_open(napi_env env, napi_callback_info info) {
    size_t argc = 2;
    napi_value argv[2], name;
    binding *b = binding_of(env, info, &argc, argv);
    if (b->w != NULL) {
        napi_throw_error(env, "EALREADY", "the mesh is open already");
        return NULL;
    }
    int err = open_mesh(b, argv[0]);
    if (err != 0) {
        const char *code = err < -4095 ? "EPROTO" : uv_err_name(err);
        napi_throw_error(env, code, err < -4095 ? mesh_error_text(err) : uv_strerror(err));
        return NULL;
    }
    b->inbox = map_box(b->box_len);
    b->outbox = map_box(b->box_len);
    b->state = mem_alloc(BINDING_STATE_WORDS * sizeof(uint32_t));
    napi_create_reference(env, argv[1], 1, &b->on_events);
    napi_value receiver;
    napi_get_global(env, &receiver);
    napi_create_reference(env, receiver, 1, &b->receiver);
    napi_create_string_utf8(env, "warren", NAPI_AUTO_LENGTH, &name);
    napi_async_init(env, NULL, name, &b->async);
    return describe_self(b);
}

// The environment ends: what was said last is still written.
static void on_env_end(void *data) {
    binding *b = data;
    if (b->w == NULL) return;
    b->is_in_js = true; // no JavaScript runs any more
    run_commands(b);
    mesh_member_write(b->w);
    uv_prepare_stop(&b->prepare);
    uv_close((uv_handle_t *)&b->prepare, NULL);
    mesh_member_destroy(b->w);
    b->w = NULL;
    // The program may start and end Workers for as long as it lives.
    munmap(b->inbox, b->box_len);
    munmap(b->outbox, b->box_len);
    free(b->state);
}

napi_value binding_init(napi_env env, napi_value exports) {
    binding *b = mem_alloc(
        sizeof *b); // lives as long as the environment, whose end is the process's or a worker's
    b->env = env;
    napi_set_instance_data(env, b, NULL, NULL);
    napi_add_env_cleanup_hook(env, on_env_end, b);
    const struct {
        const char *name;
        napi_callback function;
    } functions[] = {{"open", js_open},
                     {"hasControl", js_has_control},
                     {"flush", js_flush},
                     {"ref", js_ref},
                     {"close", js_close},
                     {"stats", js_stats},
                     {"isLeaseValid", js_is_lease_valid}};
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        napi_value function;
        napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].function, NULL,
                             &function);
        napi_set_named_property(env, exports, functions[i].name, function);
    }
    return exports;
}
