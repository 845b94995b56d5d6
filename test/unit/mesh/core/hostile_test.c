// A peer that is who it says and sends what it should not: the link ends with the right code,
// nothing else does.
#include "core/be.h"
#include "core/control.h"
#include "core/frame.h"
#include "core/link.h"
#include "core/message.h"
#include "duo.h"

enum { SERVICE_ID = 3, SUBSCRIPTION_ID = 4 };

typedef struct frames {
    uint8_t bytes[60000];
    size_t len;
} frames;

static void add(frames *f, uint8_t type, uint8_t flags, uint32_t channel, const void *body,
                size_t len) {
    uint8_t *at = mesh_frame_put_head(f->bytes + f->len, len, type, flags, channel);
    if (len > 0) memcpy(at, body, len);
    f->len += MESH_FRAME_HEAD_LEN + len;
}

static int inject(duo *d, const frames *f) {
    return duo_inject(d, 0, f->bytes, f->len);
}

static int inject_one(duo *d, uint8_t type, uint8_t flags, uint32_t channel, const void *body,
                      size_t len) {
    frames f = {.len = 0};
    add(&f, type, flags, channel, body, len);
    return inject(d, &f);
}

// A linked pair; side 0 is the victim, frames are put into its stream by hand.
static duo *linked(void) {
    mesh_node_options options = {.credit = 5000};
    duo *d = duo_create(&options);
    duo_announce(d, 0, SERVICE_ID, MESH_ENTRY_SERVICE, "mine", "");
    duo_announce(d, 0, SUBSCRIPTION_ID, MESH_ENTRY_SUBSCRIPTION, "a", "");
    duo_announce(d, 1, SERVICE_ID, MESH_ENTRY_SERVICE, "theirs", "");
    EXPECT_OK(duo_call(d, 0, 1, "theirs", "open"));
    duo_run(d);
    return d;
}

// The code of the GOAWAY that the victim wrote.
static uint32_t goaway_code(duo *d) {
    mesh_bytes output = mesh_node_link_output(d->sides[0].node, d->sides[0].peer), record;
    uint32_t code = UINT32_MAX;
    while (mesh_record_take(&output, &record) == 0) {
        mesh_frame frame;
        while (record.len > 0 && mesh_frame_take(&record, MESH_FRAME_LEN_MAX, &frame) == 0) {
            if (frame.type == MESH_FRAME_GOAWAY) EXPECT_OK(mesh_goaway_parse(frame.body, &code));
        }
    }
    return code;
}

static size_t request(uint8_t *body, uint64_t call_id, uint32_t endpoint, const char *name) {
    mesh_request made = {.call_id = call_id, .endpoint = endpoint, .name = mesh_bytes_text(name)};
    return mesh_request_write(body, &made);
}

static size_t pub(uint8_t *body, uint32_t target) {
    return mesh_pub_write(body, 0, &target, 1, mesh_bytes_text("a"));
}

TEST(frames_that_break_a_rule_end_the_link) {
    const struct {
        uint8_t type, flags;
        uint32_t channel;
        size_t len;
        int want;
        uint32_t code;
    } rows[] = {
        {0x50, 1, 0, 0, MESH_EPROTO, 1},                // a type nobody knows
        {MESH_FRAME_READY, 1, 0, 0, MESH_EPROTO, 1},    // READY again
        {MESH_FRAME_PING, 1, 0, 7, MESH_EPROTO, 1},     // a length that is not its own
        {MESH_FRAME_PING, 1, 1, 8, MESH_EPROTO, 1},     // on another channel
        {MESH_FRAME_PING, 0, 0, 8, MESH_EPROTO, 1},     // without FIRST
        {MESH_FRAME_PING, 3, 0, 8, MESH_EPROTO, 1},     // with MORE
        {MESH_FRAME_PING, 0x41, 0, 8, MESH_EPROTO, 1},  // with a flag nobody knows
        {MESH_FRAME_CREDIT, 1, 3, 8, MESH_EPROTO, 1},   // for a channel without credit
        {MESH_FRAME_CREDIT, 1, 1, 8, MESH_EFLOW, 3},    // that falls
        {MESH_FRAME_SHAPE, 1, 0, 5000, MESH_EPROTO, 1}, // a control body over 4 KiB
        {MESH_FRAME_PUB, 1, 1, 10, MESH_EPROTO, 1},     // a message on another's channel
        {MESH_FRAME_PUB, 0, 2, 10, MESH_EPROTO, 1},     // the middle of nothing
        {MESH_FRAME_PUB, 3, 2, 4, MESH_EPROTO, 1},      // FIRST without content
        {MESH_FRAME_PUB, 1, 2, 20000, MESH_ETOOBIG, 2}, // a frame over max_frame
        {MESH_FRAME_REQUEST, 1, 1, 17, MESH_EPROTO, 1}, // a head that is cut
        {MESH_FRAME_CANCEL, 1, 1, 11, MESH_EPROTO, 1},  // too long
        {MESH_FRAME_CANCEL, 1, 0, 10, MESH_EPROTO, 1},  // on another channel
    };
    static const uint8_t zeros[20000];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        duo *d = linked();
        int err = inject_one(d, rows[i].type, rows[i].flags, rows[i].channel, zeros, rows[i].len);
        if (err != rows[i].want) fail_msg("row %zu: %d", i, err);
        EXPECT_EQ(rows[i].code, goaway_code(d));
        duo_destroy(d);
    }
}

