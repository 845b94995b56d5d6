// A supervisor and what it decides, for the tests of its parts: service 7, unless they say another.
#pragma once

#include "agent/supervisor.h"

#include <signal.h>

#include "test.h"

static inline agent_supervisor *start(uint32_t instances, agent_restart restart) {
    agent_supervisor *s = agent_supervisor_create(1);
    EXPECT_OK(agent_supervisor_add(s, &(agent_supervised){.service_id = 7,
                                                          .instances = instances,
                                                          .rules.restart = restart,
                                                          .rules.grace_ms = 1000,
                                                          .rules.ready = AGENT_READY_STARTED}));
    return s;
}

// The next decision, but for those about readiness, which have tests of their own.
static inline bool poll_life(agent_supervisor *s, agent_decision *out) {
    while (agent_supervisor_poll(s, out))
        if (out->kind != AGENT_NOW_READY) return true;
    return false;
}

static inline agent_decision next(agent_supervisor *s) {
    agent_decision d;
    EXPECT_TRUE(poll_life(s, &d));
    EXPECT_EQ(7, d.service_id);
    return d;
}

static inline void expect(agent_supervisor *s, agent_decision_kind kind) {
    EXPECT_EQ(kind, next(s).kind);
}

static inline void expect_quiet(agent_supervisor *s) {
    agent_decision d;
    EXPECT_FALSE(poll_life(s, &d));
}

static const agent_exit clean = {.code = 0}, failure = {.code = 1},
                        crash = {.code = -1, .signal = SIGSEGV};

// One instance of service 7 that runs since `now_ms`.
static inline agent_supervisor *start_running(agent_restart restart, uint64_t now_ms) {
    agent_supervisor *s = start(1, restart);
    expect(s, AGENT_LAUNCH);
    agent_supervisor_launched(s, now_ms, 7, 0);
    return s;
}
