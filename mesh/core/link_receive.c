// The receiving half of a link: records, frames, fragments, and what the peer may not do.
#include "core/be.h"
#include "core/error.h"
#include "core/link.h"
#include "core/mem.h"

enum {
    U64_LEN = 8,
    TOTAL_LEN = 4,
    INPUT_ROOM_MIN = MESH_LINK_INPUT_LEN / 2,
    PAUSE_MAX_MS = 5000, // counted of the time between two reads: a loop that was busy did not wait
};

// What is left of a record never fills the half that is kept free.
_Static_assert(MESH_RECORD_HEAD_LEN + MESH_RECORD_LEN_MAX <=
                   MESH_LINK_INPUT_LEN - INPUT_ROOM_MIN + 1,
               "a record fits the input");

void mesh_link_input(mesh_link *link, uint8_t **out_buffer, size_t *out_cap) {
    // Pages of a large block cost nothing until they are touched, and small messages touch the
    // first.
    if (!link->input) link->input = mem_check(malloc(MESH_LINK_INPUT_LEN));
    size_t len = link->input_tail - link->input_head;
    if (len == 0 || MESH_LINK_INPUT_LEN - link->input_tail < INPUT_ROOM_MIN) {
        if (len > 0) memmove(link->input, link->input + link->input_head, len);
        link->input_head = 0;
        link->input_tail = len;
    }
    *out_buffer = link->input + link->input_tail;
    *out_cap = MESH_LINK_INPUT_LEN - link->input_tail;
}

void mesh_link_received(mesh_link *link, uint64_t now_ms, size_t len) {
    CHECK(link->input && len <= MESH_LINK_INPUT_LEN - link->input_tail);
    uint64_t pause_ms = now_ms - link->received_at_ms;
    if (link->input_tail > link->input_head)
        link->partial_ms += pause_ms < PAUSE_MAX_MS ? (uint32_t)pause_ms : PAUSE_MAX_MS;
    link->received_at_ms = now_ms;
    link->input_tail += len;
}

void mesh_link_take_ready(mesh_link *link, const mesh_ready *ready) {
    if (ready->max_frame < link->max_frame) link->max_frame = ready->max_frame;
    if (ready->max_message < link->max_message) link->max_message = ready->max_message;
    for (size_t i = 0; i < MESH_LANE_COUNT; i++) {
        link->outbound[mesh_channel_of(MESH_FRAME_REQUEST, i)].limit = ready->request_credit;
        link->outbound[mesh_channel_of(MESH_FRAME_PUB, i)].limit = ready->publish_credit;
    }
    link->has_streams = ready->features & MESH_FEATURE_STREAMS;
    link->has_inputs = ready->features & MESH_FEATURE_INPUTS;
    link->resume.is_on = link->is_sealed && ready->features & MESH_FEATURE_RESUME;
    link->state = MESH_LINK_OPEN;
}

// Whoever has the session knows its keys, and this connection's certificates say who it is.
static int take_resume(mesh_link *link, const mesh_ready *ready, mesh_link_message *out) {
    bool is_known = ready->has_session && ready->features & MESH_FEATURE_RESUME &&
                    memcmp(ready->session, link->resume.session, MESH_SESSION_LEN) == 0;
    if (!is_known) {
        link->peer_ready = *ready;
        out->is_restart = true;
        return 1;
    }
    int err = mesh_resume_ack(&link->resume, ready->received);
    if (err != 0) return err;
    link->is_resuming = false;
    link->state = MESH_LINK_OPEN;
    err = mesh_link_send_kept(link);
    return err != 0 ? err : 1;
}

static int take_ready(mesh_link *link, const mesh_frame *frame, mesh_link_message *out) {
    mesh_ready ready;
    int err = mesh_ready_parse(frame->body, &ready);
    if (err != 0) return err;
    if (ready.node_id != link->options.peer_id) return MESH_EWRONGPEER;
    if (link->is_resuming) return take_resume(link, &ready, out);
    mesh_link_take_ready(link, &ready);
    return 1;
}

