#include "core/error.h"
#include "supervisor_fixture.h"

TEST(all_instances_are_launched) {
    agent_supervisor *s = start(3, AGENT_RESTART_ON_FAILURE);
    for (uint32_t i = 0; i < 3; i++) {
        agent_decision d = next(s);
        EXPECT_EQ(AGENT_LAUNCH, d.kind);
        EXPECT_EQ(i, d.instance);
    }
    expect_quiet(s);
    EXPECT_TRUE(agent_supervisor_wake_at_ms(s) == UINT64_MAX);
    agent_supervisor_destroy(s);
}

TEST(exit_code_0_ends_an_instance_for_good) {
    agent_supervisor *s = start_running(AGENT_RESTART_ON_FAILURE, 0);
    agent_supervisor_exited(s, 10, 7, 0, clean);
    expect(s, AGENT_OVER);
    agent_decision d = next(s);
    EXPECT_EQ(AGENT_ENDED, d.kind);
    EXPECT_EQ(0, d.exit_code);
    expect_quiet(s);
    agent_supervisor_destroy(s);
}

TEST(a_crash_is_followed_by_a_restart_after_the_backoff) {
    agent_supervisor *s = start_running(AGENT_RESTART_ON_FAILURE, 0);
    agent_supervisor_exited(s, 50, 7, 0, crash);
    agent_decision d = next(s);
    EXPECT_EQ(AGENT_BACKOFF, d.kind);
    EXPECT_EQ(SIGSEGV, d.how.signal);
    EXPECT_TRUE(d.delay_ms >= 100 && d.delay_ms <= 120);
    EXPECT_TRUE(agent_supervisor_wake_at_ms(s) == 50 + d.delay_ms);
    agent_supervisor_tick(s, 50 + d.delay_ms - 1);
    expect_quiet(s);
    agent_supervisor_tick(s, 50 + d.delay_ms);
    expect(s, AGENT_LAUNCH);
    agent_supervisor_destroy(s);
}

TEST(a_first_life_that_fails_within_a_second_is_not_restarted) {
    agent_supervisor *s = start_running(AGENT_RESTART_ON_FAILURE, 0);
    agent_supervisor_exited(s, 999, 7, 0, failure);
    agent_decision d = next(s);
    EXPECT_EQ(AGENT_FAILED, d.kind);
    EXPECT_EQ(AGENT_FAILURE_START, d.reason);
    EXPECT_EQ(1, next(s).exit_code);
    agent_supervisor_destroy(s);
}

TEST(a_first_life_that_fails_later_is_restarted) {
    agent_supervisor *s = start_running(AGENT_RESTART_ON_FAILURE, 0);
    agent_supervisor_exited(s, 1000, 7, 0, failure);
    expect(s, AGENT_BACKOFF);
    agent_supervisor_destroy(s);
}

TEST(the_policy_always_restarts_a_clean_exit_and_a_failed_start) {
    agent_supervisor *s = start_running(AGENT_RESTART_ALWAYS, 0);
    agent_supervisor_exited(s, 5, 7, 0, failure);
    uint32_t delay_ms = next(s).delay_ms;
    agent_supervisor_tick(s, 5 + delay_ms);
    expect(s, AGENT_LAUNCH);
    agent_supervisor_launched(s, 200, 7, 0);
    agent_supervisor_exited(s, 300, 7, 0, clean);
    expect(s, AGENT_BACKOFF);
    agent_supervisor_destroy(s);
}

TEST(the_policy_never_takes_any_end_for_good) {
    agent_supervisor *s = start_running(AGENT_RESTART_NEVER, 0);
    agent_supervisor_exited(s, 5000, 7, 0, crash);
    expect(s, AGENT_OVER);
    EXPECT_EQ(128 + SIGSEGV, next(s).exit_code);
    agent_supervisor_destroy(s);
}

