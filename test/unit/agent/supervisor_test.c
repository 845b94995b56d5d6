#include "agent/supervisor.h"

#include <signal.h>
#include <stdlib.h>

#include "core/error.h"
#include "test.h"

static agent_supervisor *start(uint32_t instances, agent_restart restart) {
    agent_supervisor *s = agent_supervisor_create(1);
    EXPECT_OK(agent_supervisor_add(s, &(agent_supervised){.service_id = 7,
                                                          .instances = instances,
                                                          .rules.restart = restart,
                                                          .rules.grace_ms = 1000,
                                                          .rules.ready = AGENT_READY_STARTED}));
    return s;
}

// The next decision, but for those about readiness, which have tests of their own.
static bool poll_life(agent_supervisor *s, agent_decision *out) {
    while (agent_supervisor_poll(s, out))
        if (out->kind != AGENT_NOW_READY) return true;
    return false;
}

static agent_decision next(agent_supervisor *s) {
    agent_decision d;
    EXPECT_TRUE(poll_life(s, &d));
    EXPECT_EQ(7, d.service_id);
    return d;
}

static void expect(agent_supervisor *s, agent_decision_kind kind) {
    EXPECT_EQ(kind, next(s).kind);
}

static void expect_quiet(agent_supervisor *s) {
    agent_decision d;
    EXPECT_FALSE(poll_life(s, &d));
}

static const agent_exit clean = {.code = 0}, failure = {.code = 1},
                        crash = {.code = -1, .signal = SIGSEGV};

// One instance that runs since `now_ms`.
static agent_supervisor *start_running(agent_restart restart, uint64_t now_ms) {
    agent_supervisor *s = start(1, restart);
    expect(s, AGENT_LAUNCH);
    agent_supervisor_launched(s, now_ms, 7, 0);
    return s;
}

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

// ---- groups: the services are 1, 2, 3 ... of one instance each, ready as soon as they run

static agent_supervisor *start_group(uint32_t count, agent_strategy strategy) {
    agent_supervisor *s = agent_supervisor_create(1);
    for (uint32_t id = 1; id <= count; id++) {
        EXPECT_OK(agent_supervisor_add(s, &(agent_supervised){.service_id = id,
                                                              .instances = 1,
                                                              .rules.grace_ms = 1000,
                                                              .rules.ready = AGENT_READY_STARTED,
                                                              .group_id = 1,
                                                              .strategy = strategy}));
        agent_supervisor_launched(s, 0, id, 0);
    }
    agent_decision d;
    while (agent_supervisor_poll(s, &d))
        continue;
    return s;
}

static void expect_of(agent_supervisor *s, uint32_t service_id, agent_decision_kind kind) {
    agent_decision d;
    EXPECT_TRUE(poll_life(s, &d));
    EXPECT_EQ(service_id, d.service_id);
    EXPECT_EQ(kind, d.kind);
}

TEST(one_for_all_stops_the_group_in_reverse_and_starts_it_in_order) {
    agent_supervisor *s = start_group(3, AGENT_ONE_FOR_ALL);
    agent_supervisor_exited(s, 2000, 2, 0, crash);
    expect_of(s, 2, AGENT_BACKOFF);
    expect_of(s, 3, AGENT_SIGNAL); // the last one first, and alone
    expect_quiet(s);
    agent_supervisor_exited(s, 2100, 3, 0, clean);
    expect_of(s, 3, AGENT_HELD);
    expect_of(s, 1, AGENT_SIGNAL);
    agent_supervisor_exited(s, 2200, 1, 0, clean);
    expect_of(s, 1, AGENT_HELD);
    if (agent_supervisor_wake_at_ms(s) < UINT64_MAX)
        agent_supervisor_tick(s, agent_supervisor_wake_at_ms(s));
    for (uint32_t id = 1; id <= 3; id++) {
        expect_of(s, id, AGENT_LAUNCH);
        expect_quiet(s); // each when the one before it is ready
        agent_supervisor_launched(s, 3000 + id, id, 0);
    }
    expect_quiet(s);
    agent_supervisor_destroy(s);
}