TEST(an_unknown_frame_that_may_be_ignored_is) {
    duo *d = linked();
    EXPECT_OK(inject_one(d, 0x50, MESH_FRAME_IGNORABLE, 77, "anything", 8));
    duo_destroy(d);
}

TEST(first_twice_on_a_channel_ends_the_link) {
    duo *d = linked();
    uint8_t body[MESH_MESSAGE_HEAD_MAX], first[] = {0, 0, 0, 50, 1, 2, 3};
    frames f = {.len = 0};
    add(&f, MESH_FRAME_PUB, 3, 2, first, sizeof first);
    add(&f, MESH_FRAME_PUB, 1, 2, body, pub(body, SUBSCRIPTION_ID));
    EXPECT_EQ(MESH_EPROTO, inject(d, &f));
    duo_destroy(d);
}

TEST(fragments_that_do_not_sum_up_end_the_link) {
    const uint8_t first[] = {0, 0, 0, 6, 1, 2, 3};
    const struct {
        uint8_t type, flags;
        size_t len;
    } rows[] = {
        {MESH_FRAME_PUB, 0, 2},   // ends early
        {MESH_FRAME_PUB, 0, 4},   // is too long
        {MESH_FRAME_PUB, 2, 3},   // is complete but wants to go on
        {MESH_FRAME_PUB, 2, 0},   // goes on with nothing
        {MESH_FRAME_REPLY, 0, 3}, // goes on as something else
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        duo *d = linked();
        frames f = {.len = 0};
        add(&f, MESH_FRAME_PUB, 3, 2, first, sizeof first);
        add(&f, rows[i].type, rows[i].flags, 2, "abcd", rows[i].len);
        EXPECT_EQ(MESH_EPROTO, inject(d, &f));
        duo_destroy(d);
    }
}

TEST(a_total_over_the_limit_is_refused_before_its_bytes_come) {
    duo *d = linked();
    const uint8_t first[] = {0xff, 0xff, 0xff, 0xff, 1};
    EXPECT_EQ(MESH_ETOOBIG, inject_one(d, MESH_FRAME_PUB, 3, 2, first, sizeof first));
    EXPECT_EQ(MESH_GOAWAY_TOO_LARGE, goaway_code(d));
    duo_destroy(d);
}

TEST(a_total_may_be_the_limit_and_not_a_byte_more) {
    const uint32_t limit = MESH_MESSAGE_LEN_DEFAULT + MESH_MESSAGE_HEAD_MAX;
    for (uint32_t total = limit - 1; total <= limit + 1; total++) {
        duo *d = linked();
        uint8_t first[5] = {0};
        (void)store_be32(first, total);
        int err = inject_one(d, MESH_FRAME_PUB, 3, MESH_CHANNEL_BULK_PUBLISH, first, sizeof first);
        EXPECT_EQ(total > limit ? MESH_ETOOBIG : 0, err);
        duo_destroy(d);
    }
}

