// The rules that the decisions of a supervisor keep.
#include <inttypes.h>
#include <signal.h>

#include "supervisor_world.h"

// ---- groups

static bool is_any(const sim_service *svc, bool (*is_so)(const sim_instance *)) {
    for (uint32_t i = 0; svc->is_there && i < svc->spec.instances; i++)
        if (is_so(&svc->instances[i])) return true;
    return false;
}

// Whether a service of this group, that joined in [from, until), has such an instance.
static bool is_any_of(const sim_world *w, uint32_t group_id, uint32_t from, uint32_t until,
                      bool (*is_so)(const sim_instance *)) {
    for (uint32_t k = 0; k < SERVICES_MAX; k++) {
        const sim_service *svc = &w->services[k];
        if (svc->is_there && svc->spec.group_id == group_id && svc->joined >= from &&
            svc->joined < until && is_any(svc, is_so))
            return true;
    }
    return false;
}

static bool is_held(const sim_instance *in) {
    return in->is_held;
}

static bool is_leaving(const sim_instance *in) {
    return sim_is_live(in) && !sim_is_wanted(in);
}

static bool is_before(const sim_instance *in) { // waits, or is not ready yet
    return in->is_held || in->is_starting;
}

// S6: in the order in which they joined, each when the one before is ready.
static void check_turn(sim_world *w, const sim_service *svc) {
    const sim_group *g = &w->groups[svc->spec.group_id];
    uint32_t id = svc->spec.service_id;
    if (w->now_ms < g->due_at_ms) sim_violate(w, "S6: %u starts before its group may", id);
    if (is_any_of(w, svc->spec.group_id, 0, svc->joined, is_before))
        sim_violate(w, "S6: %u starts before one that joined before it is ready", id);
    for (uint32_t k = 0; k < SERVICES_MAX; k++) {
        const sim_service *other = &w->services[k];
        if (!other->is_there || other->spec.group_id != svc->spec.group_id) continue;
        for (uint32_t i = 0; other->joined >= g->from && i < other->spec.instances; i++)
            if (sim_is_live(&other->instances[i]) &&
                other->instances[i].asked_at_ms < g->restart_at_ms)
                sim_violate(w, "S6: %u starts while %u.%u lives on", id, other->spec.service_id, i);
    }
}

// S6: the last that joined first, each when the one behind it has ended.
static void check_group_signal(sim_world *w, const sim_service *svc, uint32_t index) {
    uint32_t id = svc->spec.service_id, group_id = svc->spec.group_id;
    const sim_group *g = &w->groups[group_id];
    // Who caused the restart may have been stopped since; it goes on.
    bool is_old = svc->joined >= g->from && svc->instances[index].asked_at_ms <= g->restart_at_ms;
    bool is_wanted = group_id != 0 && (w->is_ending || g->is_given_up || is_old ||
                                       is_any_of(w, group_id, 0, UINT32_MAX, is_held));
    if (!is_wanted) sim_violate(w, "S2: %u was told to end, and nobody wanted it", id);
    if (is_any_of(w, group_id, svc->joined + 1, UINT32_MAX, sim_is_live))
        sim_violate(w, "S6: %u was told to end before those that joined after it had", id);
}

// ---- decisions

static void check_launch(sim_world *w, sim_service *svc, uint32_t index) {
    sim_instance *in = &svc->instances[index];
    uint32_t id = svc->spec.service_id;
    if (sim_is_live(in)) sim_violate(w, "S1: two lives of %u.%u", id, index);
    if (in->is_over || in->is_stopped) sim_violate(w, "S3: %u.%u was stopped", id, index);
    if (in->is_end_open)
        sim_violate(w, "S7: what follows the end of %u.%u was not said", id, index);
    if (in->due_at_ms != NEVER && w->now_ms < in->due_at_ms)
        sim_violate(w, "S5: %u.%u starts %" PRIu64 " ms too early", id, index,
                    in->due_at_ms - w->now_ms);
    if (in->is_held) {
        check_turn(w, svc);
        in->is_starting = true;
    }
    in->is_held = in->is_recycled = in->is_revived = false;
    in->due_at_ms = NEVER;
}

