// The sending half of a link: output buffer, queues, credit.
#include "core/be.h"
#include "core/link.h"
#include "core/mem.h"

static size_t pending(const mesh_link *link) {
    return link->output_tail - link->output_head;
}

// ---- the output buffer

static void reserve(mesh_link *link, size_t need) {
    if (link->output_cap - link->output_tail >= need) return;
    size_t live = pending(link);
    if (link->output_head < live || link->output_cap - live < need) {
        link->output = mem_grow(link->output, 1, link->output_tail + need, &link->output_cap);
        return;
    }
    // More was sent than is left: moving what is left costs less than what sending did.
    memmove(link->output, link->output + link->output_head, live);
    if (link->has_open_record) link->open_record -= link->output_head;
    link->output_base += link->output_head;
    link->output_head = 0;
    link->output_tail = live;
}

// Encrypts the record at hand where it lies; nothing can be added to it any more.
static void end_record(mesh_link *link) {
    if (!link->has_open_record || !link->is_sealed) return;
    link->has_open_record = false;
    uint8_t *record = link->output + link->open_record;
    size_t len = load_be16(record);
    bool is_rekey = (link->seal.count + 1) % MESH_REKEY_RECORDS == 0;
    if (is_rekey) { // the record's last frame: reserved when the record began
        (void)mesh_frame_put_head(link->output + link->output_tail, 0, MESH_FRAME_REKEY,
                                  MESH_FRAME_FIRST, MESH_CHANNEL_CONTROL);
        link->output_tail += MESH_FRAME_HEAD_LEN;
        len += MESH_FRAME_HEAD_LEN;
    }
    CHECK(mesh_cipher_seal(&link->seal, (mesh_bytes){0}, record + MESH_RECORD_HEAD_LEN, len) == 0);
    link->output_tail += MESH_CIPHER_TAG_LEN;
    (void)store_be16(record, (uint32_t)(len + MESH_CIPHER_TAG_LEN));
    if (is_rekey) mesh_cipher_rekey(&link->seal);
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
    write_credit(link, MESH_CHANNEL_REQUEST);
    write_credit(link, MESH_CHANNEL_PUBLISH);

    mesh_queue *queue = &link->queues[MESH_CHANNEL_CONTROL];
    mesh_queue_entry *entry;
    uint8_t *message;
    while (pending(link) < MESH_LINK_OUTPUT_MAX && (entry = mesh_queue_front(queue, &message))) {
        bool is_cancel = entry->type == MESH_FRAME_CANCEL;
        if (entry->type == MESH_FRAME_PONG) link->pong_count--;
        add_control(link, entry->type, is_cancel ? MESH_CHANNEL_REQUEST : MESH_CHANNEL_CONTROL,
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
    if (link->state != MESH_LINK_OPEN) return;
    uint8_t *message;
    mesh_queue_entry *front = mesh_queue_front(&link->queues[MESH_CHANNEL_REQUEST], &message);
    // A CANCEL that overtook the rest of its request would find no call to cancel.
    if (front && front->done > 0 && load_be64(message) == cancel->call_id) {
        link->cancel_after = *cancel;
        return;
    }
    queue_cancel(link, cancel);
}

void mesh_link_ping(mesh_link *link) {
    static const uint8_t opaque[sizeof(uint64_t)];
    if (link->state != MESH_LINK_OPEN) return;
    mesh_queue_entry entry = {.type = MESH_FRAME_PING};
    mesh_bytes body = {opaque, sizeof opaque};
    (void)mesh_queue_push(&link->queues[MESH_CHANNEL_CONTROL], entry, body, (mesh_bytes){0});
    link->has_control = true;
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

// Writes the next frame of a message.
static void write_part(mesh_link *link, uint8_t type, content *message) {
    size_t left = message->total - message->done;
    bool is_first = message->done == 0;
    size_t prefix_len = is_first && left > link->max_frame ? sizeof(uint32_t) : 0;
    size_t len = left + prefix_len > link->max_frame ? link->max_frame - prefix_len : left;
    uint8_t flags =
        (uint8_t)((is_first ? MESH_FRAME_FIRST : 0) | (len < left ? MESH_FRAME_MORE : 0));
    uint32_t channel = mesh_channel_of(type);
    uint8_t *at = add_frame(link, prefix_len + len, type, flags, channel);
    if (prefix_len > 0) at = store_be32(at, (uint32_t)message->total);
    copy_part(at, message, len);
    message->done += len;
    link->outbound[channel].sent += MESH_FRAME_HEAD_LEN + prefix_len + len;
}

static bool may_begin(const mesh_link *link, uint32_t channel) {
    return link->outbound[channel].sent < link->outbound[channel].limit;
}

static bool is_way_free(mesh_link *link, uint32_t channel, size_t len) {
    return link->state == MESH_LINK_OPEN && mesh_queue_bytes(&link->queues[channel]) == 0 &&
           pending(link) + len <= MESH_LINK_OUTPUT_MAX && may_begin(link, channel);
}

mesh_link_place mesh_link_send(mesh_link *link, const mesh_link_send_options *send) {
    uint32_t channel = mesh_channel_of(send->type);
    content message = {send->head, send->payload, send->head.len + send->payload.len, 0};
    if (!is_way_free(link, channel, message.total)) {
        mesh_queue_entry entry = {
            .type = send->type, .tag = send->tag, .expires_at_ms = send->expires_at_ms};
        uint64_t position =
            mesh_queue_push(&link->queues[channel], entry, send->head, send->payload);
        return (mesh_link_place){position, true};
    }
    write_control(link);
    uint64_t position = link->output_base + link->output_tail;
    do
        write_part(link, send->type, &message);
    while (message.done < message.total);
    return (mesh_link_place){position, false};
}

bool mesh_link_fits(const mesh_link *link, size_t len) {
    return len <= link->max_message + MESH_MESSAGE_HEAD_MAX;
}

bool mesh_link_take_back(mesh_link *link, uint32_t channel, mesh_link_place place) {
    return place.is_queued && mesh_queue_drop(&link->queues[channel], place.position);
}

bool mesh_link_may_be_sent(const mesh_link *link, uint32_t channel, mesh_link_place place) {
    if (!place.is_queued) return link->output_base + link->output_head > place.position;
    // Once it has left the queue nobody remembers where in the output it is.
    return !mesh_queue_is_waiting(&link->queues[channel], place.position);
}

static void refresh_deadline(const mesh_queue_entry *entry, uint8_t *message, uint64_t now_ms) {
    if (entry->type != MESH_FRAME_REQUEST || entry->expires_at_ms == UINT64_MAX) return;
    uint64_t left_ms = entry->expires_at_ms > now_ms ? entry->expires_at_ms - now_ms : 1;
    store_be32(message + MESH_REQUEST_DEADLINE_AT, (uint32_t)left_ms);
}

// One frame of the channel's first message. False: nothing waits, or there is no credit.
static bool pump_channel(mesh_link *link, uint32_t channel, uint64_t now_ms) {
    mesh_queue *queue = &link->queues[channel];
    uint8_t *message;
    mesh_queue_entry *entry = mesh_queue_front(queue, &message);
    if (!entry) return false;
    if (entry->done == 0) {
        if (!may_begin(link, channel)) return false;
        refresh_deadline(entry, message, now_ms);
    }
    content rest = {{0}, {message, entry->len}, entry->len, entry->done};
    write_part(link, entry->type, &rest);
    entry->done = (uint32_t)rest.done;
    if (rest.done < rest.total) return true;
    mesh_queue_pop(queue);
    if (channel == MESH_CHANNEL_REQUEST && link->cancel_after.code != 0) {
        queue_cancel(link, &link->cancel_after);
        link->cancel_after = (mesh_cancel){0};
    }
    return true;
}

static bool is_anything_waiting(const mesh_link *link) {
    for (size_t i = 0; i < MESH_CHANNEL_COUNT; i++) {
        if (mesh_queue_bytes(&link->queues[i]) > 0) return true;
    }
    return false;
}

void mesh_link_pump(mesh_link *link, uint64_t now_ms) {
    if (link->state == MESH_LINK_OPEN) {
        write_control(link);
        // Turn about, a frame each, so that a large message delays no small one of another channel.
        for (uint32_t idle = 0; idle < 3 && pending(link) < MESH_LINK_OUTPUT_MAX;) {
            idle = pump_channel(link, link->turn, now_ms) ? 0 : idle + 1;
            link->turn = link->turn == MESH_CHANNEL_REPLY ? MESH_CHANNEL_REQUEST : link->turn + 1;
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

void mesh_link_sent(mesh_link *link, size_t len) {
    CHECK(len <= pending(link));
    link->output_head += len;
    if (link->output_head > link->open_record) link->has_open_record = false;
    if (link->output_head < link->output_tail) return;
    link->output_base += link->output_tail;
    link->output_head = link->output_tail = 0;
    link->has_open_record = false;
}

size_t mesh_link_queued(const mesh_link *link) {
    size_t bytes = pending(link);
    for (size_t i = 0; i < MESH_CHANNEL_COUNT; i++)
        bytes += mesh_queue_bytes(&link->queues[i]);
    return bytes;
}
