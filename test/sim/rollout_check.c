// The rules that a rollout keeps.
#include "rollout_sim.h"

// It was told the new release, and nobody can know yet that it is well.
static bool is_under_way(const rollout_world *w, const sim_agent *a) {
    if (a->is_lost || a->wanted != w->r.options.to) return false;
    return a->ready_at_ms == 0 || w->now_ms < a->ready_at_ms + w->r.options.settle_ms;
}

static void check_begin(rollout_world *w, uint32_t slot) {
    const deploy_rollout_options *o = &w->r.options;
    uint32_t under_way = 0, is_new = 0;
    for (uint32_t i = 0; i < o->instances; i++) {
        const sim_agent *a = &w->agents[i];
        if (i != slot && is_under_way(w, a)) under_way++;
        if (i != slot && !a->is_lost && a->wanted == o->to) is_new++;
    }
    if (under_way >= w->parallel)
        rollout_violate(w, "R1: %u is begun while %u are under way", slot, under_way);
    if (w->canaries > 0 && !w->is_promoted && is_new >= w->canaries)
        rollout_violate(w, "R2: %u is begun before %u canaries are promoted", slot, w->canaries);
    if (w->is_aborted) rollout_violate(w, "R3: %u is begun after an abort", slot);
    if (w->failed > o->failures_max)
        rollout_violate(w, "R3: %u is begun after %u failures", slot, w->failed);
}

void rollout_check_action(rollout_world *w, const deploy_action *action) {
    const sim_agent *a = &w->agents[action->slot];
    if (action->attempt < a->attempt)
        rollout_violate(w, "R4: attempt %u of %u follows %u", action->attempt, action->slot,
                        a->attempt);
    if (action->attempt == a->attempt && action->release != a->wanted)
        rollout_violate(w, "R4: attempt %u of %u has two releases", action->attempt, action->slot);
    if (action->release != w->r.options.from && action->release != w->r.options.to)
        rollout_violate(w, "R4: release %u", (unsigned)action->release);
    if (action->release == w->r.options.to && a->wanted != w->r.options.to)
        check_begin(w, action->slot);
}

void rollout_check_state(rollout_world *w) {
    const deploy_rollout *r = &w->r;
    bool is_back = r->phase == DEPLOY_BACK || r->phase >= DEPLOY_RETURNED;
    if (is_back && !w->is_aborted && w->failed + w->late <= r->options.failures_max)
        rollout_violate(w, "R5: it goes back after %u failures and %u that were late", w->failed,
                        w->late);
    if (r->is_promoted && !w->is_promoted) {
        bool is_time = r->options.promote_ms > 0 && w->canary_since_ms > 0 &&
                       w->now_ms >= w->canary_since_ms + r->options.promote_ms;
        if (!is_time) rollout_violate(w, "R2: canaries were promoted by nobody");
        w->is_promoted = true;
    }
    if (r->phase != DEPLOY_CANARY)
        w->canary_since_ms = 0;
    else if (w->canary_since_ms == 0)
        w->canary_since_ms = w->now_ms;
}

void rollout_check_end(rollout_world *w) {
    const deploy_rollout *r = &w->r;
    if (!deploy_rollout_is_over(r)) {
        rollout_violate(w, "R6: it does not end");
        return;
    }
    for (uint32_t i = 0; i < r->options.instances; i++) {
        const sim_agent *a = &w->agents[i];
        uint64_t release = r->phase == DEPLOY_DONE ? r->options.to : r->options.from;
        if (a->is_lost || r->slots[i].step == DEPLOY_STUCK) continue;
        if (a->wanted != release || a->runs != release)
            rollout_violate(w, "R7: %u runs release %u at the end, not %u", i, (unsigned)a->runs,
                            (unsigned)release);
    }
}
