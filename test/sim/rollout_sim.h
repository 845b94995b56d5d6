// Rollouts in virtual time: real decisions, and in place of hosts, an operator and leaders that die
// between any two steps what the seed says. Rules: docs/rollout.md, R1 to R8.
#pragma once

#include "core/rng.h"
#include "deploy/rollout.h"
#include "runner.h"

enum { ROLLOUT_SLOTS_MAX = 8, ROLLOUT_CHAOS_MS = 30000, ROLLOUT_CALM_MS = 150000 };

// Planted around the module and in its state.
typedef enum rollout_bug {
    ROLLOUT_BUG_NONE,
    ROLLOUT_BUG_ACTION_LOST,  // an action is not carried out
    ROLLOUT_BUG_ACTION_WRONG, // or with the other release
    ROLLOUT_BUG_READY_FORGED, // who failed is called ready
    ROLLOUT_BUG_STEP_SKIPPED, // who is starting is taken for well
    ROLLOUT_BUG_PROMOTED,     // canaries are promoted by nobody
    ROLLOUT_BUG_PARALLEL,     // more at a time
    ROLLOUT_BUG_CANARIES,     // no canaries
    ROLLOUT_BUG_FAILURES_FORGOTTEN,
    ROLLOUT_BUG_FAILURES_INVENTED,
    ROLLOUT_BUG_ABORT_FORGOTTEN, // an abort is taken back
    ROLLOUT_BUG_TICK_FORGOTTEN,  // the time is not heard
    ROLLOUT_BUG_STORE_FORGOTTEN, // actions before their state is stored
    ROLLOUT_BUG_DONE_EARLY,      // it ends too soon
    ROLLOUT_BUG_REVERT_SKIPPED,  // who is new is taken for old
    ROLLOUT_BUG_ATTEMPT_REUSED,  // two actions have the same number
    ROLLOUT_BUG_COUNT,
} rollout_bug;

const char *rollout_bug_name(uint32_t bug);

typedef struct sim_agent { // of one slot
    uint32_t attempt;
    uint64_t wanted, runs; // releases; 0: none runs
    bool is_starting, is_lost;
    uint64_t end_at_ms; // of the start
    bool will_fail, has_report, was_ready;
    // What the checks know.
    uint64_t told_at_ms, ready_at_ms; // of this attempt; 0: not
    bool is_late, is_counted;         // it had no answer in its time; its failure is counted
    uint64_t back_at_ms;
} sim_agent;

typedef struct rollout_world {
    runner_options run;
    mesh_rng rng;
    uint64_t now_ms, action_at_ms, bug_at_ms;
    deploy_rollout r;
    char *stored;
    sim_agent agents[ROLLOUT_SLOTS_MAX];
    uint32_t fail_share, from_fail_share; // in 1/100
    uint32_t parallel, canaries;          // as they were asked for
    uint32_t failed, late; // of the new release: that the leader heard of, or may have missed
    bool is_aborted, is_promoted;
    uint64_t canary_since_ms;
    uint64_t hash, actions, deaths;
    char violation[256];
} rollout_world;

uint32_t rollout_below(rollout_world *w, uint32_t bound);
__attribute__((format(printf, 2, 3))) void rollout_violate(rollout_world *w, const char *format,
                                                           ...);
// ---- rollout_check.c
void rollout_check_action(rollout_world *w, const deploy_action *a); // before the agent hears it
void rollout_check_state(rollout_world *w);                          // after each step
void rollout_check_end(rollout_world *w);
// ---- rollout_bug.c
bool rollout_is_bug(rollout_world *w, rollout_bug bug); // now, once
void rollout_hurt(rollout_world *w);                    // the state
