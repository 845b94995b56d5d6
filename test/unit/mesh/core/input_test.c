// Inputs that are streams: two nodes of which one reads what the other sends with its call, and
// peers that break the rules of it.
#include "core/be.h"
#include "core/control.h"
#include "core/frame.h"
#include "core/mem.h"
#include "core/message.h"
#include "core/stream.h"
#include "duo.h"

enum { SLOT = 5, SERVICE_ID = 3, ITEM_LEN = 1 << 10, CREDIT = 8 << 10, TIMEOUT_MS = 5000 };

static const mesh_bytes NOTHING = {0};

TEST(an_input_waits_for_its_first_credit_and_ends_once) {
    mesh_stream stream = {0};
    EXPECT_EQ(MESH_EFLOW, mesh_stream_put(&stream, 1));
    EXPECT_EQ(MESH_EFLOW, mesh_stream_put(&stream, 0));
    EXPECT_OK(mesh_stream_raise(&stream, MESH_REPLY_HEAD_LEN + 1));
    EXPECT_OK(mesh_stream_put(&stream, 1));
    EXPECT_EQ(MESH_EFLOW, mesh_stream_put(&stream, 1)); // at the limit
    EXPECT_OK(mesh_stream_put(&stream, 0));             // the end needs no room
    EXPECT_EQ(MESH_EPROTO, mesh_stream_put(&stream, 0));
    EXPECT_EQ(MESH_EPROTO, mesh_stream_put(&stream, 1));
}

static int call(duo *d, int side, uint32_t flags) {
    mesh_call made = {.slot = SLOT,
                      .to_peer = MESH_PEER_ANY,
                      .name = mesh_bytes_text("files"),
                      .method = mesh_bytes_text("put"),
                      .timeout_ms = TIMEOUT_MS,
                      .flags = flags,
                      .payload = mesh_bytes_text("?")};
    return mesh_node_call(d->sides[side].node, d->now_ms, &made);
}

// Left has called right, whose slot is returned.
static uint32_t called(duo *d) {
    duo_announce(d, 1, SERVICE_ID, MESH_ENTRY_SERVICE, "files", "");
    EXPECT_OK(call(d, 0, MESH_INPUT_IS_STREAM));
    duo_run(d);
    const duo_event *request = duo_expect(d, 1, MESH_OUT_REQUEST);
    EXPECT_TRUE(request->out.flags & MESH_INPUT_IS_STREAM);
    return request->out.slot;
}

static int input(duo *d, mesh_bytes payload) {
    return mesh_node_input(d->sides[0].node, d->now_ms, SLOT, 0, payload);
}

static void take(duo *d, uint32_t slot, uint32_t bytes) {
    mesh_node_take(d->sides[1].node, d->now_ms, slot, bytes);
    duo_run(d);
}

static void answer(duo *d, uint32_t slot) {
    mesh_node_answer(d->sides[1].node, d->now_ms, slot, 0, 0, mesh_bytes_text("done"));
    duo_run(d);
}

// Items until there is no credit; how many.
static size_t send_all(duo *d) {
    static const uint8_t zeros[ITEM_LEN];
    size_t count = 0;
    while (input(d, (mesh_bytes){zeros, ITEM_LEN}) == 0)
        count++;
    return count;
}

TEST(an_input_arrives_in_order_with_its_end_and_the_answer_goes_back) {
    duo *d = duo_create(NULL);
    d->chunk = 7;
    uint32_t slot = called(d);
    EXPECT_EQ(MESH_EFLOW, input(d, mesh_bytes_text("early")));
    take(d, slot, CREDIT);
    EXPECT_EQ(CREDIT, duo_expect(d, 0, MESH_OUT_TAKE)->out.cost);
    EXPECT_OK(input(d, mesh_bytes_text("one")));
    EXPECT_OK(input(d, mesh_bytes_text("two")));
    EXPECT_OK(input(d, NOTHING));
    EXPECT_EQ(MESH_EPROTO, input(d, mesh_bytes_text("late")));
    duo_run(d);
    const duo_event *one = duo_expect(d, 1, MESH_OUT_INPUT);
    EXPECT_EQ(0, strcmp("one", one->payload));
    EXPECT_EQ(slot, one->out.slot);
    EXPECT_EQ(3 + MESH_REPLY_HEAD_LEN, one->out.cost);
    EXPECT_EQ(0, strcmp("two", duo_expect(d, 1, MESH_OUT_INPUT)->payload));
    EXPECT_EQ(0, duo_expect(d, 1, MESH_OUT_INPUT)->payload_len);
    answer(d, slot);
    EXPECT_EQ(0, strcmp("done", duo_expect(d, 0, MESH_OUT_REPLY)->payload));
    EXPECT_OK(input(d, mesh_bytes_text("after"))); // nobody waits
    EXPECT_OK(d->sides[0].link_error);
    EXPECT_OK(d->sides[1].link_error);
    duo_destroy(d);
}

