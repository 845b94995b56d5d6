#include "cluster/replica.h"

#include <stdio.h>

#include "clan.h"
#include "core/error.h"
#include "test.h"

static clan *linked_pair(void) {
    clan *c = clan_create(2);
    clan_link(c, 0, 1);
    clan_settle(c);
    return c;
}

TEST(what_happens_on_one_host_is_told_on_the_other_in_order) {
    clan *c = linked_pair();
    clan_up(c, 0, 7, "app.0");
    clan_put(c, 0, 7, 1, "prices");
    clan_put(c, 0, 7, 2, "stock");
    clan_settle(c);
    EXPECT_TEXT("up 7 app.0\nput 7 1 prices\nput 7 2 stock\n", clan_told(c, 1));
    clan_removed(c, 0, 7, 1);
    clan_end(c, 0, 7, "crash", 3);
    clan_settle(c);
    EXPECT_TEXT("removed 7 1\ndown 7 crash 3\n", clan_told(c, 1));
    EXPECT_TEXT("", clan_told(c, 0));
    clan_destroy(c);
}

TEST(all_that_happens_in_one_turn_is_one_message_to_each_neighbour) {
    clan *c = linked_pair();
    size_t before = c->sent;
    for (uint32_t i = 1; i <= 50; i++) {
        clan_up(c, 0, i, "app");
        clan_put(c, 0, i, 1, "prices");
    }
    mesh_replica_tick(c->hosts[0], c->now_ms);
    clan_collect(c);
    EXPECT_EQ(before + 1, c->sent);
    clan_destroy(c);
}

TEST(a_first_change_waits_for_nothing_and_the_next_for_ten_milliseconds) {
    clan *c = linked_pair();
    clan_up(c, 0, 7, "app.0");
    EXPECT_TRUE(mesh_replica_wake_at_ms(c->hosts[0]) <= c->now_ms);
    mesh_replica_tick(c->hosts[0], c->now_ms);
    clan_put(c, 0, 7, 1, "prices");
    EXPECT_EQ(c->now_ms + MESH_REPLICA_GATHER_MS, mesh_replica_wake_at_ms(c->hosts[0]));
    clan_destroy(c);
}

TEST(news_goes_through_a_host_in_the_middle) {
    clan *c = clan_create(3);
    clan_link(c, 0, 1);
    clan_link(c, 1, 2);
    clan_settle(c);
    clan_up(c, 0, 7, "app.0");
    clan_settle(c);
    EXPECT_TEXT("up 7 app.0\n", clan_told(c, 2));
    clan_destroy(c);
}

TEST(who_gets_a_link_later_gets_the_whole_map) {
    clan *c = clan_create(2);
    clan_up(c, 0, 7, "app.0");
    clan_put(c, 0, 7, 1, "prices");
    clan_end(c, 0, 9, "normal", 0);
    clan_settle(c);
    clan_link(c, 0, 1);
    clan_settle(c);
    EXPECT_TEXT("up 7 app.0\nput 7 1 prices\n", clan_told(c, 1));
    clan_destroy(c);
}

TEST(a_node_that_stalls_is_told_again_with_its_state_and_once) {
    clan *c = linked_pair();
    clan_up(c, 0, 7, "app.0");
    clan_settle(c);
    clan_node(c, 0, 7, "app.0", MESH_NODE_STALLED);
    clan_settle(c);
    EXPECT_TEXT("up 7 app.0\nstalled 7 app.0\n", clan_told(c, 1));
    clan_node(c, 0, 7, "app.0", MESH_NODE_STALLED);
    clan_settle(c);
    EXPECT_TEXT("", clan_told(c, 1));
    clan_node(c, 0, 7, "app.0", MESH_NODE_UP);
    clan_settle(c);
    EXPECT_TEXT("up 7 app.0\n", clan_told(c, 1));
    clan_destroy(c);
}

