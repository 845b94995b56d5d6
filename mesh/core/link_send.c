// The sending half of a link: output buffer, queues, credit.
#include "core/be.h"
#include "core/error.h"
#include "core/link.h"
#include "core/mem.h"

enum { BULK_TURN = MESH_LANE_WEIGHT * MESH_LANE_QUANTUM };

static size_t pending(const mesh_link *link) {
    return link->output_tail - link->output_head;
}

// ---- the output buffer

static void reserve(mesh_link *link, size_t need) {
    if (link->output_cap - link->output_tail >= need) return;
    // From the record at hand on: where it begins is where frames can be told from each other.
    size_t sent = link->output_record, live = link->output_tail - sent;
    if (sent < live || link->output_cap - live < need) {
        link->output = mem_grow(link->output, 1, link->output_tail + need, &link->output_cap);
        return;
    }
    // More was sent than is left: moving what is left costs less than what sending did.
    memmove(link->output, link->output + sent, live);
    if (link->has_open_record) link->open_record -= sent;
    link->output_base += sent;
    link->output_record = 0;
    link->output_head -= sent;
    link->output_tail = live;
}

// Encrypts the record at hand where it lies; nothing can be added to it any more.
static void end_record(mesh_link *link) {
    if (!link->has_open_record || !link->is_sealed) return;
    link->has_open_record = false;
    uint8_t *record = link->output + link->open_record;
    size_t len = load_be16(record);
    mesh_resume_keep(&link->resume, (mesh_bytes){record + MESH_RECORD_HEAD_LEN, len});
    bool is_rekey = (link->seal.count + 1) % MESH_REKEY_RECORDS == 0 ||
                    link->now_ms - link->key_since_ms >= MESH_REKEY_AFTER_MS;
    if (is_rekey) { // the record's last frame: reserved when the record began
        (void)mesh_frame_put_head(link->output + link->output_tail, 0, MESH_FRAME_REKEY,
                                  MESH_FRAME_FIRST, MESH_CHANNEL_CONTROL);
        link->output_tail += MESH_FRAME_HEAD_LEN;
        len += MESH_FRAME_HEAD_LEN;
    }
    CHECK(mesh_cipher_seal(&link->seal, (mesh_bytes){0}, record + MESH_RECORD_HEAD_LEN, len) == 0);
    link->output_tail += MESH_CIPHER_TAG_LEN;
    (void)store_be16(record, (uint32_t)(len + MESH_CIPHER_TAG_LEN));
    if (!is_rekey) return;
    mesh_cipher_rekey(&link->seal);
    link->key_since_ms = link->now_ms;
}

// What may still have to be written behind the last frame of a record.
static size_t record_end_len(const mesh_link *link) {
    return link->is_sealed ? MESH_FRAME_HEAD_LEN + MESH_CIPHER_TAG_LEN : 0;
}

// Adds a frame to the open record, or to a new one beyond 16 KiB; returns where the body goes.
static uint8_t *add_frame(mesh_link *link, size_t body_len, uint8_t type, uint8_t flags,
                          uint32_t channel) {
    size_t len = MESH_FRAME_HEAD_LEN + body_len;
    reserve(link, MESH_RECORD_HEAD_LEN + len +
                      2 * record_end_len(link)); // of this record and the one before
    size_t record_len = link->output_tail - link->open_record - MESH_RECORD_HEAD_LEN;
    if (!link->has_open_record || record_len + len > MESH_RECORD_LEN_TARGET) {
        end_record(link);
        link->has_open_record = true;
        link->open_record = link->output_tail;
        link->output_tail += MESH_RECORD_HEAD_LEN;
        record_len = 0;
    }
    uint8_t *at = link->output + link->output_tail;
    link->output_tail += len;
    store_be16(link->output + link->open_record, (uint32_t)(record_len + len));
    return mesh_frame_put_head(at, body_len, type, flags, channel);
}

static void add_control(mesh_link *link, uint8_t type, uint32_t channel, mesh_bytes body) {
    memcpy(add_frame(link, body.len, type, MESH_FRAME_FIRST, channel), body.data, body.len);
}

// ---- control

void mesh_link_write_ready(mesh_link *link, const mesh_ready *ready) {
    uint8_t body[MESH_CONTROL_WRITE_MAX];
    size_t len = mesh_ready_write(body, ready);
    add_control(link, MESH_FRAME_READY, MESH_CHANNEL_CONTROL, (mesh_bytes){body, len});
}

