#include "duo.h"

#include <stdlib.h>

#include "core/be.h"
#include "core/mem.h"

static duo *create(const mesh_node_options options[2]) {
    duo *d = mem_alloc(sizeof *d);
    d->now_ms = 1000;
    for (uint64_t i = 0; i < 2; i++) {
        mesh_node_options own = options[i];
        own.node_id = d->sides[i].id = 11 * (i + 1);
        own.seed = i + 1;
        d->sides[i].node = mesh_node_create(&own);
    }
    for (int i = 0; i < 2; i++) {
        mesh_peer_info info = {.node_id = d->sides[1 - i].id,
                               .name = mesh_bytes_text(i ? "left" : "right"),
                               .service = mesh_bytes_text("app"),
                               .host = mesh_bytes_text("here")};
        mesh_node_peer_up(d->sides[i].node, &info);
    }
    duo_run(d);
    for (int i = 0; i < 2; i++)
        d->sides[i].peer = duo_expect(d, i, MESH_OUT_PEER)->out.peer;
    return d;
}

duo *duo_create(const mesh_node_options *options) {
    mesh_node_options plain = {0};
    if (!options) options = &plain;
    return create((mesh_node_options[]){*options, *options});
}

duo *duo_create_unlike(uint32_t max_message_left, uint32_t max_message_right) {
    return create((mesh_node_options[]){{.max_message_len = max_message_left},
                                        {.max_message_len = max_message_right}});
}

void duo_destroy(duo *d) {
    for (int i = 0; i < 2; i++)
        mesh_node_destroy(d->sides[i].node);
    free(d);
}

static void copy_text(char out[DUO_TEXT_MAX], mesh_bytes bytes) {
    size_t len = bytes.len < DUO_TEXT_MAX - 1 ? bytes.len : DUO_TEXT_MAX - 1;
    if (len > 0) memcpy(out, bytes.data, len);
    out[len] = 0;
}

static void link_both(duo *d, int dialler) {
    for (int i = 0; i < 2; i++) {
        duo_side *side = &d->sides[i];
        EXPECT_OK(mesh_node_link_up(side->node, d->now_ms, &side->peer, d->sides[1 - i].id,
                                    i == dialler));
        side->is_linked = true;
        side->is_close_asked = false;
    }
}

void duo_link_down(duo *d) {
    for (int i = 0; i < 2; i++) {
        duo_side *side = &d->sides[i];
        if (side->is_linked) mesh_node_link_down(side->node, d->now_ms, side->peer);
        side->is_linked = false;
    }
}

static void record(duo_side *side, const mesh_output *out) {
    EXPECT_TRUE(side->count < DUO_EVENTS_MAX);
    duo_event *event = &side->events[side->count++];
    event->out = *out;
    event->payload_len = out->payload.len;
    copy_text(event->name, out->name);
    copy_text(event->payload, out->payload);
}

static bool poll_side(duo *d, int i) {
    duo_side *side = &d->sides[i];
    mesh_output out;
    bool has_moved = false;
    while (mesh_node_poll(side->node, &out)) {
        has_moved = true;
        if (out.kind == MESH_OUT_CLOSE) side->is_close_asked = true;
        if (out.kind == MESH_OUT_CONNECT && !d->is_connect_refused) link_both(d, i);
        record(side, &out);
    }
    return has_moved;
}

static bool carry(duo *d, int from) {
    duo_side *source = &d->sides[from], *target = &d->sides[1 - from];
    if (!source->is_linked || !target->is_linked || d->is_stopped[from]) return false;
    mesh_bytes bytes = mesh_node_link_output(source->node, source->peer);
    if (bytes.len == 0) return false;
    uint8_t *buffer;
    size_t cap;
    mesh_node_link_input(target->node, target->peer, &buffer, &cap);
    size_t len = bytes.len < cap ? bytes.len : cap;
    if (d->chunk && len > d->chunk) len = d->chunk;
    memcpy(buffer, bytes.data, len);
    mesh_node_link_sent(source->node, d->now_ms, source->peer, len);
    target->link_error = mesh_node_link_received(target->node, d->now_ms, target->peer, len);
    (void)poll_side(d, 1 - from);
    if (target->link_error != 0) duo_link_down(d);
    return true;
}

static bool close_when_written(duo *d, int i) {
    duo_side *side = &d->sides[i];
    if (!side->is_linked || !side->is_close_asked) return false;
    if (mesh_node_link_output(side->node, side->peer).len > 0) return false;
    duo_link_down(d);
    return true;
}

void duo_run(duo *d) {
    for (bool has_moved = true; has_moved;) {
        has_moved = false;
        for (int i = 0; i < 2; i++) {
            has_moved |= poll_side(d, i);
            has_moved |= carry(d, i);
            has_moved |= close_when_written(d, i);
        }
    }
}

void duo_kill(duo *d, int side) {
    duo_side *other = &d->sides[1 - side];
    duo_link_down(d);
    mesh_node_peer_down(other->node, d->now_ms, d->sides[side].id, mesh_bytes_text("killed"), -1,
                        9);
    duo_run(d);
}

void duo_announce(duo *d, int side, uint32_t entry_id, mesh_entry_kind kind, const char *name,
                  const char *queue) {
    mesh_entry entry = {.entry_id = entry_id,
                        .kind = kind,
                        .name = mesh_bytes_text(name),
                        .queue = mesh_bytes_text(queue)};
    EXPECT_OK(mesh_node_announce(d->sides[side].node, &entry));
    EXPECT_OK(mesh_node_entry_put(d->sides[1 - side].node, d->sides[side].id, &entry));
}

int duo_call(duo *d, int side, uint32_t slot, const char *service, const char *payload) {
    mesh_call call = {.slot = slot,
                      .to_peer = MESH_PEER_ANY,
                      .name = mesh_bytes_text(service),
                      .method = mesh_bytes_text("run"),
                      .timeout_ms = 5000,
                      .payload = mesh_bytes_text(payload)};
    return mesh_node_call(d->sides[side].node, d->now_ms, &call);
}

int duo_publish(duo *d, int side, const char *subject, const char *payload) {
    return mesh_node_publish(d->sides[side].node, d->now_ms, mesh_bytes_text(subject), 0,
                             mesh_bytes_text(payload));
}

int duo_inject(duo *d, int side, const void *frames, size_t len) {
    duo_side *target = &d->sides[side];
    uint8_t *buffer;
    size_t cap;
    mesh_node_link_input(target->node, target->peer, &buffer, &cap);
    EXPECT_TRUE(len + 2 <= cap && len <= MESH_RECORD_LEN_MAX);
    memcpy(store_be16(buffer, (uint32_t)len), frames, len);
    int err = mesh_node_link_received(target->node, d->now_ms, target->peer, len + 2);
    (void)poll_side(d, side);
    return err;
}

const duo_event *duo_expect(duo *d, int side, mesh_output_kind kind) {
    duo_side *s = &d->sides[side];
    while (s->read < s->count) {
        const duo_event *event = &s->events[s->read++];
        if (event->out.kind == kind) return event;
    }
    fail_msg("side %d saw no event of kind %d", side, (int)kind);
    return NULL;
}

size_t duo_count(const duo *d, int side, mesh_output_kind kind) {
    size_t count = 0;
    for (size_t i = 0; i < d->sides[side].count; i++)
        count += d->sides[side].events[i].out.kind == kind;
    return count;
}
