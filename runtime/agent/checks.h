// Asks nodes whether they are well, as the supervisor or a reload decides, and brings it what they
// say (docs/supervision.md, Health).
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent.pb-c.h"
#include "agent/health.h"
#include "agent/members.h"

enum {
    AGENT_CHECKS_WHY_MAX = AGENT_MEMBER_WHY_MAX,
    AGENT_CHECKS_HTTP_LEN_MAX = 1000,
    AGENT_CHECKS_CALL_LEN_MAX = 511
};

typedef struct agent_checking {           // of one life
    uint32_t number;                      // of the last question
    bool is_open;                         // it was asked, and has not answered
    char why[AGENT_CHECKS_WHY_MAX];       // it is not well, as far as it has said; else empty
    char unhealthy[AGENT_CHECKS_WHY_MAX]; // it was told to end for that; else empty
} agent_checking;

struct agent_service;

bool agent_checks_are_wanted(const Warren__Agent__Run *run);
const char *agent_checks_judge(const Warren__Agent__Run *run); // NULL: it can be asked so
agent_health_rules agent_checks_rules(const Warren__Agent__Run *run);

// A life begins: until it says that it is well, nobody chooses it.
void agent_checks_begin(struct agent_service *service, uint32_t instance);
void agent_checks_ask(struct agent_service *service, uint32_t instance, uint32_t number,
                      uint32_t timeout_ms);
// It is well, and may be chosen.
void agent_checks_end(struct agent_service *service, uint32_t instance);
// Notes that there was no answer, where one is waited for. Why it is not well; or empty.
const char *agent_checks_miss(struct agent_service *service, uint32_t instance);
void agent_checks_on_answer(const agent_member *member, const agent_member_checked *answer,
                            void *user); // for agent_members_events: the agent_services
