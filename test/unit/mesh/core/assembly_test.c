#include "core/assembly.h"

#include "core/mem.h"
#include "duo.h"
#include "pair.h"

enum { MAX = 100000, STEP = 1000, LARGE = 500000 };

static const uint8_t bytes[LARGE] = "the head of it";

static void add(mesh_assemblies *all, mesh_assembly *a, uint64_t now_ms, size_t len) {
    mesh_assembly_add(all, a, now_ms, (mesh_bytes){bytes, len});
}

TEST(the_byte_over_the_bound_drops_a_message_and_the_last_one_below_does_not) {
    for (size_t over = 0; over < 3; over++) {
        mesh_assemblies all = {.bytes_max = MAX};
        mesh_assembly first, second;
        mesh_assembly_begin(&all, &first, 1, 1, MAX - STEP);
        add(&all, &first, 1, MAX - STEP);
        mesh_assembly_begin(&all, &second, 1, 1, LARGE);
        add(&all, &second, 1, STEP - 1);
        EXPECT_EQ(MAX - 1, all.bytes);
        if (over > 0) add(&all, &second, 1, over);
        EXPECT_EQ(over == 2, second.is_dropped);
        EXPECT_FALSE(first.is_dropped);
        EXPECT_EQ(over == 2 ? MAX - STEP : MAX - 1 + over, all.bytes);
        mesh_assembly_end(&all, &first);
        mesh_assembly_end(&all, &second);
        EXPECT_EQ(0, all.bytes);
        EXPECT_TRUE(all.oldest == NULL && all.newest == NULL);
    }
}

TEST(of_a_dropped_message_the_head_is_kept_wherever_its_fragments_end) {
    const size_t steps[] = {1, 1000, 1024, 1025, 16380};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        mesh_assemblies all = {.bytes_max = 1};
        mesh_assembly a;
        mesh_assembly_begin(&all, &a, 1, 1, LARGE);
        for (size_t at = 0; at < LARGE;) {
            size_t len = steps[i] < LARGE - at ? steps[i] : LARGE - at;
            mesh_assembly_add(&all, &a, 1, (mesh_bytes){bytes + at, len});
            at += len;
        }
        EXPECT_EQ(LARGE, a.len);
        EXPECT_TRUE(a.is_dropped);
        mesh_bytes head = mesh_assembly_take(&all, &a);
        EXPECT_EQ(MESH_MESSAGE_HEAD_MAX, head.len);
        EXPECT_EQ(0, memcmp(bytes, head.data, head.len));
        free((void *)(uintptr_t)head.data);
    }
}

TEST(a_message_that_stands_still_gives_way_after_its_time_and_not_before) {
    for (uint64_t late_ms = 0; late_ms < 3; late_ms++) {
        uint64_t now_ms = 5 + MESH_ASSEMBLY_STALE_MS - 1 + late_ms;
        mesh_assemblies all = {.bytes_max = MAX};
        mesh_assembly still, moving, next;
        mesh_assembly_begin(&all, &still, 1, 1, LARGE);
        mesh_assembly_begin(&all, &moving, 1, 1, LARGE);
        add(&all, &still, 5, STEP);
        add(&all, &moving, now_ms, MAX - STEP);
        mesh_assembly_begin(&all, &next, now_ms, 1, LARGE);
        add(&all, &next, now_ms, STEP);
        EXPECT_EQ(late_ms > 0, still.is_dropped);
        EXPECT_EQ(late_ms == 0, next.is_dropped);
        EXPECT_FALSE(moving.is_dropped);
        mesh_assembly_end(&all, &still);
        mesh_assembly_end(&all, &moving);
        mesh_assembly_end(&all, &next);
        EXPECT_EQ(0, all.bytes);
    }
}

TEST(what_a_total_promises_takes_no_memory) {
    mesh_assemblies all = {0};
    mesh_assembly a;
    mesh_assembly_begin(&all, &a, 1, 1, MESH_MESSAGE_LEN_MAX);
    EXPECT_EQ(0, all.bytes);
    add(&all, &a, 1, 10);
    EXPECT_EQ(10, all.bytes);
    mesh_assembly_end(&all, &a);
}

