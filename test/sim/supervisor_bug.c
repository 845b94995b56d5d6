// Bugs that are planted in what a supervisor says, and in its state, behind its back.
#include "agent/supervisor_state.h"
#include "supervisor_world.h"

static const char *const names[SUPERVISOR_BUG_COUNT] = {
    "none",
    "launch-twice",
    "launch-forgotten",
    "signal-forgotten",
    "end-forgotten",
    "ended-forgotten",
    "ended-wrong",
    "ready-forgotten",
    "ready-early",
    "late-forgotten",
    "tick-forgotten",
    "backoff-ignored",
    "backoff-forgotten",
    "bookings-forgotten",
    "bookings-invented",
    "stop-forgotten",
    "kill-forgotten",
    "kill-early",
    "policy-changed",
    "first-forgotten",
    "group-swapped",
    "group-smaller",
    "group-stuck",
    "group-hasty",
    "group-at-once",
    "group-kept",
    "held-forgotten",
    "wanted-smaller",
    "drain-forgotten",
    "rules-shared",
    "check-forgotten",
    "check-unsaid",
    "answer-forgotten",
    "ill-forgotten",
    "ill-invented",
    "unhealthy-clean",
};

const char *supervisor_bug_name(supervisor_bug bug) {
    return bug < SUPERVISOR_BUG_COUNT ? names[bug] : "?";
}

static bool has(const sim_world *w, supervisor_bug bug) {
    return w->options.bug == bug;
}

// ---- what it says

uint32_t sim_bug_decision(sim_world *w, agent_decision *d) {
    bool is_end = d->kind == AGENT_BACKOFF || d->kind == AGENT_HELD || d->kind == AGENT_OVER;
    if (has(w, SUPERVISOR_BUG_NONE) || mesh_rng_below(&w->bug_rng, 4) > 0) return 1;
    if (has(w, SUPERVISOR_BUG_LAUNCH_TWICE) && d->kind == AGENT_LAUNCH) return 2;
    if (has(w, SUPERVISOR_BUG_LAUNCH_FORGOTTEN) && d->kind == AGENT_LAUNCH) return 0;
    if (has(w, SUPERVISOR_BUG_SIGNAL_FORGOTTEN) && d->kind == AGENT_SIGNAL) return 0;
    if (has(w, SUPERVISOR_BUG_END_FORGOTTEN) && is_end) return 0;
    if (has(w, SUPERVISOR_BUG_ENDED_FORGOTTEN) && d->kind == AGENT_ENDED) return 0;
    if (has(w, SUPERVISOR_BUG_ENDED_WRONG) && d->kind == AGENT_ENDED) d->exit_code++;
    if (has(w, SUPERVISOR_BUG_READY_FORGOTTEN) && d->kind == AGENT_NOW_READY) return 0;
    if (has(w, SUPERVISOR_BUG_CHECK_UNSAID) && d->kind == AGENT_CHECK) return 0;
    return 1;
}

// ---- what it is

static void hurt_time(const sim_world *w, instance *in) {
    bool is_leaving = in->phase == RUNNING && in->leaving != STAYING && !in->is_killed;
    if (has(w, SUPERVISOR_BUG_LATE_FORGOTTEN)) in->ready_at_ms = UINT64_MAX;
    if (has(w, SUPERVISOR_BUG_BACKOFF_IGNORED) && in->phase == BACKING_OFF)
        in->due_at_ms = w->now_ms + 1;
    if (has(w, SUPERVISOR_BUG_BACKOFF_FORGOTTEN) && in->phase == BACKING_OFF)
        in->due_at_ms = UINT64_MAX;
    if (has(w, SUPERVISOR_BUG_KILL_FORGOTTEN) && is_leaving) in->due_at_ms = UINT64_MAX;
    if (has(w, SUPERVISOR_BUG_KILL_EARLY) && is_leaving) in->due_at_ms = w->now_ms + 1;
}

