// Which decisions a reload makes, as a printed story: "L0" launches, "C" asks, "R" replaces, "T"
// terminates and "K" kills the life beside, "!" late, "D" done, "F" failed, "G" given up, "." over.
#include "agent/reload.h"

#include <string.h>

#include "test.h"

static agent_reload *open_reload(uint32_t instances, uint32_t parallel) {
    agent_reload *r = agent_reload_create(
        &(agent_reload_options){.instances = instances, .parallel = parallel, .drain_ms = 1000});
    for (uint32_t i = 0; i < instances; i++)
        agent_reload_grace(r, i, 500);
    return r;
}

static const char *story(agent_reload *r) {
    static char text[256];
    agent_reload_decision d;
    size_t len = 0;
    while (agent_reload_poll(r, &d)) {
        if (len > 0) text[len++] = ' ';
        text[len++] = "LCRTK!NDFG."[d.kind];
        if (d.kind != AGENT_RELOAD_OVER) text[len++] = (char)('0' + d.instance);
    }
    text[len] = '\0';
    return text;
}

#define EXPECT_STORY(WANTED, R) EXPECT_TEXT(WANTED, story(R))

static void become_ready(agent_reload *r, uint64_t now_ms, uint32_t instance) {
    agent_reload_launched(r, now_ms, instance, 100, false);
    agent_reload_ready(r, now_ms, instance);
}

TEST(one_after_the_other_is_replaced) {
    agent_reload *r = open_reload(2, 1);
    agent_reload_begin(r);
    EXPECT_STORY("L0", r);
    become_ready(r, 0, 0);
    EXPECT_STORY("R0 L1", r);
    agent_reload_drained(r, 10, 0);
    EXPECT_STORY("T0", r);
    agent_reload_gone(r, 20, 0);
    EXPECT_STORY("D0", r);
    become_ready(r, 30, 1);
    agent_reload_drained(r, 40, 1);
    agent_reload_gone(r, 50, 1);
    EXPECT_STORY("R1 T1 D1 .", r);
    EXPECT_EQ(2, agent_reload_result_get(r).replaced);
    EXPECT_TRUE(!agent_reload_result_get(r).is_failed);
    agent_reload_destroy(r);
}

TEST(all_begin_at_once_when_no_number_is_said) {
    agent_reload *r = open_reload(3, 0);
    agent_reload_begin(r);
    EXPECT_STORY("L0 L1 L2", r);
    agent_reload_destroy(r);
}

TEST(the_old_one_has_its_time_to_drain_then_the_signal_then_the_kill) {
    agent_reload *r = open_reload(1, 1);
    agent_reload_begin(r);
    become_ready(r, 0, 0);
    EXPECT_STORY("L0 R0", r);
    EXPECT_EQ(1000 + AGENT_RELOAD_ANSWER_MS, agent_reload_wake_at_ms(r));
    agent_reload_tick(r, 999 + AGENT_RELOAD_ANSWER_MS);
    EXPECT_STORY("", r);
    agent_reload_tick(r, 1000 + AGENT_RELOAD_ANSWER_MS);
    EXPECT_STORY("N0 T0", r);
    agent_reload_tick(r, 1500 + AGENT_RELOAD_ANSWER_MS);
    EXPECT_STORY("K0", r);
    EXPECT_EQ(UINT64_MAX, agent_reload_wake_at_ms(r));
    agent_reload_gone(r, 1501 + AGENT_RELOAD_ANSWER_MS, 0);
    EXPECT_STORY("D0 .", r);
    agent_reload_destroy(r);
}

TEST(a_new_one_that_ends_before_it_is_ready_ends_the_reload) {
    agent_reload *r = open_reload(3, 1);
    agent_reload_begin(r);
    agent_reload_launched(r, 0, 0, 100, false);
    agent_reload_gone(r, 10, 0);
    EXPECT_STORY("L0 F0 .", r);
    EXPECT_EQ(0, agent_reload_result_get(r).replaced);
    EXPECT_TRUE(agent_reload_result_get(r).is_failed);
    agent_reload_destroy(r);
}

TEST(one_that_says_nothing_in_time_is_late_or_ready_as_was_asked) {
    agent_reload *r = open_reload(2, 0);
    agent_reload_begin(r);
    agent_reload_launched(r, 0, 0, 100, true);
    agent_reload_launched(r, 0, 1, 200, false);
    agent_reload_tick(r, 100);
    EXPECT_STORY("L0 L1 R0", r);
    agent_reload_tick(r, 200);
    EXPECT_STORY("!1 K1", r);
    agent_reload_destroy(r);
}