TEST(a_control_body_may_be_the_limit_and_not_a_byte_more) {
    for (size_t len = MESH_CONTROL_LEN_MAX - 1; len <= MESH_CONTROL_LEN_MAX + 1; len++) {
        duo *d = linked();
        uint8_t shape[MESH_CONTROL_LEN_MAX + 1] = {0, 0, 32};
        size_t at = 3;
        for (int key = 0; key < 32; key++) { // keys that fill the body
            size_t left = len - at, key_len = key < 31 ? 126 : left - 1;
            if (key_len > 255) key_len = 255;
            shape[at] = (uint8_t)key_len;
            at += 1 + key_len;
        }
        EXPECT_EQ(len, at);
        EXPECT_EQ(len > MESH_CONTROL_LEN_MAX ? MESH_EPROTO : 0,
                  inject_one(d, MESH_FRAME_SHAPE, 1, 0, shape, len));
        duo_destroy(d);
    }
}

TEST(a_message_begun_beyond_the_credit_ends_the_link) {
    duo *d = linked();
    uint8_t body[5000] = {0};
    (void)pub(body, SUBSCRIPTION_ID);
    frames f = {.len = 0};
    add(&f, MESH_FRAME_PUB, 1, 2, body, sizeof body); // begun below the limit: all of it may come
    EXPECT_OK(inject(d, &f));
    EXPECT_EQ(MESH_EFLOW, inject(d, &f));
    EXPECT_EQ(MESH_GOAWAY_FLOW, goaway_code(d));
    duo_destroy(d);
}

TEST(what_the_application_took_may_be_sent_again) {
    duo *d = linked();
    uint8_t body[5000] = {0};
    (void)pub(body, SUBSCRIPTION_ID);
    for (int i = 0; i < 20; i++) {
        EXPECT_OK(inject_one(d, MESH_FRAME_PUB, 1, 2, body, sizeof body));
        uint32_t cost = duo_expect(d, 0, MESH_OUT_MESSAGE)->out.cost;
        mesh_node_consumed(d->sides[0].node, d->sides[0].peer, MESH_LANE_NORMAL, cost);
    }
    duo_destroy(d);
}

TEST(publications_for_nobody_are_counted_and_cost_no_credit) {
    duo *d = linked();
    uint8_t body[4000] = {0};
    (void)pub(body, 999);
    for (int i = 0; i < 20; i++)
        EXPECT_OK(inject_one(d, MESH_FRAME_PUB, 1, 2, body, sizeof body));
    EXPECT_EQ(20, mesh_node_stats_get(d->sides[0].node).unknown_targets);
    duo_destroy(d);
}

TEST(a_request_for_nothing_we_announced_is_answered_at_once) {
    duo *d = linked();
    uint8_t body[MESH_MESSAGE_HEAD_MAX];
    EXPECT_OK(inject_one(d, MESH_FRAME_REQUEST, 1, 1, body, request(body, 1, 999, "run")));
    EXPECT_EQ(0, duo_count(d, 0, MESH_OUT_REQUEST));
    EXPECT_TRUE(mesh_node_link_output(d->sides[0].node, d->sides[0].peer).len > 0);
    duo_destroy(d);
}

TEST(refused_requests_cost_no_credit) {
    duo *d = linked();
    uint8_t body[4000] = {0};
    for (uint64_t id = 0; id < 20; id++) {
        (void)request(body, id, 999, "run");
        EXPECT_OK(inject_one(d, MESH_FRAME_REQUEST, 1, 1, body, sizeof body));
    }
    duo_destroy(d);
}

TEST(what_came_by_an_earlier_link_gives_no_credit_to_the_next) {
    duo *d = linked();
    uint8_t body[4000] = {0};
    (void)pub(body, SUBSCRIPTION_ID);
    EXPECT_OK(inject_one(d, MESH_FRAME_PUB, 1, 2, body, sizeof body));
    uint32_t old_cost = duo_expect(d, 0, MESH_OUT_MESSAGE)->out.cost;
    duo_link_down(d);
    EXPECT_OK(duo_call(d, 0, 2, "theirs", "link again"));
    duo_run(d);
    for (int i = 0; i < 2; i++)
        EXPECT_OK(inject_one(d, MESH_FRAME_PUB, 1, 2, body, sizeof body));
    mesh_node_consumed(d->sides[0].node, d->sides[0].peer, MESH_LANE_NORMAL, old_cost);
    EXPECT_EQ(MESH_EFLOW, inject_one(d, MESH_FRAME_PUB, 1, 2, body, sizeof body));
    duo_destroy(d);
}