TEST(the_sixth_failure_within_a_minute_is_the_last) {
    agent_supervisor *s = start_running(AGENT_RESTART_ON_FAILURE, 0);
    uint64_t now_ms = 10;
    for (int i = 0; i < 5; i++) {
        agent_supervisor_exited(s, now_ms, 7, 0, crash);
        agent_decision d = next(s);
        EXPECT_EQ(AGENT_BACKOFF, d.kind);
        now_ms += d.delay_ms;
        agent_supervisor_tick(s, now_ms);
        expect(s, AGENT_LAUNCH);
        agent_supervisor_launched(s, now_ms, 7, 0);
    }
    agent_supervisor_exited(s, now_ms, 7, 0, crash);
    agent_decision d = next(s);
    EXPECT_EQ(AGENT_FAILED, d.kind);
    EXPECT_EQ(AGENT_FAILURE_BUDGET, d.reason);
    expect(s, AGENT_ENDED);
    agent_supervisor_destroy(s);
}

TEST(the_backoff_doubles_to_15_s_and_a_long_life_starts_it_over) {
    agent_supervisor *s = start_running(AGENT_RESTART_ON_FAILURE, 0);
    uint64_t now_ms = 0;
    uint32_t least = 100;
    for (int i = 0; i < 12;
         i++) { // lives of 14 s: too short to start over, long enough for the budget
        now_ms += 14000;
        agent_supervisor_exited(s, now_ms, 7, 0, crash);
        agent_decision d = next(s);
        EXPECT_EQ(AGENT_BACKOFF, d.kind);
        EXPECT_TRUE(d.delay_ms >= least && d.delay_ms <= 15000);
        least = least * 2 < 15000 ? least * 2 : 15000;
        now_ms += d.delay_ms;
        agent_supervisor_tick(s, now_ms);
        expect(s, AGENT_LAUNCH);
        agent_supervisor_launched(s, now_ms, 7, 0);
    }
    EXPECT_EQ(15000, least);
    agent_supervisor_exited(s, now_ms + 15000, 7, 0, crash);
    EXPECT_TRUE(next(s).delay_ms <= 120);
    agent_supervisor_destroy(s);
}

TEST(stop_is_sigterm_then_sigkill_after_the_grace_time) {
    agent_supervisor *s = start_running(AGENT_RESTART_ON_FAILURE, 0);
    agent_supervisor_stop(s, 100, 7, AGENT_INSTANCE_ALL, false);
    EXPECT_EQ(SIGTERM, next(s).signal);
    EXPECT_TRUE(agent_supervisor_wake_at_ms(s) == 1100);
    agent_supervisor_tick(s, 1099);
    expect_quiet(s);
    agent_supervisor_tick(s, 1100);
    EXPECT_EQ(SIGKILL, next(s).signal);
    agent_supervisor_tick(s, 5000);
    expect_quiet(s);
    agent_supervisor_exited(s, 1101, 7, 0, (agent_exit){.code = -1, .signal = SIGKILL});
    expect(s, AGENT_OVER);
    EXPECT_EQ(137, next(s).exit_code);
    agent_supervisor_destroy(s);
}

TEST(a_second_stop_may_kill_at_once) {
    agent_supervisor *s = start_running(AGENT_RESTART_ON_FAILURE, 0);
    agent_supervisor_stop(s, 100, 7, AGENT_INSTANCE_ALL, false);
    expect(s, AGENT_SIGNAL);
    agent_supervisor_stop(s, 110, 7, AGENT_INSTANCE_ALL, false);
    expect_quiet(s);
    agent_supervisor_stop(s, 120, 7, AGENT_INSTANCE_ALL, true);
    EXPECT_EQ(SIGKILL, next(s).signal);
    agent_supervisor_destroy(s);
}

TEST(stop_ends_what_waits_for_its_restart) {
    agent_supervisor *s = start_running(AGENT_RESTART_ON_FAILURE, 0);
    agent_supervisor_exited(s, 50, 7, 0, crash);
    expect(s, AGENT_BACKOFF);
    agent_supervisor_stop(s, 60, 7, 0, false);
    expect(s, AGENT_OVER);
    EXPECT_EQ(139, next(s).exit_code);
    agent_supervisor_tick(s, 10000);
    expect_quiet(s);
    agent_supervisor_destroy(s);
}

