// Commands: JavaScript to C.
#include <stdlib.h>
#include <string.h>

#include "binding_state.h"
#include "core/error.h"
#include "core/mem.h"

enum { FAILURE_LEN_MAX = 1024 };

typedef struct command {
    uint32_t kind, flags, id, peer, arg, extra;
    mesh_bytes name, aux, payload;
} command;

// What the program did not check is told, but never calls back in the middle of its own flush.
static void fail_command(binding *b, const command *c, int err) {
    if (b->inbox_len + FAILURE_LEN_MAX > b->box_len) return;
    binding_entry e = {.kind = BINDING_EV_COMMAND_FAILED,
                       .id = c->id,
                       .peer = c->peer,
                       .arg = (uint32_t)err,
                       .extra = c->kind,
                       .name = mesh_bytes_text(mesh_error_text(err))};
    binding_events_put(b, &e);
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
    CHECK(words[0] <= room && BINDING_HEAD_LEN + name_len + aux_len + payload_len <= words[0]);
    *out = (command){.kind = words[1] & 0xff,
                     .flags = words[1] >> 8,
                     .id = words[2],
                     .peer = words[3],
                     .arg = words[4],
                     .extra = words[7],
                     .name = {at + BINDING_HEAD_LEN, name_len},
                     .aux = {at + BINDING_HEAD_LEN + name_len, aux_len},
                     .payload = {at + BINDING_HEAD_LEN + name_len + aux_len, payload_len}};
    return words[0];
}

void binding_commands_run(binding *b) {
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
    binding_events_update_state(b);
}
