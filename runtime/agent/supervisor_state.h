// The inside of the supervisor, for supervisor.c (the table and its face), supervisor_life.c (one
// instance) and supervisor_group.c (services that are restarted together).
#pragma once

#include "agent/health.h"
#include "agent/supervisor.h"

typedef enum agent_phase {
    LAUNCHING, // decided; the driver has not answered yet
    RUNNING,
    BACKING_OFF, // until due_at_ms
    HELD,        // until its group lets it start
    OVER,
} agent_phase;

typedef enum agent_leaving { // why its process was, or will be, told to end
    STAYING,
    STOPPED,    // for good
    RECYCLED,   // to be started again, as somebody asked
    WITH_GROUP, // as its group decides
    UNHEALTHY,  // what follows is as if it had crashed
} agent_leaving;

typedef struct agent_bookings { // restarts of the latest time, oldest first
    uint64_t *at_ms;
    uint32_t count, cap;
} agent_bookings;

typedef struct instance {
    agent_rules rules; // of what it runs
    agent_phase phase;
    agent_leaving leaving;
    bool has_lived; // a first life was launched and has ended
    bool is_killed;
    bool is_draining; // it was asked to finish what it has, before it is told to end
    uint32_t signs;   // that this life has given, a bit for each
    bool is_signed;   // it has given the sign that makes it ready, or needs none
    bool is_ready;    // that, and it has answered that it is well, where that is asked
    bool has_failed;  // told to end for what it did not do: however it ends, that is no success
    uint64_t started_at_ms;
    uint64_t ready_at_ms; // ready then without a sign, or too late; else UINT64_MAX
    agent_health health;
    uint64_t due_at_ms; // BACKING_OFF: of the launch; leaving: of SIGKILL, draining: of the stop
                        // signal; else UINT64_MAX
    uint32_t backoff_ms;
    agent_bookings bookings;
    agent_exit how; // the last life ended so
} instance;

typedef struct group group;

typedef struct service {
    agent_supervised spec; // its rules: of instances that are added
    agent_sign known;      // the strongest sign that an instance of it ever gave
    uint32_t wanted; // of spec.instances, which never shrinks: those after them are over, or on
                     // their way
    uint32_t over_count;
    group *group; // NULL: none
    instance *instances;
} service;

typedef enum agent_group_phase {
    STEADY,
    STOPPING,  // the last of [from, count) first
    WAITING,   // until due_at_ms
    STARTING,  // [from, at) are ready
    GIVING_UP, // stopping those of [from, count) for good: one of them failed
    ENDING,    // stopping all for good
} agent_group_phase;

struct group {
    uint32_t id;
    agent_strategy strategy;
    service **members; // in the order in which they joined
    uint32_t count;
    agent_group_phase phase;
    uint32_t from, at;
    uint32_t next_from; // GIVING_UP: what is restarted after that; UINT32_MAX: nothing
    uint64_t due_at_ms;
    agent_bookings bookings; // of restarts of several services
};

struct agent_supervisor {
    uint64_t random;
    service *services[AGENT_SERVICES_MAX];
    uint32_t service_count;
    group *groups[AGENT_SERVICES_MAX]; // each has a member
    uint32_t group_count;
    agent_decision *decisions; // a queue: [head, count)
    size_t head, count, cap;
};

// ---- supervisor.c
service *agent_supervisor_find(const agent_supervisor *s, uint32_t service_id); // NULL: none
instance *agent_supervisor_find_instance(const agent_supervisor *s, uint32_t service_id,
                                         uint32_t index, service **out_service); // the same
agent_decision *agent_decide(agent_supervisor *s, agent_decision_kind kind, const service *svc,
                             uint32_t index);
uint64_t agent_supervisor_random(agent_supervisor *s);

// ---- supervisor_life.c
void agent_life_launch(agent_supervisor *s, service *svc, uint32_t index);
void agent_life_begin(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index);
void agent_life_end(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index,
                    uint64_t life_ms);
// What makes it ready, or how long it has for that, is another one.
void agent_life_change_ready(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index);
void agent_life_sign(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index,
                     agent_sign sign);
void agent_life_become_ready(agent_supervisor *s, service *svc, uint32_t index);
void agent_life_tick(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index);
// Tells a life that is there to end, once, and as that wants it; to be told again when it begins.
void agent_life_leave(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index,
                      agent_leaving why);
void agent_life_kill(agent_supervisor *s, service *svc, uint32_t index);
void agent_life_stop(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index,
                     bool is_kill);
// Stops it, once it has finished what it has, or has had so long for that.
void agent_life_retire(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index,
                       uint32_t drain_ms);
void agent_life_drained(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index);
void agent_life_restart(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index);
// It is one of those that are wanted now, and was not.
void agent_life_join(agent_supervisor *s, service *svc, uint32_t index);
void agent_life_finish(agent_supervisor *s, service *svc, uint32_t index, agent_decision_kind kind,
                       agent_failure reason);
static inline bool agent_life_is_there(const instance *in) { // a process, or one on its way
    return in->phase == LAUNCHING || in->phase == RUNNING;
}
static inline bool agent_life_is_automatic(const agent_rules *rules) {
    return rules->ready == AGENT_READY_AUTO;
}
bool agent_life_is_enough(const service *svc, const agent_rules *rules, agent_sign sign);
// For a life that was just launched to become ready; it is then, or never.
uint32_t agent_life_patience_ms(const service *svc, const agent_rules *rules,
                                bool *out_is_ready_then);

// ---- supervisor_health.c
void agent_life_signed(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index);
void agent_life_check(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index);
void agent_life_answer(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index,
                       uint32_t number, bool is_good);
// It is ready already: it is asked again after some of the interval.
void agent_life_await_check(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index);

// Whether it is asked that is another thing from now on.
void agent_life_change_check(agent_supervisor *s, service *svc, uint32_t index);

// ---- supervisor_group.c
int agent_group_join(agent_supervisor *s, service *svc); // MESH_EINVAL: another strategy
void agent_group_part(agent_supervisor *s, service *svc);
// Its instances start when the group says so, not by themselves.
bool agent_group_holds(const service *svc);
bool agent_group_is_given_up(const service *svc); // they do not start at all
// An instance failed and is to be launched again after the delay: true when the group does that.
bool agent_group_restart(service *svc, uint64_t now_ms, uint32_t delay_ms);
// An instance has failed for good: so have those that are restarted with it.
void agent_group_give_up(service *svc);
void agent_group_end(group *g);
// After anything has happened: the next step of what the group is doing.
void agent_group_advance(agent_supervisor *s, uint64_t now_ms, group *g);
// Whose budget a restart of this service's instances uses.
static inline bool agent_group_is_shared(const service *svc) {
    return svc->group != NULL && svc->group->strategy != AGENT_ONE_FOR_ONE;
}