void mesh_link_goaway(mesh_link *link, mesh_goaway_code code, const char *text) {
    uint8_t body[MESH_CONTROL_WRITE_MAX];
    size_t len = mesh_goaway_write(body, code, text);
    add_control(link, MESH_FRAME_GOAWAY, MESH_CHANNEL_CONTROL, (mesh_bytes){body, len});
    link->state = MESH_LINK_ENDING;
}

static void write_ack(mesh_link *link) {
    if (!mesh_resume_is_due(&link->resume)) return;
    link->resume.told = link->resume.received;
    uint8_t *at =
        add_frame(link, sizeof(uint64_t), MESH_FRAME_ACK, MESH_FRAME_FIRST, MESH_CHANNEL_CONTROL);
    store_be64(at, link->resume.received);
}

static void write_credit(mesh_link *link, uint32_t channel) {
    struct mesh_link_inbound *inbound = &link->inbound[channel];
    if (!inbound->is_credit_due) return;
    inbound->is_credit_due = false;
    uint8_t *at = add_frame(link, sizeof(uint64_t), MESH_FRAME_CREDIT, MESH_FRAME_FIRST, channel);
    store_be64(at, inbound->granted);
}

// Never held back for room: each kind is bounded by itself, and a full output must not delay
// credit.
static void write_control(mesh_link *link) {
    const mesh_shapes *shapes = link->options.shapes;
    size_t shape_count = shapes ? shapes->count : 0;
    if (!link->has_control && link->shapes_sent == shape_count) return;
    while (link->shapes_sent < shape_count) {
        add_control(link, MESH_FRAME_SHAPE, MESH_CHANNEL_CONTROL,
                    shapes->bodies[link->shapes_sent++]);
    }
    write_ack(link);
    for (uint32_t channel = 0; channel < MESH_CHANNEL_COUNT; channel++)
        write_credit(link, channel);

    mesh_queue *queue = &link->queues[MESH_CHANNEL_CONTROL];
    mesh_queue_entry *entry;
    uint8_t *message;
    while (pending(link) < MESH_LINK_OUTPUT_MAX && (entry = mesh_queue_front(queue, &message))) {
        bool is_of_call = entry->type == MESH_FRAME_CANCEL || entry->type == MESH_FRAME_GRANT ||
                          entry->type == MESH_FRAME_TAKE;
        if (entry->type == MESH_FRAME_PONG) link->pong_count--;
        add_control(link, entry->type, is_of_call ? MESH_CHANNEL_REQUEST : MESH_CHANNEL_CONTROL,
                    (mesh_bytes){message, entry->len});
        mesh_queue_pop(queue);
    }
    link->has_control = mesh_queue_bytes(queue) > 0;
}

static void queue_cancel(mesh_link *link, const mesh_cancel *cancel) {
    uint8_t body[MESH_CANCEL_LEN];
    mesh_queue_entry entry = {.type = MESH_FRAME_CANCEL};
    mesh_bytes bytes = {body, mesh_cancel_write(body, cancel)};
    (void)mesh_queue_push(&link->queues[MESH_CHANNEL_CONTROL], entry, bytes, (mesh_bytes){0});
    link->has_control = true;
}

void mesh_link_cancel(mesh_link *link, const mesh_cancel *cancel) {
    if (link->state != MESH_LINK_OPEN && !link->is_resuming) return;
    for (size_t lane = 0; lane < MESH_LANE_COUNT; lane++) {
        uint8_t *message;
        mesh_queue_entry *front =
            mesh_queue_front(&link->queues[mesh_channel_of(MESH_FRAME_REQUEST, lane)], &message);
        // A CANCEL that overtook the rest of its request would find no call to cancel.
        if (front && front->done > 0 && load_be64(message) == cancel->call_id) {
            link->cancel_after[lane] = *cancel;
            return;
        }
    }
    queue_cancel(link, cancel);
}

void mesh_link_grant(mesh_link *link, uint8_t type, const mesh_grant *grant) {
    if (link->state != MESH_LINK_OPEN && !link->is_resuming) return;
    uint8_t body[MESH_GRANT_LEN];
    mesh_queue_entry entry = {.type = type};
    mesh_bytes bytes = {body, mesh_grant_write(body, grant)};
    (void)mesh_queue_push(&link->queues[MESH_CHANNEL_CONTROL], entry, bytes, (mesh_bytes){0});
    link->has_control = true;
}

