// One member seen through another: publications, calls, death. What a hostile peer does is in
// hostile_test.c.
#include "core/frame.h"
#include "duo.h"

static void answer(duo *d, int side, uint32_t code, const char *text) {
    const duo_event *request = duo_expect(d, side, MESH_OUT_REQUEST);
    mesh_node_answer(d->sides[side].node, d->now_ms, request->out.slot, code, 0,
                     mesh_bytes_text(text));
    duo_run(d);
}

TEST(a_publication_reaches_the_subscriber_with_its_subject) {
    duo *d = duo_create(NULL);
    duo_announce(d, 1, 7, MESH_ENTRY_SUBSCRIPTION, "orders.*", "");
    EXPECT_OK(duo_publish(d, 0, "orders.new", "hello"));
    duo_run(d);
    const duo_event *message = duo_expect(d, 1, MESH_OUT_MESSAGE);
    EXPECT_TEXT("orders.new", message->name);
    EXPECT_TEXT("hello", message->payload);
    EXPECT_EQ(7, message->out.endpoint);
    EXPECT_TRUE(message->out.cost > 0);
    duo_destroy(d);
}

TEST(a_publication_that_nobody_wants_goes_nowhere) {
    duo *d = duo_create(NULL);
    duo_announce(d, 1, 7, MESH_ENTRY_SUBSCRIPTION, "orders.*", "");
    EXPECT_OK(duo_publish(d, 0, "prices.new", "hello"));
    duo_run(d);
    EXPECT_EQ(0, duo_count(d, 0, MESH_OUT_CONNECT));
    duo_destroy(d);
}

TEST(a_message_for_two_subscriptions_of_a_node_travels_and_costs_once) {
    duo *d = duo_create(NULL);
    duo_announce(d, 1, 1, MESH_ENTRY_SUBSCRIPTION, "a.>", "");
    duo_announce(d, 1, 2, MESH_ENTRY_SUBSCRIPTION, "a.b", "");
    EXPECT_OK(duo_publish(d, 0, "a.b", "x"));
    duo_run(d);
    EXPECT_EQ(0, duo_expect(d, 1, MESH_OUT_MESSAGE)->out.cost);
    EXPECT_TRUE(duo_expect(d, 1, MESH_OUT_MESSAGE)->out.cost > 0);
    EXPECT_EQ(1, mesh_node_stats_get(d->sides[0].node).sent_messages);
    duo_destroy(d);
}

TEST(own_subscriptions_get_own_publications) {
    duo *d = duo_create(NULL);
    duo_announce(d, 0, 1, MESH_ENTRY_SUBSCRIPTION, "a", "");
    EXPECT_OK(duo_publish(d, 0, "a", "self"));
    duo_run(d);
    const duo_event *message = duo_expect(d, 0, MESH_OUT_MESSAGE);
    EXPECT_EQ(MESH_PEER_SELF, message->out.peer);
    EXPECT_TEXT("self", message->payload);
    duo_destroy(d);
}

TEST(one_member_of_a_queue_group_gets_each_message) {
    duo *d = duo_create(NULL);
    duo_announce(d, 0, 1, MESH_ENTRY_SUBSCRIPTION, "job", "workers");
    duo_announce(d, 1, 1, MESH_ENTRY_SUBSCRIPTION, "job", "workers");
    for (int i = 0; i < 200; i++)
        EXPECT_OK(duo_publish(d, 0, "job", "x"));
    duo_run(d);
    size_t own = duo_count(d, 0, MESH_OUT_MESSAGE), other = duo_count(d, 1, MESH_OUT_MESSAGE);
    EXPECT_EQ(200, own + other);
    EXPECT_TRUE(own > 20 && other > 20);
    duo_destroy(d);
}

TEST(a_call_is_answered) {
    duo *d = duo_create(NULL);
    duo_announce(d, 1, 3, MESH_ENTRY_SERVICE, "add", "");
    EXPECT_OK(duo_call(d, 0, 5, "add", "1+1"));
    duo_run(d);
    answer(d, 1, 0, "2");
    const duo_event *request = &d->sides[1].events[d->sides[1].read - 1];
    EXPECT_TEXT("run", request->name);
    EXPECT_TEXT("1+1", request->payload);
    EXPECT_EQ(3, request->out.endpoint);
    const duo_event *reply = duo_expect(d, 0, MESH_OUT_REPLY);
    EXPECT_EQ(5, reply->out.slot);
    EXPECT_TEXT("2", reply->payload);
    for (int i = 0; i < 2; i++)
        EXPECT_EQ(UINT64_MAX, mesh_node_wake_at_ms(d->sides[i].node)); // no deadline is left
    duo_destroy(d);
}

TEST(a_call_to_the_node_itself_takes_the_same_road) {
    duo *d = duo_create(NULL);
    duo_announce(d, 0, 3, MESH_ENTRY_SERVICE, "add", "");
    EXPECT_OK(duo_call(d, 0, 5, "add", "1+1"));
    duo_run(d);
    answer(d, 0, MESH_CALL_APPLICATION, "bad sum");
    const duo_event *error = duo_expect(d, 0, MESH_OUT_ERROR);
    EXPECT_EQ(MESH_CALL_APPLICATION, error->out.code);
    EXPECT_TRUE(error->out.is_maybe);
    EXPECT_TEXT("bad sum", error->payload);
    duo_destroy(d);
}

