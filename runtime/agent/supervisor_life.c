// The lives of one instance: when it is launched, ready, told to end, and what follows its end.
#include <signal.h>
#include <string.h>

#include "agent/supervisor_state.h"
#include "core/mem.h"

void agent_life_launch(agent_supervisor *s, service *svc, uint32_t index) {
    instance *in = &svc->instances[index];
    in->phase = LAUNCHING;
    in->leaving = STAYING;
    in->signs = 0;
    in->is_killed = in->is_ready = in->is_signed = in->has_failed = in->is_draining = false;
    in->due_at_ms = in->ready_at_ms = UINT64_MAX;
    in->health = agent_health_none(in->health.number);
    agent_decide(s, AGENT_LAUNCH, svc, index);
}

// ---- readiness

// What a sign must be at least, or be.
bool agent_life_is_enough(const service *svc, const agent_rules *rules, agent_sign sign) {
    switch (rules->ready) {
    case AGENT_READY_MESH: return sign == AGENT_SIGN_MESH;
    case AGENT_READY_LISTEN: return sign == AGENT_SIGN_LISTENS;
    case AGENT_READY_MESSAGE: return sign == AGENT_SIGN_MESSAGE;
    default: return sign >= svc->known;
    }
}

void agent_life_become_ready(agent_supervisor *s, service *svc, uint32_t index) {
    instance *in = &svc->instances[index];
    in->is_ready = true;
    in->ready_at_ms = UINT64_MAX;
    agent_decide(s, AGENT_NOW_READY, svc, index);
}

uint32_t agent_supervisor_start_timeout_ms(const agent_rules *rules) {
    return rules->start_timeout_ms != 0 ? rules->start_timeout_ms : AGENT_START_TIMEOUT_MS;
}

uint32_t agent_life_patience_ms(const service *svc, const agent_rules *rules,
                                bool *out_is_ready_then) {
    *out_is_ready_then = rules->ready == AGENT_READY_STARTED || agent_life_is_automatic(rules);
    if (!*out_is_ready_then) return agent_supervisor_start_timeout_ms(rules);
    if (rules->ready == AGENT_READY_STARTED) return 0;
    return svc->known != AGENT_SIGN_NONE ? AGENT_SETTLE_KNOWN_MS : AGENT_SETTLE_MS;
}

static void await_ready(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index) {
    instance *in = &svc->instances[index];
    bool is_ready_then;
    if (in->rules.ready == AGENT_READY_STARTED)
        agent_life_signed(s, now_ms, svc, index);
    else
        in->ready_at_ms = now_ms + agent_life_patience_ms(svc, &in->rules, &is_ready_then);
}

// The time for a sign is over: a program that was not asked for one does its work without. Or that
// for a good answer is.
static void miss_ready(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index) {
    instance *in = &svc->instances[index];
    if (agent_life_is_automatic(&in->rules) && !in->is_signed) {
        agent_life_signed(s, now_ms, svc, index);
        return;
    }
    in->has_failed = true;
    agent_decide(s, AGENT_TOO_LATE, svc, index)->delay_ms =
        agent_supervisor_start_timeout_ms(&in->rules);
    agent_life_kill(s, svc, index);
}

void agent_life_sign(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index,
                     agent_sign sign) {
    instance *in = &svc->instances[index];
    // A node's channel waits until the driver has said that it is launched.
    if (in->phase != RUNNING) return;
    in->signs |= 1U << sign;
    bool is_enough = agent_life_is_enough(svc, &in->rules, sign);
    if (sign > svc->known) svc->known = sign;
    if (is_enough && !in->is_signed && in->leaving == STAYING && !in->is_killed)
        agent_life_signed(s, now_ms, svc, index);
}

static bool has_given_enough(const service *svc, const instance *in) {
    for (agent_sign sign = AGENT_SIGN_SERVES; sign <= AGENT_SIGN_MESH; sign++)
        if ((in->signs & 1U << sign) != 0 && agent_life_is_enough(svc, &in->rules, sign))
            return true;
    return false;
}

