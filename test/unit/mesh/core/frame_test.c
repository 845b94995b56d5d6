#include "core/error.h"
#include "core/frame.h"
#include "test.h"

TEST(a_record_split_across_two_reads_waits_for_the_rest) {
    const uint8_t wire[] = {0, 2, 'h', 'i', 0};
    mesh_bytes record, input = {wire, 0};
    for (input.len = 0; input.len < 4; input.len++)
        EXPECT_EQ(MESH_EAGAIN, mesh_record_take(&input, &record));
    input.len = 5;
    EXPECT_OK(mesh_record_take(&input, &record));
    EXPECT_BYTES("hi", record);
    EXPECT_EQ(1, input.len);
}

TEST(an_empty_record_is_refused) {
    const uint8_t wire[] = {0, 0, 1};
    mesh_bytes record, input = {wire, sizeof wire};
    EXPECT_EQ(MESH_EPROTO, mesh_record_take(&input, &record));
}

TEST(what_is_written_is_read_again) {
    uint8_t wire[MESH_FRAME_HEAD_LEN + 2];
    uint8_t *body = mesh_frame_put_head(wire, 2, MESH_FRAME_PUB, MESH_FRAME_FIRST, 0x01020304);
    body[0] = 'h';
    body[1] = 'i';
    mesh_bytes record = {wire, sizeof wire};
    mesh_frame frame;
    EXPECT_OK(mesh_frame_take(&record, 100, &frame));
    EXPECT_EQ(MESH_FRAME_PUB, frame.type);
    EXPECT_EQ(MESH_FRAME_FIRST, frame.flags);
    EXPECT_EQ(0x01020304, frame.channel);
    EXPECT_BYTES("hi", frame.body);
    EXPECT_EQ(0, record.len);
}

TEST(a_frame_never_spans_records) {
    uint8_t wire[MESH_FRAME_HEAD_LEN + 2];
    (void)mesh_frame_put_head(wire, 3, MESH_FRAME_PUB, MESH_FRAME_FIRST, 0);
    mesh_frame frame;
    mesh_bytes record = {wire, sizeof wire}, head_only = {wire, 4};
    EXPECT_EQ(MESH_EPROTO, mesh_frame_take(&record, 100, &frame));
    EXPECT_EQ(MESH_EPROTO, mesh_frame_take(&head_only, 100, &frame));
}

TEST(a_length_over_the_limit_is_refused_before_its_bytes_are_there) {
    uint8_t wire[MESH_FRAME_HEAD_LEN];
    (void)mesh_frame_put_head(wire, 0xffffff, MESH_FRAME_PUB, MESH_FRAME_FIRST, 0);
    mesh_frame frame;
    mesh_bytes record = {wire, sizeof wire};
    EXPECT_EQ(MESH_ETOOBIG, mesh_frame_take(&record, 16384, &frame));
}