TEST(a_call_that_nobody_serves_fails_at_once) {
    duo *d = duo_create(NULL);
    EXPECT_OK(duo_call(d, 0, 0, "nobody", ""));
    duo_run(d);
    const duo_event *error = duo_expect(d, 0, MESH_OUT_ERROR);
    EXPECT_EQ(MESH_CALL_NO_RESPONDERS, error->out.code);
    EXPECT_FALSE(error->out.is_maybe);
    duo_destroy(d);
}

TEST(a_slot_is_refused_while_its_call_is_open) {
    duo *d = duo_create(NULL);
    duo_announce(d, 1, 3, MESH_ENTRY_SERVICE, "add", "");
    EXPECT_OK(duo_call(d, 0, 5, "add", ""));
    EXPECT_EQ(MESH_EINVAL, duo_call(d, 0, 5, "add", ""));
    EXPECT_EQ(MESH_EINVAL, duo_call(d, 0, MESH_CALLS_MAX, "add", ""));
    duo_destroy(d);
}

TEST(a_deadline_ends_a_call_on_both_sides) {
    duo *d = duo_create(NULL);
    duo_announce(d, 1, 3, MESH_ENTRY_SERVICE, "add", "");
    EXPECT_OK(duo_call(d, 0, 5, "add", ""));
    duo_run(d);
    d->now_ms += 5000;
    EXPECT_EQ(d->now_ms, mesh_node_wake_at_ms(d->sides[0].node));
    for (int i = 0; i < 2; i++)
        mesh_node_tick(d->sides[i].node, d->now_ms);
    duo_run(d);
    const duo_event *error = duo_expect(d, 0, MESH_OUT_ERROR);
    EXPECT_EQ(MESH_CALL_TIMEOUT, error->out.code);
    EXPECT_TRUE(error->out.is_maybe);
    EXPECT_EQ(MESH_CALL_TIMEOUT, duo_expect(d, 1, MESH_OUT_ABORT)->out.code);
    EXPECT_EQ(UINT64_MAX, mesh_node_wake_at_ms(d->sides[0].node));
    EXPECT_EQ(UINT64_MAX, mesh_node_wake_at_ms(d->sides[1].node));
    duo_destroy(d);
}

TEST(a_call_that_times_out_in_the_queue_was_certainly_not_delivered) {
    duo *d = duo_create(NULL);
    d->is_connect_refused = true;
    duo_announce(d, 1, 3, MESH_ENTRY_SERVICE, "add", "");
    EXPECT_OK(duo_call(d, 0, 5, "add", ""));
    duo_run(d);
    mesh_node_tick(d->sides[0].node, d->now_ms + 5000);
    duo_run(d);
    EXPECT_FALSE(duo_expect(d, 0, MESH_OUT_ERROR)->out.is_maybe);
    duo_destroy(d);
}

TEST(cancelling_tells_caller_and_handler_and_drops_the_late_answer) {
    duo *d = duo_create(NULL);
    duo_announce(d, 1, 3, MESH_ENTRY_SERVICE, "add", "");
    EXPECT_OK(duo_call(d, 0, 5, "add", ""));
    duo_run(d);
    uint32_t slot = duo_expect(d, 1, MESH_OUT_REQUEST)->out.slot;
    mesh_node_cancel(d->sides[0].node, d->now_ms, 5);
    duo_run(d);
    EXPECT_EQ(MESH_CALL_CANCELLED, duo_expect(d, 0, MESH_OUT_ERROR)->out.code);
    EXPECT_EQ(MESH_CALL_CANCELLED, duo_expect(d, 1, MESH_OUT_ABORT)->out.code);
    mesh_node_answer(d->sides[1].node, d->now_ms, slot, 0, 0, mesh_bytes_text("late"));
    duo_run(d);
    EXPECT_EQ(0, duo_count(d, 0, MESH_OUT_REPLY));
    duo_destroy(d);
}

TEST(an_answer_that_crosses_a_cancel_is_dropped_and_counted) {
    duo *d = duo_create(NULL);
    duo_announce(d, 1, 3, MESH_ENTRY_SERVICE, "add", "");
    EXPECT_OK(duo_call(d, 0, 5, "add", ""));
    duo_run(d);
    d->is_stopped[0] = true;
    mesh_node_cancel(d->sides[0].node, d->now_ms, 5);
    answer(d, 1, 0, "2");
    EXPECT_EQ(1, mesh_node_stats_get(d->sides[0].node).late_replies);
    EXPECT_OK(duo_call(d, 0, 5, "add", "")); // the slot is free again
    duo_destroy(d);
}

