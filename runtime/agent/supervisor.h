// Which nodes should run now. Pure: time comes in with every call, decisions are polled, and the
// driver carries them out. A service is a number of instances of one program; each instance lives
// again and again until it ends for good, fails, or is stopped. docs/supervision.md has the rules.
//
//   backoff  100 ms, doubling to 15 s, plus up to a fifth; a life of 15 s starts over at 100 ms
//   budget   so many restarts in so much time; the next failure within them is the last
//   start    a first life that ends by itself with an exit code other than 0 within 1 s never
//            worked: not restarted (a missing module, a syntax error), unless the policy is ALWAYS
//   ready    by the sign that was asked for, within the start time-out, else it is killed. AUTO:
//            by the first sign of any kind, or after 1 s without one; but an instance of a service
//            that is known to give a stronger sign has 10 s for that
//   health   where that is asked, it is ready only when it has also answered that it is well; who
//            fails to do so again and again is told to end, and has crashed
//   group    services that are restarted together, in the order in which they joined
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/health.h"

enum {
    AGENT_SERVICES_MAX = 256,
    AGENT_INSTANCES_MAX = 1000,
    AGENT_BACKOFF_MIN_MS = 100,
    AGENT_BACKOFF_MAX_MS = 15000,
    AGENT_RESTARTS_DEFAULT = 5,
    AGENT_RESTARTS_WINDOW_MS = 60000,
    AGENT_RESTARTS_MAX = 1000,
    AGENT_RESTARTS_WINDOW_MAX_MS = 86400000,
    AGENT_START_MS = 1000,
    AGENT_GRACE_MAX_MS = 3600000,
    AGENT_SETTLE_MS = 1000,
    AGENT_SETTLE_KNOWN_MS = 10000,
    AGENT_START_TIMEOUT_MS = 30000, // where none is said
    AGENT_DRAIN_MAX_MS = 3600000,
    AGENT_DRAIN_ANSWER_MS = 1000, // more than the time to drain: a loop that turns has answered
};

enum { AGENT_INSTANCE_ALL = UINT32_MAX };

typedef struct agent_supervisor agent_supervisor;

typedef enum agent_restart {
    AGENT_RESTART_ON_FAILURE, // not after exit code 0
    AGENT_RESTART_ALWAYS,
    AGENT_RESTART_NEVER,
} agent_restart;

typedef enum agent_ready { // what makes an instance ready; as in agent.proto
    AGENT_READY_AUTO,
    AGENT_READY_MESH,
    AGENT_READY_LISTEN,
    AGENT_READY_MESSAGE,
    AGENT_READY_STARTED,
} agent_ready;

typedef enum agent_sign { // the stronger ones last: they say more about the program
    AGENT_SIGN_NONE,
    AGENT_SIGN_SERVES,  // its first service or subscription is known to all
    AGENT_SIGN_LISTENS, // it got its first shared socket
    AGENT_SIGN_MESSAGE, // process.send('ready')
    AGENT_SIGN_MESH,    // mesh.ready()
} agent_sign;

typedef enum agent_strategy { // when an instance of one of them is to be started again
    AGENT_ONE_FOR_ONE,        // that instance
    AGENT_ONE_FOR_ALL,        // all services of the group
    AGENT_REST_FOR_ONE,       // its service and those that joined after it
} agent_strategy;

typedef struct agent_budget {
    bool is_set; // else the default
    uint32_t restarts, window_ms;
} agent_budget;

// What one program asks for. Instances of a service may run different ones for hours, as a new
// release comes to one after the other: each is held to the rules of its own.
typedef struct agent_rules {
    agent_restart restart;
    uint32_t grace_ms; // from the stop signal to SIGKILL
    int stop_signal;   // 0: SIGTERM
    agent_ready ready;
    uint32_t start_timeout_ms; // 0: AGENT_START_TIMEOUT_MS
    agent_health_rules health;
    agent_budget budget;
} agent_rules;

typedef struct agent_supervised {
    uint32_t service_id; // chosen by the driver, never reused
    uint32_t instances;
    agent_rules rules; // of all instances until agent_supervisor_change
    uint32_t group_id; // chosen by the driver; 0: none
    agent_strategy strategy;
} agent_supervised;

