// What lanes promise (proto/wire.md): order within one, weight between them, and that bulk never
// stands before the normal lane for more than a quantum.
#include "core/be.h"
#include "core/error.h"
#include "core/mem.h"
#include "duo.h"
#include "pair.h"

enum { LARGE = 1 << 20, HEADS_MAX = 64 }; // of the records and frames in a quantum

typedef struct lanes {
    mesh_link *a, *b;
    uint8_t *large;
} lanes;

static lanes setup(void) {
    lanes l = {pair_link(1, 2, NULL), pair_link(2, 1, NULL), mem_alloc(LARGE)};
    pair_greet(l.a, l.b);
    return l;
}

static void teardown(lanes *l) {
    free(l->large);
    mesh_link_destroy(l->a);
    mesh_link_destroy(l->b);
}

// The next message that b hears, with its memory already freed.
static mesh_link_message hear(lanes *l, size_t piece) {
    mesh_link_message message = {0};
    while (mesh_link_next(l->b, &message) == 0)
        EXPECT_TRUE(pair_carry(l->a, l->b, piece) > 0);
    free(message.owned);
    return message;
}

TEST(a_small_message_finds_at_most_a_quantum_of_bulk_before_it) {
    for (size_t gone = 0; gone < 100000;
         gone += 777) { // of the bulk message, when the small one comes
        lanes l = setup();
        (void)pair_send_bulk(l.a, MESH_FRAME_PUB, l.large, LARGE);
        mesh_link_pump(l.a, 0);
        for (size_t at = 0; at < gone;)
            at += pair_carry(l.a, l.b, gone - at);
        EXPECT_FALSE(pair_send(l.a, MESH_FRAME_PUB, "small", 5).is_queued);
        size_t len = mesh_link_output(l.a).len;
        EXPECT_TRUE(len <= MESH_LANE_QUANTUM + HEADS_MAX + 9 + strlen("headsmall"));
        for (size_t at = 0; at < len;) // nothing else comes before it
            at += pair_carry(l.a, l.b, len - at);
        mesh_link_message message;
        EXPECT_EQ(1, mesh_link_next(l.b, &message));
        EXPECT_BYTES("headsmall", message.body);
        EXPECT_EQ(LARGE + 4, hear(&l, SIZE_MAX).body.len);
        teardown(&l);
    }
}

TEST(lanes_that_are_both_full_share_by_weight) {
    const size_t pieces[] = {500, 16384, SIZE_MAX};
    for (size_t p = 0; p < 3; p++) {
        lanes l = setup();
        for (int i = 0; i < 8; i++) { // answers need no credit
            (void)pair_send(l.a, MESH_FRAME_REPLY, l.large, LARGE);
            (void)pair_send_bulk(l.a, MESH_FRAME_REPLY, l.large, LARGE);
        }
        mesh_link_pump(l.a, 0);
        uint32_t heard[MESH_LANE_COUNT] = {0};
        while (heard[MESH_LANE_NORMAL] < 8)
            heard[mesh_channel_lane(hear(&l, pieces[p]).channel)]++;
        EXPECT_TRUE(heard[MESH_LANE_BULK] == 1 || heard[MESH_LANE_BULK] == 2); // a quarter of 8
        while (heard[MESH_LANE_BULK] < 8)
            heard[mesh_channel_lane(hear(&l, pieces[p]).channel)]++;
        teardown(&l);
    }
}

TEST(small_messages_that_never_wait_leave_bulk_its_share) {
    lanes l = setup();
    (void)pair_send_bulk(l.a, MESH_FRAME_REPLY, l.large, LARGE);
    mesh_link_pump(l.a, 0);
    size_t normal_bytes = 0;
    mesh_link_message message;
    for (bool is_over = false; !is_over;) {
        EXPECT_FALSE(pair_send(l.a, MESH_FRAME_REPLY, l.large, 8000).is_queued);
        normal_bytes += 8000;
        EXPECT_TRUE(normal_bytes < (size_t)8 * LARGE);
        // The socket takes as much as comes, so the output is never empty.
        size_t len = mesh_link_output(l.a).len;
        pair_carry(l.a, l.b, len > 8100 + 20000 ? 8100 : 0);
        pair_carry(l.a, l.b, len > 200000 ? 60000 : 0);
        while (mesh_link_next(l.b, &message) == 1) {
            is_over |= message.channel == MESH_CHANNEL_BULK_REPLY;
            free(message.owned);
        }
    }
    EXPECT_TRUE(normal_bytes > (size_t)3 * LARGE); // and not more than that
    teardown(&l);
}