void mesh_link_ping(mesh_link *link) {
    static const uint8_t opaque[sizeof(uint64_t)];
    if (link->state != MESH_LINK_OPEN && !link->is_resuming) return;
    mesh_queue_entry entry = {.type = MESH_FRAME_PING};
    mesh_bytes body = {opaque, sizeof opaque};
    (void)mesh_queue_push(&link->queues[MESH_CHANNEL_CONTROL], entry, body, (mesh_bytes){0});
    link->has_control = true;
}

// ---- what the peer does not have

void mesh_link_keep_open_record(mesh_link *link) {
    if (!link->has_open_record || !link->is_sealed) return;
    const uint8_t *record = link->output + link->open_record;
    mesh_resume_keep(&link->resume, (mesh_bytes){record + MESH_RECORD_HEAD_LEN, load_be16(record)});
}

// In new records, which keep it again. Where it begins the peer has said: in the middle of a frame,
// what follows is none.
int mesh_link_send_kept(mesh_link *link) {
    void *memory;
    mesh_bytes kept = mesh_resume_take(&link->resume, &memory);
    int err = 0;
    while (kept.len > 0 && err == 0) {
        mesh_frame frame;
        err = mesh_frame_take(&kept, MESH_FRAME_LEN_MAX, &frame);
        if (err != 0) break;
        uint8_t *at = add_frame(link, frame.body.len, frame.type, frame.flags, frame.channel);
        if (frame.body.len > 0) memcpy(at, frame.body.data, frame.body.len);
    }
    free(memory);
    return err != 0 ? MESH_EPROTO : 0;
}

// ---- messages

typedef struct content {
    mesh_bytes head, payload;
    size_t total, done;
} content;

static void copy_part(uint8_t *at, const content *message, size_t len) {
    size_t done = message->done;
    if (done < message->head.len) {
        size_t head_len = message->head.len - done < len ? message->head.len - done : len;
        memcpy(at, message->head.data + done, head_len);
        at += head_len;
        done += head_len;
        len -= head_len;
    }
    if (len > 0) memcpy(at, message->payload.data + (done - message->head.len), len);
}

static size_t lane_bytes(const mesh_link *link, mesh_lane lane) {
    size_t bytes = 0;
    uint32_t first = mesh_channel_of(MESH_FRAME_REQUEST, lane);
    for (uint32_t i = 0; i < MESH_CHANNELS_PER_LANE; i++)
        bytes += mesh_queue_bytes(&link->queues[first + i]);
    return bytes;
}

// What bulk did not get while it waited is owed to it, up to one turn.
static void count_share(mesh_link *link, uint32_t channel, uint32_t len) {
    if (mesh_channel_lane(channel) == MESH_LANE_BULK) {
        uint32_t paid = MESH_LANE_WEIGHT * len;
        link->bulk_due -= paid < link->bulk_due ? paid : link->bulk_due;
    } else if (link->bulk_due < BULK_TURN && lane_bytes(link, MESH_LANE_BULK) > 0) {
        link->bulk_due += len;
    }
}

// Writes the next frame of a message.
static void write_part(mesh_link *link, uint8_t type, uint32_t channel, content *message) {
    size_t left = message->total - message->done;
    bool is_first = message->done == 0;
    size_t prefix_len = is_first && left > link->max_frame ? sizeof(uint32_t) : 0;
    size_t len = left + prefix_len > link->max_frame ? link->max_frame - prefix_len : left;
    uint8_t flags =
        (uint8_t)((is_first ? MESH_FRAME_FIRST : 0) | (len < left ? MESH_FRAME_MORE : 0));
    uint8_t *at = add_frame(link, prefix_len + len, type, flags, channel);
    if (prefix_len > 0) at = store_be32(at, (uint32_t)message->total);
    copy_part(at, message, len);
    message->done += len;
    size_t cost = MESH_FRAME_HEAD_LEN + prefix_len + len;
    link->outbound[channel].sent += cost;
    count_share(link, channel, (uint32_t)cost);
}

static bool may_begin(const mesh_link *link, uint32_t channel) {
    return link->outbound[channel].sent < link->outbound[channel].limit;
}

