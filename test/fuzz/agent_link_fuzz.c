// A link of agents (core/link.h, is_agent) against another agent that is who it says but sends
// whatever it likes: a byte stream in pieces, in clear, since what was sealed is fuzzed as such
// elsewhere. Bounds hold, nothing leaks, only AGENT comes out as a message.
#include "core/control.h"
#include "core/frame.h"
#include "core/link.h"
#include "core/mem.h"
#include "fuzz.h"

enum { SELF_ID = 1, PEER_ID = 2, PIECE_MAX = 700 };

static void read_all(mesh_bytes bytes) {
    volatile uint8_t seen = 0;
    for (size_t i = 0; i < bytes.len; i++)
        seen = bytes.data[i];
    (void)seen;
}

static void take(mesh_link *link, const mesh_link_message *message) {
    read_all(message->body);
    if (message->type == MESH_FRAME_AGENT) {
        CHECK(message->body.len <= MESH_AGENT_MESSAGE_MAX + MESH_MESSAGE_HEAD_MAX);
        mesh_link_consumed(link, MESH_CHANNEL_PUBLISH, message->cost);
        return;
    }
    bool is_control = message->type == MESH_FRAME_READY || message->type == MESH_FRAME_GOAWAY ||
                      message->type == MESH_FRAME_CREDIT;
    CHECK(is_control);
}

// False: the peer broke the protocol, or said goodbye.
static bool feed(mesh_link *link, mesh_bytes piece) {
    uint8_t *buffer;
    size_t cap;
    mesh_link_input(link, &buffer, &cap);
    CHECK(piece.len <= cap);
    memcpy(buffer, piece.data, piece.len);
    mesh_link_received(link, 0, piece.len);
    mesh_link_message message;
    int result;
    while ((result = mesh_link_next(link, &message)) == 1) {
        take(link, &message);
        free(message.owned);
    }
    if (result < 0) mesh_link_fail(link, result);
    mesh_link_pump(link, 0);
    mesh_bytes output = mesh_link_output(link);
    read_all(output);
    mesh_link_sent(link, output.len);
    return result == 0 && link->state != MESH_LINK_ENDING;
}

// A READY first, or the search would have to find one.
static void greet(mesh_link *link) {
    uint8_t record[MESH_CONTROL_WRITE_MAX + MESH_RECORD_HEAD_LEN + MESH_FRAME_HEAD_LEN];
    mesh_ready ready = {.minor_min = mesh_minors_spoken().min,
                        .minor_max = mesh_minors_spoken().max,
                        .node_id = PEER_ID,
                        .max_frame = MESH_FRAME_LEN_DEFAULT,
                        .max_message = MESH_AGENT_MESSAGE_MAX,
                        .request_credit = MESH_CREDIT_DEFAULT,
                        .publish_credit = MESH_CREDIT_DEFAULT};
    uint8_t *body = record + MESH_RECORD_HEAD_LEN + MESH_FRAME_HEAD_LEN;
    size_t len = mesh_ready_write(body, &ready);
    (void)mesh_frame_put_head(record + MESH_RECORD_HEAD_LEN, len, MESH_FRAME_READY,
                              MESH_FRAME_FIRST, MESH_CHANNEL_CONTROL);
    record[0] = 0;
    record[1] = (uint8_t)(MESH_FRAME_HEAD_LEN + len);
    CHECK(feed(link, (mesh_bytes){record, MESH_RECORD_HEAD_LEN + MESH_FRAME_HEAD_LEN + len}));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mesh_assemblies assemblies = {0};
    mesh_link *link = mesh_link_create(&(mesh_link_options){.self_id = SELF_ID,
                                                            .peer_id = PEER_ID,
                                                            .is_agent = true,
                                                            .max_message = MESH_AGENT_MESSAGE_MAX,
                                                            .window = MESH_CREDIT_DEFAULT,
                                                            .assemblies = &assemblies});
    mesh_link_up(link);
    mesh_bytes input = {data, size};
    size_t piece_len = 1;
    if (size > 0) {
        if (data[0] & 1) greet(link);
        piece_len = 1 + (size_t)(data[0] >> 1) * PIECE_MAX / 128;
        input = mesh_bytes_skip(input, 1);
    }
    while (input.len > 0) {
        mesh_bytes piece = {input.data, input.len < piece_len ? input.len : piece_len};
        if (!feed(link, piece)) break;
        mesh_link_ping(link);
        input = mesh_bytes_skip(input, piece.len);
    }
    mesh_link_destroy(link);
    CHECK(assemblies.bytes == 0 && assemblies.oldest == NULL);
    return 0;
}