static void check_signal(sim_world *w, const sim_service *svc, const agent_decision *d) {
    sim_instance *in = (sim_instance *)&svc->instances[d->instance];
    uint32_t id = svc->spec.service_id;
    if (in->life != LIFE_RUNNING) sim_violate(w, "S2: %u.%u does not run", id, d->instance);
    if (d->signal == SIGKILL) {
        bool is_due = in->term_at_ms != NEVER && w->now_ms >= in->term_at_ms + in->rules.grace_ms;
        if (!is_due && !in->is_kill_asked && !in->is_late)
            sim_violate(w, "S2: %u.%u is killed before its grace time is over", id, d->instance);
        in->is_killed = true;
        return;
    }
    if (d->signal != (in->rules.stop_signal != 0 ? in->rules.stop_signal : SIGTERM))
        sim_violate(w, "S2: %u.%u gets signal %d", id, d->instance, d->signal);
    if (in->term_at_ms != NEVER) sim_violate(w, "S2: %u.%u is told twice", id, d->instance);
    in->term_at_ms = w->now_ms;
    if (!in->is_stopped && !in->is_recycled && !in->is_unhealthy)
        check_group_signal(w, svc, d->instance);
}

static void check_drain(sim_world *w, sim_service *svc, uint32_t index) {
    sim_instance *in = &svc->instances[index];
    if (in->life != LIFE_RUNNING || in->drain_at_ms != w->now_ms || in->is_drain_told)
        sim_violate(w, "S2: nobody wants %u.%u to finish", svc->spec.service_id, index);
    in->is_drain_told = true;
}

static bool has_given(const sim_service *svc, const sim_instance *in) {
    switch (in->rules.ready) {
    case AGENT_READY_MESH: return (in->given & 1u << AGENT_SIGN_MESH) != 0;
    case AGENT_READY_LISTEN: return (in->given & 1u << AGENT_SIGN_LISTENS) != 0;
    case AGENT_READY_MESSAGE: return (in->given & 1u << AGENT_SIGN_MESSAGE) != 0;
    case AGENT_READY_STARTED: return true;
    default: return in->given >> (svc->known != AGENT_SIGN_NONE ? svc->known : 1) != 0;
    }
}

static uint64_t start_timeout_ms(const sim_instance *in) {
    return in->rules.start_timeout_ms != 0 ? in->rules.start_timeout_ms : AGENT_START_TIMEOUT_MS;
}

static bool has_signed(const sim_world *w, const sim_service *svc, const sim_instance *in) {
    bool is_settled =
        in->rules.ready == AGENT_READY_AUTO && w->now_ms - in->began_at_ms >= AGENT_SETTLE_MS;
    return has_given(svc, in) || is_settled;
}

static void check_ready(sim_world *w, sim_service *svc, uint32_t index) {
    sim_instance *in = &svc->instances[index];
    if (in->life != LIFE_RUNNING || in->is_ready || !sim_is_wanted(in) ||
        !(in->rules.health.is_checked ? in->has_been_well : has_signed(w, svc, in)))
        sim_violate(w, "S8: %u.%u is not ready", svc->spec.service_id, index);
    in->is_ready = true;
    in->is_starting = false;
}

static void check_late(sim_world *w, const sim_service *svc, const agent_decision *d) {
    sim_instance *in = (sim_instance *)&svc->instances[d->instance];
    bool needs_sign = !has_given(svc, in) && in->rules.ready != AGENT_READY_AUTO,
         needs_health = in->rules.health.is_checked && !in->has_been_well;
    if (in->life != LIFE_RUNNING || in->is_ready || (!needs_sign && !needs_health) ||
        w->now_ms - in->began_at_ms < start_timeout_ms(in) || d->delay_ms != start_timeout_ms(in))
        sim_violate(w, "S8: %u.%u is not late", svc->spec.service_id, d->instance);
    in->is_late = true;
    w->result.late++;
}

// ---- what follows an end

static sim_restarts *restarts_of(sim_world *w, sim_service *svc, uint32_t index) {
    return sim_is_shared(svc) ? &w->groups[svc->spec.group_id].restarts : &svc->restarts[index];
}

static uint32_t recent_restarts(sim_world *w, sim_service *svc, uint32_t index) {
    const sim_restarts *r = restarts_of(w, svc, index);
    uint32_t recent = 0;
    for (uint32_t i = 0; i < r->count; i++)
        recent += w->now_ms - r->at_ms[i] < svc->instances[index].rules.budget.window_ms;
    return recent;
}

