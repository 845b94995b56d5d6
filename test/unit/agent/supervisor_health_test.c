// What becomes of instances that are asked whether they are well.
#include "core/error.h"
#include "supervisor_fixture.h"

static const agent_health_rules rules = {
    .is_checked = true, .interval_ms = 10000, .timeout_ms = 200, .failures = 2};

static agent_rules of(agent_restart restart, agent_ready ready) {
    return (agent_rules){.restart = restart,
                         .grace_ms = 1000,
                         .ready = ready,
                         .start_timeout_ms = 3000,
                         .health = rules};
}

static agent_supervisor *start_checked(agent_restart restart, agent_ready ready) {
    agent_supervisor *s = agent_supervisor_create(1);
    EXPECT_OK(agent_supervisor_add(
        s, &(agent_supervised){.service_id = 7, .instances = 1, .rules = of(restart, ready)}));
    expect(s, AGENT_LAUNCH);
    agent_supervisor_launched(s, 0, 7, 0);
    return s;
}

// It is asked now, and answers.
static void answer(agent_supervisor *s, uint64_t now_ms, bool is_good) {
    agent_supervisor_tick(s, now_ms);
    agent_decision d = next(s);
    EXPECT_EQ(AGENT_CHECK, d.kind);
    EXPECT_EQ(200, d.delay_ms);
    agent_supervisor_checked(s, now_ms, 7, 0, d.number, is_good);
}

static agent_supervisor *start_well(agent_restart restart) {
    agent_supervisor *s = start_checked(restart, AGENT_READY_STARTED);
    answer(s, 0, true);
    EXPECT_TRUE(agent_supervisor_is_ready(s, 7, 0));
    return s;
}

static void expect_unhealthy(agent_supervisor *s, uint64_t now_ms) {
    answer(s, now_ms, false);
    answer(s, now_ms + 10000, false);
    agent_decision d = next(s);
    EXPECT_EQ(AGENT_UNHEALTHY, d.kind);
    EXPECT_EQ(2, d.failures);
    EXPECT_EQ(SIGTERM, next(s).signal);
    EXPECT_FALSE(agent_supervisor_is_ready(s, 7, 0));
    EXPECT_TRUE(agent_supervisor_is_leaving(s, 7, 0));
}

TEST(it_is_ready_when_it_has_given_its_sign_and_is_well) {
    agent_supervisor *s = start_checked(AGENT_RESTART_ON_FAILURE, AGENT_READY_MESH);
    agent_supervisor_tick(s, 50);
    expect_quiet(s); // nobody asks before it says that it can
    agent_supervisor_sign(s, 100, 7, 0, AGENT_SIGN_MESH);
    answer(s, 100, false);
    EXPECT_FALSE(agent_supervisor_is_ready(s, 7, 0));
    EXPECT_TRUE(agent_supervisor_is_awaited(s, 7, 0));
    answer(s, 100 + AGENT_HEALTH_START_MS, true);
    EXPECT_TRUE(agent_supervisor_is_ready(s, 7, 0));
    EXPECT_EQ(100 + AGENT_HEALTH_START_MS + 10000, agent_supervisor_wake_at_ms(s));
    agent_supervisor_destroy(s);
}

TEST(one_that_is_not_well_in_time_is_late_whatever_sign_is_waited_for) {
    for (int ready = AGENT_READY_AUTO; ready <= AGENT_READY_STARTED; ready += AGENT_READY_STARTED) {
        agent_supervisor *s = start_checked(AGENT_RESTART_ON_FAILURE, (agent_ready)ready);
        uint64_t now_ms = 0;
        agent_decision d = {.kind = AGENT_CHECK};
        while (d.kind == AGENT_CHECK) {
            now_ms = agent_supervisor_wake_at_ms(s);
            agent_supervisor_tick(s, now_ms);
            if (!poll_life(s, &d)) continue;
            if (d.kind == AGENT_CHECK) agent_supervisor_checked(s, now_ms, 7, 0, d.number, false);
        }
        EXPECT_EQ(AGENT_TOO_LATE, d.kind);
        EXPECT_EQ(3000, now_ms);
        EXPECT_EQ(SIGKILL, next(s).signal);
        expect_quiet(s);
        agent_supervisor_destroy(s);
    }
}

TEST(who_gives_its_sign_at_the_last_moment_has_time_for_one_answer) {
    agent_supervisor *s = start_checked(AGENT_RESTART_ON_FAILURE, AGENT_READY_MESH);
    agent_supervisor_sign(s, 2999, 7, 0, AGENT_SIGN_MESH);
    agent_decision d = next(s);
    agent_supervisor_tick(s, 3100);
    expect_quiet(s);
    agent_supervisor_checked(s, 3150, 7, 0, d.number, true);
    EXPECT_TRUE(agent_supervisor_is_ready(s, 7, 0));
    agent_supervisor_destroy(s);
}