TEST(that_a_node_stalled_while_a_link_was_down_comes_after_it) {
    clan *c = linked_pair();
    clan_up(c, 0, 7, "app.0");
    clan_settle(c);
    (void)clan_told(c, 1);
    clan_unlink(c, 0, 1);
    clan_node(c, 0, 7, "app.0", MESH_NODE_STALLED);
    clan_settle(c);
    clan_link(c, 0, 1);
    clan_settle(c);
    EXPECT_TEXT("stalled 7 app.0\n", clan_told(c, 1));
    clan_destroy(c);
}

TEST(what_was_missed_while_a_link_was_down_comes_after_it) {
    clan *c = linked_pair();
    clan_up(c, 0, 7, "app.0");
    clan_up(c, 0, 8, "app.1");
    clan_put(c, 0, 8, 1, "old");
    clan_put(c, 0, 8, 2, "same");
    clan_settle(c);
    (void)clan_told(c, 1);
    clan_unlink(c, 0, 1);
    clan_end(c, 0, 7, "killed", -1);
    clan_removed(c, 0, 8, 1);
    clan_put(c, 0, 8, 3, "new");
    clan_settle(c);
    EXPECT_TEXT("", clan_told(c, 1));
    clan_link(c, 0, 1);
    clan_settle(c);
    EXPECT_TEXT("down 7 killed -1\nremoved 8 1\nput 8 3 new\n", clan_told(c, 1));
    clan_destroy(c);
}

TEST(an_unreachable_host_is_hidden_and_comes_back) {
    clan *c = linked_pair();
    clan_up(c, 0, 7, "app.0");
    clan_put(c, 0, 7, 1, "prices");
    clan_settle(c);
    (void)clan_told(c, 1);
    clan_state(c, 1, 0, MESH_HOST_SUSPECT);
    clan_settle(c);
    EXPECT_TEXT("", clan_told(c, 1));
    clan_state(c, 1, 0, MESH_HOST_UNREACHABLE);
    clan_settle(c);
    EXPECT_TEXT("removed 7 1\n", clan_told(c, 1));
    clan_state(c, 1, 0, MESH_HOST_UP);
    clan_settle(c);
    EXPECT_TEXT("put 7 1 prices\n", clan_told(c, 1));
    clan_destroy(c);
}

TEST(a_host_that_is_down_takes_its_nodes_along_and_brings_them_back) {
    clan *c = linked_pair();
    clan_up(c, 0, 7, "app.0");
    clan_up(c, 0, 8, "app.1");
    clan_settle(c);
    (void)clan_told(c, 1);
    clan_unlink(c, 0, 1);
    clan_state(c, 1, 0, MESH_HOST_DOWN);
    clan_settle(c);
    EXPECT_TEXT("down 7 unreachable -1\ndown 8 unreachable -1\n", clan_told(c, 1));
    clan_end(c, 0, 8, "normal", 0);
    clan_state(c, 1, 0, MESH_HOST_UP);
    clan_link(c, 0, 1);
    clan_settle(c);
    EXPECT_TEXT("up 7 app.0\n", clan_told(c, 1));
    clan_destroy(c);
}

TEST(a_host_that_left_takes_its_nodes_along) {
    clan *c = linked_pair();
    clan_up(c, 0, 7, "app.0");
    clan_settle(c);
    (void)clan_told(c, 1);
    clan_state(c, 1, 0, MESH_HOST_LEFT);
    clan_settle(c);
    EXPECT_TEXT("down 7 left -1\n", clan_told(c, 1));
    clan_destroy(c);
}

TEST(a_new_life_of_an_agent_replaces_the_map_of_the_old_one) {
    clan *c = linked_pair();
    clan_up(c, 0, 7, "app.0");
    clan_settle(c);
    (void)clan_told(c, 1);
    clan_restart(c, 0, 200);
    clan_link(c, 0, 1);
    clan_up(c, 0, 9, "app.0");
    clan_settle(c);
    EXPECT_TEXT("", clan_told(c, 1)); // membership has not spoken yet
    clan_state(c, 1, 0, MESH_HOST_UP);
    clan_settle(c);
    EXPECT_TEXT("down 7 restarted -1\nup 9 app.0\n", clan_told(c, 1));
    clan_destroy(c);
}