TEST(what_is_stopped_while_it_is_launched_gets_its_signal_when_it_runs) {
    agent_supervisor *s = start(2, AGENT_RESTART_ON_FAILURE);
    expect(s, AGENT_LAUNCH);
    expect(s, AGENT_LAUNCH);
    agent_supervisor_stop(s, 1, 7, 0, false);
    agent_supervisor_stop(s, 1, 7, 1, true);
    expect_quiet(s);
    EXPECT_FALSE(agent_supervisor_wants(s, 7, 0));
    agent_supervisor_launched(s, 2, 7, 0);
    EXPECT_EQ(SIGTERM, next(s).signal);
    agent_supervisor_launched(s, 2, 7, 1);
    EXPECT_EQ(SIGKILL, next(s).signal);
    agent_supervisor_destroy(s);
}

TEST(a_launch_that_was_stopped_before_it_was_tried_leaves_exit_code_0) {
    agent_supervisor *s = start(1, AGENT_RESTART_ON_FAILURE);
    expect(s, AGENT_LAUNCH);
    agent_supervisor_stop(s, 1, 7, 0, false);
    agent_supervisor_not_launched(s, 1, 7, 0);
    expect(s, AGENT_OVER);
    EXPECT_EQ(0, next(s).exit_code);
    agent_supervisor_destroy(s);
}

TEST(one_instance_is_stopped_alone) {
    agent_supervisor *s = start(2, AGENT_RESTART_ON_FAILURE);
    expect(s, AGENT_LAUNCH);
    expect(s, AGENT_LAUNCH);
    agent_supervisor_launched(s, 1, 7, 0);
    agent_supervisor_launched(s, 1, 7, 1);
    agent_supervisor_stop(s, 2, 7, 1, false);
    EXPECT_EQ(1, next(s).instance);
    expect_quiet(s);
    agent_supervisor_exited(s, 3, 7, 1, clean);
    expect(s, AGENT_OVER);
    expect_quiet(s);
    EXPECT_TRUE(agent_supervisor_is_over(s, 7, 1));
    EXPECT_FALSE(agent_supervisor_is_over(s, 7, AGENT_INSTANCE_ALL));
    agent_supervisor_destroy(s);
}

TEST(the_exit_code_is_the_first_that_is_not_0_in_the_order_of_instances) {
    agent_supervisor *s = start(3, AGENT_RESTART_NEVER);
    for (uint32_t i = 0; i < 3; i++) {
        expect(s, AGENT_LAUNCH);
        agent_supervisor_launched(s, 0, 7, i);
    }
    agent_supervisor_exited(s, 1, 7, 2, (agent_exit){.code = 9});
    agent_supervisor_exited(s, 2, 7, 1, (agent_exit){.code = -1, .signal = SIGTERM});
    agent_supervisor_exited(s, 3, 7, 0, clean);
    for (int i = 0; i < 3; i++)
        expect(s, AGENT_OVER);
    EXPECT_EQ(128 + SIGTERM, next(s).exit_code);
    agent_supervisor_destroy(s);
}

TEST(a_launch_that_fails_at_first_is_a_failed_start_and_later_a_crash) {
    agent_supervisor *s = start(1, AGENT_RESTART_ON_FAILURE);
    expect(s, AGENT_LAUNCH);
    agent_supervisor_not_launched(s, 1, 7, 0);
    expect(s, AGENT_FAILED);
    EXPECT_EQ(1, next(s).exit_code);
    agent_supervisor_destroy(s);

    s = start_running(AGENT_RESTART_ON_FAILURE, 0);
    agent_supervisor_exited(s, 5000, 7, 0, crash);
    uint32_t delay_ms = next(s).delay_ms;
    agent_supervisor_tick(s, 5000 + delay_ms);
    expect(s, AGENT_LAUNCH);
    agent_supervisor_not_launched(s, 6000, 7, 0);
    expect(s, AGENT_BACKOFF);
    agent_supervisor_destroy(s);
}

