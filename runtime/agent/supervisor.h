// Which nodes should run now. Pure: time comes in with every call, decisions are polled, and the
// driver carries them out. A service is a number of instances of one program; each instance lives
// again and again until it ends for good, fails, or is stopped.
//
//   backoff  100 ms, doubling to 15 s, plus up to a fifth; a life of 15 s starts over at 100 ms
//   budget   five restarts in 60 s; the next failure within them is the last
//   start    a first life that ends by itself with an exit code other than 0 within 1 s never
//            worked: not restarted (a missing module, a syntax error), unless the policy is ALWAYS
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    AGENT_SERVICES_MAX = 256,
    AGENT_INSTANCES_MAX = 1000,
    AGENT_BACKOFF_MIN_MS = 100,
    AGENT_BACKOFF_MAX_MS = 15000,
    AGENT_RESTARTS_MAX = 5,
    AGENT_RESTARTS_WINDOW_MS = 60000,
    AGENT_START_MS = 1000,
    AGENT_GRACE_MAX_MS = 3600000,
};

typedef struct agent_supervisor agent_supervisor;

typedef enum agent_restart {
    AGENT_RESTART_ON_FAILURE, // not after exit code 0
    AGENT_RESTART_ALWAYS,
    AGENT_RESTART_NEVER,
} agent_restart;

typedef struct agent_supervised {
    uint32_t service_id; // chosen by the driver, never reused
    uint32_t instances;
    agent_restart restart;
    uint32_t grace_ms; // from SIGTERM to SIGKILL
} agent_supervised;

typedef struct agent_exit { // how a life ended
    int code;               // -1: a signal, or unknown
    int signal;             // 0: none
} agent_exit;

agent_supervisor *agent_supervisor_create(uint64_t seed);
void agent_supervisor_destroy(agent_supervisor *supervisor);

// Launches all instances. MESH_EEXIST, MESH_EINVAL (instances, grace), MESH_EQUOTA.
int agent_supervisor_add(agent_supervisor *supervisor, const agent_supervised *service);
// Forgets a service that has ended; others stay.
void agent_supervisor_remove(agent_supervisor *supervisor, uint32_t service_id);

// What became of a LAUNCH: the node runs, or could not be started at all.
void agent_supervisor_launched(agent_supervisor *supervisor, uint64_t now_ms, uint32_t service_id,
                               uint32_t instance);
void agent_supervisor_not_launched(agent_supervisor *supervisor, uint64_t now_ms,
                                   uint32_t service_id, uint32_t instance);
void agent_supervisor_exited(agent_supervisor *supervisor, uint64_t now_ms, uint32_t service_id,
                             uint32_t instance, agent_exit how);

enum { AGENT_INSTANCE_ALL = UINT32_MAX };
// Ends it for good: SIGTERM and, after the grace time, SIGKILL; or SIGKILL at once. May be said
// again.
void agent_supervisor_stop(agent_supervisor *supervisor, uint64_t now_ms, uint32_t service_id,
                           uint32_t instance, bool is_kill);
// False when a LAUNCH that has not been carried out yet is no longer wanted: say not_launched then.
bool agent_supervisor_wants(const agent_supervisor *supervisor, uint32_t service_id,
                            uint32_t instance);
// True when this instance (or all) will not run again.
bool agent_supervisor_is_over(const agent_supervisor *supervisor, uint32_t service_id,
                              uint32_t instance);

typedef enum agent_decision_kind {
    AGENT_LAUNCH,
    AGENT_SIGNAL,  // send `signal`
    AGENT_BACKOFF, // it failed (`how`) and will be launched again in `delay_ms`
    AGENT_OVER,    // ended for good: exit code 0, stopped, or the policy says no
    AGENT_FAILED,  // given up: `reason`
    AGENT_ENDED,   // the service: all instances are over; `exit_code` is the first that is not 0
} agent_decision_kind;

typedef enum agent_failure { AGENT_FAILURE_START, AGENT_FAILURE_BUDGET } agent_failure;

typedef struct agent_decision {
    agent_decision_kind kind;
    uint32_t service_id, instance;
    int signal;
    uint32_t delay_ms;
    agent_exit how;
    agent_failure reason;
    int exit_code;
} agent_decision;

bool agent_supervisor_poll(agent_supervisor *supervisor, agent_decision *out);
bool agent_supervisor_has_decisions(const agent_supervisor *supervisor);  // poll would say true
uint64_t agent_supervisor_wake_at_ms(const agent_supervisor *supervisor); // UINT64_MAX: no work
void agent_supervisor_tick(agent_supervisor *supervisor, uint64_t now_ms);

// 128 + signal, the exit code, or 1 when neither is known.
int agent_exit_code(agent_exit how);