TEST(a_dead_peer_fails_its_calls_and_then_goes_down_once) {
    duo *d = duo_create(NULL);
    duo_announce(d, 1, 3, MESH_ENTRY_SERVICE, "add", "");
    EXPECT_OK(mesh_node_monitor(d->sides[0].node, d->sides[0].peer));
    EXPECT_OK(duo_call(d, 0, 5, "add", ""));
    duo_run(d);
    duo_kill(d, 1);
    const duo_event *error = duo_expect(d, 0, MESH_OUT_ERROR);
    EXPECT_EQ(MESH_CALL_PEER_LOST, error->out.code);
    EXPECT_TRUE(error->out.is_maybe);
    const duo_event *down = duo_expect(d, 0, MESH_OUT_DOWN);
    EXPECT_TEXT("killed", down->name);
    EXPECT_EQ(9, down->out.exit_signal);
    EXPECT_EQ(1, duo_count(d, 0, MESH_OUT_DOWN));
    EXPECT_FALSE(duo_expect(d, 0, MESH_OUT_PEER)->out.is_up);
    EXPECT_EQ(MESH_ENOTFOUND, mesh_node_monitor(d->sides[0].node, d->sides[0].peer));
    duo_run(d);
    EXPECT_TEXT("noproc", duo_expect(d, 0, MESH_OUT_DOWN)->name);
    duo_destroy(d);
}

TEST(a_call_still_in_the_queue_of_a_dead_peer_was_not_delivered) {
    duo *d = duo_create(NULL);
    d->is_connect_refused = true;
    duo_announce(d, 1, 3, MESH_ENTRY_SERVICE, "add", "");
    EXPECT_OK(duo_call(d, 0, 5, "add", ""));
    duo_run(d);
    mesh_node_connect_failed(d->sides[0].node, d->now_ms, d->sides[1].id);
    duo_run(d);
    const duo_event *error = duo_expect(d, 0, MESH_OUT_ERROR);
    EXPECT_EQ(MESH_CALL_PEER_LOST, error->out.code);
    EXPECT_FALSE(error->out.is_maybe);
    duo_destroy(d);
}

TEST(down_waits_for_the_last_message_of_the_dead_peer) {
    duo *d = duo_create(NULL);
    duo_announce(d, 0, 1, MESH_ENTRY_SUBSCRIPTION, "a", "");
    EXPECT_OK(mesh_node_monitor(d->sides[0].node, d->sides[0].peer));
    EXPECT_OK(duo_publish(d, 1, "a", "first"));
    duo_run(d);
    d->is_stopped[1] = true; // the last message is in the socket when the agent speaks
    EXPECT_OK(duo_publish(d, 1, "a", "last"));
    mesh_node_peer_down(d->sides[0].node, d->now_ms, d->sides[1].id, mesh_bytes_text("crash"), 1,
                        0);
    duo_run(d);
    EXPECT_EQ(0, duo_count(d, 0, MESH_OUT_DOWN));
    d->is_stopped[1] = false;
    duo_run(d);
    duo_link_down(d);
    duo_run(d);
    EXPECT_TEXT("first", duo_expect(d, 0, MESH_OUT_MESSAGE)->payload);
    EXPECT_TEXT("last", duo_expect(d, 0, MESH_OUT_MESSAGE)->payload);
    EXPECT_TEXT("crash", duo_expect(d, 0, MESH_OUT_DOWN)->name);
    duo_destroy(d);
}

TEST(the_link_of_a_dead_peer_that_somebody_else_keeps_open_is_closed_in_the_end) {
    duo *d = duo_create(NULL);
    duo_announce(d, 0, 1, MESH_ENTRY_SUBSCRIPTION, "a", "");
    EXPECT_OK(duo_publish(d, 1, "a", "link"));
    duo_run(d);
    mesh_node *node = d->sides[0].node;
    mesh_node_peer_down(node, d->now_ms, d->sides[1].id, mesh_bytes_text("killed"), -1, 9);
    d->now_ms = mesh_node_wake_at_ms(node);
    EXPECT_EQ(0, duo_count(d, 0, MESH_OUT_CLOSE));
    mesh_node_tick(node, d->now_ms);
    duo_run(d);
    EXPECT_EQ(1, duo_count(d, 0, MESH_OUT_CLOSE));
    EXPECT_FALSE(duo_expect(d, 0, MESH_OUT_PEER)->out.is_up);
    EXPECT_EQ(UINT64_MAX, mesh_node_wake_at_ms(node));
    duo_destroy(d);
}

TEST(a_peer_that_comes_back_is_another_one_while_the_link_of_the_first_is_still_read) {
    duo *d = duo_create(NULL);
    duo_announce(d, 0, 1, MESH_ENTRY_SUBSCRIPTION, "a", "");
    EXPECT_OK(duo_publish(d, 1, "a", "link"));
    duo_run(d);
    mesh_node *node = d->sides[0].node;
    uint32_t first = d->sides[0].peer;
    uint64_t id = d->sides[1].id;
    EXPECT_OK(mesh_node_monitor(node, first));
    mesh_node_peer_down(node, d->now_ms, id, mesh_bytes_text("unreachable"), -1, 0);
    mesh_node_peer_up(node, &(mesh_peer_info){.node_id = id, .name = mesh_bytes_text("again")});
    mesh_entry entry = {.entry_id = 3, .name = mesh_bytes_text("add")};
    EXPECT_OK(mesh_node_entry_put(node, id, &entry));
    duo_run(d);
    const duo_event *up = duo_expect(d, 0, MESH_OUT_PEER);
    EXPECT_TRUE(up->out.is_up);
    EXPECT_TRUE(up->out.peer != first);
    EXPECT_EQ(up->out.peer, duo_expect(d, 0, MESH_OUT_SERVICE)->out.peer);
    mesh_node_link_down(node, d->now_ms, first);
    duo_run(d);
    EXPECT_EQ(first, duo_expect(d, 0, MESH_OUT_DOWN)->out.peer);
    EXPECT_EQ(first, duo_expect(d, 0, MESH_OUT_PEER)->out.peer);
    EXPECT_EQ(0, mesh_node_monitor(node, up->out.peer));
    duo_destroy(d);
}