TEST(what_cannot_be_supervised_is_refused) {
    agent_supervisor *s = agent_supervisor_create(1);
    agent_supervised spec = {.service_id = 1, .instances = 0};
    EXPECT_EQ(MESH_EINVAL, agent_supervisor_add(s, &spec));
    spec.instances = AGENT_INSTANCES_MAX + 1;
    EXPECT_EQ(MESH_EINVAL, agent_supervisor_add(s, &spec));
    spec.instances = 1;
    EXPECT_OK(agent_supervisor_add(s, &spec));
    EXPECT_EQ(MESH_EEXIST, agent_supervisor_add(s, &spec));
    for (uint32_t i = 2; i <= AGENT_SERVICES_MAX; i++) {
        spec.service_id = i;
        EXPECT_OK(agent_supervisor_add(s, &spec));
    }
    spec.service_id = 1000;
    EXPECT_EQ(MESH_EQUOTA, agent_supervisor_add(s, &spec));
    agent_supervisor_destroy(s);
}

// ---- readiness

static agent_supervisor *start_awaited(uint32_t instances, agent_ready ready) {
    agent_supervisor *s = agent_supervisor_create(1);
    EXPECT_OK(agent_supervisor_add(s, &(agent_supervised){.service_id = 7,
                                                          .instances = instances,
                                                          .rules.grace_ms = 1000,
                                                          .rules.ready = ready,
                                                          .rules.start_timeout_ms = 3000}));
    for (uint32_t i = 0; i < instances; i++) {
        expect(s, AGENT_LAUNCH);
        agent_supervisor_launched(s, 0, 7, i);
    }
    return s;
}

static void expect_ready(agent_supervisor *s, uint32_t instance) {
    agent_decision d;
    EXPECT_TRUE(agent_supervisor_poll(s, &d));
    EXPECT_EQ(AGENT_NOW_READY, d.kind);
    EXPECT_EQ(instance, d.instance);
    EXPECT_TRUE(agent_supervisor_is_ready(s, 7, instance));
}

static void expect_nothing(agent_supervisor *s) {
    agent_decision d;
    EXPECT_FALSE(agent_supervisor_poll(s, &d));
}

TEST(a_sign_that_was_not_asked_for_makes_nobody_ready) {
    static const agent_sign wanted[] = {[AGENT_READY_MESH] = AGENT_SIGN_MESH,
                                        [AGENT_READY_LISTEN] = AGENT_SIGN_LISTENS,
                                        [AGENT_READY_MESSAGE] = AGENT_SIGN_MESSAGE};
    for (int ready = AGENT_READY_MESH; ready <= AGENT_READY_MESSAGE; ready++) {
        agent_supervisor *s = start_awaited(1, (agent_ready)ready);
        for (int sign = AGENT_SIGN_SERVES; sign <= AGENT_SIGN_MESH; sign++)
            if (sign != (int)wanted[ready]) agent_supervisor_sign(s, 5, 7, 0, (agent_sign)sign);
        expect_nothing(s);
        EXPECT_TRUE(agent_supervisor_is_awaited(s, 7, 0));
        agent_supervisor_sign(s, 6, 7, 0, wanted[ready]);
        expect_ready(s, 0);
        EXPECT_TRUE(agent_supervisor_wake_at_ms(s) == UINT64_MAX);
        agent_supervisor_sign(s, 7, 7, 0, wanted[ready]); // may be said again
        expect_nothing(s);
        agent_supervisor_destroy(s);
    }
}

TEST(by_itself_the_first_sign_of_any_kind_makes_ready) {
    for (int sign = AGENT_SIGN_SERVES; sign <= AGENT_SIGN_MESH; sign++) {
        agent_supervisor *s = start_awaited(1, AGENT_READY_AUTO);
        EXPECT_FALSE(agent_supervisor_is_ready(s, 7, 0));
        EXPECT_FALSE(agent_supervisor_is_awaited(s, 7, 0)); // nobody knows that it gives one
        agent_supervisor_sign(s, 5, 7, 0, (agent_sign)sign);
        expect_ready(s, 0);
        agent_supervisor_destroy(s);
    }
}

TEST(a_program_that_gives_no_sign_is_ready_after_a_second) {
    agent_supervisor *s = start_awaited(1, AGENT_READY_AUTO);
    agent_supervisor_tick(s, AGENT_SETTLE_MS - 1);
    expect_nothing(s);
    agent_supervisor_tick(s, AGENT_SETTLE_MS);
    expect_ready(s, 0);
    agent_supervisor_destroy(s);
}

