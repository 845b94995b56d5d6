// Answers that are streams: the book of credit, and two nodes of which one reads what the other
// sends.
#include "core/stream.h"

#include "core/be.h"
#include "core/frame.h"
#include "core/mem.h"
#include "core/message.h"
#include "duo.h"

enum { SLOT = 5, SERVICE_ID = 3, ITEM_LEN = 1 << 10 };

static const mesh_bytes NOTHING = {0};

TEST(a_stream_begins_with_an_empty_item_and_has_no_other) {
    mesh_stream stream;
    mesh_stream_init(&stream);
    EXPECT_EQ(MESH_EPROTO, mesh_stream_move(&stream, 1));
    EXPECT_OK(mesh_stream_move(&stream, 0));
    EXPECT_EQ(MESH_EPROTO, mesh_stream_move(&stream, 0));
    EXPECT_OK(mesh_stream_move(&stream, 1));
}

TEST(an_item_may_begin_below_the_limit_and_none_at_it) {
    mesh_stream stream;
    mesh_stream_init(&stream);
    EXPECT_OK(mesh_stream_move(&stream, 0));
    EXPECT_OK(mesh_stream_move(&stream, MESH_STREAM_WINDOW - 2 * MESH_REPLY_HEAD_LEN - 1));
    EXPECT_OK(mesh_stream_move(&stream, MESH_MESSAGE_LEN_MAX)); // one byte below it
    EXPECT_EQ(MESH_EFLOW, mesh_stream_move(&stream, 1));
    mesh_stream_init(&stream);
    EXPECT_OK(mesh_stream_move(&stream, 0));
    EXPECT_OK(mesh_stream_move(&stream, MESH_STREAM_WINDOW - 2 * MESH_REPLY_HEAD_LEN));
    EXPECT_EQ(MESH_EFLOW, mesh_stream_move(&stream, 1)); // at it
}

TEST(credit_rises_and_by_no_more_than_its_limit) {
    mesh_stream stream;
    mesh_stream_init(&stream);
    uint64_t limit = stream.limit;
    EXPECT_EQ(MESH_EFLOW, mesh_stream_raise(&stream, limit));
    EXPECT_EQ(MESH_EFLOW, mesh_stream_raise(&stream, limit + MESH_STREAM_RAISE_MAX + 1));
    EXPECT_OK(mesh_stream_raise(&stream, limit + MESH_STREAM_RAISE_MAX));
    EXPECT_EQ(MESH_EFLOW, mesh_stream_raise(&stream, limit));
}

// Left has called right, whose slot is returned.
static uint32_t called(duo *d) {
    duo_announce(d, 1, SERVICE_ID, MESH_ENTRY_SERVICE, "files", "");
    EXPECT_OK(duo_call(d, 0, SLOT, "files", "?"));
    duo_run(d);
    return duo_expect(d, 1, MESH_OUT_REQUEST)->out.slot;
}

static int item(duo *d, uint32_t slot, mesh_bytes payload) {
    return mesh_node_item(d->sides[1].node, d->now_ms, slot, 0, payload);
}

static void answer(duo *d, uint32_t slot, uint32_t code) {
    mesh_node_answer(d->sides[1].node, d->now_ms, slot, code, 0, mesh_bytes_text("end"));
}

// Items until there is no credit; how many.
static size_t send_all(duo *d, uint32_t slot) {
    static const uint8_t zeros[ITEM_LEN];
    size_t count = 0;
    while (item(d, slot, (mesh_bytes){zeros, ITEM_LEN}) == 0)
        count++;
    return count;
}

