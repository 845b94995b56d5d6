#include "core/budget.h"
#include "core/control.h"
#include "core/error.h"
#include "link.pb-c.h"
#include "test.h"

static const mesh_ready plain = {.minor_min = 1,
                                 .minor_max = 1,
                                 .max_frame = 16384,
                                 .max_message = 1 << 20,
                                 .node_id = 0xfffffffffffffff0,
                                 .request_credit = 1,
                                 .publish_credit = UINT64_MAX};

static int parse(const mesh_ready *ready) {
    uint8_t body[MESH_CONTROL_WRITE_MAX];
    mesh_ready got;
    return mesh_ready_parse((mesh_bytes){body, mesh_ready_write(body, ready)}, &got);
}

TEST(a_ready_is_read_as_it_was_written) {
    uint8_t body[MESH_CONTROL_WRITE_MAX];
    mesh_ready got;
    EXPECT_OK(mesh_ready_parse((mesh_bytes){body, mesh_ready_write(body, &plain)}, &got));
    assert_memory_equal(&plain, &got, sizeof got);
}

TEST(versions_that_do_not_meet_are_told_apart_from_nonsense) {
    mesh_ready ready = plain;
    ready.minor_min = ready.minor_max = 2;
    EXPECT_EQ(MESH_EVERSION, parse(&ready));
    ready.minor_min = ready.minor_max = 0;
    EXPECT_EQ(MESH_EVERSION, parse(&ready));
    ready.minor_min = 0;
    ready.minor_max = 9;
    EXPECT_OK(parse(&ready));
}

TEST(limits_outside_the_allowed_range_are_refused) {
    const uint32_t frames[] = {0, MESH_FRAME_LEN_MIN - 1, MESH_FRAME_LEN_MAX + 1, UINT32_MAX};
    const uint32_t messages[] = {0, MESH_MESSAGE_LEN_MIN - 1, MESH_MESSAGE_LEN_MAX + 1, UINT32_MAX};
    for (size_t i = 0; i < 4; i++) {
        mesh_ready ready = plain;
        ready.max_frame = frames[i];
        EXPECT_EQ(MESH_EPROTO, parse(&ready));
        ready = plain;
        ready.max_message = messages[i];
        EXPECT_EQ(MESH_EPROTO, parse(&ready));
    }
}

TEST(a_goaway_keeps_its_code_and_a_long_text_is_cut_when_sent_and_refused_when_received) {
    char text[300];
    memset(text, 'x', sizeof text);
    text[299] = 0;
    uint8_t body[512];
    uint32_t code;
    size_t len = mesh_goaway_write(body, MESH_GOAWAY_FLOW, text);
    EXPECT_OK(mesh_goaway_parse((mesh_bytes){body, len}, &code));
    EXPECT_EQ(MESH_GOAWAY_FLOW, code);
    Warren__Link__GoAway long_one = WARREN__LINK__GO_AWAY__INIT;
    long_one.text = text;
    len = warren__link__go_away__pack(&long_one, body);
    EXPECT_EQ(MESH_EPROTO, mesh_goaway_parse((mesh_bytes){body, len}, &code));
}

TEST(a_body_of_unknown_fields_does_not_get_more_memory_than_the_budget) {
    uint8_t body[MESH_CONTROL_LEN_MAX];
    for (size_t i = 0; i < sizeof body; i += 2) {
        body[i] = 0x7a; // field 15, of length 0
        body[i + 1] = 0;
    }
    mesh_budget budget;
    mesh_budget_init(&budget, 16 << 10);
    EXPECT_TRUE(warren__link__ready__unpack(&budget.allocator, sizeof body, body) == NULL);
}
