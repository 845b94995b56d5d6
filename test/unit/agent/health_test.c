#include "agent/health.h"

#include "test.h"

static const agent_health_rules rules = {
    .is_checked = true, .interval_ms = 1000, .timeout_ms = 200, .failures = 2};

static agent_health begin(uint64_t now_ms) {
    agent_health h = agent_health_none(0);
    agent_health_begin(&h, now_ms);
    return h;
}

TEST(it_is_asked_again_an_interval_after_each_answer) {
    agent_health h = begin(0);
    EXPECT_EQ(AGENT_HEALTH_ASK, agent_health_tick(&h, &rules, 0, true));
    EXPECT_EQ(AGENT_HEALTH_NOTHING, agent_health_tick(&h, &rules, 50, true));
    EXPECT_EQ(AGENT_HEALTH_GOOD, agent_health_answer(&h, &rules, 60, true, 1, true));
    EXPECT_EQ(1060, h.due_at_ms);
    EXPECT_EQ(AGENT_HEALTH_NOTHING, agent_health_tick(&h, &rules, 1059, true));
    EXPECT_EQ(AGENT_HEALTH_ASK, agent_health_tick(&h, &rules, 1060, true));
    EXPECT_EQ(2, h.number);
}

TEST(one_that_is_not_ready_is_asked_more_often_but_not_more_often_than_was_said) {
    agent_health_rules often = rules, seldom = rules;
    often.interval_ms = 100;
    seldom.interval_ms = 60000;
    agent_health h = begin(0);
    (void)agent_health_tick(&h, &seldom, 0, false);
    (void)agent_health_answer(&h, &seldom, 0, false, 1, false);
    EXPECT_EQ(AGENT_HEALTH_START_MS, h.due_at_ms);
    agent_health_begin(&h, 0);
    (void)agent_health_tick(&h, &often, 0, false);
    (void)agent_health_answer(&h, &often, 0, false, 2, false);
    EXPECT_EQ(100, h.due_at_ms);
}

TEST(so_many_bad_answers_in_a_row_are_unhealthy_and_silence_is_one) {
    agent_health h = begin(0);
    (void)agent_health_tick(&h, &rules, 0, true);
    EXPECT_EQ(AGENT_HEALTH_NOTHING, agent_health_tick(&h, &rules, 199, true));
    EXPECT_EQ(AGENT_HEALTH_BAD, agent_health_tick(&h, &rules, 200, true));
    (void)agent_health_tick(&h, &rules, 1200, true);
    EXPECT_EQ(AGENT_HEALTH_UNHEALTHY, agent_health_answer(&h, &rules, 1250, true, 2, false));
}

TEST(a_good_answer_between_bad_ones_begins_the_row_anew) {
    agent_health h = begin(0);
    bool answers[] = {false, true, false, true, false};
    for (uint32_t i = 0; i < 5; i++) {
        EXPECT_EQ(AGENT_HEALTH_ASK, agent_health_tick(&h, &rules, h.due_at_ms, true));
        EXPECT_EQ(answers[i] ? AGENT_HEALTH_GOOD : AGENT_HEALTH_BAD,
                  agent_health_answer(&h, &rules, h.due_at_ms, true, i + 1, answers[i]));
    }
}

TEST(an_answer_that_is_too_late_is_none) {
    agent_health h = begin(0);
    (void)agent_health_tick(&h, &rules, 0, true);
    (void)agent_health_tick(&h, &rules, 200, true); // silence
    EXPECT_EQ(AGENT_HEALTH_NOTHING, agent_health_answer(&h, &rules, 210, true, 1, true));
    (void)agent_health_tick(&h, &rules, 1200, true);
    EXPECT_EQ(AGENT_HEALTH_NOTHING, agent_health_answer(&h, &rules, 1210, true, 1, true));
    EXPECT_EQ(AGENT_HEALTH_GOOD, agent_health_answer(&h, &rules, 1220, true, 2, true));
    EXPECT_EQ(AGENT_HEALTH_NOTHING, agent_health_answer(&h, &rules, 1230, true, 2, false));
}

TEST(nobody_asks_one_that_is_told_to_end) {
    agent_health h = begin(0);
    (void)agent_health_tick(&h, &rules, 0, true);
    agent_health_stop(&h);
    EXPECT_EQ(AGENT_HEALTH_NOTHING, agent_health_answer(&h, &rules, 10, true, 1, false));
    EXPECT_EQ(AGENT_HEALTH_NOTHING, agent_health_tick(&h, &rules, UINT64_MAX - 1, true));
}