TEST(rest_for_one_leaves_those_alone_that_joined_before) {
    agent_supervisor *s = start_group(3, AGENT_REST_FOR_ONE);
    agent_supervisor_exited(s, 2000, 2, 0, crash);
    expect_of(s, 2, AGENT_BACKOFF);
    expect_of(s, 3, AGENT_SIGNAL);
    agent_supervisor_exited(s, 2001, 3, 0, clean);
    expect_of(s, 3, AGENT_HELD);
    expect_quiet(s);
    agent_supervisor_tick(s, agent_supervisor_wake_at_ms(s));
    expect_of(s, 2, AGENT_LAUNCH);
    agent_supervisor_launched(s, 3000, 2, 0);
    expect_of(s, 3, AGENT_LAUNCH);
    agent_supervisor_destroy(s);
}

TEST(one_for_one_is_the_business_of_one) {
    agent_supervisor *s = start_group(3, AGENT_ONE_FOR_ONE);
    agent_supervisor_exited(s, 2000, 2, 0, crash);
    expect_of(s, 2, AGENT_BACKOFF);
    expect_quiet(s);
    agent_supervisor_tick(s, agent_supervisor_wake_at_ms(s));
    expect_of(s, 2, AGENT_LAUNCH);
    expect_quiet(s);
    agent_supervisor_destroy(s);
}

TEST(a_clean_end_and_a_stop_by_hand_restart_no_group) {
    agent_supervisor *s = start_group(3, AGENT_ONE_FOR_ALL);
    agent_supervisor_exited(s, 2000, 1, 0, clean);
    expect_of(s, 1, AGENT_OVER);
    expect_of(s, 1, AGENT_ENDED);
    agent_supervisor_stop(s, 2001, 2, 0, false);
    expect_of(s, 2, AGENT_SIGNAL);
    agent_supervisor_exited(s, 2002, 2, 0, crash);
    expect_of(s, 2, AGENT_OVER);
    expect_of(s, 2, AGENT_ENDED);
    expect_quiet(s);
    // Nor does a restart of the others bring them back.
    agent_supervisor_exited(s, 3000, 3, 0, crash);
    expect_of(s, 3, AGENT_BACKOFF);
    agent_supervisor_tick(s, agent_supervisor_wake_at_ms(s));
    expect_of(s, 3, AGENT_LAUNCH);
    expect_quiet(s);
    agent_supervisor_destroy(s);
}

TEST(a_group_that_uses_up_its_budget_is_given_up_as_a_whole) {
    agent_supervisor *s = start_group(2, AGENT_ONE_FOR_ALL);
    uint64_t now_ms = 2000;
    for (uint32_t n = 0; n < AGENT_RESTARTS_DEFAULT; n++) {
        uint32_t bad = 1 + n % 2, good = 3 - bad; // now the one, now the other: one budget
        agent_supervisor_exited(s, now_ms, bad, 0, crash);
        expect_of(s, bad, AGENT_BACKOFF);
        expect_of(s, good, AGENT_SIGNAL);
        agent_supervisor_exited(s, now_ms, good, 0, clean);
        expect_of(s, good, AGENT_HELD);
        now_ms = agent_supervisor_wake_at_ms(s);
        agent_supervisor_tick(s, now_ms);
        for (uint32_t id = 1; id <= 2; id++) {
            expect_of(s, id, AGENT_LAUNCH);
            agent_supervisor_launched(s, now_ms, id, 0);
        }
    }
    agent_supervisor_exited(s, now_ms, 1, 0, crash);
    expect_of(s, 1, AGENT_FAILED);
    expect_of(s, 1, AGENT_ENDED);
    expect_of(s, 2, AGENT_SIGNAL);
    agent_supervisor_exited(s, now_ms, 2, 0, clean);
    agent_decision d;
    EXPECT_TRUE(poll_life(s, &d));
    EXPECT_EQ(AGENT_FAILED, d.kind);
    EXPECT_EQ(AGENT_FAILURE_GROUP, d.reason);
    expect_of(s, 2, AGENT_ENDED);
    agent_supervisor_destroy(s);
}

TEST(a_newcomer_that_never_worked_leaves_its_group_alone) {
    agent_supervisor *s = start_group(3, AGENT_ONE_FOR_ALL);
    EXPECT_OK(agent_supervisor_add(
        s, &(agent_supervised){
               .service_id = 4, .instances = 1, .group_id = 1, .strategy = AGENT_ONE_FOR_ALL}));
    expect_of(s, 4, AGENT_LAUNCH);
    agent_supervisor_launched(s, 2000, 4, 0);
    agent_supervisor_exited(s, 2010, 4, 0, failure);
    expect_of(s, 4, AGENT_FAILED);
    expect_of(s, 4, AGENT_ENDED);
    expect_quiet(s);
    agent_supervisor_destroy(s);
}