void agent_life_change_ready(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index) {
    const instance *in = &svc->instances[index];
    if (in->phase != RUNNING || in->is_signed || in->leaving != STAYING || in->is_killed) return;
    if (has_given_enough(svc, in))
        agent_life_signed(s, now_ms, svc, index);
    else
        await_ready(s, now_ms, svc, index); // from now on: it did not know before
}

// ---- telling it to end

void agent_life_kill(agent_supervisor *s, service *svc, uint32_t index) {
    instance *in = &svc->instances[index];
    if (in->is_killed) return;
    in->is_killed = true;
    in->is_draining = false;
    in->due_at_ms = in->ready_at_ms = UINT64_MAX;
    agent_health_stop(&in->health);
    agent_decide(s, AGENT_SIGNAL, svc, index)->signal = SIGKILL;
}

static void terminate(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index) {
    instance *in = &svc->instances[index];
    if (in->is_killed) return;
    in->is_draining = false;
    in->due_at_ms = now_ms + in->rules.grace_ms;
    in->ready_at_ms = UINT64_MAX;
    agent_health_stop(&in->health);
    agent_decide(s, AGENT_SIGNAL, svc, index)->signal =
        in->rules.stop_signal != 0 ? in->rules.stop_signal : SIGTERM;
}

void agent_life_leave(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index,
                      agent_leaving why) {
    instance *in = &svc->instances[index];
    agent_leaving before = in->leaving;
    if (before != STOPPED) in->leaving = why; // nothing is stronger than a stop
    if (in->phase == RUNNING && before == STAYING) terminate(s, now_ms, svc, index);
}

void agent_life_stop(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index,
                     bool is_kill) {
    instance *in = &svc->instances[index];
    switch (in->phase) {
    case OVER: return;
    case HELD:
    case BACKING_OFF: agent_life_finish(s, svc, index, AGENT_OVER, 0); return;
    case LAUNCHING: // carried out when it runs
        in->is_killed |= is_kill;
        in->leaving = STOPPED;
        return;
    case RUNNING:
        if (!is_kill) {
            if (in->is_draining) terminate(s, now_ms, svc, index); // no more time for that
            agent_life_leave(s, now_ms, svc, index, STOPPED);
            return;
        }
        in->leaving = STOPPED;
        agent_life_kill(s, svc, index);
    }
}

void agent_life_retire(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index,
                       uint32_t drain_ms) {
    instance *in = &svc->instances[index];
    if (in->phase != RUNNING || in->leaving != STAYING || in->is_killed) {
        agent_life_stop(s, now_ms, svc, index, false);
        return;
    }
    in->leaving = STOPPED;
    in->is_draining = true;
    in->ready_at_ms = UINT64_MAX;
    agent_health_stop(&in->health);
    in->due_at_ms = now_ms + drain_ms + AGENT_DRAIN_ANSWER_MS;
    agent_decide(s, AGENT_DRAIN, svc, index)->delay_ms = drain_ms;
}

void agent_life_drained(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index) {
    const instance *in = &svc->instances[index];
    if (in->phase == RUNNING && in->is_draining) terminate(s, now_ms, svc, index);
}

void agent_life_restart(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index) {
    instance *in = &svc->instances[index];
    if (in->leaving == STOPPED && agent_life_is_there(in)) return;
    in->backoff_ms = AGENT_BACKOFF_MIN_MS;
    in->bookings.count = 0;
    if (svc->group != NULL) svc->group->bookings.count = 0;
    switch (in->phase) {
    case OVER:
        svc->over_count--;
        in->has_lived = false;
        in->how = (agent_exit){0};
        if (!agent_group_holds(svc)) {
            agent_life_launch(s, svc, index);
            return;
        }
        in->phase = HELD;
        in->leaving = STAYING;
        return;
    case BACKING_OFF: agent_life_launch(s, svc, index); return;
    case LAUNCHING:
    case HELD: return;
    case RUNNING: agent_life_leave(s, now_ms, svc, index, RECYCLED);
    }
}