// False also when the peer has not said for long that it has what was sent.
static bool has_room(const mesh_link *link) {
    return pending(link) < MESH_LINK_OUTPUT_MAX && !mesh_resume_is_full(&link->resume);
}

static bool is_way_free(mesh_link *link, uint32_t channel, size_t len) {
    bool is_bulk = mesh_channel_lane(channel) == MESH_LANE_BULK;
    size_t room = is_bulk ? MESH_LANE_QUANTUM : MESH_LINK_OUTPUT_MAX;
    return link->state == MESH_LINK_OPEN && has_room(link) &&
           mesh_queue_bytes(&link->queues[channel]) == 0 &&
           pending(link) + len <= room + MESH_MESSAGE_HEAD_MAX && may_begin(link, channel);
}

mesh_link_place mesh_link_send(mesh_link *link, const mesh_link_send_options *send) {
    uint32_t channel = mesh_channel_of(send->type, send->lane);
    content message = {send->head, send->payload, send->head.len + send->payload.len, 0};
    if (!is_way_free(link, channel, message.total)) {
        mesh_queue_entry entry = {
            .type = send->type, .tag = send->tag, .expires_at_ms = send->expires_at_ms};
        uint64_t position =
            mesh_queue_push(&link->queues[channel], entry, send->head, send->payload);
        return (mesh_link_place){position, channel, true};
    }
    write_control(link);
    uint64_t position = link->output_base + link->output_tail;
    do
        write_part(link, send->type, channel, &message);
    while (message.done < message.total);
    return (mesh_link_place){position, channel, false};
}

bool mesh_link_fits(const mesh_link *link, size_t len) {
    return len <= link->max_message + MESH_MESSAGE_HEAD_MAX;
}

bool mesh_link_take_back(mesh_link *link, mesh_link_place place) {
    return place.is_queued && mesh_queue_drop(&link->queues[place.channel], place.position);
}

bool mesh_link_is_waiting(const mesh_link *link, mesh_link_place place) {
    return place.is_queued && mesh_queue_is_waiting(&link->queues[place.channel], place.position);
}

bool mesh_link_may_be_sent(const mesh_link *link, mesh_link_place place) {
    if (!place.is_queued) return link->output_base + link->output_head > place.position;
    // Once it has left the queue nobody remembers where in the output it is.
    return !mesh_link_is_waiting(link, place);
}

static void refresh_deadline(const mesh_queue_entry *entry, uint8_t *message, uint64_t now_ms) {
    if (entry->type != MESH_FRAME_REQUEST || entry->expires_at_ms == UINT64_MAX) return;
    uint64_t left_ms = entry->expires_at_ms > now_ms ? entry->expires_at_ms - now_ms : 1;
    store_be32(message + MESH_REQUEST_DEADLINE_AT, (uint32_t)left_ms);
}

// One frame of the channel's first message. False: nothing waits, there is no credit, or the output
// would be longer than `room` and is not empty.
static bool pump_channel(mesh_link *link, uint32_t channel, size_t room, uint64_t now_ms) {
    mesh_queue *queue = &link->queues[channel];
    uint8_t *message;
    mesh_queue_entry *entry = mesh_queue_front(queue, &message);
    if (!entry) return false;
    size_t left = entry->len - entry->done;
    size_t frame_len = left < link->max_frame ? left : link->max_frame;
    if (pending(link) > 0 && pending(link) + frame_len > room) return false;
    if (entry->done == 0) {
        if (!may_begin(link, channel)) return false;
        refresh_deadline(entry, message, now_ms);
    }
    content rest = {{0}, {message, entry->len}, entry->len, entry->done};
    bool is_request = entry->type == MESH_FRAME_REQUEST;
    write_part(link, entry->type, channel, &rest);
    entry->done = (uint32_t)rest.done;
    if (rest.done < rest.total) return true;
    mesh_queue_pop(queue);
    mesh_cancel *cancel = &link->cancel_after[mesh_channel_lane(channel)];
    if (is_request && cancel->code != 0) {
        queue_cancel(link, cancel);
        *cancel = (mesh_cancel){0};
    }
    return true;
}