TEST(what_a_dead_peer_will_never_read_does_not_hold_its_death_back) {
    duo *d = duo_create(NULL);
    duo_announce(d, 1, 1, MESH_ENTRY_SUBSCRIPTION, "a", "");
    EXPECT_OK(duo_publish(d, 0, "a", "link"));
    duo_run(d);
    d->is_stopped[0] = true;
    EXPECT_OK(duo_publish(d, 0, "a", "never read"));
    mesh_node *node = d->sides[0].node;
    mesh_node_peer_down(node, d->now_ms, d->sides[1].id, mesh_bytes_text("killed"), -1, 9);
    mesh_node_tick(node, mesh_node_wake_at_ms(node));
    duo_run(d);
    (void)duo_expect(d, 0, MESH_OUT_CLOSE);
    EXPECT_FALSE(duo_expect(d, 0, MESH_OUT_PEER)->out.is_up);
    duo_destroy(d);
}

TEST(the_caller_is_gone_so_its_calls_are_aborted) {
    duo *d = duo_create(NULL);
    duo_announce(d, 1, 3, MESH_ENTRY_SERVICE, "add", "");
    EXPECT_OK(duo_call(d, 0, 5, "add", ""));
    duo_run(d);
    uint32_t slot = duo_expect(d, 1, MESH_OUT_REQUEST)->out.slot;
    duo_kill(d, 0);
    EXPECT_EQ(slot, duo_expect(d, 1, MESH_OUT_ABORT)->out.slot);
    mesh_node_answer(d->sides[1].node, d->now_ms, slot, 0, 0, (mesh_bytes){0});
    duo_destroy(d);
}

TEST(flushed_is_told_once_when_nothing_is_unsent) {
    duo *d = duo_create(NULL);
    duo_announce(d, 1, 1, MESH_ENTRY_SUBSCRIPTION, "some", "");
    EXPECT_OK(mesh_node_publish(d->sides[0].node, d->now_ms, mesh_bytes_text("some"), 0,
                                mesh_bytes_text("news")));
    mesh_node_flush(d->sides[0].node);
    mesh_node_flush(d->sides[0].node);
    duo_run(d);
    EXPECT_EQ(1, duo_count(d, 0, MESH_OUT_FLUSHED));
    mesh_node_flush(d->sides[0].node); // nothing is: at once
    duo_run(d);
    EXPECT_EQ(2, duo_count(d, 0, MESH_OUT_FLUSHED));
    duo_destroy(d);
}

TEST(what_was_lost_with_its_link_is_not_flushed_for_ever) {
    duo *d = duo_create(NULL);
    duo_announce(d, 1, 1, MESH_ENTRY_SUBSCRIPTION, "some", "");
    d->is_connect_refused = true;
    EXPECT_OK(mesh_node_publish(d->sides[0].node, d->now_ms, mesh_bytes_text("some"), 0,
                                mesh_bytes_text("news")));
    mesh_node_flush(d->sides[0].node);
    duo_run(d);
    EXPECT_EQ(0, duo_count(d, 0, MESH_OUT_FLUSHED));
    mesh_node_connect_failed(d->sides[0].node, d->now_ms, d->sides[1].id);
    duo_run(d);
    EXPECT_EQ(1, duo_count(d, 0, MESH_OUT_FLUSHED));
    duo_destroy(d);
}

TEST(publications_wait_for_credit_and_drain_is_told) {
    duo *d = duo_create(NULL);
    duo_announce(d, 1, 1, MESH_ENTRY_SUBSCRIPTION, "bulk", "");
    static const char big[10000];
    for (int i = 0; i < 300; i++)
        EXPECT_OK(mesh_node_publish(d->sides[0].node, d->now_ms, mesh_bytes_text("bulk"), 0,
                                    (mesh_bytes){(const uint8_t *)big, sizeof big}));
    duo_run(d);
    EXPECT_TRUE(mesh_node_stats_get(d->sides[0].node).queued_bytes[MESH_LANE_NORMAL] >
                MESH_QUEUE_HIGH);
    size_t taken = 0;
    uint64_t held = 0;
    for (size_t i = 0; i < d->sides[1].count; i++) {
        if (d->sides[1].events[i].out.kind != MESH_OUT_MESSAGE) continue;
        held += d->sides[1].events[i].out.cost;
        taken++;
    }
    EXPECT_TRUE(taken < 300 && held < MESH_CREDIT_DEFAULT + 2 * sizeof big);
    EXPECT_EQ(0, duo_count(d, 0, MESH_OUT_DRAIN));
    while (duo_count(d, 1, MESH_OUT_MESSAGE) < 300 || held > 0) {
        mesh_node_consumed(d->sides[1].node, d->sides[1].peer, MESH_LANE_NORMAL, held);
        size_t before = d->sides[1].count;
        duo_run(d);
        held = 0;
        for (size_t i = before; i < d->sides[1].count; i++)
            held += d->sides[1].events[i].out.cost;
    }
    EXPECT_EQ(1, duo_count(d, 0, MESH_OUT_DRAIN));
    EXPECT_EQ(0, mesh_node_stats_get(d->sides[0].node).queued_bytes[MESH_LANE_NORMAL]);
    duo_destroy(d);
}