TEST(items_arrive_in_order_and_the_one_end_behind_them) {
    duo *d = duo_create(NULL);
    d->chunk = 7;
    uint32_t slot = called(d);
    EXPECT_OK(item(d, slot, NOTHING));
    EXPECT_OK(item(d, slot, mesh_bytes_text("one")));
    EXPECT_OK(item(d, slot, mesh_bytes_text("two")));
    answer(d, slot, 0);
    duo_run(d);
    EXPECT_EQ(0, duo_expect(d, 0, MESH_OUT_ITEM)->payload_len);
    const duo_event *one = duo_expect(d, 0, MESH_OUT_ITEM);
    EXPECT_EQ(0, strcmp("one", one->payload));
    EXPECT_EQ(SLOT, one->out.slot);
    EXPECT_EQ(3 + MESH_REPLY_HEAD_LEN, one->out.cost);
    EXPECT_EQ(0, strcmp("two", duo_expect(d, 0, MESH_OUT_ITEM)->payload));
    EXPECT_EQ(0, strcmp("end", duo_expect(d, 0, MESH_OUT_REPLY)->payload));
    EXPECT_EQ(0, duo_count(d, 0, MESH_OUT_ERROR));
    EXPECT_EQ(0, item(d, slot, mesh_bytes_text("late"))); // nobody waits
    duo_run(d);
    EXPECT_EQ(3, duo_count(d, 0, MESH_OUT_ITEM));
    duo_destroy(d);
}

TEST(a_node_streams_to_itself_by_the_same_rules) {
    duo *d = duo_create(NULL);
    mesh_entry entry = {.entry_id = SERVICE_ID, .name = mesh_bytes_text("files")};
    EXPECT_OK(mesh_node_announce(d->sides[1].node, &entry));
    EXPECT_OK(duo_call(d, 1, SLOT, "files", "?"));
    duo_run(d);
    uint32_t slot = duo_expect(d, 1, MESH_OUT_REQUEST)->out.slot;
    EXPECT_OK(item(d, slot, NOTHING));
    EXPECT_OK(item(d, slot, mesh_bytes_text("one")));
    mesh_node_grant(d->sides[1].node, d->now_ms, SLOT, 100);
    answer(d, slot, 0);
    duo_run(d);
    EXPECT_EQ(0, duo_expect(d, 1, MESH_OUT_ITEM)->payload_len);
    EXPECT_EQ(0, strcmp("one", duo_expect(d, 1, MESH_OUT_ITEM)->payload));
    EXPECT_EQ(100, duo_expect(d, 1, MESH_OUT_GRANT)->out.cost);
    EXPECT_EQ(1, duo_count(d, 1, MESH_OUT_REPLY));
    duo_destroy(d);
}

TEST(a_reader_that_takes_nothing_stops_its_stream_and_nothing_else) {
    duo *d = duo_create(NULL);
    uint32_t slot = called(d);
    EXPECT_OK(item(d, slot, NOTHING));
    size_t sent = send_all(d, slot);
    duo_run(d);
    EXPECT_EQ(MESH_STREAM_WINDOW / (ITEM_LEN + MESH_REPLY_HEAD_LEN) + 1, sent);

    EXPECT_OK(duo_call(d, 0, SLOT + 1, "files", "?"));
    duo_run(d);
    answer(d, duo_expect(d, 1, MESH_OUT_REQUEST)->out.slot, 0);
    duo_run(d);
    EXPECT_EQ(SLOT + 1, duo_expect(d, 0, MESH_OUT_REPLY)->out.slot);
    duo_destroy(d);
}

TEST(what_the_reader_takes_is_what_may_be_sent) {
    duo *d = duo_create(NULL);
    uint32_t slot = called(d);
    EXPECT_OK(item(d, slot, NOTHING));
    EXPECT_OK(item(d, slot, mesh_bytes_text("one")));
    duo_run(d);
    mesh_node_grant(d->sides[0].node, d->now_ms, SLOT, MESH_STREAM_WINDOW);
    duo_run(d);
    EXPECT_EQ(MESH_STREAM_WINDOW, duo_expect(d, 1, MESH_OUT_GRANT)->out.cost);
    size_t sent = send_all(d, slot);
    duo_run(d);
    EXPECT_EQ(2 * MESH_STREAM_WINDOW / (ITEM_LEN + MESH_REPLY_HEAD_LEN) + 1, sent);
    EXPECT_EQ(sent + 2, duo_count(d, 0, MESH_OUT_ITEM));
    EXPECT_OK(d->sides[0].link_error);
    duo_destroy(d);
}

