#include "agent/flow.h"

#include "test.h"

enum { PERIOD = AGENT_FLOW_PERIOD_MS, START_MS = 1000 * PERIOD };

// Reads all that it may now.
static size_t drink(agent_flow *flow, agent_flow_use *use, uint64_t now_ms) {
    size_t all = 0;
    for (size_t len; (len = agent_flow_left(flow, use, now_ms)) > 0; all += len) {
        if (len > 1000) len = 1000;
        agent_flow_take(flow, use, now_ms, len);
    }
    return all;
}

TEST(one_who_writes_without_end_gets_the_whole_of_each_period) {
    agent_flow flow = {0};
    agent_flow_use one = {0};
    for (uint64_t at = START_MS; at < START_MS + 10 * PERIOD; at += PERIOD) {
        EXPECT_EQ(AGENT_FLOW_PERIOD_LEN, drink(&flow, &one, at));
        EXPECT_EQ(0, drink(&flow, &one, at + PERIOD - 1));
    }
}

TEST(those_who_write_without_end_share_what_there_is) {
    agent_flow flow = {0};
    agent_flow_use many[4] = {0};
    EXPECT_EQ(AGENT_FLOW_PERIOD_LEN, drink(&flow, &many[0], START_MS)); // nobody knows yet
    for (int i = 1; i < 4; i++)
        EXPECT_EQ(AGENT_FLOW_SHARE_MIN, drink(&flow, &many[i], START_MS));
    for (int i = 0; i < 4; i++)
        EXPECT_EQ(AGENT_FLOW_PERIOD_LEN / 4, drink(&flow, &many[i], START_MS + PERIOD));
    EXPECT_EQ(AGENT_FLOW_PERIOD_LEN / 4, drink(&flow, &many[0], START_MS + 2 * PERIOD));
    EXPECT_EQ(AGENT_FLOW_PERIOD_LEN, drink(&flow, &many[0], START_MS + 3 * PERIOD)); // alone
}

TEST(who_writes_little_never_waits_and_takes_nothing_from_the_others) {
    agent_flow flow = {0};
    agent_flow_use loud = {0}, quiet = {0};
    for (uint64_t at = START_MS; at < START_MS + 10 * PERIOD; at += PERIOD) {
        EXPECT_EQ(AGENT_FLOW_PERIOD_LEN, drink(&flow, &loud, at));
        EXPECT_EQ(AGENT_FLOW_SHARE_MIN, agent_flow_left(&flow, &quiet, at + 1));
        agent_flow_take(&flow, &quiet, at + 1, 1000);
    }
}

TEST(however_many_they_are_each_is_read) {
    agent_flow flow = {.period = START_MS / PERIOD, .eager_count = 1000000};
    agent_flow_use one = {0};
    EXPECT_EQ(AGENT_FLOW_SHARE_MIN, drink(&flow, &one, START_MS));
}

TEST(a_wait_ends_where_the_next_period_begins) {
    EXPECT_EQ(PERIOD, agent_flow_wait_ms(START_MS));
    EXPECT_EQ(1, agent_flow_wait_ms(START_MS + PERIOD - 1));
}