TEST(a_full_queue_refuses_a_publication_and_sends_none_of_it) {
    duo *d = duo_create(NULL);
    d->is_connect_refused = true;
    duo_announce(d, 1, 1, MESH_ENTRY_SUBSCRIPTION, "bulk", "");
    static const uint8_t big[1 << 20];
    int err = 0;
    for (int i = 0; i < 30 && err == 0; i++)
        err = mesh_node_publish(d->sides[0].node, d->now_ms, mesh_bytes_text("bulk"), 0,
                                (mesh_bytes){big, sizeof big});
    EXPECT_EQ(MESH_EQUOTA, err);
    EXPECT_TRUE(mesh_node_stats_get(d->sides[0].node).queued_bytes[MESH_LANE_NORMAL] <
                MESH_QUEUE_MAX + sizeof big + 4096);
    duo_announce(d, 1, 2, MESH_ENTRY_SERVICE, "add", "");
    EXPECT_OK(duo_call(d, 0, 1, "add", ""));
    duo_run(d);
    EXPECT_EQ(MESH_CALL_OVERLOADED, duo_expect(d, 0, MESH_OUT_ERROR)->out.code);
    duo_destroy(d);
}

TEST(a_large_message_arrives_whole_in_any_pieces) {
    static uint8_t big[700000];
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (uint8_t)(i * 7 + i / 251);
    const size_t chunks[] = {0, 1000, 16393, 65537};
    for (size_t i = 0; i < 4; i++) {
        duo *d = duo_create(NULL);
        d->chunk = chunks[i];
        duo_announce(d, 1, 3, MESH_ENTRY_SERVICE, "echo", "");
        mesh_call call = {.to_peer = MESH_PEER_ANY,
                          .name = mesh_bytes_text("echo"),
                          .payload = {big, sizeof big}};
        EXPECT_OK(mesh_node_call(d->sides[0].node, d->now_ms, &call));
        duo_run(d);
        const duo_event *request = duo_expect(d, 1, MESH_OUT_REQUEST);
        EXPECT_EQ(sizeof big, request->payload_len);
        duo_destroy(d);
    }
}

static int publish_big(duo *d, int side, size_t len) {
    static const uint8_t big[1 << 20];
    return mesh_node_publish(d->sides[side].node, d->now_ms, mesh_bytes_text("a"), 0,
                             (mesh_bytes){big, len});
}

static int call_big(duo *d, int side, uint32_t slot, size_t len) {
    static const uint8_t big[1 << 20];
    mesh_call call = {.slot = slot,
                      .to_peer = MESH_PEER_ANY,
                      .name = mesh_bytes_text("add"),
                      .payload = {big, len}};
    return mesh_node_call(d->sides[side].node, d->now_ms, &call);
}

TEST(a_message_over_the_own_limit_is_refused) {
    duo *d = duo_create_unlike(MESH_MESSAGE_LEN_MIN, MESH_MESSAGE_LEN_MIN);
    EXPECT_EQ(MESH_ETOOBIG, publish_big(d, 0, MESH_MESSAGE_LEN_MIN + 1));
    EXPECT_EQ(MESH_ETOOBIG, call_big(d, 0, 1, MESH_MESSAGE_LEN_MIN + 1));
    duo_destroy(d);
}

TEST(what_waits_for_a_peer_with_a_smaller_limit_goes_no_further_than_its_ready) {
    duo *d = duo_create_unlike(1 << 20, MESH_MESSAGE_LEN_MIN);
    duo_announce(d, 1, 1, MESH_ENTRY_SUBSCRIPTION, "a", "");
    duo_announce(d, 1, 2, MESH_ENTRY_SERVICE, "add", "");
    EXPECT_OK(publish_big(d, 0, 100000));
    EXPECT_OK(call_big(d, 0, 1, 100000));
    EXPECT_OK(duo_publish(d, 0, "a", "fits"));
    duo_run(d);
    EXPECT_TEXT("fits", duo_expect(d, 1, MESH_OUT_MESSAGE)->payload);
    const duo_event *error = duo_expect(d, 0, MESH_OUT_ERROR);
    EXPECT_EQ(MESH_CALL_OVERLOADED, error->out.code);
    EXPECT_FALSE(error->out.is_maybe);
    EXPECT_EQ(1, mesh_node_stats_get(d->sides[0].node).lost_publications);
    EXPECT_TRUE(d->sides[0].is_linked);
    duo_destroy(d);
}