TEST(an_item_that_could_not_be_sent_is_no_gap_but_an_error) {
    duo *d = duo_create_unlike(MESH_MESSAGE_LEN_MIN, MESH_MESSAGE_LEN_MAX);
    uint32_t slot = called(d);
    static const uint8_t large[2 * MESH_MESSAGE_LEN_MIN];
    EXPECT_OK(item(d, slot, NOTHING));
    EXPECT_EQ(MESH_ETOOBIG, item(d, slot, (mesh_bytes){large, sizeof large}));
    EXPECT_EQ(MESH_EPROTO, item(d, slot, mesh_bytes_text("next")));
    answer(d, slot, 0);
    duo_run(d);
    EXPECT_EQ(MESH_CALL_OVERLOADED, duo_expect(d, 0, MESH_OUT_ERROR)->out.code);
    EXPECT_EQ(0, duo_count(d, 0, MESH_OUT_REPLY));
    duo_destroy(d);
}

TEST(the_deadline_of_a_call_ends_where_its_stream_begins) {
    duo *d = duo_create(NULL);
    uint32_t slot = called(d);
    EXPECT_OK(item(d, slot, NOTHING));
    duo_run(d);
    EXPECT_EQ(UINT64_MAX, mesh_node_wake_at_ms(d->sides[0].node));
    EXPECT_EQ(UINT64_MAX, mesh_node_wake_at_ms(d->sides[1].node));
    duo_destroy(d);
}

TEST(a_deadline_that_passes_while_the_stream_begins_stops_its_handler) {
    duo *d = duo_create(NULL);
    uint32_t slot = called(d);
    EXPECT_OK(item(d, slot, NOTHING)); // not carried yet
    d->now_ms += 5000;
    mesh_node_tick(d->sides[0].node, d->now_ms);
    duo_run(d);
    EXPECT_EQ(MESH_CALL_TIMEOUT, duo_expect(d, 0, MESH_OUT_ERROR)->out.code);
    EXPECT_EQ(slot, duo_expect(d, 1, MESH_OUT_ABORT)->out.slot);
    EXPECT_EQ(0, duo_count(d, 0, MESH_OUT_ITEM));
    duo_destroy(d);
}

TEST(cancelling_ends_a_stream_once_at_each_side) {
    duo *d = duo_create(NULL);
    uint32_t slot = called(d);
    EXPECT_OK(item(d, slot, NOTHING));
    duo_run(d);
    (void)send_all(d, slot);
    mesh_node_cancel(d->sides[0].node, d->now_ms, SLOT);
    duo_run(d);
    answer(d, slot, 0);
    duo_run(d);
    EXPECT_EQ(1, duo_count(d, 0, MESH_OUT_ERROR));
    EXPECT_EQ(0, duo_count(d, 0, MESH_OUT_REPLY));
    EXPECT_EQ(1, duo_count(d, 0, MESH_OUT_ITEM)); // the beginning
    EXPECT_EQ(1, duo_count(d, 1, MESH_OUT_ABORT));
    EXPECT_OK(d->sides[0].link_error);
    EXPECT_OK(d->sides[1].link_error);
    duo_destroy(d);
}

TEST(the_death_of_either_end_ends_a_stream_at_the_other) {
    for (int dead = 0; dead < 2; dead++) {
        duo *d = duo_create(NULL);
        uint32_t slot = called(d);
        EXPECT_OK(item(d, slot, NOTHING));
        duo_run(d);
        duo_kill(d, dead);
        if (dead == 1) {
            const duo_event *error = duo_expect(d, 0, MESH_OUT_ERROR);
            EXPECT_EQ(MESH_CALL_PEER_LOST, error->out.code);
            EXPECT_TRUE(error->out.is_maybe);
        } else {
            EXPECT_EQ(slot, duo_expect(d, 1, MESH_OUT_ABORT)->out.slot);
            EXPECT_OK(item(d, slot, mesh_bytes_text("nobody")));
        }
        duo_destroy(d);
    }
}