TEST(events_keep_their_memory_when_the_link_ends_before_they_are_polled) {
    duo *d = linked();
    duo_side *victim = &d->sides[0];
    uint8_t body[MESH_MESSAGE_HEAD_MAX], *buffer;
    size_t cap, len = pub(body, SUBSCRIPTION_ID);
    mesh_node_link_input(victim->node, victim->peer, &buffer, &cap);
    uint8_t *at = store_be16(buffer, (uint32_t)(MESH_FRAME_HEAD_LEN + len));
    at = mesh_frame_put_head(at, len, MESH_FRAME_PUB, MESH_FRAME_FIRST, MESH_CHANNEL_PUBLISH);
    memcpy(at, body, len);
    EXPECT_OK(mesh_node_link_received(victim->node, d->now_ms, victim->peer,
                                      MESH_RECORD_HEAD_LEN + MESH_FRAME_HEAD_LEN + len));
    duo_link_down(d);
    duo_run(d);
    EXPECT_TEXT("a", duo_expect(d, 0, MESH_OUT_MESSAGE)->name);
    duo_destroy(d);
}

TEST(a_call_id_that_is_open_may_not_be_used_again) {
    duo *d = linked();
    uint8_t body[MESH_MESSAGE_HEAD_MAX];
    size_t len = request(body, 77, SERVICE_ID, "run");
    EXPECT_OK(inject_one(d, MESH_FRAME_REQUEST, 1, 1, body, len));
    EXPECT_EQ(MESH_EPROTO, inject_one(d, MESH_FRAME_REQUEST, 1, 1, body, len));
    duo_destroy(d);
}

TEST(a_request_by_subject_names_a_valid_one) {
    duo *d = linked();
    uint8_t body[MESH_MESSAGE_HEAD_MAX];
    EXPECT_EQ(MESH_EPROTO, inject_one(d, MESH_FRAME_REQUEST, 1, 1, body,
                                      request(body, 1, SUBSCRIPTION_ID, "a.*")));
    duo_destroy(d);
}

// A host's scopes name the subjects that it may publish: one that is allowed opens no subscription
// to others.
TEST(a_subject_reaches_no_subscription_that_did_not_ask_for_it) {
    duo *d = linked();
    uint8_t body[MESH_MESSAGE_HEAD_MAX];
    const uint32_t target = SUBSCRIPTION_ID; // to "a"
    size_t len = mesh_pub_write(body, 0, &target, 1, mesh_bytes_text("b"));
    EXPECT_OK(inject_one(d, MESH_FRAME_PUB, 1, 2, body, len));
    EXPECT_EQ(0, duo_count(d, 0, MESH_OUT_MESSAGE));
    EXPECT_EQ(1, mesh_node_stats_get(d->sides[0].node).unknown_targets);
    EXPECT_OK(
        inject_one(d, MESH_FRAME_REQUEST, 1, 1, body, request(body, 1, SUBSCRIPTION_ID, "b")));
    EXPECT_EQ(0, duo_count(d, 0, MESH_OUT_REQUEST));
    EXPECT_OK(inject_one(d, MESH_FRAME_PUB, 1, 2, body, pub(body, SUBSCRIPTION_ID)));
    EXPECT_EQ(1, duo_count(d, 0, MESH_OUT_MESSAGE));
    duo_destroy(d);
}

TEST(calls_that_are_cancelled_at_once_still_count_until_they_are_answered) {
    mesh_node_options options = {.credit = 1 << 20};
    duo *d = duo_create(&options);
    duo_announce(d, 0, SERVICE_ID, MESH_ENTRY_SERVICE, "mine", "");
    duo_announce(d, 1, SUBSCRIPTION_ID, MESH_ENTRY_SUBSCRIPTION, "a", "");
    EXPECT_OK(duo_publish(d, 0, "a", "link"));
    duo_run(d);
    duo_side *victim = &d->sides[0];
    size_t requests = 0, overloaded_from = 0;
    for (uint64_t id = 0; id < 17000; id++) {
        uint8_t body[MESH_MESSAGE_HEAD_MAX], cancel[MESH_CANCEL_LEN];
        EXPECT_OK(inject_one(d, MESH_FRAME_REQUEST, 1, 1, body, request(body, id, SERVICE_ID, "")));
        EXPECT_OK(inject_one(d, MESH_FRAME_CANCEL, 1, 1, cancel,
                             mesh_cancel_write(cancel, &(mesh_cancel){id, MESH_CALL_CANCELLED})));
        requests += duo_count(d, 0, MESH_OUT_REQUEST);
        if (duo_count(d, 0, MESH_OUT_REQUEST) == 0 && overloaded_from == 0) overloaded_from = id;
        victim->count = victim->read = 0;
    }
    EXPECT_EQ(16384, requests);
    EXPECT_EQ(16384, overloaded_from);
    duo_destroy(d);
}