TEST(a_peer_with_a_smaller_limit_is_sent_nothing_larger) {
    duo *d = duo_create_unlike(1 << 20, MESH_MESSAGE_LEN_MIN);
    duo_announce(d, 0, 3, MESH_ENTRY_SERVICE, "sub", "");
    duo_announce(d, 1, 1, MESH_ENTRY_SUBSCRIPTION, "a", "");
    duo_announce(d, 1, 2, MESH_ENTRY_SERVICE, "add", "");
    EXPECT_OK(duo_call(d, 1, 0, "sub", ""));
    duo_run(d);
    EXPECT_EQ(MESH_ETOOBIG, publish_big(d, 0, 100000));
    EXPECT_OK(call_big(d, 0, 1, 100000));
    duo_run(d);
    EXPECT_EQ(MESH_CALL_OVERLOADED, duo_expect(d, 0, MESH_OUT_ERROR)->out.code);
    static const uint8_t big[100000];
    uint32_t slot = d->sides[0].events[d->sides[0].count - 2].out.slot;
    mesh_node_answer(d->sides[0].node, d->now_ms, slot, 0, 0, (mesh_bytes){big, sizeof big});
    duo_run(d);
    const duo_event *error = duo_expect(d, 1, MESH_OUT_ERROR);
    EXPECT_EQ(MESH_CALL_OVERLOADED, error->out.code);
    EXPECT_TRUE(error->out.is_maybe); // the handler did run
    EXPECT_TRUE(d->sides[0].is_linked);
    duo_destroy(d);
}

TEST(the_head_of_a_message_counts_for_the_smaller_limit_too) {
    enum { TOO_LARGE = MESH_MESSAGE_LEN_MIN + MESH_MESSAGE_HEAD_MAX };
    static const uint8_t big[TOO_LARGE];
    duo *d = duo_create_unlike(1 << 20, MESH_MESSAGE_LEN_MIN);
    duo_announce(d, 0, 3, MESH_ENTRY_SERVICE, "sub", "");
    duo_announce(d, 1, 1, MESH_ENTRY_SUBSCRIPTION, "a", "");
    duo_announce(d, 1, 2, MESH_ENTRY_SERVICE, "add", "");
    EXPECT_OK(duo_call(d, 1, 0, "sub", ""));
    duo_run(d);
    uint32_t slot = duo_expect(d, 0, MESH_OUT_REQUEST)->out.slot;
    EXPECT_EQ(MESH_ETOOBIG, publish_big(d, 0, TOO_LARGE));
    EXPECT_OK(call_big(d, 0, 1, TOO_LARGE));
    mesh_node_answer(d->sides[0].node, d->now_ms, slot, 0, 0, (mesh_bytes){big, sizeof big});
    duo_run(d);
    EXPECT_EQ(MESH_CALL_OVERLOADED, duo_expect(d, 0, MESH_OUT_ERROR)->out.code);
    EXPECT_EQ(MESH_CALL_OVERLOADED, duo_expect(d, 1, MESH_OUT_ERROR)->out.code);
    EXPECT_OK(publish_big(d, 0, MESH_MESSAGE_LEN_MIN));
    duo_run(d);
    EXPECT_EQ(MESH_MESSAGE_LEN_MIN, duo_expect(d, 1, MESH_OUT_MESSAGE)->payload_len);
    EXPECT_TRUE(d->sides[0].is_linked);
    duo_destroy(d);
}

TEST(answers_that_nobody_reads_are_bounded_too) {
    duo *d = duo_create(NULL);
    duo_announce(d, 0, 3, MESH_ENTRY_SERVICE, "sub", "");
    for (uint32_t slot = 0; slot < 30; slot++)
        EXPECT_OK(duo_call(d, 1, slot, "sub", ""));
    duo_run(d);
    d->is_stopped[0] = true;
    static const uint8_t big[1 << 20];
    for (int i = 0; i < 30; i++)
        mesh_node_answer(d->sides[0].node, d->now_ms, duo_expect(d, 0, MESH_OUT_REQUEST)->out.slot,
                         0, 0, (mesh_bytes){big, sizeof big});
    uint64_t queued = mesh_node_stats_get(d->sides[0].node).queued_bytes[MESH_LANE_NORMAL];
    EXPECT_TRUE(queued > MESH_QUEUE_MAX && queued < MESH_QUEUE_MAX + 2 * sizeof big);
    d->is_stopped[0] = false;
    duo_run(d);
    EXPECT_EQ(30, duo_count(d, 1, MESH_OUT_REPLY) + duo_count(d, 1, MESH_OUT_ERROR));
    EXPECT_EQ(MESH_CALL_OVERLOADED, duo_expect(d, 1, MESH_OUT_ERROR)->out.code);
    duo_destroy(d);
}

