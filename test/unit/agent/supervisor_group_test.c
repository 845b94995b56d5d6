// Services that are restarted together. They are 1, 2, 3 ... of one instance each, ready as soon as
// they run.
#include "core/error.h"
#include "supervisor_fixture.h"

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