TEST(a_call_that_was_cancelled_before_anybody_looked_never_runs_and_gives_its_credit_back) {
    mesh_node_options options = {.credit = 4096};
    duo *d = duo_create(&options);
    duo_announce(d, 0, SERVICE_ID, MESH_ENTRY_SERVICE, "mine", "");
    duo_announce(d, 1, SUBSCRIPTION_ID, MESH_ENTRY_SUBSCRIPTION, "a", "");
    EXPECT_OK(duo_publish(d, 0, "a", "link"));
    duo_run(d);
    for (uint64_t id = 0; id < 1000; id++) { // far more than the credit of one window
        uint8_t body[MESH_MESSAGE_HEAD_MAX], cancel[MESH_CANCEL_LEN];
        frames f = {.len = 0};
        add(&f, MESH_FRAME_REQUEST, 1, 1, body, request(body, id, SERVICE_ID, ""));
        add(&f, MESH_FRAME_CANCEL, 1, 1, cancel,
            mesh_cancel_write(cancel, &(mesh_cancel){id, MESH_CALL_TIMEOUT}));
        EXPECT_OK(inject(d, &f));
    }
    EXPECT_EQ(0, duo_count(d, 0, MESH_OUT_REQUEST));
    EXPECT_EQ(0, duo_count(d, 0, MESH_OUT_ABORT));
    duo_destroy(d);
}

TEST(answers_to_calls_we_did_not_make_are_counted_and_dropped) {
    duo *d = linked();
    uint8_t body[MESH_MESSAGE_HEAD_MAX];
    const uint64_t ids[] = {0, 1, UINT64_MAX, (uint64_t)2 << 32 | 1, 0xffffffff};
    for (size_t i = 0; i < 5; i++) {
        size_t len = mesh_reply_write(body, &(mesh_reply){.call_id = ids[i]});
        EXPECT_OK(inject_one(d, MESH_FRAME_REPLY, 1, 3, body, len));
    }
    EXPECT_EQ(5, mesh_node_stats_get(d->sides[0].node).late_replies);
    EXPECT_EQ(0, duo_count(d, 0, MESH_OUT_REPLY));
    duo_destroy(d);
}

TEST(shapes_out_of_order_end_the_link) {
    duo *d = linked();
    const uint8_t second[] = {0, 1, 1, 1, 'a'};
    EXPECT_EQ(MESH_EPROTO, inject_one(d, MESH_FRAME_SHAPE, 1, 0, second, sizeof second));
    duo_destroy(d);
}

TEST(a_peer_that_pings_and_does_not_read_is_cut_off) {
    duo *d = linked();
    static uint8_t big[300000];
    duo_announce(d, 1, SUBSCRIPTION_ID, MESH_ENTRY_SUBSCRIPTION, "a", "");
    d->is_stopped[0] = true;
    EXPECT_OK(mesh_node_publish(d->sides[0].node, d->now_ms, mesh_bytes_text("a"), 0,
                                (mesh_bytes){big, sizeof big}));
    for (int count = 0; count < MESH_LINK_PONGS_MAX; count++)
        EXPECT_OK(inject_one(d, MESH_FRAME_PING, 1, 0, "pingping", 8));
    EXPECT_EQ(MESH_EQUOTA, inject_one(d, MESH_FRAME_PING, 1, 0, "pingping", 8));
    EXPECT_EQ(MESH_GOAWAY_QUOTA, goaway_code(d));
    duo_destroy(d);
}

TEST(after_goaway_nothing_is_heard_and_the_link_is_closed) {
    duo *d = linked();
    uint8_t goaway[MESH_CONTROL_WRITE_MAX], body[MESH_MESSAGE_HEAD_MAX];
    frames f = {.len = 0};
    add(&f, MESH_FRAME_GOAWAY, 1, 0, goaway, mesh_goaway_write(goaway, 0, "bye"));
    add(&f, MESH_FRAME_PUB, 1, 2, body, pub(body, SUBSCRIPTION_ID));
    EXPECT_OK(inject(d, &f));
    EXPECT_EQ(0, duo_count(d, 0, MESH_OUT_MESSAGE));
    (void)duo_expect(d, 0, MESH_OUT_CLOSE);
    duo_destroy(d);
}