TEST(shapes_come_before_the_message_that_follows_them) {
    duo *d = duo_create(NULL);
    duo_announce(d, 1, 1, MESH_ENTRY_SUBSCRIPTION, "a", "");
    const uint8_t first[] = {0, 0, 1, 2, 'i', 'd'}, second[] = {0, 1, 1, 1, 'n'};
    EXPECT_OK(mesh_node_shape(d->sides[0].node, (mesh_bytes){first, sizeof first}));
    EXPECT_OK(duo_publish(d, 0, "a", "x"));
    EXPECT_OK(mesh_node_shape(d->sides[0].node, (mesh_bytes){second, sizeof second}));
    EXPECT_EQ(MESH_EINVAL, mesh_node_shape(d->sides[0].node, (mesh_bytes){second, sizeof second}));
    EXPECT_OK(duo_publish(d, 0, "a", "y"));
    duo_run(d);
    EXPECT_EQ(sizeof first, duo_expect(d, 1, MESH_OUT_SHAPE)->payload_len);
    EXPECT_TEXT("y",
                (duo_expect(d, 1, MESH_OUT_MESSAGE), duo_expect(d, 1, MESH_OUT_MESSAGE)->payload));
    EXPECT_EQ(2, duo_count(d, 1, MESH_OUT_SHAPE));
    duo_destroy(d);
}

TEST(closing_writes_what_waits_says_goodbye_and_fails_open_calls) {
    duo *d = duo_create(NULL);
    duo_announce(d, 1, 1, MESH_ENTRY_SUBSCRIPTION, "a", "");
    duo_announce(d, 1, 2, MESH_ENTRY_SERVICE, "add", "");
    EXPECT_OK(duo_call(d, 0, 0, "add", ""));
    duo_run(d);
    EXPECT_OK(duo_publish(d, 0, "a", "last words"));
    mesh_node_close(d->sides[0].node, d->now_ms);
    duo_run(d);
    EXPECT_EQ(MESH_CALL_CLOSED, duo_expect(d, 0, MESH_OUT_ERROR)->out.code);
    EXPECT_TEXT("last words", duo_expect(d, 1, MESH_OUT_MESSAGE)->payload);
    (void)duo_expect(d, 0, MESH_OUT_CLOSE);
    EXPECT_EQ(MESH_ECLOSED, duo_publish(d, 0, "a", "x"));
    EXPECT_FALSE(d->sides[0].is_linked);
    duo_destroy(d);
}

TEST(of_two_crossing_dials_the_one_of_the_smaller_id_stays_at_both_ends) {
    duo *d = duo_create(NULL);
    d->is_connect_refused = true;
    duo_announce(d, 1, 1, MESH_ENTRY_SUBSCRIPTION, "a", "");
    EXPECT_OK(duo_publish(d, 0, "a", "kept"));
    duo_run(d);
    mesh_node *small = d->sides[0].node, *large = d->sides[1].node;
    uint32_t peer;
    // The large one's dial arrives first at both, then the small one's.
    EXPECT_OK(mesh_node_link_up(small, d->now_ms, &peer, d->sides[1].id, false));
    EXPECT_OK(mesh_node_link_up(small, d->now_ms, &peer, d->sides[1].id, true));
    EXPECT_EQ(MESH_EEXIST, mesh_node_link_up(small, d->now_ms, &peer, d->sides[1].id, false));
    EXPECT_OK(mesh_node_link_up(large, d->now_ms, &peer, d->sides[0].id, false));
    EXPECT_EQ(MESH_EEXIST, mesh_node_link_up(large, d->now_ms, &peer, d->sides[0].id, true));
    d->sides[0].is_linked = d->sides[1].is_linked = true;
    duo_run(d);
    EXPECT_TEXT("kept", duo_expect(d, 1, MESH_OUT_MESSAGE)->payload);
    duo_destroy(d);
}

// A socket whose other end the peer never got: the agent died between the two.
static bool ends_again_at(duo *d, uint64_t now_ms) {
    duo_side *side = &d->sides[0];
    d->now_ms = now_ms;
    mesh_node_tick(side->node, now_ms);
    duo_run(d);
    size_t asked = duo_count(d, 0, MESH_OUT_CONNECT);
    EXPECT_OK(mesh_node_link_up(side->node, now_ms, &side->peer, d->sides[1].id, true));
    mesh_node_link_eof(side->node, now_ms, side->peer);
    duo_run(d);
    return duo_count(d, 0, MESH_OUT_CONNECT) > asked ||
           mesh_node_wake_at_ms(side->node) <= now_ms + 250;
}

TEST(a_link_that_was_told_to_one_end_is_asked_for_again_for_a_while_and_then_counted_lost) {
    duo *d = duo_create(NULL);
    d->is_connect_refused = true;
    duo_announce(d, 1, 1, MESH_ENTRY_SUBSCRIPTION, "a", "");
    EXPECT_OK(duo_publish(d, 0, "a", "kept"));
    duo_run(d);
    EXPECT_EQ(1, duo_count(d, 0, MESH_OUT_CONNECT));
    uint64_t began_ms = d->now_ms;
    for (uint64_t at_ms = began_ms; at_ms < began_ms + 10000; at_ms += 250) {
        EXPECT_TRUE(ends_again_at(d, at_ms));
        EXPECT_EQ(0, mesh_node_stats_get(d->sides[0].node).lost_publications);
    }
    EXPECT_EQ(2 + 38, duo_count(d, 0, MESH_OUT_CONNECT)); // at once, then four times a second
    EXPECT_FALSE(ends_again_at(d, began_ms + 10000));
    EXPECT_EQ(1, mesh_node_stats_get(d->sides[0].node).lost_publications);
    EXPECT_EQ(UINT64_MAX, mesh_node_wake_at_ms(d->sides[0].node));
    duo_destroy(d);
}