static int take_ack(mesh_link *link, const mesh_frame *frame) {
    if (!link->resume.is_on || frame->body.len != U64_LEN) return MESH_EPROTO;
    return mesh_resume_ack(&link->resume, load_be64(frame->body.data));
}

static int take_ping(mesh_link *link, const mesh_frame *frame) {
    if (frame->body.len != U64_LEN) return MESH_EPROTO;
    if (link->pong_count == MESH_LINK_PONGS_MAX) return MESH_EQUOTA;
    link->pong_count++;
    mesh_queue_entry entry = {.type = MESH_FRAME_PONG};
    (void)mesh_queue_push(&link->queues[MESH_CHANNEL_CONTROL], entry, frame->body, (mesh_bytes){0});
    link->has_control = true;
    return 0;
}

static int take_credit(mesh_link *link, const mesh_frame *frame) {
    if (!mesh_channel_has_credit(frame->channel)) return MESH_EPROTO;
    if (frame->body.len != U64_LEN) return MESH_EPROTO;
    uint64_t limit = load_be64(frame->body.data);
    struct mesh_link_outbound *outbound = &link->outbound[frame->channel];
    if (limit <= outbound->limit) return MESH_EFLOW;
    outbound->limit = limit;
    return 1;
}

static int take_shape(mesh_link *link, const mesh_frame *frame) {
    int err = mesh_shape_check(frame->body, link->shapes_received);
    if (err != 0) return err;
    link->shapes_received++;
    return 1;
}

// The peer's next record is sealed with its next key.
static int take_rekey(mesh_link *link, const mesh_frame *frame) {
    if (!link->is_sealed || frame->body.len != 0 || link->record.len != 0) return MESH_EPROTO;
    mesh_cipher_rekey(&link->open);
    return 0;
}

static int take_goaway(mesh_link *link, const mesh_frame *frame) {
    uint32_t code;
    int err = mesh_goaway_parse(frame->body, &code);
    if (err != 0) return err;
    link->state = MESH_LINK_ENDING;
    mesh_link_mute(link); // it discards all from here on, or does not even read it
    return 1;
}

static int take_control(mesh_link *link, const mesh_frame *frame, mesh_link_message *out) {
    bool is_single = (frame->flags & (MESH_FRAME_FIRST | MESH_FRAME_MORE)) == MESH_FRAME_FIRST;
    if (!is_single || frame->body.len > MESH_CONTROL_LEN_MAX) return MESH_EPROTO;
    *out = (mesh_link_message){.type = frame->type, .body = frame->body};
    if (frame->type == MESH_FRAME_CREDIT) return take_credit(link, frame);
    if (frame->type == MESH_FRAME_CANCEL || frame->type == MESH_FRAME_GRANT ||
        frame->type == MESH_FRAME_TAKE)
        return frame->channel == MESH_CHANNEL_REQUEST ? 1 : MESH_EPROTO;
    if (frame->channel != MESH_CHANNEL_CONTROL) return MESH_EPROTO;
    switch (frame->type) {
    case MESH_FRAME_PING: return take_ping(link, frame);
    case MESH_FRAME_PONG: return frame->body.len == U64_LEN ? 0 : MESH_EPROTO;
    case MESH_FRAME_SHAPE: return take_shape(link, frame);
    case MESH_FRAME_GOAWAY: return take_goaway(link, frame);
    case MESH_FRAME_REKEY: return take_rekey(link, frame);
    case MESH_FRAME_ACK: return take_ack(link, frame);
    default: return MESH_EPROTO; // a second READY
    }
}