typedef struct agent_exit { // how a life ended
    int code;               // -1: a signal, or unknown
    int signal;             // 0: none
} agent_exit;

agent_supervisor *agent_supervisor_create(uint64_t seed);
void agent_supervisor_destroy(agent_supervisor *supervisor);

// Launches all instances; those of a group that is being restarted when their turn comes.
// MESH_EEXIST, MESH_EINVAL (a number out of its bounds, another strategy than the group's),
// MESH_EQUOTA.
int agent_supervisor_add(agent_supervisor *supervisor, const agent_supervised *service);
// Other rules from now on, for one instance, or for all that there are and will be. One that is
// not ready yet is when it has given the sign before that makes it so now; else it has the time
// for that again. MESH_ENOTFOUND, MESH_EINVAL.
int agent_supervisor_change(agent_supervisor *supervisor, uint64_t now_ms, uint32_t service_id,
                            uint32_t instance, const agent_rules *rules);
// So many instances from now on: the last ones finish what they have (drain_ms at most) and are
// stopped, new ones launched. Those that are no longer wanted keep their numbers and are over in
// the end. MESH_ENOTFOUND, MESH_EINVAL, MESH_ECLOSED: it is over, and there should be more.
int agent_supervisor_scale(agent_supervisor *supervisor, uint64_t now_ms, uint32_t service_id,
                           uint32_t instances, uint32_t drain_ms);
// Stops one as that does; it may be started again. What is not undisturbed at its work is stopped
// at once.
void agent_supervisor_retire(agent_supervisor *supervisor, uint64_t now_ms, uint32_t service_id,
                             uint32_t instance, uint32_t drain_ms);
void agent_supervisor_drained(agent_supervisor *supervisor, uint64_t now_ms, uint32_t service_id,
                              uint32_t instance);
// Forgets a service that has ended; others stay.
void agent_supervisor_remove(agent_supervisor *supervisor, uint32_t service_id);

// What became of a LAUNCH: the node runs, or could not be started at all.
void agent_supervisor_launched(agent_supervisor *supervisor, uint64_t now_ms, uint32_t service_id,
                               uint32_t instance);
void agent_supervisor_not_launched(agent_supervisor *supervisor, uint64_t now_ms,
                                   uint32_t service_id, uint32_t instance);
void agent_supervisor_exited(agent_supervisor *supervisor, uint64_t now_ms, uint32_t service_id,
                             uint32_t instance, agent_exit how);
// The present life has given this sign.
void agent_supervisor_sign(agent_supervisor *supervisor, uint64_t now_ms, uint32_t service_id,
                           uint32_t instance, agent_sign sign);

// What the present life answered to a CHECK, by its number.
void agent_supervisor_checked(agent_supervisor *supervisor, uint64_t now_ms, uint32_t service_id,
                              uint32_t instance, uint32_t number, bool is_good);

// It runs, can do its work, and is not being stopped; it runs and is expected to say when it can.
bool agent_supervisor_is_ready(const agent_supervisor *supervisor, uint32_t service_id,
                               uint32_t instance);
bool agent_supervisor_is_awaited(const agent_supervisor *supervisor, uint32_t service_id,
                                 uint32_t instance);
// When its process was told to end and has not yet.
bool agent_supervisor_is_leaving(const agent_supervisor *supervisor, uint32_t service_id,
                                 uint32_t instance);

// ---- for a reload (reload.h), which brings lives of its own

// Whether this sign makes an instance with these rules ready; how many ms a new one has for it, and
// whether it is ready then without.
bool agent_supervisor_is_enough(const agent_supervisor *supervisor, uint32_t service_id,
                                const agent_rules *rules, agent_sign sign);
uint32_t agent_supervisor_patience(const agent_supervisor *supervisor, uint32_t service_id,
                                   const agent_rules *rules, bool *out_is_ready_then);
// How long after its begin one that is asked whether it is well may still not be ready.
uint32_t agent_supervisor_start_timeout_ms(const agent_rules *rules);
// A life that runs and is ready takes the instance's place, under its rules; the present one, if
// there is any, is the caller's from now on. False: it is being stopped, or is on its way.
bool agent_supervisor_replace(agent_supervisor *supervisor, uint64_t now_ms, uint32_t service_id,
                              uint32_t instance);

