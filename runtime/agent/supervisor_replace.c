// What a reload asks and tells: it brings lives of its own.
#include "agent/supervisor_state.h"

bool agent_supervisor_is_enough(const agent_supervisor *s, uint32_t service_id,
                                const agent_rules *rules, agent_sign sign) {
    const service *svc = agent_supervisor_find(s, service_id);
    return svc != NULL && agent_life_is_enough(svc, rules, sign);
}

uint32_t agent_supervisor_patience(const agent_supervisor *s, uint32_t service_id,
                                   const agent_rules *rules, bool *out_is_ready_then) {
    const service *svc = agent_supervisor_find(s, service_id);
    *out_is_ready_then = true;
    return svc != NULL ? agent_life_patience_ms(svc, rules, out_is_ready_then) : 0;
}

// One that waits, for its next life or for its group, has no process: the new one takes its place
// just so.
static bool can_be_replaced(const service *svc, const instance *in) {
    if (svc->over_count == svc->spec.instances) return false; // the service has ended
    bool is_free = in->leaving == STAYING || in->leaving == UNHEALTHY;
    return in->phase == OVER || (in->phase != LAUNCHING && is_free && !in->is_killed);
}

bool agent_supervisor_replace(agent_supervisor *s, uint64_t now_ms, uint32_t service_id,
                              uint32_t index) {
    service *svc = agent_supervisor_find(s, service_id);
    if (svc == NULL || index >= svc->wanted) return false;
    instance *in = &svc->instances[index];
    if (!can_be_replaced(svc, in)) return false;
    if (in->phase == OVER) svc->over_count--;
    in->bookings.count = 0;
    *in = (instance){.rules = in->rules,
                     .phase = RUNNING,
                     .leaving = STAYING,
                     .has_lived = true,
                     .is_signed = true,
                     .is_ready = true,
                     .started_at_ms = now_ms,
                     .ready_at_ms = UINT64_MAX,
                     .due_at_ms = UINT64_MAX,
                     .backoff_ms = AGENT_BACKOFF_MIN_MS,
                     .health = agent_health_none(in->health.number),
                     .bookings = in->bookings};
    agent_life_await_check(s, now_ms, svc, index);
    return true;
}