TEST(a_node_sends_an_input_to_itself_by_the_same_rules) {
    duo *d = duo_create(NULL);
    mesh_node *node = d->sides[1].node;
    mesh_entry entry = {.entry_id = SERVICE_ID, .name = mesh_bytes_text("files")};
    EXPECT_OK(mesh_node_announce(node, &entry));
    EXPECT_OK(call(d, 1, MESH_INPUT_IS_STREAM));
    duo_run(d);
    uint32_t slot = duo_expect(d, 1, MESH_OUT_REQUEST)->out.slot;
    EXPECT_EQ(MESH_EFLOW, mesh_node_input(node, d->now_ms, SLOT, 0, mesh_bytes_text("early")));
    take(d, slot, CREDIT);
    EXPECT_EQ(CREDIT, duo_expect(d, 1, MESH_OUT_TAKE)->out.cost);
    EXPECT_OK(mesh_node_input(node, d->now_ms, SLOT, 0, mesh_bytes_text("one")));
    EXPECT_OK(mesh_node_input(node, d->now_ms, SLOT, 0, NOTHING));
    duo_run(d);
    EXPECT_EQ(0, strcmp("one", duo_expect(d, 1, MESH_OUT_INPUT)->payload));
    EXPECT_EQ(0, duo_expect(d, 1, MESH_OUT_INPUT)->payload_len);
    answer(d, slot);
    EXPECT_EQ(1, duo_count(d, 1, MESH_OUT_REPLY));
    duo_destroy(d);
}

TEST(what_the_handler_takes_is_what_may_be_sent_and_nothing_else_is_held_up) {
    duo *d = duo_create(NULL);
    uint32_t slot = called(d);
    take(d, slot, CREDIT);
    size_t sent = send_all(d);
    EXPECT_EQ(CREDIT / (ITEM_LEN + MESH_REPLY_HEAD_LEN) + 1, sent);
    EXPECT_OK(duo_call(d, 0, SLOT + 1, "files", "?"));
    duo_run(d);
    EXPECT_EQ(sent, duo_count(d, 1, MESH_OUT_INPUT));
    answer(d, duo_expect(d, 1, MESH_OUT_REQUEST)->out.slot);
    EXPECT_EQ(SLOT + 1, duo_expect(d, 0, MESH_OUT_REPLY)->out.slot);
    take(d, slot, CREDIT);
    EXPECT_EQ(2 * CREDIT / (ITEM_LEN + MESH_REPLY_HEAD_LEN) + 1, sent + send_all(d));
    duo_destroy(d);
}

TEST(a_handler_that_reads_no_more_says_so_once_and_gets_nothing) {
    duo *d = duo_create(NULL);
    uint32_t slot = called(d);
    take(d, slot, CREDIT);
    (void)duo_expect(d, 0, MESH_OUT_TAKE);
    EXPECT_OK(input(d, mesh_bytes_text("crosses")));
    take(d, slot, 0);
    take(d, slot, 0);
    take(d, slot, CREDIT);
    EXPECT_EQ(0, duo_expect(d, 0, MESH_OUT_TAKE)->out.cost);
    EXPECT_EQ(2, duo_count(d, 0, MESH_OUT_TAKE));
    EXPECT_EQ(0, duo_count(d, 1, MESH_OUT_INPUT));
    EXPECT_OK(input(d, mesh_bytes_text("not sent")));
    answer(d, slot);
    EXPECT_EQ(1, duo_count(d, 0, MESH_OUT_REPLY));
    duo_destroy(d);
}

