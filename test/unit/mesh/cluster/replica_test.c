#include "cluster/replica.h"

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