TEST(a_service_that_is_known_to_say_more_is_waited_for) {
    agent_supervisor *s = start_awaited(1, AGENT_READY_AUTO);
    agent_supervisor_sign(s, 5, 7, 0, AGENT_SIGN_SERVES);
    expect_ready(s, 0);
    agent_supervisor_sign(s, 900, 7, 0, AGENT_SIGN_MESH); // it has more to say than was thought
    agent_supervisor_exited(s, 1000, 7, 0, crash);
    uint32_t delay_ms = next(s).delay_ms;
    agent_supervisor_tick(s, 1000 + delay_ms);
    expect(s, AGENT_LAUNCH);
    agent_supervisor_launched(s, 2000, 7, 0);
    EXPECT_TRUE(agent_supervisor_is_awaited(s, 7, 0));
    agent_supervisor_sign(s, 2005, 7, 0, AGENT_SIGN_SERVES);
    expect_nothing(s);
    agent_supervisor_tick(s, 2000 + AGENT_SETTLE_KNOWN_MS - 1);
    expect_nothing(s);
    // A new version of it may not say it any more.
    agent_supervisor_tick(s, 2000 + AGENT_SETTLE_KNOWN_MS);
    expect_ready(s, 0);
    agent_supervisor_destroy(s);
}

TEST(what_is_not_ready_in_time_is_killed_and_counts_as_a_crash) {
    agent_supervisor *s = start_awaited(1, AGENT_READY_MESH);
    agent_supervisor_tick(s, 2999);
    expect_nothing(s);
    agent_supervisor_tick(s, 3000);
    EXPECT_EQ(3000, next(s).delay_ms);
    EXPECT_EQ(SIGKILL, next(s).signal);
    agent_supervisor_sign(s, 3001, 7, 0, AGENT_SIGN_MESH); // too late
    expect_nothing(s);
    agent_supervisor_exited(s, 3002, 7, 0, (agent_exit){.code = -1, .signal = SIGKILL});
    agent_decision d = next(s);
    EXPECT_EQ(AGENT_BACKOFF, d.kind);
    agent_supervisor_tick(s, 3002 + d.delay_ms);
    expect(s, AGENT_LAUNCH);
    agent_supervisor_launched(s, 4000, 7, 0);
    agent_supervisor_sign(s, 4001, 7, 0, AGENT_SIGN_MESH);
    expect_ready(s, 0);
    agent_supervisor_stop(s, 5000, 7, 0, false); // and it can be stopped as any other
    EXPECT_EQ(SIGTERM, next(s).signal);
    agent_supervisor_tick(s, 6000);
    EXPECT_EQ(SIGKILL, next(s).signal);
    agent_supervisor_destroy(s);
}

TEST(one_that_has_given_the_sign_of_other_rules_is_ready_by_them) {
    agent_supervisor *s = start_awaited(1, AGENT_READY_MESSAGE);
    agent_supervisor_sign(s, 100, 7, 0, AGENT_SIGN_LISTENS);
    expect_nothing(s);
    agent_rules rules = {.ready = AGENT_READY_MESH};
    EXPECT_OK(agent_supervisor_change(s, 200, 7, 0, &rules));
    expect_nothing(s);
    rules.ready = AGENT_READY_LISTEN;
    EXPECT_OK(agent_supervisor_change(s, 300, 7, 0, &rules));
    expect_ready(s, 0);
    EXPECT_EQ(UINT64_MAX, agent_supervisor_wake_at_ms(s));
    agent_supervisor_destroy(s);
}

TEST(one_that_needs_no_sign_by_other_rules_is_ready_by_them) {
    agent_supervisor *s = start_awaited(1, AGENT_READY_MESSAGE);
    agent_rules rules = {.ready = AGENT_READY_STARTED};
    EXPECT_OK(agent_supervisor_change(s, 200, 7, AGENT_INSTANCE_ALL, &rules));
    expect_ready(s, 0);
    agent_supervisor_destroy(s);
}