// What its policy says, had it ended by itself.
static bool is_failure(const sim_instance *in) {
    return !sim_is_clean(in->how) || in->is_late || in->is_unhealthy;
}

static bool is_bad_start(const sim_instance *in) {
    return !in->has_lived && in->how.code > 0 && in->how.signal == 0 && !in->is_late &&
           !in->is_unhealthy && in->life_ms < AGENT_START_MS &&
           in->rules.restart != AGENT_RESTART_ALWAYS;
}

static bool is_last(const sim_instance *in) {
    return in->rules.restart == AGENT_RESTART_NEVER ||
           (!is_failure(in) && in->rules.restart != AGENT_RESTART_ALWAYS);
}

static void check_backoff(sim_world *w, sim_service *svc, const agent_decision *d) {
    sim_instance *in = &svc->instances[d->instance];
    uint32_t id = svc->spec.service_id;
    if (!in->was_wanted && !in->is_late && !in->is_unhealthy)
        sim_violate(w, "S4: %u.%u was told to end: that is no failure", id, d->instance);
    if (is_last(in) || is_bad_start(in))
        sim_violate(w, "S4: the policy of %u says no to a restart", id);
    if (d->delay_ms < AGENT_BACKOFF_MIN_MS || d->delay_ms > AGENT_BACKOFF_MAX_MS)
        sim_violate(w, "S5: a backoff of %u ms", d->delay_ms);
    if (is_failure(in)) {
        sim_restarts *r = restarts_of(w, svc, d->instance);
        if (recent_restarts(w, svc, d->instance) >= in->rules.budget.restarts)
            sim_violate(w, "S4: the budget of %u.%u is used up", id, d->instance);
        if (r->count < RESTARTS_MAX) r->at_ms[r->count++] = w->now_ms;
        w->result.failures++;
    }
    if (!sim_is_shared(svc)) {
        in->due_at_ms = w->now_ms + d->delay_ms;
        return;
    }
    sim_group *g = &w->groups[svc->spec.group_id];
    in->is_held = true;
    g->restart_at_ms = w->now_ms;
    if (g->due_at_ms < w->now_ms + d->delay_ms) g->due_at_ms = w->now_ms + d->delay_ms;
    g->from = g->strategy == AGENT_ONE_FOR_ALL ? 0 : svc->joined;
}

static void check_held(sim_world *w, sim_service *svc, uint32_t index) {
    // Who caused the restart may have been stopped since: then this one, or another, had been told
    // to end.
    bool is_any_held = is_any_of(w, svc->spec.group_id, 0, UINT32_MAX, is_held) ||
                       is_any_of(w, svc->spec.group_id, 0, UINT32_MAX, is_leaving);
    if (!sim_is_shared(svc) || (!is_any_held && svc->instances[index].was_wanted))
        sim_violate(w, "S7: %u.%u waits for a group that does nothing", svc->spec.service_id,
                    index);
    if (svc->instances[index].rules.restart == AGENT_RESTART_NEVER)
        sim_violate(w, "S4: the policy of %u says no to a restart", svc->spec.service_id);
    svc->instances[index].is_held = true;
}

static void check_failed(sim_world *w, sim_service *svc, const agent_decision *d) {
    const sim_instance *in = &svc->instances[d->instance];
    sim_group *g = &w->groups[svc->spec.group_id];
    switch (d->reason) {
    case AGENT_FAILURE_START:
        if (is_bad_start(in)) return;
        break;
    case AGENT_FAILURE_BUDGET:
        g->is_given_up |= sim_is_shared(svc);
        w->result.given_up++;
        if (is_failure(in) && recent_restarts(w, svc, d->instance) >= in->rules.budget.restarts)
            return;
        break;
    default:
        if (g->is_given_up) return;
    }
    sim_violate(w, "S4: there is no reason to give up %u.%u", svc->spec.service_id, d->instance);
}

static void check_over(sim_world *w, const sim_service *svc, uint32_t index) {
    const sim_instance *in = &svc->instances[index];
    bool is_ending = w->is_ending && (svc->spec.group_id == 0 || !in->is_stopped);
    if (!in->is_stopped && !is_ending && !is_last(in))
        sim_violate(w, "S4: %u.%u should run again", svc->spec.service_id, index);
}

