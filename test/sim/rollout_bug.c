// Bugs planted to see that the checks find them.
#include "rollout_sim.h"

static const char *const names[ROLLOUT_BUG_COUNT] = {
    [ROLLOUT_BUG_NONE] = "none",
    [ROLLOUT_BUG_ACTION_LOST] = "action-lost",
    [ROLLOUT_BUG_ACTION_WRONG] = "action-wrong",
    [ROLLOUT_BUG_READY_FORGED] = "ready-forged",
    [ROLLOUT_BUG_STEP_SKIPPED] = "step-skipped",
    [ROLLOUT_BUG_PROMOTED] = "promoted",
    [ROLLOUT_BUG_PARALLEL] = "parallel",
    [ROLLOUT_BUG_CANARIES] = "canaries",
    [ROLLOUT_BUG_FAILURES_FORGOTTEN] = "failures-forgotten",
    [ROLLOUT_BUG_FAILURES_INVENTED] = "failures-invented",
    [ROLLOUT_BUG_ABORT_FORGOTTEN] = "abort-forgotten",
    [ROLLOUT_BUG_TICK_FORGOTTEN] = "tick-forgotten",
    [ROLLOUT_BUG_STORE_FORGOTTEN] = "store-forgotten",
    [ROLLOUT_BUG_DONE_EARLY] = "done-early",
    [ROLLOUT_BUG_REVERT_SKIPPED] = "revert-skipped",
    [ROLLOUT_BUG_ATTEMPT_REUSED] = "attempt-reused",
};

const char *rollout_bug_name(uint32_t bug) {
    return names[bug];
}

bool rollout_is_bug(rollout_world *w, rollout_bug bug) {
    return w->run.bug == bug && w->now_ms >= w->bug_at_ms;
}

static void set_step(rollout_world *w, deploy_step from, deploy_step to) {
    for (uint32_t i = 0; i < w->r.options.instances; i++) {
        deploy_slot *s = &w->r.slots[i];
        if (s->step != from) continue;
        s->step = to;
        s->at_ms = 0;
        return;
    }
}

void rollout_hurt(rollout_world *w) {
    deploy_rollout *r = &w->r;
    if (w->now_ms < w->bug_at_ms || deploy_rollout_is_over(r)) return;
    switch ((rollout_bug)w->run.bug) {
    case ROLLOUT_BUG_STEP_SKIPPED: set_step(w, DEPLOY_STARTING, DEPLOY_NEW); break;
    case ROLLOUT_BUG_PROMOTED: r->is_promoted = true; break;
    case ROLLOUT_BUG_PARALLEL: r->options.parallel = w->parallel + 1; break;
    case ROLLOUT_BUG_CANARIES: r->options.canaries = 0; break;
    case ROLLOUT_BUG_FAILURES_FORGOTTEN: r->failures = 0; break;
    case ROLLOUT_BUG_FAILURES_INVENTED:
        if (r->phase == DEPLOY_FORWARD) r->phase = DEPLOY_BACK;
        break;
    case ROLLOUT_BUG_ABORT_FORGOTTEN:
        if (w->is_aborted && r->phase == DEPLOY_BACK) r->phase = DEPLOY_FORWARD;
        break;
    case ROLLOUT_BUG_DONE_EARLY:
        if (r->phase == DEPLOY_FORWARD) r->phase = DEPLOY_DONE;
        break;
    case ROLLOUT_BUG_REVERT_SKIPPED:
        if (r->phase == DEPLOY_BACK) set_step(w, DEPLOY_NEW, DEPLOY_OLD);
        break;
    case ROLLOUT_BUG_ATTEMPT_REUSED:
        for (uint32_t i = 0; i < r->options.instances; i++)
            if (r->slots[i].step == DEPLOY_OLD && r->slots[i].attempt > 0) r->slots[i].attempt--;
        break;
    default: break;
    }
}
