// A supervisor that goes on where another one was when it died.
#include <signal.h>

#include "agent/supervisor.h"
#include "test.h"

enum { ID = 7, NOW_MS = 5000000, WINDOW_MS = 60000 };

static const agent_exit crash = {.code = -1, .signal = SIGSEGV};

static uint32_t signals; // that the last adopt_first decided to send

// Of `instances` the first one is adopted. Nothing that was told before is told again.
static agent_supervisor *adopt_first(uint32_t instances, const agent_life *life) {
    agent_supervisor *s = agent_supervisor_create(1);
    agent_decision d;
    EXPECT_OK(agent_supervisor_add(
        s, &(agent_supervised){
               .service_id = ID,
               .instances = instances,
               .rules.restart = AGENT_RESTART_ON_FAILURE,
               .rules.grace_ms = 1000,
               .rules.ready = AGENT_READY_MESH,
               .rules.budget = {.is_set = true, .restarts = 2, .window_ms = WINDOW_MS}}));
    agent_supervisor_adopt(s, NOW_MS, ID, 0, life);
    signals = 0;
    while (agent_supervisor_poll(s, &d)) {
        EXPECT_TRUE(d.kind == AGENT_LAUNCH || d.kind == AGENT_NOW_READY || d.kind == AGENT_SIGNAL);
        signals += d.kind == AGENT_SIGNAL;
    }
    return s;
}

static agent_life look(const agent_supervisor *s) {
    agent_life life;
    EXPECT_TRUE(agent_supervisor_look(s, ID, 0, &life));
    return life;
}

// What is decided when the first instance crashes a second later.
static agent_decision crash_first(agent_supervisor *s) {
    agent_decision d;
    agent_supervisor_exited(s, NOW_MS + 1000, ID, 0, crash);
    EXPECT_TRUE(agent_supervisor_poll(s, &d));
    return d;
}

static agent_life running(void) {
    return (agent_life){.is_running = true,
                        .is_ready = true,
                        .has_lived = true,
                        .backoff_ms = AGENT_BACKOFF_MIN_MS,
                        .started_at_ms = NOW_MS - 9000};
}

TEST(what_runs_is_not_launched_again_and_the_others_are) {
    agent_life life = running();
    agent_supervisor *s = adopt_first(2, &life);
    EXPECT_FALSE(agent_supervisor_wants(s, ID, 0));
    EXPECT_TRUE(agent_supervisor_wants(s, ID, 1));
    EXPECT_EQ(0, signals);
    EXPECT_TRUE(agent_supervisor_is_ready(s, ID, 0));
    EXPECT_EQ(NOW_MS - 9000, look(s).started_at_ms);
    agent_supervisor_destroy(s);
}

TEST(one_that_was_not_ready_is_waited_for) {
    agent_life life = running();
    life.is_ready = false;
    agent_supervisor *s = adopt_first(1, &life);
    EXPECT_FALSE(agent_supervisor_is_ready(s, ID, 0));
    EXPECT_TRUE(agent_supervisor_is_awaited(s, ID, 0));
    agent_supervisor_destroy(s);
}

TEST(its_end_is_judged_as_any_other) {
    agent_life life = running();
    agent_supervisor *s = adopt_first(1, &life);
    EXPECT_EQ(AGENT_BACKOFF, crash_first(s).kind);
    agent_supervisor_destroy(s);
}

TEST(one_that_has_never_lived_before_may_still_be_a_bad_start) {
    agent_life life = running();
    life.has_lived = false;
    life.started_at_ms = NOW_MS;
    agent_supervisor *s = adopt_first(1, &life);
    agent_decision d;
    agent_supervisor_exited(s, NOW_MS + 1, ID, 0, (agent_exit){.code = 1});
    EXPECT_TRUE(agent_supervisor_poll(s, &d));
    EXPECT_EQ(AGENT_FAILED, d.kind);
    EXPECT_EQ(AGENT_FAILURE_START, d.reason);
    agent_supervisor_destroy(s);
}

TEST(restarts_of_before_use_up_the_budget_as_long_as_they_are_young) {
    const uint64_t young[] = {NOW_MS - 2000, NOW_MS - 1000};
    const uint64_t old[] = {NOW_MS - 2 * WINDOW_MS, NOW_MS - 1000};
    agent_life life = running();
    life.booking_count = 2;
    life.bookings_ms = young;
    agent_supervisor *s = adopt_first(1, &life);
    agent_decision d = crash_first(s);
    EXPECT_EQ(AGENT_FAILED, d.kind);
    EXPECT_EQ(AGENT_FAILURE_BUDGET, d.reason);
    agent_supervisor_destroy(s);

    life.bookings_ms = old;
    s = adopt_first(1, &life);
    EXPECT_EQ(AGENT_BACKOFF, crash_first(s).kind);
    agent_supervisor_destroy(s);
}

TEST(more_restarts_than_the_budget_has_are_cut) {
    uint64_t many[100];
    for (int i = 0; i < 100; i++)
        many[i] = NOW_MS - 1000;
    agent_life life = running();
    life.booking_count = 100;
    life.bookings_ms = many;
    agent_supervisor *s = adopt_first(1, &life);
    EXPECT_EQ(2, look(s).booking_count);
    agent_supervisor_destroy(s);
}

