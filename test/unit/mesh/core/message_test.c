#include "core/error.h"
#include "core/message.h"
#include "test.h"

static const mesh_request request = {.call_id = 1ull << 40 | 7,
                                     .deadline_ms = 5000,
                                     .endpoint = 3,
                                     .flags = MESH_MESSAGE_HAS_HEADERS,
                                     .name = {(const uint8_t *)"quote", 5}};

TEST(heads_are_read_as_they_were_written) {
    uint8_t body[MESH_MESSAGE_HEAD_MAX];
    size_t len = mesh_request_write(body, &request);
    mesh_request got;
    EXPECT_OK(mesh_request_parse((mesh_bytes){body, len}, &got));
    EXPECT_EQ(request.call_id, got.call_id);
    EXPECT_EQ(5000, got.deadline_ms);
    EXPECT_EQ(3, got.endpoint);
    EXPECT_BYTES("quote", got.name);
    EXPECT_EQ(0, got.payload.len);

    const uint32_t targets[] = {1, 0xffffffff};
    len = mesh_pub_write(body, 0, targets, 2, mesh_bytes_text("a.b"));
    mesh_pub pub;
    EXPECT_OK(mesh_pub_parse((mesh_bytes){body, len}, &pub));
    EXPECT_EQ(2, pub.target_count);
    EXPECT_EQ(0xffffffff, mesh_pub_target(&pub, 1));
    EXPECT_BYTES("a.b", pub.subject);
}

TEST(every_head_cut_short_is_refused) {
    uint8_t body[MESH_MESSAGE_HEAD_MAX];
    mesh_request got;
    for (size_t len = mesh_request_write(body, &request); len-- > 0;)
        EXPECT_EQ(MESH_EPROTO, mesh_request_parse((mesh_bytes){body, len}, &got));
    mesh_reply reply = {.call_id = 1, .code = 1}, got_reply;
    for (size_t len = mesh_reply_write(body, &reply); len-- > 0;)
        EXPECT_EQ(MESH_EPROTO, mesh_error_parse((mesh_bytes){body, len}, &got_reply));
    mesh_pub pub;
    for (size_t len = mesh_pub_write(body, 0, (const uint32_t[]){1}, 1, mesh_bytes_text("a"));
         len-- > 0;)
        EXPECT_EQ(MESH_EPROTO, mesh_pub_parse((mesh_bytes){body, len}, &pub));
}

TEST(unknown_flags_are_refused) {
    uint8_t body[MESH_MESSAGE_HEAD_MAX];
    size_t len = mesh_request_write(body, &request);
    body[16] |= 4;
    mesh_request got;
    EXPECT_EQ(MESH_EPROTO, mesh_request_parse((mesh_bytes){body, len}, &got));
    mesh_reply reply = {.flags = MESH_MESSAGE_IS_STREAM}, got_reply; // of requests alone
    len = mesh_reply_write(body, &reply);
    EXPECT_EQ(MESH_EPROTO, mesh_reply_parse((mesh_bytes){body, len}, &got_reply));
}

TEST(codes_and_truths_outside_the_table_are_refused) {
    uint8_t body[MESH_MESSAGE_HEAD_MAX];
    mesh_reply got;
    const struct {
        uint16_t code;
        uint8_t delivered;
        int want;
    } rows[] = {
        {1, 1, 0}, {7, 0, 0}, {0, 0, MESH_EPROTO}, {8, 0, MESH_EPROTO}, {1, 2, MESH_EPROTO}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t len = mesh_reply_write(body, &(mesh_reply){.code = 1});
        body[8] = 0;
        body[9] = (uint8_t)rows[i].code;
        body[10] = rows[i].delivered;
        EXPECT_EQ(rows[i].want, mesh_error_parse((mesh_bytes){body, len}, &got));
    }
    mesh_cancel cancel = {1, 9}, got_cancel;
    size_t len = mesh_cancel_write(body, &cancel);
    EXPECT_EQ(MESH_EPROTO, mesh_cancel_parse((mesh_bytes){body, len}, &got_cancel));
}

TEST(a_publication_has_1_to_64_targets_and_a_valid_subject) {
    uint8_t body[MESH_MESSAGE_HEAD_MAX];
    static const uint32_t targets[MESH_PUB_TARGETS_MAX];
    mesh_pub pub;
    size_t len = mesh_pub_write(body, 0, targets, 64, mesh_bytes_text("a"));
    EXPECT_OK(mesh_pub_parse((mesh_bytes){body, len}, &pub));
    body[1] = 65;
    EXPECT_EQ(MESH_EPROTO, mesh_pub_parse((mesh_bytes){body, len + 100}, &pub));
    body[1] = 0;
    EXPECT_EQ(MESH_EPROTO, mesh_pub_parse((mesh_bytes){body, len}, &pub));
    len = mesh_pub_write(body, 0, targets, 1, mesh_bytes_text("a.*"));
    EXPECT_EQ(MESH_EPROTO, mesh_pub_parse((mesh_bytes){body, len}, &pub));
}

TEST(shapes_come_in_order_with_keys_that_fill_the_body) {
    const uint8_t good[] = {0, 5, 2, 1, 'a', 0}, early[] = {0, 6, 1, 1, 'a'};
    const uint8_t none[] = {0, 5, 0}, cut[] = {0, 5, 1, 2, 'a'}, rest[] = {0, 5, 1, 1, 'a', 'b'};
    EXPECT_OK(mesh_shape_check((mesh_bytes){good, sizeof good}, 5));
    EXPECT_EQ(MESH_EPROTO, mesh_shape_check((mesh_bytes){early, sizeof early}, 5));
    EXPECT_EQ(MESH_EPROTO, mesh_shape_check((mesh_bytes){none, sizeof none}, 5));
    EXPECT_EQ(MESH_EPROTO, mesh_shape_check((mesh_bytes){cut, sizeof cut}, 5));
    EXPECT_EQ(MESH_EPROTO, mesh_shape_check((mesh_bytes){rest, sizeof rest}, 5));
    const uint8_t many[] = {4, 0, 1, 1, 'a'};
    EXPECT_EQ(MESH_EPROTO, mesh_shape_check((mesh_bytes){many, sizeof many}, 1024));
}
