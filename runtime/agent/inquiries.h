// Questions to nodes: what does your JavaScript do now? Answered also by one whose loop does not
// turn (runtime/watchdog.h); of one that runs no JavaScript the system is asked.
#pragma once

#include "agent/services.h"

typedef struct agent_inquiries agent_inquiries;
struct slot;

typedef enum agent_activity {
    AGENT_ACTIVITY_RUNS,    // text: the stack
    AGENT_ACTIVITY_WAITS,   // for events
    AGENT_ACTIVITY_BLOCKED, // in something that is no JavaScript; text: what /proc says
    AGENT_ACTIVITY_ENDED,
} agent_activity;

typedef struct agent_answer { // borrowed
    const char *node;
    uint32_t service_id, instance;
    uint64_t node_id;
    pid_t pid;
    agent_activity activity;
    uint64_t stalled_ms; // 0: it has not stalled
    const char *text;    // lines
} agent_answer;

typedef void (*agent_answer_cb)(const agent_answer *answer, void *user);

agent_inquiries *agent_inquiries_create(agent_services *services);
void agent_inquiries_destroy(agent_inquiries *inquiries); // nobody is answered any more

// Asks the process of this slot, which is there: answered later, from the loop, once.
void agent_inquiries_ask(agent_inquiries *inquiries, uint32_t service_id, const struct slot *slot,
                         uint32_t instance, agent_answer_cb cb, void *user);
void agent_inquiries_forget(agent_inquiries *inquiries, const void *user); // of this one
// Has the node end as soon as its JavaScript runs.
void agent_inquiries_terminate(struct slot *slot);

// inspect: all running instances of the target. 0, or how many were asked is 0 and the refusal says
// why.
uint32_t agent_services_inspect(agent_services *services, const char *target, agent_answer_cb cb,
                                void *user, agent_refusal *refusal);
void agent_services_forget_inspections(agent_services *services, const void *user);