TEST(deadlines_rest_while_the_input_flows_and_the_callers_counts_from_its_end) {
    duo *d = duo_create(NULL);
    uint32_t slot = called(d);
    take(d, slot, CREDIT);
    EXPECT_EQ(UINT64_MAX, mesh_node_wake_at_ms(d->sides[0].node));
    EXPECT_EQ(UINT64_MAX, mesh_node_wake_at_ms(d->sides[1].node));
    d->now_ms += 10ULL * TIMEOUT_MS;
    EXPECT_OK(input(d, NOTHING));
    duo_run(d);
    EXPECT_EQ(d->now_ms + TIMEOUT_MS, mesh_node_wake_at_ms(d->sides[0].node));
    d->now_ms += TIMEOUT_MS;
    mesh_node_tick(d->sides[0].node, d->now_ms);
    duo_run(d);
    EXPECT_EQ(MESH_CALL_TIMEOUT, duo_expect(d, 0, MESH_OUT_ERROR)->out.code);
    EXPECT_EQ(slot, duo_expect(d, 1, MESH_OUT_ABORT)->out.slot);
    duo_destroy(d);
}

TEST(a_handler_that_reads_no_more_has_the_timeout_for_its_answer) {
    duo *d = duo_create(NULL);
    uint32_t slot = called(d);
    take(d, slot, CREDIT);
    take(d, slot, 0);
    EXPECT_EQ(d->now_ms + TIMEOUT_MS, mesh_node_wake_at_ms(d->sides[0].node));
    duo_destroy(d);
}

TEST(cancelling_ends_an_input_once_at_each_side_also_with_items_under_way) {
    duo *d = duo_create(NULL);
    uint32_t slot = called(d);
    take(d, slot, CREDIT);
    (void)send_all(d);
    mesh_node_cancel(d->sides[0].node, d->now_ms, SLOT);
    duo_run(d);
    answer(d, slot);
    EXPECT_EQ(1, duo_count(d, 0, MESH_OUT_ERROR));
    EXPECT_EQ(0, duo_count(d, 0, MESH_OUT_REPLY));
    EXPECT_EQ(1, duo_count(d, 1, MESH_OUT_ABORT));
    EXPECT_OK(d->sides[1].link_error);
    duo_destroy(d);
}

TEST(the_death_of_either_end_ends_an_input_at_the_other) {
    for (int dead = 0; dead < 2; dead++) {
        duo *d = duo_create(NULL);
        uint32_t slot = called(d);
        take(d, slot, CREDIT);
        EXPECT_OK(input(d, mesh_bytes_text("one")));
        duo_kill(d, dead);
        if (dead == 1) {
            EXPECT_EQ(MESH_CALL_PEER_LOST, duo_expect(d, 0, MESH_OUT_ERROR)->out.code);
            EXPECT_OK(input(d, mesh_bytes_text("nobody")));
        } else {
            EXPECT_EQ(slot, duo_expect(d, 1, MESH_OUT_ABORT)->out.slot);
            mesh_node_take(d->sides[1].node, d->now_ms, slot, CREDIT);
        }
        duo_destroy(d);
    }
}

TEST(an_item_that_is_too_large_is_refused_and_may_be_cancelled) {
    duo *d = duo_create_unlike(MESH_MESSAGE_LEN_MAX, MESH_MESSAGE_LEN_MIN);
    uint32_t slot = called(d);
    take(d, slot, CREDIT);
    static const uint8_t large[2 * MESH_MESSAGE_LEN_MIN];
    EXPECT_EQ(MESH_ETOOBIG, input(d, (mesh_bytes){large, sizeof large}));
    mesh_node_cancel(d->sides[0].node, d->now_ms, SLOT);
    duo_run(d);
    EXPECT_EQ(slot, duo_expect(d, 1, MESH_OUT_ABORT)->out.slot);
    duo_destroy(d);
}

TEST(an_item_for_which_there_is_no_memory_ends_the_call_at_both_sides) {
    mesh_node_options options = {.assembled_max = 32 << 10};
    duo *d = duo_create(&options);
    uint32_t slot = called(d);
    take(d, slot, 16 * CREDIT);
    static const uint8_t large[64 << 10];
    EXPECT_OK(input(d, (mesh_bytes){large, sizeof large}));
    EXPECT_OK(input(d, mesh_bytes_text("behind it")));
    duo_run(d);
    const duo_event *error = duo_expect(d, 0, MESH_OUT_ERROR);
    EXPECT_EQ(MESH_CALL_OVERLOADED, error->out.code);
    EXPECT_TRUE(error->out.is_maybe);
    EXPECT_EQ(slot, duo_expect(d, 1, MESH_OUT_ABORT)->out.slot);
    EXPECT_EQ(0, duo_count(d, 1, MESH_OUT_INPUT));
    answer(d, slot);
    EXPECT_EQ(1, duo_count(d, 0, MESH_OUT_ERROR));
    EXPECT_EQ(0, duo_count(d, 0, MESH_OUT_REPLY));
    EXPECT_OK(d->sides[1].link_error);
    duo_destroy(d);
}

