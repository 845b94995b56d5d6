// The instances of a service one by one, for who decides about each of them (orders.h): each may
// run another program than its neighbours, or none.
#pragma once

#include "agent/service.h"

typedef enum agent_instance_state {
    AGENT_INSTANCE_NONE,     // it has no process, and will not have one by itself
    AGENT_INSTANCE_STARTING, // it has one that is not ready, or waits for its next one
    AGENT_INSTANCE_READY,
    AGENT_INSTANCE_LEAVING, // its process finishes what it has, or was told to end, for good
    AGENT_INSTANCE_FAILED,  // given up
} agent_instance_state;

typedef struct agent_instance {
    agent_instance_state state;
    bool is_stopped;  // NONE, as somebody wanted; else it has ended by itself, or never was
    bool is_done;     // NONE: it has done its work, and is not to run again
    bool is_brought;  // a new life is starting beside it
    bool is_draining; // an old one has not ended beside it
    // Of what it runs, is about to run, or ran last, and of the new life beside it: the release,
    // and the number it was brought by. 0: none.
    uint64_t release, brought_release;
    uint32_t attempt, brought_attempt;
    uint32_t pid;           // 0: none
    uint32_t restarts;      // lives of this program that ended before the present one
    const char *end_before; // of the last of them, how: "exit code 1"; borrowed, as are its lines
    const char *reason;     // NONE, FAILED: how it ended; borrowed
    const char
        *waits_for; // STARTING, or is_brought: what its last health check said, or ""; borrowed
    mesh_bytes last_stderr; // of a life that has ended: what it wrote last; borrowed
} agent_instance;

agent_instance agent_instance_look(const agent_service *service, uint32_t instance);

// Its next life runs this, and begins now, for it has none. Takes run.
int agent_instance_start(agent_service *service, uint32_t instance, Warren__Agent__Run *run,
                         uint32_t attempt, agent_refusal *refusal);
// Of one that was launched and is not carried out yet: it runs this. Takes run.
int agent_instance_set(agent_service *service, uint32_t instance, Warren__Agent__Run *run,
                       uint32_t attempt, agent_refusal *refusal);
// It is stopped now, with what is beside it: there is no time to finish anything.
void agent_instance_stop(agent_service *service, uint32_t instance);
// It finishes what it has (drain_ms at most) and is stopped; what is new beside it is, too.
void agent_instance_retire(agent_service *service, uint32_t instance, uint32_t drain_ms);
// A life that is starting beside it is stopped; the present one goes on.
void agent_instance_cancel(agent_service *service, uint32_t instance);