TEST(a_map_of_many_pages_arrives_whole) {
    clan *c = clan_create(2);
    char name[64];
    for (uint64_t node = 1; node <= 20; node++) {
        clan_up(c, 0, node, "app");
        for (uint32_t i = 1; i <= 200; i++) {
            (void)snprintf(name, sizeof name, "a-service-with-a-long-name-%u", i);
            clan_put(c, 0, node, i, name);
        }
    }
    clan_settle(c);
    size_t before = c->sent;
    clan_link(c, 0, 1);
    clan_settle(c);
    EXPECT_TRUE(c->sent > before + 5);
    EXPECT_EQ(20, mesh_replica_stats_get(c->hosts[1]).nodes);
    EXPECT_EQ(mesh_replica_stats_get(c->hosts[0]).bytes, mesh_replica_stats_get(c->hosts[1]).bytes);
    EXPECT_EQ(1, mesh_replica_stats_get(c->hosts[1]).maps);
    clan_destroy(c);
}

TEST(a_map_that_stops_halfway_is_fetched_from_another_neighbour) {
    clan *c = clan_create(3);
    clan_up(c, 0, 7, "app.0");
    clan_settle(c);
    clan_link(c, 0, 1);
    clan_settle(c);
    clan_link(c, 0, 2);
    clan_collect(c);
    while (mesh_replica_stats_get(c->hosts[2]).fetches == 0)
        clan_deliver(c);
    clan_link(c, 1, 2);
    clan_unlink(c, 0, 2);
    clan_settle(c);
    EXPECT_TEXT("up 7 app.0\n", clan_told(c, 2));
    EXPECT_TRUE(mesh_replica_stats_get(c->hosts[2]).fetches >= 2);
    clan_destroy(c);
}

TEST(a_neighbour_that_does_not_answer_is_asked_no_longer_than_five_seconds) {
    clan *c = clan_create(3);
    clan_up(c, 0, 7, "app.0");
    clan_settle(c);
    clan_link(c, 0, 1);
    clan_settle(c);
    clan_link(c, 1, 2);
    clan_collect(c);
    while (mesh_replica_stats_get(c->hosts[2]).fetches == 0)
        clan_deliver(c);
    c->is_linked[1][2] = false; // what it answers gets lost, and nobody notices
    clan_settle(c);
    EXPECT_TEXT("", clan_told(c, 2));
    c->is_linked[1][2] = true;
    clan_wait(c, 6000);
    EXPECT_TEXT("up 7 app.0\n", clan_told(c, 2));
    clan_destroy(c);
}

TEST(what_got_lost_on_a_link_that_stayed_up_is_found_within_twelve_seconds) {
    clan *c = linked_pair();
    clan_up(c, 0, 7, "app.0");
    mesh_replica_tick(c->hosts[0], c->now_ms);
    c->is_linked[0][1] = false;
    clan_collect(c);
    c->is_linked[0][1] = true;
    clan_settle(c);
    EXPECT_TEXT("", clan_told(c, 1));
    clan_wait(c, 13000);
    EXPECT_TEXT("up 7 app.0\n", clan_told(c, 1));
    clan_destroy(c);
}

TEST(a_hint_given_twice_finds_what_got_lost_at_once) {
    clan *c = linked_pair();
    clan_up(c, 0, 7, "app.0");
    mesh_replica_tick(c->hosts[0], c->now_ms);
    c->is_linked[0][1] = false;
    clan_collect(c);
    c->is_linked[0][1] = true;
    uint64_t version = mesh_replica_version(c->hosts[0]);
    EXPECT_EQ(2, version);
    mesh_replica_hint(c->hosts[1], c->ids[0], c->generations[0], version);
    clan_settle(c);
    EXPECT_TEXT("", clan_told(c, 1));
    mesh_replica_hint(c->hosts[1], c->ids[0], c->generations[0], version);
    clan_settle(c);
    EXPECT_TEXT("up 7 app.0\n", clan_told(c, 1));
    clan_destroy(c);
}