TEST(each_lane_has_a_credit_of_its_own) {
    lanes l = setup();
    (void)pair_send_bulk(l.a, MESH_FRAME_PUB, l.large, PAIR_WINDOW);
    EXPECT_TRUE(pair_send_bulk(l.a, MESH_FRAME_PUB, "b", 1).is_queued);
    EXPECT_FALSE(pair_send(l.a, MESH_FRAME_PUB, "n", 1).is_queued);
    mesh_link_message first = hear(&l, SIZE_MAX);
    EXPECT_EQ(MESH_CHANNEL_BULK_PUBLISH, first.channel);
    EXPECT_EQ(MESH_CHANNEL_PUBLISH, hear(&l, SIZE_MAX).channel);
    mesh_link_consumed(l.b, first.channel, first.cost);
    mesh_link_pump(l.b, 0);
    pair_carry(l.b, l.a, SIZE_MAX);
    mesh_link_message credit;
    EXPECT_EQ(1, mesh_link_next(l.a, &credit));
    mesh_link_pump(l.a, 0);
    mesh_link_message second = hear(&l, SIZE_MAX);
    EXPECT_BYTES("headb", second.body);
    teardown(&l);
}

TEST(a_cancel_waits_for_its_half_sent_bulk_request_and_not_for_another) {
    lanes l = setup();
    uint8_t head[MESH_MESSAGE_HEAD_MAX];
    mesh_request request = {.call_id = 7};
    mesh_link_send_options options = {.type = MESH_FRAME_REQUEST,
                                      .lane = MESH_LANE_BULK,
                                      .expires_at_ms = UINT64_MAX,
                                      .head = {head, mesh_request_write(head, &request)},
                                      .payload = {l.large, LARGE}};
    (void)mesh_link_send(l.a, &options);
    mesh_link_pump(l.a, 0);
    mesh_link_cancel(l.a, &(mesh_cancel){7, 4});
    mesh_link_cancel(l.a, &(mesh_cancel){8, 4});
    mesh_cancel cancel;
    mesh_link_message message = hear(&l, SIZE_MAX);
    EXPECT_OK(mesh_cancel_parse(message.body, &cancel));
    EXPECT_EQ(8, cancel.call_id);
    EXPECT_EQ(MESH_FRAME_REQUEST, hear(&l, SIZE_MAX).type);
    message = hear(&l, SIZE_MAX);
    EXPECT_OK(mesh_cancel_parse(message.body, &cancel));
    EXPECT_EQ(7, cancel.call_id);
    teardown(&l);
}

// What b says of one frame.
static int say(lanes *l, uint8_t type, uint32_t channel, mesh_bytes body) {
    uint8_t *buffer;
    size_t cap;
    mesh_link_input(l->b, &buffer, &cap);
    uint8_t *at = store_be16(buffer, (uint32_t)(MESH_FRAME_HEAD_LEN + body.len));
    at = mesh_frame_put_head(at, body.len, type, MESH_FRAME_FIRST, channel);
    memcpy(at, body.data, body.len);
    mesh_link_received(l->b, 0, MESH_RECORD_HEAD_LEN + MESH_FRAME_HEAD_LEN + body.len);
    mesh_link_message message;
    return mesh_link_next(l->b, &message);
}

TEST(a_message_on_the_channel_of_another_is_refused) {
    const struct {
        uint8_t type;
        uint32_t channels[MESH_LANE_COUNT];
    } rules[] = {{MESH_FRAME_REQUEST, {1, 4}},
                 {MESH_FRAME_PUB, {2, 5}},
                 {MESH_FRAME_REPLY, {3, 6}},
                 {MESH_FRAME_ERROR, {3, 6}},
                 {MESH_FRAME_CREDIT, {0}}};
    const uint8_t limit[] = {0, 0, 0, 0, 0, 1, 0, 0};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        for (uint32_t channel = 0; channel < MESH_CHANNEL_COUNT + 2; channel++) {
            lanes l = setup();
            bool is_right =
                rules[i].type == MESH_FRAME_CREDIT
                    ? channel == 1 || channel == 2 || channel == 4 || channel == 5
                    : channel == rules[i].channels[0] || channel == rules[i].channels[1];
            EXPECT_EQ(is_right ? 1 : MESH_EPROTO,
                      say(&l, rules[i].type, channel, (mesh_bytes){limit, sizeof limit}));
            teardown(&l);
        }
    }
}