TEST(what_waits_for_a_link_that_was_told_to_one_end_goes_by_the_next_one) {
    duo *d = duo_create(NULL);
    d->is_connect_refused = true;
    duo_announce(d, 1, 1, MESH_ENTRY_SUBSCRIPTION, "a", "");
    EXPECT_OK(duo_publish(d, 0, "a", "1"));
    (void)ends_again_at(d, d->now_ms);
    EXPECT_OK(duo_publish(d, 0, "a", "2"));
    d->is_connect_refused = false;
    (void)ends_again_at(d, d->now_ms); // once more: asked for in a moment
    EXPECT_OK(duo_publish(d, 0, "a", "3"));
    d->now_ms += 250;
    mesh_node_tick(d->sides[0].node, d->now_ms);
    duo_run(d);
    EXPECT_TEXT("1", duo_expect(d, 1, MESH_OUT_MESSAGE)->payload);
    EXPECT_TEXT("2", duo_expect(d, 1, MESH_OUT_MESSAGE)->payload);
    EXPECT_TEXT("3", duo_expect(d, 1, MESH_OUT_MESSAGE)->payload);
    duo_destroy(d);
}

TEST(a_socket_that_waited_for_the_end_of_the_one_before_carries_what_waits) {
    duo *d = duo_create(NULL);
    duo_announce(d, 1, 1, MESH_ENTRY_SUBSCRIPTION, "a", "");
    EXPECT_OK(duo_publish(d, 0, "a", "1"));
    duo_run(d);
    d->is_stopped[0] = true;
    EXPECT_OK(duo_publish(d, 0, "a", "2")); // written already, so it is lost with its socket
    for (int i = 0; i < 2; i++)
        EXPECT_OK(mesh_node_link_next(d->sides[i].node, d->now_ms, d->sides[i].peer, i == 1));
    EXPECT_EQ(1, mesh_node_stats_get(d->sides[0].node).lost_publications);
    d->is_stopped[0] = false;
    EXPECT_OK(duo_publish(d, 0, "a", "3"));
    duo_run(d);
    EXPECT_TEXT("1", duo_expect(d, 1, MESH_OUT_MESSAGE)->payload);
    EXPECT_TEXT("3", duo_expect(d, 1, MESH_OUT_MESSAGE)->payload);
    duo_destroy(d);
}

TEST(what_was_written_for_a_link_and_not_given_to_its_socket_counts_as_lost_with_it) {
    duo *d = duo_create(NULL);
    duo_announce(d, 1, 1, MESH_ENTRY_SUBSCRIPTION, "a", "");
    EXPECT_OK(duo_publish(d, 0, "a", "x"));
    duo_run(d);
    duo_side *side = &d->sides[0];
    for (int i = 0; i < 10; i++)
        EXPECT_OK(duo_publish(d, 0, "a", "x"));
    size_t len = mesh_node_link_output(side->node, side->peer).len - MESH_RECORD_HEAD_LEN;
    EXPECT_EQ(0, len % 10);
    mesh_node_link_sent(side->node, d->now_ms, side->peer, MESH_RECORD_HEAD_LEN + 3 * len / 10 + 1);
    for (int i = 0; i < 5; i++) // in a record of their own
        EXPECT_OK(duo_publish(d, 0, "a", "x"));
    mesh_node_link_down(side->node, d->now_ms, side->peer);
    EXPECT_EQ(7 + 5, mesh_node_stats_get(side->node).lost_publications);
    duo_destroy(d);
}

TEST(a_link_to_nobody_we_know_is_refused) {
    duo *d = duo_create(NULL);
    uint32_t peer;
    EXPECT_EQ(MESH_ENOTFOUND, mesh_node_link_up(d->sides[0].node, d->now_ms, &peer, 999, false));
    duo_destroy(d);
}

TEST(a_service_is_told_when_it_comes_and_goes) {
    duo *d = duo_create(NULL);
    duo_announce(d, 1, 3, MESH_ENTRY_SERVICE, "add", "");
    duo_run(d);
    const duo_event *up = duo_expect(d, 0, MESH_OUT_SERVICE);
    EXPECT_TEXT("add", up->name);
    EXPECT_TRUE(up->out.is_up);
    mesh_node_entry_removed(d->sides[0].node, d->sides[1].id, 3);
    duo_run(d);
    EXPECT_FALSE(duo_expect(d, 0, MESH_OUT_SERVICE)->out.is_up);
    duo_destroy(d);
}

TEST(what_the_agent_tells_twice_happens_once) {
    duo *d = duo_create(NULL);
    duo_announce(d, 1, 3, MESH_ENTRY_SERVICE, "add", "");
    mesh_entry same = {.entry_id = 3, .kind = MESH_ENTRY_SERVICE, .name = mesh_bytes_text("add")};
    duo_run(d);
    size_t told = duo_count(d, 0, MESH_OUT_SERVICE);
    EXPECT_TRUE(told > 0);
    EXPECT_OK(mesh_node_entry_put(d->sides[0].node, d->sides[1].id, &same));
    duo_run(d);
    EXPECT_EQ(told, duo_count(d, 0, MESH_OUT_SERVICE));
    duo_destroy(d);
}