void agent_life_join(agent_supervisor *s, service *svc, uint32_t index) {
    instance *in = &svc->instances[index];
    if (agent_life_is_there(in)) { // it is on its way out: the next life is wanted again
        in->leaving = RECYCLED;
        return;
    }
    if (in->phase == OVER) {
        svc->over_count--;
        in->has_lived = false;
        in->how = (agent_exit){0};
        in->backoff_ms = AGENT_BACKOFF_MIN_MS;
        in->bookings.count = 0;
        in->phase = HELD;
        in->leaving = STAYING;
    }
    if (!agent_group_holds(svc)) agent_life_launch(s, svc, index);
}

// ---- a life begins and ends

void agent_life_begin(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index) {
    instance *in = &svc->instances[index];
    in->phase = RUNNING;
    in->started_at_ms = now_ms;
    if (in->leaving == STAYING) {
        await_ready(s, now_ms, svc, index);
        return;
    }
    // It was told to end while it was being launched.
    bool is_kill = in->is_killed;
    in->is_killed = false;
    if (is_kill)
        agent_life_kill(s, svc, index);
    else
        terminate(s, now_ms, svc, index);
}

static int exit_code_of(const service *svc) {
    for (uint32_t i = 0; i < svc->wanted; i++) {
        int code = agent_exit_code(svc->instances[i].how);
        if (code != 0) return code;
    }
    return 0;
}

void agent_life_finish(agent_supervisor *s, service *svc, uint32_t index, agent_decision_kind kind,
                       agent_failure reason) {
    instance *in = &svc->instances[index];
    in->phase = OVER;
    in->leaving = STOPPED;
    in->due_at_ms = in->ready_at_ms = UINT64_MAX;
    agent_decision *decision = agent_decide(s, kind, svc, index);
    decision->how = in->how;
    decision->reason = reason;
    decision->budget = in->rules.budget;
    if (++svc->over_count == svc->spec.instances)
        agent_decide(s, AGENT_ENDED, svc, 0)->exit_code = exit_code_of(svc);
}

// True when one more restart is within the budget; then it is booked. Those of a group may have
// different budgets: what is too old for one may count for the next.
static bool book_restart(agent_bookings *b, const agent_budget *budget, uint64_t now_ms) {
    uint32_t recent = 0, kept = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        recent += now_ms - b->at_ms[i] < budget->window_ms;
        if (now_ms - b->at_ms[i] < AGENT_RESTARTS_WINDOW_MAX_MS) b->at_ms[kept++] = b->at_ms[i];
    }
    b->count = kept;
    if (recent >= budget->restarts) return false;
    if (b->count == AGENT_RESTARTS_MAX) { // more than any budget looks back at
        b->count--;
        memmove(b->at_ms, b->at_ms + 1, b->count * sizeof *b->at_ms);
    }
    if (b->count == b->cap) {
        b->cap = b->cap == 0 ? 4 : 2 * b->cap;
        b->at_ms = mem_resize(b->at_ms, b->cap * sizeof *b->at_ms);
    }
    b->at_ms[b->count++] = now_ms;
    return true;
}

// How long it waits for its next life.
static uint32_t next_delay_ms(agent_supervisor *s, instance *in) {
    // Instances that failed together (a database went away) must not come back together.
    uint32_t delay_ms =
        in->backoff_ms + (uint32_t)(agent_supervisor_random(s) % (in->backoff_ms / 5));
    in->backoff_ms =
        in->backoff_ms * 2 < AGENT_BACKOFF_MAX_MS ? in->backoff_ms * 2 : AGENT_BACKOFF_MAX_MS;
    return delay_ms < AGENT_BACKOFF_MAX_MS ? delay_ms : AGENT_BACKOFF_MAX_MS;
}

static void back_off(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index) {
    instance *in = &svc->instances[index];
    uint32_t delay_ms = next_delay_ms(s, in);
    bool is_held = agent_group_restart(svc, now_ms, delay_ms);
    in->phase = is_held ? HELD : BACKING_OFF;
    in->due_at_ms = is_held ? UINT64_MAX : now_ms + delay_ms;
    agent_decision *decision = agent_decide(s, AGENT_BACKOFF, svc, index);
    decision->how = in->how;
    decision->delay_ms = delay_ms;
}