TEST(one_that_waits_has_the_time_of_other_rules_from_then_on) {
    agent_supervisor *s = start_awaited(1, AGENT_READY_MESSAGE);
    agent_rules rules = {.ready = AGENT_READY_MESH, .start_timeout_ms = 500};
    EXPECT_OK(agent_supervisor_change(s, 2000, 7, 0, &rules));
    EXPECT_EQ(2500, agent_supervisor_wake_at_ms(s));
    rules.grace_ms = 1; // which has nothing to do with it
    EXPECT_OK(agent_supervisor_change(s, 2400, 7, 0, &rules));
    EXPECT_EQ(2500, agent_supervisor_wake_at_ms(s));
    agent_supervisor_tick(s, 2500);
    expect(s, AGENT_TOO_LATE);
    agent_supervisor_destroy(s);
}

TEST(what_a_life_before_has_said_is_no_sign_of_the_next) {
    agent_supervisor *s = start_awaited(1, AGENT_READY_MESSAGE);
    agent_supervisor_sign(s, 100, 7, 0, AGENT_SIGN_LISTENS);
    agent_supervisor_restart(s, 200, 7, 0);
    agent_supervisor_exited(s, 300, 7, 0, clean);
    agent_supervisor_launched(s, 400, 7, 0);
    agent_decision d;
    while (agent_supervisor_poll(s, &d))
        continue;
    agent_rules rules = {.ready = AGENT_READY_LISTEN};
    EXPECT_OK(agent_supervisor_change(s, 500, 7, 0, &rules));
    expect_nothing(s);
    agent_supervisor_destroy(s);
}

TEST(nobody_waits_for_one_that_is_being_stopped) {
    agent_supervisor *s = start_awaited(1, AGENT_READY_MESH);
    agent_supervisor_stop(s, 2500, 7, 0, false);
    EXPECT_EQ(SIGTERM, next(s).signal);
    agent_supervisor_sign(s, 2600, 7, 0, AGENT_SIGN_MESH);
    agent_supervisor_tick(s, 3400);
    expect_nothing(s);
    agent_supervisor_destroy(s);
}

// ---- what can be chosen

TEST(the_budget_can_be_chosen_and_what_is_older_than_its_time_does_not_count) {
    agent_supervisor *s = agent_supervisor_create(1);
    EXPECT_OK(agent_supervisor_add(s, &(agent_supervised){.service_id = 7,
                                                          .instances = 1,
                                                          .rules.ready = AGENT_READY_STARTED,
                                                          .rules.budget = {true, 2, 10000}}));
    expect(s, AGENT_LAUNCH);
    const uint64_t ends_at_ms[] = {1000, 10000, 12000, 13000}; // 13000: the first is long forgotten
    for (int i = 0; i < 4; i++) {
        agent_supervisor_launched(s, ends_at_ms[i] - 10, 7, 0);
        agent_supervisor_exited(s, ends_at_ms[i], 7, 0, crash);
        agent_decision d = next(s);
        if (i == 3) {
            EXPECT_EQ(AGENT_FAILED, d.kind);
            EXPECT_EQ(AGENT_FAILURE_BUDGET, d.reason);
            EXPECT_EQ(2, d.budget.restarts);
            break;
        }
        EXPECT_EQ(AGENT_BACKOFF, d.kind);
        agent_supervisor_tick(s, ends_at_ms[i] + d.delay_ms);
        expect(s, AGENT_LAUNCH);
    }
    agent_supervisor_destroy(s);
}

TEST(a_budget_of_none_makes_the_first_failure_the_last) {
    agent_supervisor *s = agent_supervisor_create(1);
    EXPECT_OK(agent_supervisor_add(
        s, &(agent_supervised){.service_id = 7, .instances = 1, .rules.budget = {true, 0, 60000}}));
    expect(s, AGENT_LAUNCH);
    agent_supervisor_launched(s, 0, 7, 0);
    agent_supervisor_exited(s, 5000, 7, 0, crash);
    expect(s, AGENT_FAILED);
    agent_supervisor_destroy(s);
}