TEST(an_error_ends_calls_of_this_link_only_when_the_driver_says_it_is_down) {
    duo *d = linked();
    EXPECT_EQ(MESH_EPROTO, inject_one(d, 0x50, 1, 0, NULL, 0));
    EXPECT_EQ(0, duo_count(d, 0, MESH_OUT_ERROR));
    EXPECT_OK(inject_one(d, 0x50, 1, 0, NULL, 0)); // what else comes is not read any more
    duo_link_down(d);
    duo_run(d);
    EXPECT_EQ(MESH_CALL_PEER_LOST, duo_expect(d, 0, MESH_OUT_ERROR)->out.code);
    duo_destroy(d);
}

static int greet(const mesh_ready *ready) {
    duo *d = duo_create(NULL);
    d->is_connect_refused = true;
    duo_side *victim = &d->sides[0];
    EXPECT_OK(mesh_node_link_up(victim->node, d->now_ms, &victim->peer, d->sides[1].id, false));
    uint8_t body[MESH_CONTROL_WRITE_MAX];
    int err = inject_one(d, MESH_FRAME_READY, 1, 0, body, mesh_ready_write(body, ready));
    duo_destroy(d);
    return err;
}

TEST(the_first_frame_is_a_ready_of_the_peer_the_agent_named) {
    mesh_ready ready = {
        .minor_min = 1, .minor_max = 1, .node_id = 22, .max_frame = 16384, .max_message = 1 << 20};
    EXPECT_OK(greet(&ready));
    ready.node_id = 23;
    EXPECT_EQ(MESH_EWRONGPEER, greet(&ready));
    ready.node_id = 22;
    ready.minor_min = ready.minor_max = 7;
    EXPECT_EQ(MESH_EVERSION, greet(&ready));

    duo *d = duo_create(NULL);
    uint8_t body[MESH_MESSAGE_HEAD_MAX];
    EXPECT_OK(mesh_node_link_up(d->sides[0].node, d->now_ms, &d->sides[0].peer, 22, false));
    EXPECT_EQ(MESH_EPROTO, inject_one(d, MESH_FRAME_PUB, 1, 2, body, pub(body, 1)));
    duo_destroy(d);
}

TEST(an_answer_to_a_request_that_has_not_been_sent_ends_the_link) {
    mesh_node_options options = {.credit = 100};
    duo *d = duo_create(&options);
    duo_announce(d, 1, SERVICE_ID, MESH_ENTRY_SERVICE, "theirs", "");
    char payload[200] = {[0 ... 198] = 'x'};
    EXPECT_OK(duo_call(d, 0, 1, "theirs", payload)); // takes all the credit
    duo_run(d);
    EXPECT_OK(duo_call(d, 0, 2, "theirs", "waits"));
    uint8_t body[MESH_MESSAGE_HEAD_MAX];
    size_t len = mesh_reply_write(body, &(mesh_reply){.call_id = (uint64_t)1 << 32 | 2});
    EXPECT_EQ(MESH_EPROTO, inject_one(d, MESH_FRAME_REPLY, 1, 3, body, len));
    EXPECT_EQ(0, duo_count(d, 0, MESH_OUT_REPLY));
    duo_destroy(d);
}

TEST(a_peer_that_asks_and_does_not_read_the_answers_is_cut_off) {
    duo *d = linked();
    d->is_stopped[0] = true;
    uint8_t body[MESH_MESSAGE_HEAD_MAX];
    int err = 0;
    for (uint64_t id = 0; err == 0 && id < 2000000;) {
        frames f = {.len = 0};
        for (int i = 0; i < 100; i++)
            add(&f, MESH_FRAME_REQUEST, 1, 1, body, request(body, id++, 999, ""));
        err = inject(d, &f);
        d->sides[0].count = 0;
    }
    EXPECT_EQ(MESH_EQUOTA, err);
    EXPECT_TRUE(mesh_node_stats_get(d->sides[0].node).unsent_bytes <
                MESH_LINK_REPLIES_MAX + 2ul * MESH_QUEUE_MAX);
    duo_destroy(d);
}
