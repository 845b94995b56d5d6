// What an instance whose health is checked has to say for itself: it is ready only when it has, and
// who fails again and again is told to end, as if it had crashed.
#include "agent/supervisor_state.h"

static bool can_be_asked(const instance *in) {
    return in->phase == RUNNING && in->leaving == STAYING && !in->is_killed;
}

void agent_life_signed(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index) {
    instance *in = &svc->instances[index];
    const agent_health_rules *rules = &in->rules.health;
    in->is_signed = true;
    in->ready_at_ms = UINT64_MAX;
    if (!rules->is_checked) {
        agent_life_become_ready(s, svc, index);
        return;
    }
    // Whoever gives its sign late still has the time for one answer.
    uint64_t late_at_ms = in->started_at_ms + agent_supervisor_start_timeout_ms(&in->rules),
             answer_at_ms = now_ms + rules->timeout_ms;
    in->ready_at_ms = late_at_ms > answer_at_ms ? late_at_ms : answer_at_ms;
    agent_health_begin(&in->health, now_ms);
}

static void take_news(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index,
                      agent_health_news news) {
    instance *in = &svc->instances[index];
    if (news == AGENT_HEALTH_ASK) {
        agent_decision *d = agent_decide(s, AGENT_CHECK, svc, index);
        d->number = in->health.number;
        d->delay_ms = in->rules.health.timeout_ms;
    } else if (news == AGENT_HEALTH_GOOD && !in->is_ready) {
        agent_life_become_ready(s, svc, index);
    } else if (news == AGENT_HEALTH_UNHEALTHY && in->is_ready) {
        agent_decide(s, AGENT_UNHEALTHY, svc, index)->failures = in->health.failures;
        in->has_failed = true;
        agent_life_leave(s, now_ms, svc, index, UNHEALTHY);
    }
}

void agent_life_check(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index) {
    instance *in = &svc->instances[index];
    const agent_health_rules *rules = &in->rules.health;
    // It may be late for its answer and for its next question at once.
    while (can_be_asked(in) && in->health.due_at_ms <= now_ms)
        take_news(s, now_ms, svc, index,
                  agent_health_tick(&in->health, rules, now_ms, in->is_ready));
}

void agent_life_answer(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index,
                       uint32_t number, bool is_good) {
    instance *in = &svc->instances[index];
    if (!can_be_asked(in)) return;
    take_news(
        s, now_ms, svc, index,
        agent_health_answer(&in->health, &in->rules.health, now_ms, in->is_ready, number, is_good));
}

void agent_life_await_check(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index) {
    instance *in = &svc->instances[index];
    const agent_health_rules *rules = &in->rules.health;
    // Not all at once, where many were adopted together.
    if (rules->is_checked)
        agent_health_begin(&in->health, now_ms + agent_supervisor_random(s) % rules->interval_ms);
}

void agent_life_change_check(agent_supervisor *s, service *svc, uint32_t index) {
    instance *in = &svc->instances[index];
    if (!can_be_asked(in)) return;
    agent_health_stop(&in->health);
    if (!in->rules.health.is_checked && in->is_signed && !in->is_ready)
        agent_life_become_ready(s, svc, index);
    if (in->rules.health.is_checked && in->is_ready)
        agent_health_begin(&in->health, in->started_at_ms);
}