TEST(one_that_fails_again_and_again_is_told_to_end_and_has_crashed_however_it_ends) {
    static const agent_exit ends[] = {{.code = 0}, {.code = 3}, {.code = -1, .signal = SIGTERM}};
    for (size_t i = 0; i < 3; i++) {
        agent_supervisor *s = start_well(AGENT_RESTART_ON_FAILURE);
        expect_unhealthy(s, 10000);
        agent_supervisor_exited(s, 20100, 7, 0, ends[i]);
        agent_decision d = next(s);
        EXPECT_EQ(AGENT_BACKOFF, d.kind);
        EXPECT_TRUE(agent_exit_code(d.how) != 0);
        agent_supervisor_destroy(s);
    }
}

TEST(one_that_is_deaf_is_killed_when_its_grace_time_is_over) {
    agent_supervisor *s = start_well(AGENT_RESTART_ON_FAILURE);
    expect_unhealthy(s, 10000);
    agent_supervisor_tick(s, 20999);
    expect_quiet(s); // it is not asked any more either
    agent_supervisor_tick(s, 21000);
    EXPECT_EQ(SIGKILL, next(s).signal);
    agent_supervisor_destroy(s);
}

TEST(what_is_never_restarted_has_failed_with_an_exit_code) {
    agent_supervisor *s = start_well(AGENT_RESTART_NEVER);
    expect_unhealthy(s, 10000);
    agent_supervisor_exited(s, 20100, 7, 0, clean);
    expect(s, AGENT_OVER);
    EXPECT_EQ(1, next(s).exit_code);
    agent_supervisor_destroy(s);
}

TEST(a_stop_and_a_restart_by_hand_are_stronger_than_bad_health) {
    agent_supervisor *s = start_well(AGENT_RESTART_ON_FAILURE);
    expect_unhealthy(s, 10000);
    agent_supervisor_restart(s, 20050, 7, 0);
    expect_quiet(s); // it has its signal
    agent_supervisor_exited(s, 20100, 7, 0, clean);
    expect(s, AGENT_AGAIN);
    expect(s, AGENT_LAUNCH);
    agent_supervisor_launched(s, 20200, 7, 0);
    answer(s, 20200, true);
    expect_unhealthy(s, 30200);
    agent_supervisor_stop(s, 40250, 7, 0, false);
    expect_quiet(s);
    agent_supervisor_exited(s, 40300, 7, 0, clean);
    expect(s, AGENT_OVER);
    EXPECT_EQ(0, next(s).exit_code);
    agent_supervisor_destroy(s);
}

TEST(a_new_life_takes_the_place_of_one_that_is_told_to_end_for_its_health) {
    agent_supervisor *s = start_well(AGENT_RESTART_ON_FAILURE);
    expect_unhealthy(s, 10000);
    EXPECT_TRUE(agent_supervisor_replace(s, 20500, 7, 0));
    EXPECT_TRUE(agent_supervisor_is_ready(s, 7, 0));
    EXPECT_TRUE(agent_supervisor_wake_at_ms(s) <= 20500 + 10000); // it is asked in its turn
    agent_supervisor_destroy(s);
}

TEST(another_program_is_asked_or_not_as_its_rules_say) {
    agent_supervisor *s = start_well(AGENT_RESTART_ON_FAILURE);
    agent_rules other = of(AGENT_RESTART_ON_FAILURE, AGENT_READY_STARTED);
    other.health.is_checked = false;
    EXPECT_OK(agent_supervisor_change(s, 0, 7, 0, &other));
    EXPECT_TRUE(agent_supervisor_wake_at_ms(s) == UINT64_MAX);
    other.health.is_checked = true;
    EXPECT_OK(agent_supervisor_change(s, 0, 7, 0, &other));
    answer(s, 500, true);
    EXPECT_TRUE(agent_supervisor_is_ready(s, 7, 0));
    other.health.timeout_ms = 0; // nobody could answer
    EXPECT_EQ(MESH_EINVAL, agent_supervisor_change(s, 0, 7, 0, &other));
    agent_supervisor_destroy(s);
}

TEST(the_next_supervisor_goes_on_asking_and_knows_who_was_told_to_end) {
    agent_supervisor *s = start_well(AGENT_RESTART_ON_FAILURE), *next_one;
    agent_life life;
    for (int is_ill = 0; is_ill < 2; is_ill++) {
        if (is_ill) expect_unhealthy(s, 10000);
        EXPECT_TRUE(agent_supervisor_look(s, 7, 0, &life));
        EXPECT_EQ(is_ill, life.is_unhealthy);
        next_one = agent_supervisor_create(1);
        EXPECT_OK(agent_supervisor_add(
            next_one,
            &(agent_supervised){.service_id = 7,
                                .instances = 1,
                                .rules = of(AGENT_RESTART_ON_FAILURE, AGENT_READY_MESH)}));
        agent_supervisor_adopt(next_one, 50000, 7, 0, &life);
        expect(next_one, AGENT_LAUNCH); // decided before it was adopted, and not wanted any more
        if (is_ill) {
            EXPECT_EQ(SIGTERM, next(next_one).signal);
            agent_supervisor_exited(next_one, 50100, 7, 0, clean);
            expect(next_one, AGENT_BACKOFF);
        } else {
            EXPECT_TRUE(agent_supervisor_is_ready(next_one, 7, 0));
            EXPECT_TRUE(agent_supervisor_wake_at_ms(next_one) < 60000);
            answer(next_one, 60000, true);
        }
        agent_supervisor_destroy(next_one);
    }
    agent_supervisor_destroy(s);
}
