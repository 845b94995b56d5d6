// Publications that are lost are told when they are counted.
#include "duo.h"

static const uint8_t large[100000];

static const duo_event *expect_gap(duo *d, int side, uint32_t count, bool is_from) {
    const duo_event *gap = duo_expect(d, side, MESH_OUT_GAP);
    EXPECT_EQ(d->sides[side].peer, gap->out.peer);
    EXPECT_EQ(count, gap->out.cost);
    EXPECT_EQ(is_from, gap->out.is_from);
    return gap;
}

static void publish_large(duo *d, int side) {
    EXPECT_OK(mesh_node_publish(d->sides[side].node, d->now_ms, mesh_bytes_text("a"), 0,
                                (mesh_bytes){large, sizeof large}));
}

TEST(what_waits_for_a_peer_that_dies_is_told_once_and_ahead_of_its_end) {
    duo *d = duo_create(NULL);
    d->is_connect_refused = true;
    duo_announce(d, 1, 1, MESH_ENTRY_SUBSCRIPTION, "a", "");
    for (int i = 0; i < 3; i++)
        EXPECT_OK(duo_publish(d, 0, "a", "x"));
    duo_kill(d, 1);
    (void)expect_gap(d, 0, 3, false);
    EXPECT_FALSE(duo_expect(d, 0, MESH_OUT_PEER)->out.is_up);
    EXPECT_EQ(1, duo_count(d, 0, MESH_OUT_GAP));
    EXPECT_EQ(3, mesh_node_stats_get(d->sides[0].node).lost_publications);
    duo_destroy(d);
}

TEST(what_a_link_takes_with_it_is_told_while_its_peer_lives) {
    duo *d = duo_create(NULL);
    duo_announce(d, 1, 1, MESH_ENTRY_SUBSCRIPTION, "a", "");
    EXPECT_OK(duo_publish(d, 0, "a", "1"));
    duo_run(d);
    d->is_stopped[0] = true;
    EXPECT_OK(duo_publish(d, 0, "a", "2"));
    EXPECT_OK(duo_publish(d, 0, "a", "3"));
    duo_link_down(d);
    d->is_stopped[0] = false;
    EXPECT_OK(duo_publish(d, 0, "a", "4"));
    duo_run(d);
    (void)expect_gap(d, 0, 2, false);
    EXPECT_TEXT("1", duo_expect(d, 1, MESH_OUT_MESSAGE)->payload);
    EXPECT_TEXT("4", duo_expect(d, 1, MESH_OUT_MESSAGE)->payload);
    duo_destroy(d);
}

TEST(those_that_a_peer_cannot_take_one_after_the_other_are_told_together) {
    duo *d = duo_create_unlike(1 << 20, MESH_MESSAGE_LEN_MIN);
    duo_announce(d, 1, 1, MESH_ENTRY_SUBSCRIPTION, "a", "");
    publish_large(d, 0);
    publish_large(d, 0);
    EXPECT_OK(duo_publish(d, 0, "a", "fits"));
    duo_run(d);
    EXPECT_TEXT("fits", duo_expect(d, 1, MESH_OUT_MESSAGE)->payload);
    (void)expect_gap(d, 0, 2, false);
    duo_destroy(d);
}

TEST(one_that_there_is_no_memory_for_is_told_to_its_reader_ahead_of_the_next) {
    duo *d = duo_create(&(mesh_node_options){.assembled_max = 50000});
    duo_announce(d, 1, 1, MESH_ENTRY_SUBSCRIPTION, "a", "");
    publish_large(d, 0);
    EXPECT_OK(duo_publish(d, 0, "a", "small"));
    duo_run(d);
    (void)expect_gap(d, 1, 1, true);
    EXPECT_TEXT("small", duo_expect(d, 1, MESH_OUT_MESSAGE)->payload);
    EXPECT_EQ(0, duo_count(d, 0, MESH_OUT_GAP));
    duo_destroy(d);
}

TEST(where_nothing_is_lost_nothing_is_told) {
    duo *d = duo_create(NULL);
    duo_announce(d, 1, 1, MESH_ENTRY_SUBSCRIPTION, "a", "");
    EXPECT_OK(duo_publish(d, 0, "a", "x"));
    duo_run(d);
    duo_link_down(d);
    duo_kill(d, 1);
    EXPECT_EQ(0, duo_count(d, 0, MESH_OUT_GAP));
    duo_destroy(d);
}