TEST(a_host_that_membership_names_later_than_its_news_came_is_asked_for) {
    clan *c = clan_create(3);
    clan_restart(c, 2, 200); // the others know of generation 100 only
    clan_link(c, 0, 1);
    clan_link(c, 1, 2);
    clan_up(c, 2, 7, "app.0");
    clan_settle(c);
    EXPECT_TEXT("", clan_told(c, 0));
    clan_state(c, 1, 2, MESH_HOST_UP);
    clan_settle(c);
    clan_state(c, 0, 2, MESH_HOST_UP);
    clan_settle(c);
    EXPECT_TEXT("up 7 app.0\n", clan_told(c, 1));
    EXPECT_TEXT("up 7 app.0\n", clan_told(c, 0));
    clan_destroy(c);
}

TEST(the_same_news_from_two_neighbours_is_taken_once_and_not_passed_on_twice) {
    clan *c = clan_create(3);
    clan_link(c, 0, 1);
    clan_link(c, 1, 2);
    clan_link(c, 0, 2);
    clan_settle(c);
    size_t before = c->sent;
    clan_up(c, 0, 7, "app.0");
    clan_settle(c);
    EXPECT_EQ(before + 4, c->sent); // two from the host, and each tells the other
    EXPECT_EQ(1, mesh_replica_stats_get(c->hosts[1]).duplicates);
    EXPECT_TEXT("up 7 app.0\n", clan_told(c, 1));
    clan_destroy(c);
}

TEST(a_member_that_comes_later_is_told_what_holds) {
    clan *c = linked_pair();
    clan_up(c, 0, 7, "app.0");
    clan_put(c, 0, 7, 1, "prices");
    clan_settle(c);
    char told[CLAN_TOLD_MAX];
    memcpy(told, clan_told(c, 1), sizeof told);
    mesh_replica_each(c->hosts[1], clan_note_again, c);
    EXPECT_TEXT(told, clan_told(c, 1));
    EXPECT_TRUE(memcmp(c->ids[0], mesh_replica_host_of(c->hosts[1], mesh_node_id_of(c->ids[0], 7)),
                       MESH_ID_LEN) == 0);
    EXPECT_TRUE(mesh_replica_host_of(c->hosts[1], 7) == NULL);
    clan_state(c, 1, 0, MESH_HOST_UNREACHABLE);
    clan_settle(c);
    (void)clan_told(c, 1);
    mesh_replica_each(c->hosts[1], clan_note_again, c);
    EXPECT_TEXT("up 7 app.0\n", clan_told(c, 1));
    clan_destroy(c);
}

// What a host may choose are numbers; ids are made of its own host id. The thief comes first, says
// the number and the id of a node of another host, and ends both: that node is there all the same.
TEST(a_host_that_claims_a_node_of_another_harms_nobody) {
    clan *c = clan_create(3);
    clan_link(c, 0, 1);
    clan_link(c, 1, 2);
    uint64_t id = mesh_node_id_of(c->ids[0], 7);
    clan_up(c, 2, 7, "thief");
    clan_up(c, 2, id, "thief");
    clan_settle(c);
    EXPECT_TRUE(mesh_replica_host_of(c->hosts[1], id) == NULL);
    (void)clan_told(c, 1);
    clan_up(c, 0, 7, "app.0");
    clan_settle(c);
    EXPECT_TEXT("up 7 app.0\n", clan_told(c, 1));
    clan_end(c, 2, 7, "crash", 1);
    clan_end(c, 2, id, "crash", 1);
    clan_settle(c);
    EXPECT_TRUE(memcmp(c->ids[0], mesh_replica_host_of(c->hosts[1], id), MESH_ID_LEN) == 0);
    clan_destroy(c);
}

TEST(what_membership_says_of_an_earlier_life_is_ignored) {
    clan *c = linked_pair();
    clan_up(c, 0, 7, "app.0");
    clan_settle(c);
    (void)clan_told(c, 1);
    mesh_replica_host_state(c->hosts[1], c->ids[0], 99, MESH_HOST_DOWN);
    clan_settle(c);
    EXPECT_TEXT("", clan_told(c, 1));
    clan_destroy(c);
}