TEST(one_that_joins_while_its_group_is_restarted_waits_for_its_turn) {
    agent_supervisor *s = start_group(1, AGENT_ONE_FOR_ALL);
    agent_supervisor_exited(s, 2000, 1, 0, crash);
    expect_of(s, 1, AGENT_BACKOFF);
    EXPECT_OK(agent_supervisor_add(
        s, &(agent_supervised){
               .service_id = 2, .instances = 1, .group_id = 1, .strategy = AGENT_ONE_FOR_ALL}));
    expect_quiet(s);
    agent_supervisor_tick(s, agent_supervisor_wake_at_ms(s));
    expect_of(s, 1, AGENT_LAUNCH);
    expect_quiet(s);
    agent_supervisor_launched(s, 2500, 1, 0);
    expect_of(s, 2, AGENT_LAUNCH);
    agent_supervisor_destroy(s);
}

TEST(a_group_has_one_strategy) {
    agent_supervisor *s = start_group(1, AGENT_ONE_FOR_ALL);
    agent_supervised spec = {
        .service_id = 2, .instances = 1, .group_id = 1, .strategy = AGENT_REST_FOR_ONE};
    EXPECT_EQ(MESH_EINVAL, agent_supervisor_add(s, &spec));
    agent_supervisor_destroy(s);
}

TEST(when_all_is_stopped_groups_end_in_reverse) {
    agent_supervisor *s = start_group(3, AGENT_ONE_FOR_ONE);
    agent_supervisor_stop_all(s, 2000, false);
    for (uint32_t id = 3; id >= 1; id--) {
        expect_of(s, id, AGENT_SIGNAL);
        expect_quiet(s);
        agent_supervisor_exited(s, 2000, id, 0, id == 2 ? crash : clean);
        expect_of(s, id, AGENT_OVER);
        expect_of(s, id, AGENT_ENDED);
    }
    expect_quiet(s);
    agent_supervisor_destroy(s);

    s = start_group(3, AGENT_ONE_FOR_ONE);
    agent_supervisor_stop_all(s, 2000, true); // at once
    agent_decision d;
    for (int n = 0; n < 3; n++) {
        EXPECT_TRUE(poll_life(s, &d));
        EXPECT_EQ(SIGKILL, d.signal);
    }
    expect_quiet(s);
    agent_supervisor_destroy(s);
}

// ---- random lives

enum { INSTANCES = 4, STEPS = 400 };

typedef struct world { // what the driver and the kernel would know
    agent_supervisor *s;
    bool is_asked[INSTANCES], is_running[INSTANCES], is_over[INSTANCES];
    uint64_t now_ms, restarts_at_ms[INSTANCES][STEPS * 2], stop_at_ms;
    uint32_t launches[INSTANCES], restart_count[INSTANCES];
    bool is_stopped, is_ended, was_terminated[INSTANCES];
    uint64_t terminated_at_ms[INSTANCES];
} world;

static void take_launch(world *w, uint32_t i) {
    EXPECT_FALSE(w->is_asked[i] || w->is_running[i] || w->is_over[i]); // one life at a time
    EXPECT_FALSE(w->is_stopped);
    w->is_asked[i] = true;
    w->launches[i]++;
}

static void take_backoff(world *w, const agent_decision *d) {
    uint32_t i = d->instance;
    EXPECT_TRUE(d->delay_ms >= AGENT_BACKOFF_MIN_MS && d->delay_ms <= AGENT_BACKOFF_MAX_MS);
    EXPECT_FALSE(w->is_stopped);
    if (d->how.code == 0 && d->how.signal == 0) return; // no failure: not in the budget
    uint32_t n = w->restart_count[i]++, recent = 1;
    w->restarts_at_ms[i][n] = w->now_ms;
    for (uint32_t k = 0; k < n; k++)
        recent += w->now_ms - w->restarts_at_ms[i][k] < AGENT_RESTARTS_WINDOW_MS;
    EXPECT_TRUE(recent <= AGENT_RESTARTS_DEFAULT);
}

