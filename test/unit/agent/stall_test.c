#include "agent/stall.h"

#include "test.h"

enum { LOOK = AGENT_STALL_LOOK_MS, START_MS = 777000 };

// Looks until `news` says something, at most so often; how often it looked.
static uint32_t look(agent_stall *stall, uint64_t *now_ms, uint64_t turns, uint64_t after_ms,
                     uint32_t count_max, agent_stall_news *news) {
    for (uint32_t n = 1; n <= count_max; n++) {
        *now_ms += LOOK;
        *news = agent_stall_look(stall, *now_ms, turns, after_ms);
        if (news->begins || news->ends || news->acts) return n;
    }
    return count_max + 1;
}

TEST(a_loop_that_does_not_turn_has_stalled_within_three_seconds) {
    agent_stall stall = {0};
    agent_stall_news news;
    uint64_t now_ms = START_MS;
    (void)agent_stall_look(&stall, now_ms, 7, 0);
    uint64_t began_ms = now_ms; // at the worst it stopped right after the look before
    EXPECT_EQ(4, look(&stall, &now_ms, 7, 0, 10, &news));
    EXPECT_TRUE(news.begins && !news.ends && !news.acts);
    EXPECT_EQ(2000, news.still_ms);
    EXPECT_TRUE(now_ms - began_ms + LOOK <= 3000);
    EXPECT_EQ(101, look(&stall, &now_ms, 7, 0, 100, &news)); // and is told once
    EXPECT_EQ(1, look(&stall, &now_ms, 9, 0, 1, &news));
    EXPECT_TRUE(news.ends && !news.begins);
    EXPECT_EQ(52000, news.still_ms);
    EXPECT_TRUE(!stall.is_stalled);
    EXPECT_EQ(1, stall.count);
}

TEST(a_loop_that_waits_has_not_stalled_however_long) {
    agent_stall stall = {0};
    agent_stall_news news;
    uint64_t now_ms = START_MS;
    EXPECT_EQ(201, look(&stall, &now_ms, 8, 1000, 200, &news));
}

TEST(a_loop_that_waits_in_a_stopped_process_has_stalled_until_that_goes_on) {
    agent_stall stall = {0};
    agent_stall_news news;
    uint64_t now_ms = START_MS;
    (void)agent_stall_look(&stall, now_ms, 8, 0);
    stall.is_stopped = true;
    EXPECT_EQ(4, look(&stall, &now_ms, 8, 0, 10, &news));
    EXPECT_TRUE(news.begins);
    stall.is_stopped = false;
    EXPECT_EQ(1, look(&stall, &now_ms, 8, 0, 1, &news));
    EXPECT_TRUE(news.ends);
}

TEST(the_system_is_asked_about_one_that_may_be_stopped_and_seldom_about_one_that_waits) {
    agent_stall stall = {0};
    uint32_t asked = 0;
    EXPECT_TRUE(agent_stall_asks(&stall, 8)); // it may have been so before there was this agent
    for (uint64_t i = 0; i < (uint64_t)10 * AGENT_STALL_ASK_LOOKS; i++) {
        (void)agent_stall_look(&stall, START_MS + i * LOOK, 8, 0);
        asked += agent_stall_asks(&stall, 8);
    }
    EXPECT_EQ(10, asked);
    EXPECT_TRUE(!agent_stall_asks(&stall, 10));
    stall.is_stopped = true;
    EXPECT_TRUE(agent_stall_asks(&stall, 8) && agent_stall_asks(&stall, 10));
}

TEST(a_loop_that_turns_has_not_stalled_however_busy) {
    agent_stall stall = {0};
    for (uint64_t i = 0; i < 200; i++) {
        agent_stall_news news = agent_stall_look(&stall, START_MS + i * LOOK, 2 * i + 1, 1000);
        EXPECT_TRUE(!news.begins && !news.acts);
    }
}

TEST(a_policy_acts_once_in_each_stall) {
    agent_stall stall = {0};
    agent_stall_news news;
    uint64_t now_ms = START_MS;
    (void)agent_stall_look(&stall, now_ms, 1, 5000);
    EXPECT_EQ(4, look(&stall, &now_ms, 1, 5000, 10, &news));
    EXPECT_TRUE(news.begins && !news.acts);
    EXPECT_EQ(6, look(&stall, &now_ms, 1, 5000, 10, &news));
    EXPECT_TRUE(news.acts && !news.begins);
    EXPECT_EQ(5000, news.still_ms);
    EXPECT_EQ(51, look(&stall, &now_ms, 1, 5000, 50, &news));
    EXPECT_EQ(1, look(&stall, &now_ms, 3, 5000, 1, &news));
    (void)look(&stall, &now_ms, 3, 5000, 4, &news);
    EXPECT_EQ(6, look(&stall, &now_ms, 3, 5000, 10, &news));
    EXPECT_TRUE(news.acts);
}

TEST(a_policy_that_is_faster_makes_it_stalled_then) {
    agent_stall stall = {0};
    agent_stall_news news;
    uint64_t now_ms = START_MS;
    (void)agent_stall_look(&stall, now_ms, 1, 1000);
    EXPECT_EQ(2, look(&stall, &now_ms, 1, 1000, 10, &news));
    EXPECT_TRUE(news.begins && news.acts);
}

TEST(while_nobody_looked_the_node_may_have_been_stopped_as_well) {
    agent_stall stall = {0};
    uint64_t now_ms = START_MS;
    (void)agent_stall_look(&stall, now_ms, 1, 0);
    EXPECT_TRUE(!agent_stall_look(&stall, now_ms + 3600000, 1, 0).begins);
    EXPECT_TRUE(!agent_stall_look(&stall, now_ms + 3600500, 1, 0).begins);
    EXPECT_TRUE(agent_stall_look(&stall, now_ms + 3601000, 1, 0).begins);
}