TEST(a_subscription_has_no_input_that_is_a_stream) {
    duo *d = duo_create(NULL);
    duo_announce(d, 1, SERVICE_ID, MESH_ENTRY_SUBSCRIPTION, "files", "");
    mesh_call made = {.slot = SLOT,
                      .to_peer = MESH_PEER_ANY,
                      .is_subject = true,
                      .name = mesh_bytes_text("files"),
                      .flags = MESH_INPUT_IS_STREAM};
    EXPECT_OK(mesh_node_call(d->sides[0].node, d->now_ms, &made));
    duo_run(d);
    EXPECT_EQ(MESH_CALL_NO_METHOD, duo_expect(d, 0, MESH_OUT_ERROR)->out.code);
    duo_destroy(d);
}

// ---- peers that break rules

static int inject(duo *d, int side, uint8_t type, uint32_t channel, mesh_bytes body) {
    uint8_t frame[MESH_FRAME_HEAD_LEN + 2 * ITEM_LEN];
    uint8_t *at = mesh_frame_put_head(frame, body.len, type, MESH_FRAME_FIRST, channel);
    if (body.len > 0) memcpy(at, body.data, body.len);
    return duo_inject(d, side, frame, MESH_FRAME_HEAD_LEN + body.len);
}

static int inject_input(duo *d, uint32_t slot, uint32_t channel, size_t payload_len) {
    uint8_t body[2 * ITEM_LEN] = {0};
    store_be64(body, (uint64_t)1 << 32 | slot); // the first call of the slot
    return inject(d, 1, MESH_FRAME_INPUT, channel,
                  (mesh_bytes){body, MESH_REPLY_HEAD_LEN + payload_len});
}

