// A host gets what it misses from others, whatever becomes of them meanwhile.
#include "agent/fetch.h"

#include "fetch_world.h"
#include "test.h"

TEST(a_host_gets_what_it_misses_from_one_that_it_first_dials) {
    open_world(2);
    give(1, 0, 500);
    EXPECT_TRUE(fetch_from(0, 0, 500, NULL) != 0);
    wait_done(0);
    expect_has(0, 0, 500);
    EXPECT_EQ(500, hosts[0].progress);
    EXPECT_EQ(500, agent_fetch_stats_get(hosts[1].fetch).given);
    EXPECT_EQ(0, agent_fetch_stats_get(hosts[0].fetch).jobs);
    close_world();
}

TEST(nothing_to_fetch_is_done_at_once_and_later) {
    open_world(1);
    EXPECT_TRUE(fetch_from(0, 0, 0, NULL) != 0);
    EXPECT_FALSE(hosts[0].is_done);
    wait_done(0);
    expect_has(0, 0, 0);
    close_world();
}

TEST(each_of_several_hosts_gives_what_it_has) {
    open_world(5);
    for (int i = 1; i < 5; i++)
        give(i, 50 * i, 50 * i + 50);
    (void)fetch_from(0, 50, 250, NULL);
    wait_done(0);
    expect_has(0, 50, 250);
    for (int i = 1; i < 5; i++)
        EXPECT_EQ(50, agent_fetch_stats_get(hosts[i].fetch).given);
    close_world();
}

TEST(the_host_that_took_a_release_in_is_asked_first) {
    open_world(40);
    give(33, 0, 20);
    (void)fetch_from(0, 0, 20, "h33");
    wait_done(0);
    expect_has(0, 0, 20);
    EXPECT_TRUE(now_ms < 1000 + 500);
    close_world();
}

TEST(when_the_host_that_gives_dies_in_the_midst_another_gives_the_rest) {
    open_world(3);
    give(1, 0, 300);
    (void)fetch_from(0, 0, 300, NULL);
    wait_progress(0, 100);
    give(2, 0, 300);
    kill_host(1);
    wait_done(0);
    expect_has(0, 0, 300);
    EXPECT_TRUE(agent_fetch_stats_get(hosts[2].fetch).given >= 150);
    close_world();
}

TEST(a_link_that_is_cut_again_and_again_only_costs_time) {
    open_world(2);
    give(1, 0, 200);
    (void)fetch_from(0, 0, 200, NULL);
    for (size_t i = 20; i < 200; i += 20) {
        wait_progress(0, i);
        cut(0, 1);
    }
    wait_done(0);
    expect_has(0, 0, 200);
    close_world();
}

TEST(a_host_that_gives_something_else_is_asked_no_more_and_another_gives_it) {
    open_world(3);
    hosts[1].is_liar = true;
    give(2, 0, 300);
    (void)fetch_from(0, 0, 300, "h1");
    wait_done(0);
    expect_has(0, 0, 300);
    EXPECT_TRUE(hosts[1].wants_heard > 0 && hosts[1].wants_heard <= 2 * AGENT_FETCH_WANTS_MAX);
    close_world();
}

TEST(agents_that_know_nothing_of_chunks_have_none) {
    enum { OLD = 6 };
    open_world(OLD + 2);
    for (int i = 1; i <= OLD; i++) {
        hosts[i].is_old = true;
        link_up(0, i);
    }
    give(OLD + 1, 0, 100);
    (void)fetch_from(0, 0, 100, "h1");
    wait_done(0);
    expect_has(0, 0, 100);
    for (int i = 1; i <= OLD; i++)
        EXPECT_EQ(0, hosts[i].wants_heard);
    close_world();
}

TEST(what_nobody_has_is_said_with_how_many_were_asked) {
    open_world(3);
    give(1, 0, 9);
    (void)fetch_from(0, 0, 10, "h1");
    wait_done(0);
    EXPECT_TRUE(hosts[0].err < 0);
    EXPECT_TEXT("none of the 2 hosts that were asked gives the piece 09000000 of a release, 1 of "
                "10 are missing here; it was deployed to h1: `warren hosts` shows who is up",
                hosts[0].sentence);
    close_world();
}

TEST(a_host_that_comes_while_nobody_has_it_gives_it) {
    open_world(3);
    hosts[2].is_gone = true;
    give(2, 0, 10);
    (void)fetch_from(0, 0, 10, NULL);
    while (now_ms < 1000 + AGENT_FETCH_STALL_MS / 2)
        step();
    hosts[2].is_gone = false;
    wait_done(0);
    expect_has(0, 0, 10);
    close_world();
}

TEST(a_full_disk_ends_it_with_its_sentence) {
    open_world(2);
    hosts[0].is_full = true;
    give(1, 0, 100);
    (void)fetch_from(0, 0, 100, NULL);
    wait_done(0);
    EXPECT_EQ(-28, hosts[0].err);
    EXPECT_TEXT("the disk is full", hosts[0].sentence);
    EXPECT_FALSE(agent_fetch_is_busy(hosts[0].fetch, (const uint8_t[MESH_ID_LEN]){2}));
    close_world();
}

TEST(what_is_cancelled_calls_nobody_back_and_another_job_goes_on) {
    open_world(2);
    give(1, 0, 400);
    uint64_t first = fetch_from(0, 0, 200, NULL);
    for (int i = 0; i < 30; i++)
        step();
    agent_fetch_cancel(hosts[0].fetch, first);
    agent_fetch_cancel(hosts[0].fetch, first);
    hosts[0].progress = 0;
    (void)fetch_from(0, 200, 400, NULL);
    wait_done(0);
    expect_has(0, 200, 400);
    close_world();
}

TEST(jobs_beyond_those_that_are_under_way_wait_for_their_turn) {
    enum { JOBS = 10 };
    open_world(2);
    give(1, 0, 200);
    hosts[1].rate = 100;
    for (int i = 0; i < JOBS; i++)
        (void)fetch_from(0, 20 * i, 20 * i + 20, NULL);
    EXPECT_EQ(JOBS, agent_fetch_stats_get(hosts[0].fetch).jobs);
    while (agent_fetch_stats_get(hosts[0].fetch).jobs > 0) {
        hosts[0].is_done = false;
        hosts[0].progress = 0;
        step();
    }
    expect_has(0, 0, 200);
    close_world();
}

TEST(no_more_than_there_is_room_for_begins) {
    open_world(1);
    for (int i = 0; i < AGENT_FETCH_JOBS_MAX; i++)
        EXPECT_TRUE(fetch_from(0, 0, 1, NULL) != 0);
    EXPECT_EQ(0, fetch_from(0, 0, 1, NULL));
    close_world();
}

TEST(to_leave_the_cluster_ends_what_is_under_way) {
    open_world(2);
    give(1, 0, 400);
    hosts[1].rate = 100;
    (void)fetch_from(0, 0, 400, NULL);
    wait_progress(0, 2);
    agent_fetch_attach(hosts[0].fetch, NULL);
    EXPECT_FALSE(hosts[0].is_done);
    wait_done(0);
    EXPECT_TRUE(strstr(hosts[0].sentence, "this host is in no cluster") != NULL);
    close_world();
}
