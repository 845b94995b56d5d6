// Records, frames and the heads in them, without a link: what is parsed must be inside what came,
// and must be written again as the same bytes.
#include "core/control.h"
#include "core/error.h"
#include "core/frame.h"
#include "core/mem.h"
#include "core/message.h"
#include "fuzz.h"

static void expect_inside(mesh_bytes outer, mesh_bytes inner) {
    CHECK(inner.data >= outer.data && inner.data + inner.len <= outer.data + outer.len);
}

static void expect_same_head(mesh_bytes body, const uint8_t *head, size_t len) {
    CHECK(len <= body.len && memcmp(head, body.data, len) == 0);
}

static void try_heads(mesh_bytes body) {
    uint8_t head[MESH_MESSAGE_HEAD_MAX];
    mesh_request request;
    if (mesh_request_parse(body, &request) == 0) {
        expect_inside(body, request.payload);
        expect_same_head(body, head, mesh_request_write(head, &request));
    }
    mesh_reply reply;
    if (mesh_reply_parse(body, &reply) == 0)
        expect_same_head(body, head, mesh_reply_write(head, &reply));
    if (mesh_error_parse(body, &reply) == 0)
        expect_same_head(body, head, mesh_reply_write(head, &reply));
    mesh_cancel cancel;
    if (mesh_cancel_parse(body, &cancel) == 0)
        expect_same_head(body, head, mesh_cancel_write(head, &cancel));
    mesh_pub pub;
    if (mesh_pub_parse(body, &pub) == 0) {
        expect_inside(body, pub.payload);
        uint32_t targets[MESH_PUB_TARGETS_MAX];
        for (size_t i = 0; i < pub.target_count; i++)
            targets[i] = mesh_pub_target(&pub, i);
        size_t len = mesh_pub_write(head, pub.flags, targets, pub.target_count, pub.subject);
        expect_same_head(body, head, len);
    }
    (void)mesh_shape_check(body, 0);
}

static void try_control(mesh_bytes body) {
    if (body.len > MESH_CONTROL_LEN_MAX) return;
    mesh_ready ready, again;
    uint8_t out[MESH_CONTROL_WRITE_MAX], out_again[MESH_CONTROL_WRITE_MAX];
    if (mesh_ready_parse(body, &ready) == 0) {
        size_t len = mesh_ready_write(out, &ready);
        CHECK(mesh_ready_parse((mesh_bytes){out, len}, &again) == 0);
        CHECK(mesh_ready_write(out_again, &again) == len && memcmp(out, out_again, len) == 0);
    }
    uint32_t code;
    (void)mesh_goaway_parse(body, &code);
}

static void try_frames(mesh_bytes record) {
    mesh_bytes outer = record;
    mesh_frame frame;
    while (record.len > 0 && mesh_frame_take(&record, MESH_FRAME_LEN_DEFAULT, &frame) == 0) {
        CHECK(frame.body.len <= MESH_FRAME_LEN_DEFAULT);
        expect_inside(outer, frame.body);
        try_heads(frame.body);
        try_control(frame.body);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mesh_bytes input = {data, size}, record;
    try_heads(input);
    try_control(input);
    while (mesh_record_take(&input, &record) == 0)
        try_frames(record);
    return 0;
}