static void take(world *w, const agent_decision *d) {
    uint32_t i = d->instance;
    EXPECT_FALSE(w->is_ended); // nothing comes after the end
    switch (d->kind) {
    case AGENT_LAUNCH: take_launch(w, i); return;
    case AGENT_SIGNAL:
        EXPECT_TRUE(w->is_stopped && w->is_running[i]);
        if (d->signal == SIGTERM) {
            EXPECT_FALSE(w->was_terminated[i]);
            w->was_terminated[i] = true;
            w->terminated_at_ms[i] = w->now_ms;
        } else {
            EXPECT_TRUE(w->now_ms >= w->terminated_at_ms[i] + 1000);
        }
        return;
    case AGENT_BACKOFF: take_backoff(w, d); return;
    case AGENT_OVER:
    case AGENT_FAILED:
        EXPECT_FALSE(w->is_over[i] || w->is_running[i]);
        w->is_over[i] = true;
        return;
    case AGENT_ENDED:
        for (i = 0; i < INSTANCES; i++)
            EXPECT_TRUE(w->is_over[i]);
        w->is_ended = true;
        return;
    default: return; // of readiness
    }
}

static void take_all(world *w) {
    agent_decision d;
    while (agent_supervisor_poll(w->s, &d))
        take(w, &d);
}

static void step(world *w, unsigned *seed) {
    uint32_t i = (uint32_t)rand_r(seed) % INSTANCES;
    int dice = rand_r(seed) % 10;
    w->now_ms += (uint64_t)(rand_r(seed) % 8) * (uint64_t)(rand_r(seed) % 500);
    if (w->is_asked[i] && dice < 8) {
        w->is_asked[i] = false;
        w->is_running[i] = dice > 0;
        if (dice > 0)
            agent_supervisor_launched(w->s, w->now_ms, 7, i);
        else
            agent_supervisor_not_launched(w->s, w->now_ms, 7, i);
    } else if (w->is_running[i] && dice < 4) {
        static const agent_exit ends[] = {{.code = 0}, {.code = 3}, {-1, SIGKILL}, {-1, 0}};
        w->is_running[i] = false;
        agent_supervisor_exited(w->s, w->now_ms, 7, i, ends[rand_r(seed) % 4]);
    }
    take_all(w);
    agent_supervisor_tick(w->s, w->now_ms);
    take_all(w);
    EXPECT_TRUE(agent_supervisor_wake_at_ms(w->s) > w->now_ms); // all that was due was done
}

static void finish_all(world *w) {
    w->is_stopped = true;
    agent_supervisor_stop(w->s, w->now_ms, 7, AGENT_INSTANCE_ALL, false);
    take_all(w);
    for (uint32_t i = 0; i < INSTANCES; i++) {
        if (w->is_asked[i]) {
            w->is_asked[i] = false;
            w->is_running[i] = true;
            agent_supervisor_launched(w->s, w->now_ms, 7, i);
            take_all(w);
        }
    }
    w->now_ms += 1000;
    agent_supervisor_tick(w->s, w->now_ms);
    take_all(w);
    for (uint32_t i = 0; i < INSTANCES; i++) {
        if (!w->is_running[i]) continue;
        w->is_running[i] = false;
        agent_supervisor_exited(w->s, w->now_ms, 7, i, (agent_exit){-1, SIGKILL});
        take_all(w);
    }
    EXPECT_TRUE(w->is_ended);
    EXPECT_TRUE(agent_supervisor_wake_at_ms(w->s) == UINT64_MAX);
}

TEST(random_lives_keep_the_rules) {
    for (unsigned run = 0; run < 300; run++) {
        unsigned seed = run;
        static world w;
        w = (world){.s = agent_supervisor_create(run)};
        EXPECT_OK(agent_supervisor_add(
            w.s, &(agent_supervised){.service_id = 7,
                                     .instances = INSTANCES,
                                     .rules.restart = (agent_restart)(run % 3),
                                     .rules.grace_ms = 1000,
                                     .rules.ready =
                                         run % 2 == 0 ? AGENT_READY_AUTO : AGENT_READY_STARTED}));
        take_all(&w);
        for (int i = 0; i < STEPS && !w.is_ended; i++)
            step(&w, &seed);
        if (!w.is_ended) finish_all(&w);
        agent_supervisor_remove(w.s, 7);
        EXPECT_TRUE(agent_supervisor_is_over(w.s, 7, 0));
        agent_supervisor_destroy(w.s);
    }
}