static void hurt_health(const sim_world *w, instance *in) {
    bool is_over = in->leaving == UNHEALTHY;
    if (has(w, SUPERVISOR_BUG_CHECK_FORGOTTEN)) in->health.due_at_ms = UINT64_MAX;
    if (has(w, SUPERVISOR_BUG_ANSWER_FORGOTTEN)) in->health.number++;
    if (has(w, SUPERVISOR_BUG_ILL_FORGOTTEN)) in->health.failures = 0;
    if (has(w, SUPERVISOR_BUG_ILL_INVENTED)) in->health.failures++;
    if (has(w, SUPERVISOR_BUG_UNHEALTHY_CLEAN) && is_over) in->has_failed = false;
}

static void hurt_instance(const sim_world *w, const service *svc, instance *in) {
    hurt_time(w, in);
    hurt_health(w, in);
    if (has(w, SUPERVISOR_BUG_READY_EARLY) && in->phase == RUNNING && !in->is_ready)
        in->is_ready = true;
    if (has(w, SUPERVISOR_BUG_BOOKINGS_FORGOTTEN)) in->bookings.count = 0;
    for (uint32_t i = 0; has(w, SUPERVISOR_BUG_BOOKINGS_INVENTED) && i < in->bookings.count; i++)
        in->bookings.at_ms[i] = w->now_ms; // forgets nothing
    if (has(w, SUPERVISOR_BUG_STOP_FORGOTTEN) && in->phase == RUNNING && in->leaving == STOPPED)
        in->leaving = RECYCLED;
    if (has(w, SUPERVISOR_BUG_DRAIN_FORGOTTEN)) in->is_draining = false;
    if (has(w, SUPERVISOR_BUG_FIRST_FORGOTTEN)) in->has_lived = true;
    if (has(w, SUPERVISOR_BUG_POLICY_CHANGED)) in->rules.restart = (in->rules.restart + 1) % 3;
    if (has(w, SUPERVISOR_BUG_RULES_SHARED)) in->rules = svc->spec.rules;
    if (has(w, SUPERVISOR_BUG_HELD_FORGOTTEN) && in->phase == HELD && svc->group != NULL)
        in->phase = RUNNING;
}

static void hurt_order(const sim_world *w, group *g) {
    if (has(w, SUPERVISOR_BUG_GROUP_SWAPPED) && g->count > 1 && g->phase == STEADY) {
        service *first = g->members[0];
        g->members[0] = g->members[1];
        g->members[1] = first;
    }
    if (has(w, SUPERVISOR_BUG_GROUP_SMALLER) && g->phase == STOPPING && g->from + 1 < g->count)
        g->from++;
    if (has(w, SUPERVISOR_BUG_GROUP_AT_ONCE) && g->phase == STARTING)
        for (uint32_t i = 0; i < g->members[g->at]->spec.instances; i++)
            g->members[g->at]->instances[i].is_ready |=
                g->members[g->at]->instances[i].phase == RUNNING;
}

static void hurt_group(const sim_world *w, group *g) {
    hurt_order(w, g);
    if (has(w, SUPERVISOR_BUG_GROUP_STUCK) && g->phase == WAITING) g->due_at_ms = UINT64_MAX;
    if (has(w, SUPERVISOR_BUG_GROUP_HASTY) && g->phase == WAITING) g->due_at_ms = w->now_ms + 1;
    if (has(w, SUPERVISOR_BUG_GROUP_KEPT) && g->phase == GIVING_UP) g->phase = STOPPING;
    if (has(w, SUPERVISOR_BUG_BOOKINGS_FORGOTTEN)) g->bookings.count = 0;
}

void sim_bug_hurt(sim_world *w) {
    if (has(w, SUPERVISOR_BUG_NONE)) return;
    for (uint32_t k = 0; k < w->s->service_count; k++) {
        service *svc = w->s->services[k];
        if (has(w, SUPERVISOR_BUG_WANTED_SMALLER) && svc->wanted > 1) svc->wanted--;
        for (uint32_t i = 0; i < svc->spec.instances; i++)
            if (mesh_rng_below(&w->bug_rng, 4) == 0) hurt_instance(w, svc, &svc->instances[i]);
    }
    for (uint32_t k = 0; k < w->s->group_count; k++)
        if (mesh_rng_below(&w->bug_rng, 4) == 0) hurt_group(w, w->s->groups[k]);
}