TEST(half_a_message_is_freed_with_its_link) {
    for (int is_replaced = 0; is_replaced < 2; is_replaced++) {
        mesh_link *a = pair_link(1, 2, NULL), *b = pair_link(2, 1, NULL);
        pair_greet(a, b);
        (void)pair_send(a, MESH_FRAME_PUB, bytes, LARGE);
        (void)pair_send_bulk(a, MESH_FRAME_PUB, bytes, LARGE);
        mesh_link_pump(a, 0);
        mesh_link_message message;
        for (size_t taken = 0; taken < LARGE; taken += pair_carry(a, b, STEP))
            EXPECT_EQ(0, mesh_link_next(b, &message));
        EXPECT_TRUE(pair_assemblies.bytes > LARGE / 2);
        if (is_replaced) {
            mesh_link_replace(b);
            EXPECT_EQ(0, pair_assemblies.bytes);
        }
        mesh_link_destroy(a);
        mesh_link_destroy(b);
        EXPECT_EQ(0, pair_assemblies.bytes);
    }
}

// ---- who is told

static duo *tight_duo(void) {
    return duo_create(&(mesh_node_options){.assembled_max = MAX});
}

static int call(duo *d, size_t len) {
    mesh_call made = {
        .to_peer = MESH_PEER_ANY, .name = mesh_bytes_text("take"), .payload = {bytes, len}};
    return mesh_node_call(d->sides[0].node, d->now_ms, &made);
}

TEST(the_caller_of_a_dropped_request_knows_that_it_did_not_run) {
    duo *d = tight_duo();
    duo_announce(d, 1, 1, MESH_ENTRY_SERVICE, "take", "");
    EXPECT_OK(call(d, LARGE));
    duo_run(d);
    const duo_event *error = duo_expect(d, 0, MESH_OUT_ERROR);
    EXPECT_EQ(MESH_CALL_OVERLOADED, error->out.code);
    EXPECT_FALSE(error->out.is_maybe);
    EXPECT_OK(call(d, 10)); // the link goes on
    duo_run(d);
    EXPECT_EQ(10, duo_expect(d, 1, MESH_OUT_REQUEST)->payload_len);
    EXPECT_EQ(1, duo_count(d, 1, MESH_OUT_REQUEST));
    duo_destroy(d);
}

TEST(a_caller_without_memory_for_the_answer_knows_that_the_handler_ran) {
    duo *d = tight_duo();
    duo_announce(d, 1, 1, MESH_ENTRY_SERVICE, "take", "");
    EXPECT_OK(call(d, 10));
    duo_run(d);
    mesh_node_answer(d->sides[1].node, d->now_ms, duo_expect(d, 1, MESH_OUT_REQUEST)->out.slot, 0,
                     0, (mesh_bytes){bytes, LARGE});
    duo_run(d);
    const duo_event *error = duo_expect(d, 0, MESH_OUT_ERROR);
    EXPECT_EQ(MESH_CALL_OVERLOADED, error->out.code);
    EXPECT_TRUE(error->out.is_maybe);
    EXPECT_EQ(0, duo_count(d, 0, MESH_OUT_REPLY));
    duo_destroy(d);
}

TEST(a_dropped_publication_is_counted_and_gives_its_credit_back) {
    duo *d = tight_duo();
    duo_announce(d, 1, 1, MESH_ENTRY_SUBSCRIPTION, "news", "");
    for (int i = 0; i < 6; i++) { // more than the window
        EXPECT_OK(mesh_node_publish(d->sides[0].node, d->now_ms, mesh_bytes_text("news"), 0,
                                    (mesh_bytes){bytes, LARGE}));
        duo_run(d);
    }
    EXPECT_OK(duo_publish(d, 0, "news", "small"));
    duo_run(d);
    EXPECT_EQ(1, duo_count(d, 1, MESH_OUT_MESSAGE));
    EXPECT_EQ(6, mesh_node_stats_get(d->sides[1].node).lost_publications);
    EXPECT_EQ(0, mesh_node_stats_get(d->sides[0].node).unsent_bytes);
    duo_destroy(d);
}