static void check_end(sim_world *w, sim_service *svc, const agent_decision *d) {
    sim_instance *in = &svc->instances[d->instance];
    uint32_t id = svc->spec.service_id;
    bool is_final = d->kind == AGENT_OVER || d->kind == AGENT_FAILED;
    if (sim_is_live(in)) sim_violate(w, "S7: %u.%u has not ended", id, d->instance);
    if (in->is_over) sim_violate(w, "S7: %u.%u is over already", id, d->instance);
    // The group's own decisions come to those that have ended before, too.
    if (!in->is_end_open && !(is_final && (in->is_held || in->is_revived)))
        sim_violate(w, "S7: %u.%u ends twice", id, d->instance);
    if (in->is_stopped && d->kind != AGENT_OVER)
        sim_violate(w, "S3: %u.%u was stopped, and that is final", id, d->instance);
    // That one ended well as it was told to, for what it had not done, is no success.
    if ((in->is_late || in->is_unhealthy) && sim_is_clean(in->how) && d->how.code == 1)
        in->how.code = 1;
    if (d->how.code != in->how.code || d->how.signal != in->how.signal)
        sim_violate(w, "S7: %u.%u did not end so", id, d->instance);
    switch (d->kind) {
    case AGENT_BACKOFF: check_backoff(w, svc, d); break;
    case AGENT_HELD: check_held(w, svc, d->instance); break;
    case AGENT_OVER: check_over(w, svc, d->instance); break;
    case AGENT_FAILED: check_failed(w, svc, d); break;
    default:
        if (!in->is_recycled) sim_violate(w, "S4: nobody wants %u.%u again", id, d->instance);
    }
    in->has_lived = true;
    in->is_end_open = in->is_late = in->is_unhealthy = in->is_recycled = in->is_revived = false;
    if (!is_final) return;
    in->is_over = true;
    in->is_held = in->is_starting = false;
    in->due_at_ms = NEVER;
}

static void check_ended(sim_world *w, sim_service *svc, int exit_code) {
    int first = 0;
    for (uint32_t i = svc->spec.instances; i-- > 0;) {
        const sim_instance *in = &svc->instances[i];
        if (!in->is_over) sim_violate(w, "S9: %u is not over", svc->spec.service_id);
        if (i < svc->wanted && agent_exit_code(in->how) != 0) first = agent_exit_code(in->how);
    }
    if (first != exit_code)
        sim_violate(w, "S9: %u ended with %d, not %d", svc->spec.service_id, first, exit_code);
    if (svc->is_ended) sim_violate(w, "S9: %u ended twice", svc->spec.service_id);
    svc->is_ended = true;
}

void sim_check_decision(sim_world *w, sim_service *svc, const agent_decision *d) {
    switch (d->kind) {
    case AGENT_LAUNCH: check_launch(w, svc, d->instance); return;
    case AGENT_SIGNAL: check_signal(w, svc, d); return;
    case AGENT_DRAIN: check_drain(w, svc, d->instance); return;
    case AGENT_CHECK:
        sim_check_question(w, svc, d, has_signed(w, svc, &svc->instances[d->instance]));
        return;
    case AGENT_UNHEALTHY: sim_check_unhealthy(w, svc, d); return;
    case AGENT_NOW_READY: check_ready(w, svc, d->instance); return;
    case AGENT_TOO_LATE: check_late(w, svc, d); return;
    case AGENT_ENDED: check_ended(w, svc, d->exit_code); return;
    default: check_end(w, svc, d);
    }
}

// ---- at each moment