TEST(an_input_that_breaks_its_rules_ends_the_link_and_that_of_an_unknown_call_does_not) {
    enum { BULK = MESH_CHANNEL_BULK_REPLY };
    const struct {
        uint32_t credit, slot, channel;
        size_t payload_len;
        bool has_ended;
        int want;
    } rows[] = {
        {0, SLOT, BULK, 1, false, MESH_EFLOW}, // nobody reads yet
        {0, SLOT, BULK, 0, false, MESH_EFLOW},
        {CREDIT, SLOT, BULK, 1, false, 0},
        {CREDIT, SLOT, BULK, 0, false, 0},
        {CREDIT, SLOT, BULK, 1, true, MESH_EPROTO},                  // behind its end
        {CREDIT, SLOT, BULK, 0, true, MESH_EPROTO},                  // two ends
        {CREDIT, SLOT, MESH_CHANNEL_REPLY, 1, false, MESH_EPROTO},   // another lane
        {CREDIT, SLOT, MESH_CHANNEL_REQUEST, 1, false, MESH_EPROTO}, // another channel
        {0, SLOT + 1, BULK, 1, false, 0},                            // of no call
        {0, SLOT + 1, BULK, 0, false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        duo *d = duo_create(NULL);
        uint32_t slot = called(d);
        if (rows[i].credit > 0) take(d, slot, rows[i].credit);
        if (rows[i].has_ended) EXPECT_OK(input(d, NOTHING));
        duo_run(d);
        EXPECT_EQ(rows[i].want,
                  inject_input(d, rows[i].slot, rows[i].channel, rows[i].payload_len));
        duo_destroy(d);
    }
}

// Left gets the READY of a peer that knows no more than `features`.
static void greet_as(duo *d, uint64_t features) {
    duo_side *left = &d->sides[0];
    EXPECT_OK(mesh_node_link_up(left->node, d->now_ms, &left->peer, d->sides[1].id, true));
    mesh_ready ready = {.minor_min = 1,
                        .minor_max = 1,
                        .features = features,
                        .node_id = d->sides[1].id,
                        .max_frame = MESH_FRAME_LEN_DEFAULT,
                        .max_message = MESH_MESSAGE_LEN_DEFAULT,
                        .request_credit = MESH_CREDIT_DEFAULT};
    uint8_t body[MESH_CONTROL_WRITE_MAX];
    size_t len = mesh_ready_write(body, &ready);
    EXPECT_OK(inject(d, 0, MESH_FRAME_READY, MESH_CHANNEL_CONTROL, (mesh_bytes){body, len}));
    duo_run(d);
}

TEST(a_peer_that_is_older_than_inputs_gets_none_and_the_call_says_so) {
    for (int is_linked = 0; is_linked < 2; is_linked++) {
        duo *d = duo_create(NULL);
        d->is_connect_refused = true;
        duo_announce(d, 1, SERVICE_ID, MESH_ENTRY_SERVICE, "files", "");
        if (is_linked) greet_as(d, MESH_FEATURE_STREAMS);
        EXPECT_OK(call(d, 0, MESH_INPUT_IS_STREAM));
        duo_run(d);
        if (!is_linked) greet_as(d, MESH_FEATURE_STREAMS);
        const duo_event *error = duo_expect(d, 0, MESH_OUT_ERROR);
        EXPECT_EQ(MESH_CALL_NO_METHOD, error->out.code);
        EXPECT_FALSE(error->out.is_maybe);
        EXPECT_EQ(0, duo_count(d, 1, MESH_OUT_REQUEST));
        duo_destroy(d);
    }
}

TEST(an_input_of_a_call_that_has_none_ends_the_link) {
    duo *d = duo_create(NULL);
    duo_announce(d, 1, SERVICE_ID, MESH_ENTRY_SERVICE, "files", "");
    EXPECT_OK(call(d, 0, 0));
    duo_run(d);
    EXPECT_EQ(MESH_EPROTO, inject_input(d, SLOT, MESH_CHANNEL_BULK_REPLY, 1));
    duo_destroy(d);
}

TEST(an_input_of_a_call_that_was_cancelled_is_dropped) {
    duo *d = duo_create(NULL);
    uint32_t slot = called(d);
    take(d, slot, CREDIT);
    mesh_node_cancel(d->sides[0].node, d->now_ms, SLOT);
    duo_run(d);
    EXPECT_OK(inject_input(d, SLOT, MESH_CHANNEL_BULK_REPLY, 1));
    EXPECT_EQ(0, duo_count(d, 1, MESH_OUT_INPUT));
    mesh_node_take(d->sides[1].node, d->now_ms, slot, CREDIT); // its handler does not know yet
    duo_run(d);
    EXPECT_OK(d->sides[0].link_error);
    duo_destroy(d);
}

TEST(a_million_items_without_a_word_end_the_link_when_their_credit_is_used_up) {
    duo *d = duo_create(NULL);
    uint32_t slot = called(d);
    take(d, slot, CREDIT);
    int err = 0;
    size_t count = 0;
    for (; count < 1000000 && err == 0; count++)
        err = inject_input(d, SLOT, MESH_CHANNEL_BULK_REPLY, 1);
    EXPECT_EQ(MESH_EFLOW, err);
    EXPECT_EQ(CREDIT / (MESH_REPLY_HEAD_LEN + 1) + 2, count); // what is above the limit, too
    duo_destroy(d);
}

TEST(credit_for_an_input_that_breaks_its_rules_ends_the_link) {
    const struct {
        uint64_t limit;
        size_t len;
        uint32_t slot;
        bool has_input;
        int want;
    } rows[] = {
        {CREDIT + 1, MESH_GRANT_LEN, SLOT, true, 0},
        {0, MESH_GRANT_LEN, SLOT, true, 0},
        {CREDIT, MESH_GRANT_LEN, SLOT, true, MESH_EFLOW},
        {UINT64_MAX, MESH_GRANT_LEN, SLOT, true, MESH_EFLOW},
        {CREDIT + 1, MESH_GRANT_LEN - 1, SLOT, true, MESH_EPROTO},
        {CREDIT + 1, MESH_GRANT_LEN, SLOT, false, MESH_EPROTO},
        {CREDIT, MESH_GRANT_LEN, SLOT + 1, true, 0}, // of no call
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        duo *d = duo_create(NULL);
        duo_announce(d, 1, SERVICE_ID, MESH_ENTRY_SERVICE, "files", "");
        EXPECT_OK(call(d, 0, rows[i].has_input ? MESH_INPUT_IS_STREAM : 0));
        duo_run(d);
        take(d, duo_expect(d, 1, MESH_OUT_REQUEST)->out.slot, CREDIT);
        uint8_t body[MESH_MESSAGE_HEAD_MAX];
        mesh_grant grant = {(uint64_t)1 << 32 | rows[i].slot, rows[i].limit};
        (void)mesh_grant_write(body, &grant);
        EXPECT_EQ(rows[i].want, inject(d, 0, MESH_FRAME_TAKE, MESH_CHANNEL_REQUEST,
                                       (mesh_bytes){body, rows[i].len}));
        duo_destroy(d);
    }
}