TEST(what_waits_for_a_caller_that_does_not_read_is_bounded) {
    duo *d = duo_create(NULL);
    uint32_t slot = called(d);
    EXPECT_OK(item(d, slot, NOTHING));
    duo_run(d);
    for (int i = 0; i < 4; i++)
        mesh_node_grant(d->sides[0].node, d->now_ms, SLOT, 2 * MESH_QUEUE_MAX);
    duo_run(d);
    d->is_stopped[1] = true;
    static const uint8_t zeros[64 << 10];
    int err = 0;
    while (err == 0)
        err = item(d, slot, (mesh_bytes){zeros, sizeof zeros});
    EXPECT_EQ(MESH_EQUOTA, err);
    EXPECT_TRUE(mesh_node_stats_get(d->sides[1].node).unsent_bytes < MESH_QUEUE_MAX + (1 << 20));
    duo_destroy(d);
}

// ---- peers that break rules

static int inject(duo *d, int side, uint8_t type, uint32_t channel, mesh_bytes body) {
    uint8_t frame[MESH_FRAME_HEAD_LEN + 2 * ITEM_LEN];
    uint8_t *at = mesh_frame_put_head(frame, body.len, type, MESH_FRAME_FIRST, channel);
    memcpy(at, body.data, body.len);
    return duo_inject(d, side, frame, MESH_FRAME_HEAD_LEN + body.len);
}

static int inject_item(duo *d, uint32_t channel, size_t payload_len) {
    uint8_t body[2 * ITEM_LEN] = {0};
    store_be64(body, (uint64_t)1 << 32 | SLOT); // the first call of the slot
    return inject(d, 0, MESH_FRAME_ITEM, channel,
                  (mesh_bytes){body, MESH_REPLY_HEAD_LEN + payload_len});
}

TEST(a_stream_that_breaks_its_rules_ends_the_link) {
    const struct {
        bool has_begun;
        uint32_t channel;
        size_t payload_len;
        int want;
    } rows[] = {
        {false, MESH_CHANNEL_BULK_REPLY, 0, 0},
        {false, MESH_CHANNEL_BULK_REPLY, 1, MESH_EPROTO}, // it did not begin
        {true, MESH_CHANNEL_BULK_REPLY, 0, MESH_EPROTO},  // it begins twice
        {true, MESH_CHANNEL_BULK_REPLY, 1, 0},
        {true, MESH_CHANNEL_REPLY, 1, MESH_EPROTO}, // by another lane than items go
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        duo *d = duo_create(NULL);
        uint32_t slot = called(d);
        if (rows[i].has_begun) EXPECT_OK(item(d, slot, NOTHING));
        duo_run(d);
        EXPECT_EQ(rows[i].want, inject_item(d, rows[i].channel, rows[i].payload_len));
        duo_destroy(d);
    }
}

TEST(items_beyond_the_credit_end_the_link) {
    duo *d = duo_create(NULL);
    uint32_t slot = called(d);
    EXPECT_OK(item(d, slot, NOTHING));
    (void)send_all(d, slot);
    duo_run(d);
    EXPECT_OK(d->sides[0].link_error);
    EXPECT_EQ(MESH_EFLOW, inject_item(d, MESH_CHANNEL_BULK_REPLY, 1));
    duo_destroy(d);
}

TEST(credit_that_breaks_its_rules_ends_the_link_and_that_of_a_past_call_does_not) {
    const struct {
        uint64_t limit;
        size_t len;
        uint32_t slot;
        int want;
    } rows[] = {
        {MESH_STREAM_WINDOW + 1, MESH_GRANT_LEN, SLOT, 0},
        {MESH_STREAM_WINDOW, MESH_GRANT_LEN, SLOT, MESH_EFLOW},
        {UINT64_MAX, MESH_GRANT_LEN, SLOT, MESH_EFLOW},
        {MESH_STREAM_WINDOW + 1, MESH_GRANT_LEN - 1, SLOT, MESH_EPROTO},
        {0, MESH_GRANT_LEN, SLOT + 1, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        duo *d = duo_create(NULL);
        (void)called(d);
        uint8_t body[MESH_MESSAGE_HEAD_MAX];
        mesh_grant grant = {(uint64_t)1 << 32 | rows[i].slot, rows[i].limit};
        (void)mesh_grant_write(body, &grant);
        EXPECT_EQ(rows[i].want, inject(d, 1, MESH_FRAME_GRANT, MESH_CHANNEL_REQUEST,
                                       (mesh_bytes){body, rows[i].len}));
        duo_destroy(d);
    }
}