TEST(when_one_fails_those_that_are_starting_are_stopped_and_those_replaced_go_on) {
    agent_reload *r = open_reload(4, 3);
    agent_reload_begin(r);
    become_ready(r, 0, 0);
    EXPECT_STORY("L0 L1 L2 R0 L3", r);
    agent_reload_launched(r, 0, 1, 100, false);
    agent_reload_launched(r, 0, 2, 100, false);
    agent_reload_gone(r, 5, 1);
    EXPECT_STORY("F1 T2", r);
    EXPECT_TRUE(!agent_reload_wants(r, 3)); // on its way
    agent_reload_launched(r, 6, 3, 100, false);
    agent_reload_gone(r, 7, 3);
    agent_reload_gone(r, 8, 2);
    agent_reload_drained(r, 9, 0);
    agent_reload_gone(r, 10, 0);
    EXPECT_STORY("T3 G3 G2 T0 D0 .", r);
    EXPECT_EQ(1, agent_reload_result_get(r).replaced);
    agent_reload_destroy(r);
}

TEST(of_those_that_end_one_after_the_other_the_first_alone_is_the_failure) {
    agent_reload *r = open_reload(3, 0);
    agent_reload_begin(r);
    for (uint32_t i = 0; i < 3; i++)
        agent_reload_launched(r, 0, i, 100, false);
    EXPECT_TRUE(agent_reload_fails_with(r, 1));
    agent_reload_gone(r, 1, 2);
    EXPECT_TRUE(!agent_reload_fails_with(r, 1));
    agent_reload_gone(r, 2, 0);
    agent_reload_gone(r, 3, 1);
    EXPECT_STORY("L0 L1 L2 F2 T0 T1 G0 G1 .", r);
    agent_reload_destroy(r);
}

TEST(one_that_is_late_is_the_failure_when_it_is_gone) {
    agent_reload *r = open_reload(2, 0);
    agent_reload_begin(r);
    agent_reload_launched(r, 0, 0, 200, false);
    agent_reload_launched(r, 0, 1, 100, false);
    agent_reload_tick(r, 100);
    agent_reload_gone(r, 101, 0);
    agent_reload_gone(r, 102, 1);
    EXPECT_STORY("L0 L1 !1 K1 T0 G0 F1 .", r);
    agent_reload_destroy(r);
}

TEST(a_launch_that_is_not_wanted_any_more_is_gone) {
    agent_reload *r = open_reload(1, 1);
    agent_reload_begin(r);
    agent_reload_stop(r, 0, false);
    EXPECT_TRUE(!agent_reload_wants(r, 0));
    agent_reload_gone(r, 1, 0);
    EXPECT_STORY("L0 G0 .", r);
    agent_reload_destroy(r);
}

TEST(a_stop_waits_for_no_drain) {
    agent_reload *r = open_reload(2, 0);
    agent_reload_begin(r);
    become_ready(r, 0, 0);
    agent_reload_launched(r, 0, 1, 100, false);
    (void)story(r);
    agent_reload_stop(r, 1, false);
    EXPECT_STORY("T1 T0", r);
    agent_reload_stop(r, 2, true);
    EXPECT_STORY("K0 K1", r);
    agent_reload_gone(r, 3, 0);
    agent_reload_gone(r, 3, 1);
    EXPECT_STORY("D0 G1 .", r);
    agent_reload_destroy(r);
}

TEST(an_instance_that_is_stopped_takes_nobody_with_it) {
    agent_reload *r = open_reload(4, 2);
    agent_reload_begin(r);
    agent_reload_launched(r, 0, 0, 100, false);
    EXPECT_STORY("L0 L1", r);
    agent_reload_stop_one(r, 1, 0, false); // starting
    agent_reload_stop_one(r, 1, 1, false); // being launched
    agent_reload_stop_one(r, 1, 3, false); // not begun
    EXPECT_STORY("T0 L2", r);
    EXPECT_TRUE(!agent_reload_wants(r, 1) && !agent_reload_fails_with(r, 1));
    agent_reload_launched(r, 2, 1, 100, false);
    agent_reload_gone(r, 3, 0);
    agent_reload_gone(r, 3, 1);
    EXPECT_STORY("T1 G0 G1", r);
    become_ready(r, 4, 2);
    agent_reload_stop_one(r, 5, 0, true); // over
    agent_reload_gone(r, 6, 2);
    EXPECT_STORY("R2 D2 .", r);
    agent_reload_result result = agent_reload_result_get(r);
    EXPECT_TRUE(result.wanted == 1 && result.replaced == 1 && !result.is_failed);
    agent_reload_destroy(r);
}

TEST(one_that_has_been_replaced_counts_and_its_old_life_has_no_more_time) {
    agent_reload *r = open_reload(2, 0);
    agent_reload_begin(r);
    become_ready(r, 0, 0);
    EXPECT_STORY("L0 L1 R0", r);
    agent_reload_stop_one(r, 1, 0, false);
    EXPECT_STORY("T0", r);
    agent_reload_stop_one(r, 2, 0, true);
    EXPECT_STORY("K0", r);
    EXPECT_EQ(2, agent_reload_result_get(r).wanted);
    EXPECT_EQ(1, agent_reload_result_get(r).replaced);
    agent_reload_destroy(r);
}