static int open_assembly(mesh_link *link, const mesh_frame *frame, mesh_bytes *body) {
    if (body->len <= TOTAL_LEN) return MESH_EPROTO;
    uint32_t total = load_be32(body->data);
    if (total > link->max_message + MESH_MESSAGE_HEAD_MAX) return MESH_ETOOBIG;
    *body = mesh_bytes_skip(*body, TOTAL_LEN);
    mesh_assembly_begin(link->options.assemblies, &link->assemblies[frame->channel],
                        link->received_at_ms, frame->type, total);
    return 0;
}

static int take_fragment(mesh_link *link, const mesh_frame *frame, mesh_link_message *out) {
    mesh_assembly *assembly = &link->assemblies[frame->channel];
    mesh_bytes body = frame->body;
    if (frame->flags & MESH_FRAME_FIRST) {
        int err = open_assembly(link, frame, &body);
        if (err != 0) return err;
    } else if (assembly->type != frame->type) {
        return MESH_EPROTO;
    }
    if (body.len == 0 || body.len > assembly->total - assembly->len) return MESH_EPROTO;
    mesh_assembly_add(link->options.assemblies, assembly, link->received_at_ms, body);
    assembly->cost += (uint32_t)(MESH_FRAME_HEAD_LEN + frame->body.len);

    bool is_complete = assembly->len == assembly->total;
    bool is_last = !(frame->flags & MESH_FRAME_MORE);
    if (is_last != is_complete) return MESH_EPROTO;
    if (!is_last) return 0;
    *out = (mesh_link_message){
        .type = frame->type,
        .channel = frame->channel,
        .cost = assembly->cost,
        .is_dropped = assembly->is_dropped,
    };
    out->body = mesh_assembly_take(link->options.assemblies, assembly);
    out->owned = (void *)(uintptr_t)out->body.data;
    return 1;
}

// Agents have but one lane, and so have items.
static bool is_channel_right(const mesh_frame *frame) {
    if (frame->type == MESH_FRAME_ITEM || frame->type == MESH_FRAME_INPUT)
        return frame->channel == MESH_CHANNEL_BULK_REPLY;
    return frame->channel == mesh_channel_of(frame->type, MESH_LANE_NORMAL) ||
           (frame->channel == mesh_channel_of(frame->type, MESH_LANE_BULK) &&
            frame->type != MESH_FRAME_AGENT);
}

static int take_message(mesh_link *link, const mesh_frame *frame, mesh_link_message *out) {
    if (!is_channel_right(frame)) return MESH_EPROTO;
    struct mesh_link_inbound *inbound = &link->inbound[frame->channel];
    bool is_first = frame->flags & MESH_FRAME_FIRST;
    if (is_first) {
        if (link->assemblies[frame->channel].type != 0) return MESH_EPROTO;
        bool needs_credit = mesh_channel_has_credit(frame->channel);
        if (needs_credit && inbound->received >= inbound->granted) return MESH_EFLOW;
    }
    inbound->received += MESH_FRAME_HEAD_LEN + frame->body.len;
    if (!is_first || (frame->flags & MESH_FRAME_MORE)) return take_fragment(link, frame, out);
    *out = (mesh_link_message){
        .type = frame->type,
        .channel = frame->channel,
        .cost = (uint32_t)(MESH_FRAME_HEAD_LEN + frame->body.len),
        .body = frame->body,
    };
    return 1;
}

// Agents have one message, nodes the others; SHAPE and CANCEL belong to those.
static bool is_foreign(const mesh_link *link, uint8_t type) {
    bool is_of_nodes =
        type == MESH_FRAME_SHAPE || (type > MESH_FRAME_CONTROL_END && type < MESH_FRAME_AGENT);
    return link->options.is_agent ? is_of_nodes : type == MESH_FRAME_AGENT;
}