// ---- members

static int publish(duo *d, mesh_lane lane, size_t len) {
    static const uint8_t bytes[LARGE];
    return mesh_node_publish(d->sides[0].node, d->now_ms, mesh_bytes_text("news"),
                             lane == MESH_LANE_BULK ? MESH_IS_BULK : 0, (mesh_bytes){bytes, len});
}

TEST(a_bulk_lane_that_is_full_refuses_bulk_alone_and_drains_by_itself) {
    duo *d = duo_create(NULL);
    duo_announce(d, 1, 1, MESH_ENTRY_SUBSCRIPTION, "news", "");
    d->is_stopped[0] = true;
    int err = 0;
    for (int i = 0; i < 30 && err == 0; i++)
        err = publish(d, MESH_LANE_BULK, LARGE);
    EXPECT_EQ(MESH_EQUOTA, err);
    EXPECT_OK(publish(d, MESH_LANE_NORMAL, 1));
    mesh_node_stats stats = mesh_node_stats_get(d->sides[0].node);
    EXPECT_TRUE(stats.queued_bytes[MESH_LANE_BULK] > MESH_QUEUE_MAX);
    EXPECT_TRUE(stats.queued_bytes[MESH_LANE_NORMAL] < MESH_QUEUE_LOW);
    d->is_stopped[0] = false;
    for (size_t seen = 0, i; duo_count(d, 0, MESH_OUT_DRAIN) == 0;) {
        duo_run(d);
        for (i = seen, seen = d->sides[1].count; i < seen; i++) {
            const mesh_output *out = &d->sides[1].events[i].out;
            if (out->kind != MESH_OUT_MESSAGE) continue;
            mesh_node_consumed(d->sides[1].node, d->sides[1].peer,
                               out->flags & MESH_IS_BULK ? MESH_LANE_BULK : MESH_LANE_NORMAL,
                               out->cost);
        }
    }
    EXPECT_EQ(MESH_IS_BULK, duo_expect(d, 0, MESH_OUT_DRAIN)->out.flags);
    EXPECT_EQ(0, duo_expect(d, 1, MESH_OUT_MESSAGE)->out.flags); // the small one was the first
    duo_destroy(d);
}

TEST(an_answer_goes_by_the_lane_of_its_call) {
    duo *d = duo_create(NULL);
    duo_announce(d, 1, 1, MESH_ENTRY_SERVICE, "copy", "");
    for (uint32_t slot = 0; slot < MESH_LANE_COUNT; slot++) {
        mesh_call call = {.slot = slot,
                          .to_peer = MESH_PEER_ANY,
                          .name = mesh_bytes_text("copy"),
                          .flags = slot == MESH_LANE_BULK ? MESH_IS_BULK : 0};
        EXPECT_OK(mesh_node_call(d->sides[0].node, d->now_ms, &call));
    }
    duo_run(d);
    d->is_stopped[1] = true;
    static const uint8_t large[LARGE];
    for (uint32_t slot = 0; slot < MESH_LANE_COUNT; slot++)
        mesh_node_answer(d->sides[1].node, d->now_ms, duo_expect(d, 1, MESH_OUT_REQUEST)->out.slot,
                         0, 0, (mesh_bytes){large, LARGE});
    mesh_node_stats stats = mesh_node_stats_get(d->sides[1].node);
    for (size_t lane = 0; lane < MESH_LANE_COUNT; lane++)
        EXPECT_TRUE(stats.queued_bytes[lane] > LARGE / 2);
    d->is_stopped[1] = false;
    duo_run(d);
    EXPECT_EQ(0, duo_expect(d, 0, MESH_OUT_REPLY)->out.slot);
    EXPECT_EQ(1, duo_expect(d, 0, MESH_OUT_REPLY)->out.slot);
    duo_destroy(d);
}