static void hold(agent_supervisor *s, service *svc, uint32_t index) {
    instance *in = &svc->instances[index];
    in->phase = HELD;
    agent_decide(s, AGENT_HELD, svc, index)->how = in->how;
}

static void fail(agent_supervisor *s, service *svc, uint32_t index, agent_failure reason) {
    agent_life_finish(s, svc, index, AGENT_FAILED, reason);
    // One that never worked was not a part of the group yet.
    if (reason == AGENT_FAILURE_BUDGET) agent_group_give_up(svc);
}

// It ended by itself. What its policy and its budget say to that.
static void judge_end(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index,
                      uint64_t life_ms) {
    instance *in = &svc->instances[index];
    const agent_restart policy = in->rules.restart;
    bool is_first = !in->has_lived;
    bool is_clean = in->how.code == 0 && in->how.signal == 0 && !in->has_failed;
    in->has_lived = true;
    // Told to end because it did not do its work: that it ended as it was told is no success.
    if (in->has_failed && in->how.code == 0) in->how.code = 1;
    if (policy == AGENT_RESTART_NEVER || (is_clean && policy != AGENT_RESTART_ALWAYS)) {
        agent_life_finish(s, svc, index, AGENT_OVER, 0);
        return;
    }
    bool is_bad_start = is_first && in->how.code > 0 && in->how.signal == 0 && !in->has_failed &&
                        life_ms < AGENT_START_MS;
    if (is_bad_start && policy != AGENT_RESTART_ALWAYS) {
        fail(s, svc, index, AGENT_FAILURE_START);
        return;
    }
    if (life_ms >= AGENT_BACKOFF_MAX_MS) in->backoff_ms = AGENT_BACKOFF_MIN_MS;
    // Only failures use up the budget; a program that should run again and again is no failure.
    agent_bookings *bookings = agent_group_is_shared(svc) ? &svc->group->bookings : &in->bookings;
    if (!is_clean && !book_restart(bookings, &in->rules.budget, now_ms)) {
        fail(s, svc, index, AGENT_FAILURE_BUDGET);
        return;
    }
    back_off(s, now_ms, svc, index);
}

void agent_life_end(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index,
                    uint64_t life_ms) {
    instance *in = &svc->instances[index];
    const agent_leaving why = in->leaving;
    in->is_ready = in->is_signed = in->is_killed = in->is_draining = false;
    in->leaving = STAYING;
    in->due_at_ms = in->ready_at_ms = UINT64_MAX;
    agent_health_stop(&in->health);
    if (why == STOPPED || (svc->group != NULL && svc->group->phase == ENDING)) {
        agent_life_finish(s, svc, index, AGENT_OVER, 0);
    } else if (agent_group_is_given_up(svc)) {
        agent_life_finish(s, svc, index, AGENT_FAILED, AGENT_FAILURE_GROUP);
    } else if (agent_group_holds(svc)) {
        in->has_lived = true;
        if (in->rules.restart == AGENT_RESTART_NEVER)
            agent_life_finish(s, svc, index, AGENT_OVER, 0);
        else
            hold(s, svc, index); // whatever it ended of: it was to end
    } else if (why == RECYCLED || why == WITH_GROUP) {
        in->has_lived = true;
        agent_decide(s, AGENT_AGAIN, svc, index)->how = in->how;
        agent_life_launch(s, svc, index);
    } else {
        judge_end(s, now_ms, svc, index, life_ms);
    }
}

void agent_life_tick(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index) {
    const instance *in = &svc->instances[index];
    if (in->ready_at_ms <= now_ms) miss_ready(s, now_ms, svc, index);
    agent_life_check(s, now_ms, svc, index);
    if (in->due_at_ms > now_ms) return;
    if (in->is_draining) agent_life_drained(s, now_ms, svc, index); // it has had its time
    if (in->due_at_ms > now_ms) return;
    if (in->phase == BACKING_OFF)
        agent_life_launch(s, svc, index);
    else if (in->phase == RUNNING && in->leaving != STAYING)
        agent_life_kill(s, svc, index);
}