TEST(one_that_is_stopped_does_not_take_the_place_any_more) {
    agent_reload *r = open_reload(2, 1);
    agent_reload_begin(r);
    become_ready(r, 0, 0);
    agent_reload_stop_one(r, 0, 0, false); // before R0 was carried out
    EXPECT_STORY("L0 L1 T0", r);
    EXPECT_EQ(0, agent_reload_result_get(r).replaced);
    agent_reload_destroy(r);
}

TEST(when_all_that_were_to_be_replaced_are_stopped_the_reload_fails) {
    agent_reload *r = open_reload(3, 1);
    agent_reload_skip(r, 0);
    agent_reload_begin(r);
    agent_reload_stop_one(r, 0, 0, false);
    EXPECT_TRUE(!agent_reload_result_get(r).is_failed);
    agent_reload_stop_one(r, 0, 2, false);
    agent_reload_stop_one(r, 0, 1, false);
    agent_reload_gone(r, 1, 1);
    EXPECT_STORY("L1 G1 .", r);
    EXPECT_TRUE(agent_reload_result_get(r).is_failed);
    agent_reload_destroy(r);
}

TEST(an_instance_that_is_left_out_is_not_touched) {
    agent_reload *r = open_reload(3, 0);
    agent_reload_skip(r, 0);
    agent_reload_skip(r, 2);
    agent_reload_begin(r);
    EXPECT_STORY("L1", r);
    EXPECT_EQ(1, agent_reload_result_get(r).wanted);
    agent_reload_destroy(r);
}

TEST(one_that_cannot_take_the_place_is_stopped) {
    agent_reload *r = open_reload(1, 1);
    agent_reload_begin(r);
    become_ready(r, 0, 0);
    agent_reload_refused(r, 0, 0);
    agent_reload_gone(r, 1, 0);
    EXPECT_STORY("L0 R0 T0 F0 .", r);
    EXPECT_EQ(0, agent_reload_result_get(r).replaced);
    agent_reload_destroy(r);
}

TEST(what_comes_too_late_or_twice_changes_nothing) {
    agent_reload *r = open_reload(1, 1);
    agent_reload_begin(r);
    become_ready(r, 0, 0);
    agent_reload_ready(r, 1, 0);
    agent_reload_drained(r, 2, 0);
    agent_reload_drained(r, 3, 0);
    agent_reload_gone(r, 4, 0);
    agent_reload_gone(r, 5, 0);
    agent_reload_gone(r, 5, 7);
    EXPECT_STORY("L0 R0 T0 D0 .", r);
    agent_reload_destroy(r);
}

static const agent_health_rules checked = {
    .is_checked = true, .interval_ms = 10000, .timeout_ms = 50, .failures = 3};

TEST(one_that_is_asked_takes_the_place_when_it_is_well) {
    agent_reload *r = open_reload(1, 1);
    agent_reload_begin(r);
    agent_reload_health(r, 0, &checked, 5000);
    become_ready(r, 0, 0);
    EXPECT_STORY("L0 C0", r);
    agent_reload_checked(r, 10, 0, 1, false);
    EXPECT_STORY("", r);
    EXPECT_EQ(10 + AGENT_HEALTH_START_MS, agent_reload_wake_at_ms(r));
    agent_reload_tick(r, 510);
    EXPECT_STORY("C0", r);
    agent_reload_checked(r, 520, 0, 1, true); // to the question before
    EXPECT_STORY("", r);
    agent_reload_checked(r, 530, 0, 2, true);
    EXPECT_STORY("R0", r);
    agent_reload_checked(r, 540, 0, 2, true);
    agent_reload_tick(r, 1400); // nobody asks it here any more
    EXPECT_STORY("", r);
    agent_reload_destroy(r);
}

TEST(one_that_is_never_well_is_late_and_the_old_one_stays) {
    agent_reload *r = open_reload(1, 1);
    agent_reload_begin(r);
    agent_reload_health(r, 0, &checked, 700);
    agent_reload_launched(r, 0, 0, 100, true);
    agent_reload_tick(r, 100); // it needs no sign
    EXPECT_STORY("L0 C0", r);
    agent_reload_tick(r, 150); // no answer
    agent_reload_tick(r, 650);
    EXPECT_STORY("C0", r);
    agent_reload_checked(r, 660, 0, 2, false);
    EXPECT_EQ(700, agent_reload_wake_at_ms(r));
    agent_reload_tick(r, 700);
    EXPECT_STORY("!0 K0", r);
    agent_reload_gone(r, 710, 0);
    EXPECT_STORY("F0 .", r);
    agent_reload_destroy(r);
}

TEST(one_that_is_asked_and_given_up_is_not_asked_again) {
    agent_reload *r = open_reload(2, 2);
    agent_reload_begin(r);
    agent_reload_health(r, 0, &checked, 5000);
    become_ready(r, 0, 0);
    agent_reload_gone(r, 10, 1);
    EXPECT_STORY("L0 L1 C0 F1 T0", r);
    agent_reload_checked(r, 20, 0, 1, true);
    agent_reload_tick(r, 400);
    EXPECT_STORY("", r);
    agent_reload_destroy(r);
}