// Ends it for good: the stop signal and, after the grace time, SIGKILL; or SIGKILL at once. May be
// said again.
void agent_supervisor_stop(agent_supervisor *supervisor, uint64_t now_ms, uint32_t service_id,
                           uint32_t instance, bool is_kill);
// The same for all services; those of a group one after the other, the last one first.
void agent_supervisor_stop_all(agent_supervisor *supervisor, uint64_t now_ms, bool is_kill);
// Ends its life as a stop does and starts it again at once, also one that is over, with a fresh
// budget. One that is being stopped for good, or is about to start anyway, stays as it is.
void agent_supervisor_restart(agent_supervisor *supervisor, uint64_t now_ms, uint32_t service_id,
                              uint32_t instance);
// False when a LAUNCH that has not been carried out yet is no longer wanted: say not_launched then.
bool agent_supervisor_wants(const agent_supervisor *supervisor, uint32_t service_id,
                            uint32_t instance);
// What another supervisor must know of an instance to go on with it.
typedef struct agent_life {
    bool is_running, is_over; // neither: it is to be started
    bool has_lived, is_ready;
    bool is_recycled;  // told to end, to be started again
    bool is_unhealthy; // told to end for that
    bool is_stopped; // told to end; not one that may still finish what it has: that is scaled again
    uint64_t started_at_ms;
    uint32_t backoff_ms;
    const uint64_t *bookings_ms; // borrowed
    size_t booking_count;
    agent_exit how;
} agent_life;
bool agent_supervisor_look(const agent_supervisor *supervisor, uint32_t service_id,
                           uint32_t instance, agent_life *out);
// Right after agent_supervisor_add: this instance runs, or is over, already.
void agent_supervisor_adopt(agent_supervisor *supervisor, uint64_t now_ms, uint32_t service_id,
                            uint32_t instance, const agent_life *life);

// True when this instance (or all) will not run again.
bool agent_supervisor_is_over(const agent_supervisor *supervisor, uint32_t service_id,
                              uint32_t instance);

typedef enum agent_decision_kind {
    AGENT_LAUNCH,
    AGENT_SIGNAL,    // send `signal`
    AGENT_DRAIN,     // it is to finish what it has within `delay_ms`: say drained when it has
    AGENT_CHECK,     // ask it whether it is well: say checked with `number` within `delay_ms`
    AGENT_UNHEALTHY, // it has failed to say so `failures` times in a row; the stop signal follows
    AGENT_NOW_READY, // it can do its work from now on
    AGENT_TOO_LATE,  // it was not ready within `delay_ms`; SIGKILL follows
    AGENT_BACKOFF,   // it failed (`how`) and will be launched again in `delay_ms`, or when the turn
                     // of its service comes after that
    AGENT_HELD,      // it ended (`how`) for the restart of its group, and waits for its turn
    AGENT_AGAIN,     // it ended (`how`) as `restart` wanted; a LAUNCH follows
    AGENT_OVER,      // ended for good: exit code 0, stopped, or the policy says no
    AGENT_FAILED,    // given up: `reason`
    AGENT_ENDED, // the service: all instances are over; `exit_code` is the first that is not 0. A
                 // restart makes it run again
} agent_decision_kind;

typedef enum agent_failure {
    AGENT_FAILURE_START,
    AGENT_FAILURE_BUDGET,
    AGENT_FAILURE_GROUP, // another service that it was to be restarted with has failed
} agent_failure;

typedef struct agent_decision {
    agent_decision_kind kind;
    uint32_t service_id, instance;
    int signal;
    uint32_t delay_ms;
    uint32_t number, failures;
    agent_exit how;
    agent_failure reason;
    agent_budget budget; // AGENT_FAILURE_BUDGET: the one that is used up
    int exit_code;
} agent_decision;

bool agent_supervisor_poll(agent_supervisor *supervisor, agent_decision *out);
bool agent_supervisor_has_decisions(const agent_supervisor *supervisor);  // poll would say true
uint64_t agent_supervisor_wake_at_ms(const agent_supervisor *supervisor); // UINT64_MAX: no work
void agent_supervisor_tick(agent_supervisor *supervisor, uint64_t now_ms);

// 128 + signal, the exit code, or 1 when neither is known.
int agent_exit_code(agent_exit how);
