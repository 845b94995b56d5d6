// What the files of the supervisor's simulator share. supervisor_sim.c: what happens next;
// supervisor_check.c: the rules; supervisor_bug.c: planted bugs.
#pragma once

#include "agent/supervisor.h"
#include "core/rng.h"
#include "supervisor_sim.h"

enum {
    SERVICES_MAX = 8,
    INSTANCES_MAX = 3,
    GROUPS_MAX = 2,
    RESTARTS_MAX = 4096,
    CHAOS_MS = 120000,
    CALM_MS = 400000,
    DRAIN_MS = 2000,
};

#define NEVER UINT64_MAX

typedef enum sim_life { LIFE_NONE, LIFE_ASKED, LIFE_RUNNING } sim_life;

typedef struct sim_instance {
    agent_rules rules;
    sim_life life;
    uint64_t asked_at_ms, began_at_ms;
    uint64_t answer_at_ms, sign_at_ms, exit_at_ms; // what the world does next; NEVER
    agent_sign sign;                               // that it will give at sign_at_ms
    agent_exit end;                                // that it will have at exit_at_ms
    // What was said of this life.
    uint32_t given; // signs, 1 << each
    bool is_ready, is_late, is_killed, is_drain_told, is_drained;
    bool is_end_open;       // it has ended, and what follows was not said yet
    bool was_wanted;        // nobody wanted it to end
    uint64_t drain_at_ms;   // asked to finish what it has; NEVER
    uint64_t drained_at_ms; // what the world does next: it has; NEVER
    uint64_t term_at_ms;    // the stop signal; NEVER: not yet
    uint64_t life_ms;       // of the life that has ended
    // What was asked for, and came of it.
    bool is_stopped, is_kill_asked, is_recycled;
    bool has_lived, is_over;
    bool is_held;       // waits for its group
    bool is_revived;    // was over, and has not been launched again
    bool is_starting;   // was held, and is not ready yet
    bool is_unhealthy;  // told to end for that
    uint64_t due_at_ms; // not before
    agent_exit how;     // the last end
    // What it says when it is asked whether it is well.
    uint64_t question_at_ms, reply_at_ms;
    uint64_t answered_at_ms; // or its time was over; NEVER: not yet
    uint32_t number;         // of the question
    uint32_t bad_count;      // of answers in a row
    bool is_asked;           // an answer is waited for
    bool is_ill, has_been_well;
} sim_instance;

typedef struct sim_restarts {
    uint64_t at_ms[RESTARTS_MAX];
    uint32_t count;
} sim_restarts;

typedef struct sim_service {
    bool is_there, is_ended;
    agent_supervised spec;
    uint32_t wanted; // of spec.instances
    uint32_t joined; // a number that grows with each service
    agent_sign known;
    sim_instance instances[INSTANCES_MAX];
    sim_restarts restarts[INSTANCES_MAX];
} sim_service;

typedef struct sim_group {
    agent_strategy strategy;
    agent_budget budget;
    uint64_t restart_at_ms, due_at_ms; // of its last restart
    uint32_t from;                     // it began with who joined then
    bool is_given_up;
    sim_restarts restarts;
} sim_group;

typedef struct sim_world {
    supervisor_options options;
    supervisor_result result;
    mesh_rng rng, bug_rng;
    agent_supervisor *s;
    uint64_t now_ms, action_at_ms, bug_at_ms;
    bool is_calm, is_ending;
    uint32_t next_id;
    sim_service services[SERVICES_MAX];
    sim_group groups[GROUPS_MAX + 1]; // by group_id
} sim_world;

// ---- supervisor_sim.c
uint32_t sim_below(sim_world *w, uint32_t bound);
static inline bool sim_is_live(const sim_instance *in) {
    return in->life != LIFE_NONE;
}
// It runs, and nobody has told it to end, or to finish what it has.
static inline bool sim_is_wanted(const sim_instance *in) {
    return in->term_at_ms == NEVER && in->drain_at_ms == NEVER && !in->is_killed;
}
static inline bool sim_is_clean(agent_exit how) {
    return how.code == 0 && how.signal == 0;
}
static inline bool sim_is_shared(const sim_service *svc) { // its group is restarted together
    return svc->spec.group_id != 0 && svc->spec.strategy != AGENT_ONE_FOR_ONE;
}
__attribute__((format(printf, 2, 3))) void sim_violate(sim_world *w, const char *format, ...);

// ---- supervisor_check.c
void sim_check_decision(sim_world *w, sim_service *svc, const agent_decision *d);
void sim_check_all(sim_world *w);   // after everything that was due has been carried out
void sim_check_calm(sim_world *w);  // nothing has gone wrong for long
void sim_check_ended(sim_world *w); // all was stopped

// ---- supervisor_health.c
void sim_health_begin(sim_world *w, sim_instance *in); // a life
void sim_health_ask(sim_world *w, sim_instance *in, uint32_t number);
void sim_health_reply(sim_world *w, const sim_service *svc, uint32_t index);
void sim_check_question(sim_world *w, const sim_service *svc, const agent_decision *d,
                        bool has_signed);
void sim_check_unhealthy(sim_world *w, const sim_service *svc, const agent_decision *d);
void sim_check_health(sim_world *w, const sim_service *svc, uint32_t index, bool has_signed);

// ---- supervisor_bug.c
uint32_t sim_bug_decision(sim_world *w, agent_decision *d); // how often it is told
void sim_bug_hurt(sim_world *w);