static int take_frame(mesh_link *link, const mesh_frame *frame, mesh_link_message *out) {
    const uint8_t known_flags = MESH_FRAME_FIRST | MESH_FRAME_MORE | MESH_FRAME_IGNORABLE;
    if (frame->flags & ~known_flags) return MESH_EPROTO;
    if (link->state == MESH_LINK_GREETING) {
        bool is_ready = frame->type == MESH_FRAME_READY && frame->channel == MESH_CHANNEL_CONTROL &&
                        (frame->flags & (MESH_FRAME_FIRST | MESH_FRAME_MORE)) == MESH_FRAME_FIRST &&
                        frame->body.len <= MESH_CONTROL_LEN_MAX;
        if (!is_ready) return MESH_EPROTO;
        *out = (mesh_link_message){.type = frame->type, .body = frame->body};
        return take_ready(link, frame, out);
    }
    if (is_foreign(link, frame->type)) return MESH_EPROTO;
    switch (frame->type) {
    case MESH_FRAME_REQUEST:
    case MESH_FRAME_REPLY:
    case MESH_FRAME_ERROR:
    case MESH_FRAME_ITEM:
    case MESH_FRAME_INPUT:
    case MESH_FRAME_PUB:
    case MESH_FRAME_AGENT: return take_message(link, frame, out);
    case MESH_FRAME_READY:
    case MESH_FRAME_PING:
    case MESH_FRAME_PONG:
    case MESH_FRAME_GOAWAY:
    case MESH_FRAME_REKEY:
    case MESH_FRAME_ACK:
    case MESH_FRAME_CREDIT:
    case MESH_FRAME_SHAPE:
    case MESH_FRAME_CANCEL:
    case MESH_FRAME_GRANT:
    case MESH_FRAME_TAKE: return take_control(link, frame, out);
    default: return frame->flags & MESH_FRAME_IGNORABLE ? 0 : MESH_EPROTO;
    }
}

// Decrypts the record at hand where it lies.
static int open_record(mesh_link *link) {
    uint8_t *record = link->input + (link->record.data - link->input);
    int err = mesh_cipher_open(&link->open, (mesh_bytes){0}, record, link->record.len);
    if (err != 0) return err;
    link->record.len -= MESH_CIPHER_TAG_LEN;
    return link->record.len > 0 ? 0 : MESH_EPROTO;
}

static int next_record(mesh_link *link) {
    mesh_bytes input = {link->input + link->input_head, link->input_tail - link->input_head};
    int err = mesh_record_take(&input, &link->record);
    // Its length is no secret and not sealed: if it was changed on its way, the rest would never
    // come.
    if (err == MESH_EAGAIN && link->is_sealed && link->partial_ms > MESH_RECORD_TIMEOUT_MS)
        return MESH_ESEAL;
    if (err != 0) return err;
    link->partial_ms = 0;
    link->input_head = link->input_tail - input.len;
    return link->is_sealed ? open_record(link) : 0;
}

int mesh_link_next(mesh_link *link, mesh_link_message *out) {
    while (link->state == MESH_LINK_GREETING || link->state == MESH_LINK_OPEN) {
        if (link->record.len == 0) {
            int err = next_record(link);
            if (err == MESH_EAGAIN) return 0;
            if (err != 0) return err;
        }
        mesh_frame frame;
        int err = mesh_frame_take(&link->record, link->max_frame, &frame);
        if (err != 0) return err;
        if (mesh_resume_count(&link->resume, &frame)) link->has_control = true;
        int result = take_frame(link, &frame, out);
        if (result != 0) return result;
    }
    // What comes after GOAWAY is discarded.
    link->input_head = link->input_tail;
    link->record = (mesh_bytes){0};
    return 0;
}

void mesh_link_consumed(mesh_link *link, uint32_t channel, uint64_t cost) {
    struct mesh_link_inbound *inbound = &link->inbound[channel];
    uint64_t open = inbound->received - inbound->consumed;
    inbound->consumed += cost < open ? cost : open;
    uint64_t limit = inbound->consumed + link->options.window;
    if (limit < inbound->granted + link->options.window / 4 || limit == inbound->granted) return;
    inbound->granted = limit;
    inbound->is_credit_due = true;
    link->has_control = true;
}