TEST(the_signal_of_a_stop_can_be_chosen) {
    agent_supervisor *s = agent_supervisor_create(1);
    EXPECT_OK(agent_supervisor_add(s, &(agent_supervised){.service_id = 7,
                                                          .instances = 1,
                                                          .rules.grace_ms = 1000,
                                                          .rules.ready = AGENT_READY_STARTED,
                                                          .rules.stop_signal = SIGINT}));
    expect(s, AGENT_LAUNCH);
    agent_supervisor_launched(s, 0, 7, 0);
    agent_supervisor_stop(s, 10, 7, 0, false);
    EXPECT_EQ(SIGINT, next(s).signal);
    agent_supervisor_tick(s, 1010);
    EXPECT_EQ(SIGKILL, next(s).signal);
    agent_supervisor_destroy(s);
}

// ---- restarts by hand

TEST(a_restart_by_hand_ends_a_life_as_a_stop_does_and_starts_the_next_at_once) {
    agent_supervisor *s = start_running(AGENT_RESTART_NEVER, 0);
    agent_supervisor_restart(s, 100, 7, AGENT_INSTANCE_ALL);
    EXPECT_EQ(SIGTERM, next(s).signal);
    EXPECT_FALSE(agent_supervisor_is_ready(s, 7, 0));
    agent_supervisor_restart(s, 110, 7, AGENT_INSTANCE_ALL); // it is on its way
    expect_quiet(s);
    agent_supervisor_tick(s, 1100);
    EXPECT_EQ(SIGKILL, next(s).signal);
    agent_supervisor_exited(s, 1101, 7, 0, (agent_exit){-1, SIGKILL});
    expect(s, AGENT_AGAIN);
    expect(s, AGENT_LAUNCH);
    agent_supervisor_launched(s, 1102, 7, 0);
    EXPECT_TRUE(agent_supervisor_is_ready(s, 7, 0));
    agent_supervisor_destroy(s);
}

TEST(a_stop_is_stronger_than_a_restart_whichever_comes_first) {
    for (int is_first = 0; is_first < 2; is_first++) {
        agent_supervisor *s = start_running(AGENT_RESTART_ON_FAILURE, 0);
        if (is_first) agent_supervisor_stop(s, 100, 7, 0, false);
        agent_supervisor_restart(s, 101, 7, 0);
        if (!is_first) agent_supervisor_stop(s, 102, 7, 0, false);
        EXPECT_EQ(SIGTERM, next(s).signal);
        expect_quiet(s);
        agent_supervisor_exited(s, 103, 7, 0, clean);
        expect(s, AGENT_OVER);
        expect(s, AGENT_ENDED);
        expect_quiet(s);
        agent_supervisor_destroy(s);
    }
}

TEST(what_is_over_is_started_again_by_hand_with_a_fresh_budget) {
    agent_supervisor *s = start_running(AGENT_RESTART_ON_FAILURE, 0);
    agent_supervisor_exited(s, 10, 7, 0, failure);
    expect(s, AGENT_FAILED);
    expect(s, AGENT_ENDED);
    agent_supervisor_restart(s, 5000, 7, AGENT_INSTANCE_ALL);
    expect(s, AGENT_LAUNCH);
    EXPECT_FALSE(agent_supervisor_is_over(s, 7, AGENT_INSTANCE_ALL));
    agent_supervisor_launched(s, 5001, 7, 0);
    agent_supervisor_exited(s, 5002, 7, 0, failure); // it still does not work
    EXPECT_EQ(AGENT_FAILURE_START, next(s).reason);
    expect(s, AGENT_ENDED);
    agent_supervisor_destroy(s);
}

TEST(what_waits_for_its_backoff_is_started_at_once_by_hand) {
    agent_supervisor *s = start_running(AGENT_RESTART_ON_FAILURE, 0);
    agent_supervisor_exited(s, 50, 7, 0, crash);
    expect(s, AGENT_BACKOFF);
    agent_supervisor_restart(s, 60, 7, 0);
    expect(s, AGENT_LAUNCH);
    agent_supervisor_tick(s, 5000);
    expect_quiet(s);
    agent_supervisor_destroy(s);
}