// Channels of a lane take turns, a frame each, so that a large message delays no small one of
// another channel.
static bool pump_lane(mesh_link *link, mesh_lane lane, size_t room, uint64_t now_ms) {
    uint32_t first = mesh_channel_of(MESH_FRAME_REQUEST, lane);
    for (uint32_t i = 0; i < MESH_CHANNELS_PER_LANE; i++) {
        uint32_t channel = link->turns[lane];
        bool is_last = channel == first + MESH_CHANNELS_PER_LANE - 1;
        link->turns[lane] = is_last ? first : channel + 1;
        if (pump_channel(link, channel, room, now_ms)) return true;
    }
    return false;
}

// One frame of the lane whose turn it is. Bulk gets what it is owed; else it goes when there is
// nothing of the normal lane, and then only so far that what comes next finds little before it.
static bool pump_lanes(mesh_link *link, uint64_t now_ms) {
    const size_t room = MESH_LINK_OUTPUT_MAX + MESH_LANE_QUANTUM;
    if (link->bulk_due >= BULK_TURN && pump_lane(link, MESH_LANE_BULK, room, now_ms)) return true;
    return pump_lane(link, MESH_LANE_NORMAL, room, now_ms) ||
           pump_lane(link, MESH_LANE_BULK, MESH_LANE_QUANTUM, now_ms);
}

static bool is_anything_waiting(const mesh_link *link) {
    for (size_t i = 0; i < MESH_CHANNEL_COUNT; i++) {
        if (mesh_queue_bytes(&link->queues[i]) > 0) return true;
    }
    return false;
}

void mesh_link_pump(mesh_link *link, uint64_t now_ms) {
    link->now_ms = now_ms;
    if (link->key_since_ms == 0) link->key_since_ms = now_ms;
    if (link->state == MESH_LINK_OPEN) {
        write_control(link);
        while (has_room(link) && pump_lanes(link, now_ms)) {
        }
        if (link->has_control) write_control(link);
    }
    bool is_up = link->state == MESH_LINK_OPEN || link->state == MESH_LINK_GREETING;
    if (link->is_closing && is_up && !is_anything_waiting(link))
        mesh_link_goaway(link, MESH_GOAWAY_NORMAL, "");
}

bool mesh_link_has_output(const mesh_link *link) {
    return pending(link) > 0 && !link->is_mute;
}

mesh_bytes mesh_link_output(mesh_link *link) {
    // Without bytes there is perhaps no buffer at all yet.
    if (!mesh_link_has_output(link)) return (mesh_bytes){0};
    end_record(link);
    return (mesh_bytes){link->output + link->output_head, pending(link)};
}

static size_t end_of_record(const mesh_link *link, size_t at) {
    return at + MESH_RECORD_HEAD_LEN + load_be16(link->output + at);
}

size_t mesh_link_output_count(const mesh_link *link, uint8_t type) {
    size_t count = 0;
    if (link->is_sealed) return 0; // mesh_resume_kept_count knows of these
    for (size_t at = link->output_record; at < link->output_tail; at = end_of_record(link, at)) {
        size_t end = end_of_record(link, at);
        mesh_bytes rest = {link->output + at + MESH_RECORD_HEAD_LEN,
                           end - at - MESH_RECORD_HEAD_LEN};
        mesh_frame frame;
        while (rest.len > 0 && mesh_frame_take(&rest, MESH_RECORD_LEN_MAX, &frame) == 0) {
            bool is_gone = end - rest.len <= link->output_head;
            count += frame.type == type && !is_gone && !(frame.flags & MESH_FRAME_MORE);
        }
    }
    return count;
}

void mesh_link_sent(mesh_link *link, size_t len) {
    CHECK(len <= pending(link));
    link->output_head += len;
    if (link->output_head > link->open_record) link->has_open_record = false;
    if (link->output_head < link->output_tail) {
        size_t end;
        while ((end = end_of_record(link, link->output_record)) <= link->output_head)
            link->output_record = end;
        return;
    }
    link->output_base += link->output_tail;
    link->output_record = link->output_head = link->output_tail = 0;
    link->has_open_record = false;
}

size_t mesh_link_queued(const mesh_link *link, mesh_lane lane) {
    size_t bytes = lane_bytes(link, lane);
    if (lane == MESH_LANE_NORMAL)
        bytes += pending(link) + mesh_queue_bytes(&link->queues[MESH_CHANNEL_CONTROL]);
    return bytes;
}

size_t mesh_link_unsent(const mesh_link *link) {
    return mesh_link_queued(link, MESH_LANE_NORMAL) + lane_bytes(link, MESH_LANE_BULK);
}
