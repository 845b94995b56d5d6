#include "core/link.h"

#include "core/error.h"
#include "core/mem.h"

// What belongs to one connection.
static void drop_connection(mesh_link *link) {
    link->input_head = link->input_tail = 0;
    link->record = (mesh_bytes){0};
    link->partial_ms = 0;
    link->is_mute = false;
    link->is_sealed = false;
    mesh_cipher_deinit(&link->seal);
    mesh_cipher_deinit(&link->open);
    link->key_since_ms = link->now_ms;
    link->has_control = true;
    link->has_open_record = false;
    link->output_base += link->output_tail;
    link->output_record = link->output_head = link->output_tail = 0;
}

// What belongs to one session, which may be of several connections.
static void reset_session(mesh_link *link) {
    for (size_t i = 0; i < MESH_CHANNEL_COUNT; i++) {
        mesh_assembly_end(link->options.assemblies, &link->assemblies[i]);
        link->inbound[i] = (struct mesh_link_inbound){0};
        link->outbound[i] = (struct mesh_link_outbound){0};
        if (mesh_channel_has_credit((uint32_t)i))
            link->inbound[i].granted = link->options.window;
        else
            link->outbound[i].limit = UINT64_MAX;
    }
    link->max_frame = MESH_FRAME_LEN_DEFAULT;
    link->max_message = link->options.max_message;
    link->shapes_received = 0;
    link->shapes_sent = 0;
    link->pong_count = 0;
    memset(link->cancel_after, 0, sizeof link->cancel_after);
    link->bulk_due = 0;
    link->has_control = true;
    link->is_resuming = false;
    mesh_resume_deinit(&link->resume);
}

mesh_link *mesh_link_create(const mesh_link_options *options) {
    mesh_link *link = mem_alloc(sizeof *link);
    link->options = *options;
    link->state = MESH_LINK_WAITING;
    link->turns[MESH_LANE_NORMAL] = MESH_CHANNEL_REQUEST;
    link->turns[MESH_LANE_BULK] = MESH_CHANNEL_BULK_REQUEST;
    reset_session(link);
    drop_connection(link);
    return link;
}

void mesh_link_destroy(mesh_link *link) {
    if (!link) return;
    for (size_t i = 0; i < MESH_CHANNEL_COUNT; i++) {
        mesh_assembly_end(link->options.assemblies, &link->assemblies[i]);
        mesh_queue_deinit(&link->queues[i]);
    }
    free(link->input);
    free(link->output);
    mesh_cipher_deinit(&link->seal);
    mesh_cipher_deinit(&link->open);
    mesh_resume_deinit(&link->resume);
    free(link);
}

void *mesh_link_give_input(mesh_link *link) {
    void *input = link->input;
    link->input = NULL;
    link->input_head = link->input_tail = 0;
    link->record = (mesh_bytes){0};
    return input;
}

void mesh_link_encrypt(mesh_link *link, const mesh_cipher *send, const mesh_cipher *receive) {
    CHECK(link->state == MESH_LINK_WAITING || link->state == MESH_LINK_BROKEN);
    link->is_sealed = true;
    link->seal = *send;
    link->open = *receive;
    if (link->is_resuming) return;
    bool is_first = link->options.self_id < link->options.peer_id;
    mesh_resume_begin(&link->resume, is_first ? send->key : receive->key,
                      is_first ? receive->key : send->key);
}

static uint64_t features_of(const mesh_link *link) {
    if (link->options.is_agent) return 0;
    return MESH_FEATURE_STREAMS | MESH_FEATURE_INPUTS | (link->is_sealed ? MESH_FEATURE_RESUME : 0);
}

void mesh_link_up(mesh_link *link) {
    CHECK(link->state == MESH_LINK_WAITING || link->state == MESH_LINK_BROKEN);
    link->state = MESH_LINK_GREETING;
    mesh_minors minors = mesh_minors_spoken();
    mesh_ready ready = {
        .minor_min = minors.min,
        .minor_max = minors.max,
        .features = features_of(link),
        .node_id = link->options.self_id,
        .max_frame = MESH_FRAME_LEN_DEFAULT,
        .max_message = link->options.max_message,
        .request_credit = link->options.window,
        .publish_credit = link->options.window,
        .has_session = link->is_resuming,
        .received = link->resume.received,
    };
    memcpy(ready.session, link->resume.session, MESH_SESSION_LEN);
    link->resume.told = link->resume.received;
    mesh_link_write_ready(link, &ready);
}

// Half of a message may be on the old stream; the receiver forgot it with the stream, so it is
// over.
static void drop_half_sent(mesh_queue *queue) {
    uint8_t *message;
    mesh_queue_entry *front = mesh_queue_front(queue, &message);
    if (front && front->done > 0) mesh_queue_pop(queue);
}

static void forget_session(mesh_link *link) {
    for (size_t i = 0; i < MESH_CHANNEL_COUNT; i++)
        drop_half_sent(&link->queues[i]);
    mesh_queue_deinit(&link->queues[MESH_CHANNEL_CONTROL]);
    reset_session(link);
}

void mesh_link_replace(mesh_link *link) {
    forget_session(link);
    drop_connection(link);
    link->state = MESH_LINK_WAITING;
}

bool mesh_link_break(mesh_link *link) {
    bool has_session =
        link->state == MESH_LINK_OPEN || (link->state == MESH_LINK_GREETING && link->is_resuming);
    bool can_resume = link->resume.is_on && has_session;
    if (!can_resume) return false;
    mesh_link_keep_open_record(link);
    drop_connection(link);
    link->state = MESH_LINK_BROKEN;
    link->is_resuming = true;
    return true;
}

void mesh_link_restart(mesh_link *link) {
    forget_session(link);
    bool is_first = link->options.self_id < link->options.peer_id;
    mesh_resume_begin(&link->resume, is_first ? link->seal.key : link->open.key,
                      is_first ? link->open.key : link->seal.key);
    mesh_link_take_ready(link, &link->peer_ready);
}

void mesh_link_fail(mesh_link *link, int err) {
    if (link->state == MESH_LINK_ENDING) return;
    if (err == MESH_ESEAL) {
        link->state = MESH_LINK_ENDING;
        mesh_link_mute(link);
        return;
    }
    mesh_link_goaway(link, mesh_goaway_code_of(err), mesh_error_text(err));
}

void mesh_link_mute(mesh_link *link) {
    link->is_mute = true;
}

bool mesh_link_close(mesh_link *link, uint64_t now_ms) {
    link->is_closing = true;
    mesh_link_pump(link, now_ms);
    return link->state == MESH_LINK_ENDING;
}