static void check_running(sim_world *w, sim_service *svc, uint32_t index) {
    const sim_instance *in = &svc->instances[index];
    uint32_t id = svc->spec.service_id;
    uint64_t age_ms = w->now_ms - in->began_at_ms;
    bool is_wanted = sim_is_wanted(in);
    bool is_draining = in->term_at_ms == NEVER && !in->is_killed && in->is_drain_told &&
                       in->drain_at_ms != NEVER && !in->is_drained &&
                       w->now_ms < in->drain_at_ms + DRAIN_MS + AGENT_DRAIN_ANSWER_MS;
    bool is_told = in->term_at_ms != NEVER || in->is_killed;
    if (!is_told && !is_draining && (in->is_stopped || in->is_recycled))
        sim_violate(w, "S2: %u.%u was not told to end", id, index);
    if (in->term_at_ms != NEVER && !in->is_killed &&
        w->now_ms >= in->term_at_ms + in->rules.grace_ms)
        sim_violate(w, "S2: %u.%u lives on after its grace time", id, index);
    if (in->is_late && !in->is_killed) sim_violate(w, "S8: %u.%u is late and lives", id, index);
    uint64_t most_ms = in->rules.ready == AGENT_READY_AUTO ? (uint64_t)AGENT_SETTLE_KNOWN_MS
                                                           : start_timeout_ms(in);
    if (in->rules.health.is_checked) { // who is signed at the last moment has time for one answer
        if (most_ms < start_timeout_ms(in)) most_ms = start_timeout_ms(in);
        most_ms += in->rules.health.timeout_ms;
    }
    sim_check_health(w, svc, index, has_given(svc, in));
    if (is_wanted && !in->is_ready && age_ms >= most_ms)
        sim_violate(w, "S8: nobody has noticed that %u.%u is not ready", id, index);
    bool is_ready = is_wanted && in->is_ready;
    if (agent_supervisor_is_ready(w->s, id, index) != is_ready)
        sim_violate(w, "S8: whether %u.%u is ready is told wrongly", id, index);
}

static void check_resting(sim_world *w, sim_service *svc, uint32_t index) {
    const sim_instance *in = &svc->instances[index];
    uint32_t id = svc->spec.service_id;
    if (in->is_end_open)
        sim_violate(w, "S7: what follows the end of %u.%u was not said", id, index);
    if (!in->is_over && !in->is_held && in->due_at_ms == NEVER)
        sim_violate(w, "S7: %u.%u should run", id, index);
    if (in->due_at_ms != NEVER && w->now_ms >= in->due_at_ms)
        sim_violate(w, "S5: %u.%u should run again by now", id, index);
}

void sim_check_all(sim_world *w) {
    for (uint32_t k = 0; k < SERVICES_MAX; k++) {
        sim_service *svc = &w->services[k];
        bool is_over = true;
        for (uint32_t i = 0; svc->is_there && i < svc->spec.instances; i++) {
            const sim_instance *in = &svc->instances[i];
            is_over &= in->is_over;
            if (in->life == LIFE_RUNNING) check_running(w, svc, i);
            if (in->life == LIFE_NONE) check_resting(w, svc, i);
            if (agent_supervisor_is_over(w->s, svc->spec.service_id, i) != in->is_over)
                sim_violate(w, "S9: whether %u.%u is over is told wrongly", svc->spec.service_id,
                            i);
        }
        if (svc->is_there && is_over != svc->is_ended)
            sim_violate(w, "S9: that %u is over was not said", svc->spec.service_id);
    }
    if (agent_supervisor_wake_at_ms(w->s) <= w->now_ms)
        sim_violate(w, "S7: something is due and was not done");
    for (uint32_t g = 1; g <= GROUPS_MAX; g++) // it ends with those that were to be restarted
        if (!is_any_of(w, g, 0, UINT32_MAX, sim_is_live)) w->groups[g].is_given_up = false;
}

void sim_check_calm(sim_world *w) {
    for (uint32_t k = 0; k < SERVICES_MAX; k++) {
        const sim_service *svc = &w->services[k];
        for (uint32_t i = 0; svc->is_there && i < svc->spec.instances; i++) {
            const sim_instance *in = &svc->instances[i];
            if (!in->is_over && !(in->life == LIFE_RUNNING && in->is_ready))
                sim_violate(w, "S7: %u.%u never came back", svc->spec.service_id, i);
        }
    }
}

void sim_check_ended(sim_world *w) {
    for (uint32_t k = 0; k < SERVICES_MAX; k++)
        if (w->services[k].is_there && !w->services[k].is_ended)
            sim_violate(w, "S9: %u is still there", w->services[k].spec.service_id);
    if (agent_supervisor_wake_at_ms(w->s) != NEVER) sim_violate(w, "S9: something is left over");
}