TEST(the_wait_before_a_start_goes_on_to_double) {
    agent_life life = running();
    life.backoff_ms = 1600;
    agent_supervisor *s = adopt_first(1, &life);
    agent_decision d = crash_first(s);
    EXPECT_TRUE(d.delay_ms >= 1600 && d.delay_ms < 2000);
    EXPECT_EQ(3200, look(s).backoff_ms);
    agent_supervisor_destroy(s);
}

TEST(a_wait_that_makes_no_sense_is_the_first_one) {
    const uint32_t bad[] = {0, AGENT_BACKOFF_MIN_MS - 1, AGENT_BACKOFF_MAX_MS + 1, UINT32_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        agent_life life = running();
        life.backoff_ms = bad[i];
        agent_supervisor *s = adopt_first(1, &life);
        EXPECT_EQ(AGENT_BACKOFF_MIN_MS, look(s).backoff_ms);
        agent_supervisor_destroy(s);
    }
}

TEST(one_that_was_being_stopped_is_told_again_is_not_ready_and_is_over_when_it_ends) {
    agent_life life = running();
    life.is_stopped = true;
    agent_supervisor *s = adopt_first(1, &life);
    EXPECT_EQ(1, signals); // whoever was to send it may have died before
    EXPECT_FALSE(agent_supervisor_is_ready(s, ID, 0));
    EXPECT_EQ(AGENT_OVER, crash_first(s).kind);
    EXPECT_TRUE(agent_supervisor_is_over(s, ID, 0));
    agent_supervisor_destroy(s);
}

TEST(what_is_over_stays_over_and_is_not_told_again) {
    agent_life life = {.is_over = true, .has_lived = true, .how = crash};
    agent_supervisor *s = adopt_first(2, &life); // nothing but launches is decided
    EXPECT_TRUE(agent_supervisor_is_over(s, ID, 0));
    EXPECT_FALSE(agent_supervisor_wants(s, ID, 0));
    EXPECT_EQ(SIGSEGV, look(s).how.signal);
    // Its service ends with the other one, and not before.
    agent_decision d;
    agent_supervisor_launched(s, NOW_MS, ID, 1);
    agent_supervisor_exited(s, NOW_MS + 1000, ID, 1, (agent_exit){.code = 0});
    bool has_ended = false;
    while (agent_supervisor_poll(s, &d))
        has_ended |= d.kind == AGENT_ENDED;
    EXPECT_TRUE(has_ended);
    agent_supervisor_destroy(s);
}

TEST(what_neither_runs_nor_is_over_is_launched) {
    agent_life life = {.has_lived = true, .backoff_ms = AGENT_BACKOFF_MIN_MS};
    agent_supervisor *s = adopt_first(1, &life);
    EXPECT_TRUE(agent_supervisor_wants(s, ID, 0));
    agent_supervisor_launched(s, NOW_MS, ID, 0);
    EXPECT_TRUE(look(s).is_running);
    agent_supervisor_destroy(s);
}

TEST(a_start_that_is_still_to_come_by_the_clock_was_now) {
    agent_life life = running();
    life.started_at_ms = NOW_MS + 5000;
    agent_supervisor *s = adopt_first(1, &life);
    EXPECT_EQ(NOW_MS, look(s).started_at_ms);
    agent_supervisor_destroy(s);
}

TEST(what_one_supervisor_shows_another_one_goes_on_with) {
    const uint64_t bookings[] = {NOW_MS - 1000};
    agent_life life = running();
    life.backoff_ms = 800;
    life.booking_count = 1;
    life.bookings_ms = bookings;
    life.how = crash;
    agent_supervisor *first = adopt_first(1, &life);
    agent_life shown = look(first);
    agent_supervisor *second = adopt_first(1, &shown);
    agent_life again = look(second);
    EXPECT_TRUE(again.is_running && again.is_ready && again.has_lived);
    EXPECT_FALSE(again.is_over || again.is_stopped);
    EXPECT_EQ(800, again.backoff_ms);
    EXPECT_EQ(SIGSEGV, again.how.signal);
    EXPECT_EQ(life.started_at_ms, again.started_at_ms);
    EXPECT_EQ(1, again.booking_count);
    EXPECT_EQ(bookings[0], again.bookings_ms[0]);
    agent_supervisor_destroy(first);
    agent_supervisor_destroy(second);
}

TEST(an_instance_that_is_not_there_is_not_adopted_and_one_is_adopted_once) {
    agent_life life = running(), other = {.is_over = true};
    agent_supervisor *s = adopt_first(1, &life);
    agent_supervisor_adopt(s, NOW_MS, ID, 1, &life);
    agent_supervisor_adopt(s, NOW_MS, ID + 1, 0, &life);
    agent_supervisor_adopt(s, NOW_MS, ID, 0, &other);
    EXPECT_TRUE(look(s).is_running);
    EXPECT_FALSE(agent_supervisor_look(s, ID, 1, &life));
    EXPECT_FALSE(agent_supervisor_look(s, ID + 1, 0, &life));
    agent_supervisor_destroy(s);
}
