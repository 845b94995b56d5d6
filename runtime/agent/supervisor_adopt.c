// One supervisor takes over from another, which died in the middle of its work.
#include "agent/supervisor_state.h"
#include "core/mem.h"

bool agent_supervisor_look(const agent_supervisor *s, uint32_t service_id, uint32_t index,
                           agent_life *out) {
    service *svc;
    const instance *in = agent_supervisor_find_instance(s, service_id, index, &svc);
    if (in == NULL) return false;
    *out = (agent_life){.is_running = in->phase == RUNNING,
                        .is_over = in->phase == OVER,
                        .has_lived = in->has_lived,
                        .is_ready = in->is_ready,
                        .is_recycled = in->leaving == RECYCLED || in->leaving == WITH_GROUP,
                        .is_unhealthy = in->leaving == UNHEALTHY,
                        .is_stopped = in->leaving == STOPPED && !in->is_draining,
                        .started_at_ms = in->started_at_ms,
                        .backoff_ms = in->backoff_ms,
                        .bookings_ms = in->bookings.at_ms,
                        .booking_count = in->bookings.count,
                        .how = in->how};
    return true;
}

static void adopt_bookings(agent_bookings *b, const agent_life *life, uint32_t max) {
    b->count = life->booking_count < max ? (uint32_t)life->booking_count : max;
    if (b->count == 0) return;
    b->cap = b->count;
    b->at_ms = mem_copy(life->bookings_ms, b->count * sizeof *b->at_ms);
}

void agent_supervisor_adopt(agent_supervisor *s, uint64_t now_ms, uint32_t service_id,
                            uint32_t index, const agent_life *life) {
    service *svc;
    instance *in = agent_supervisor_find_instance(s, service_id, index, &svc);
    if (in == NULL || in->phase == OVER || in->phase == RUNNING) return;
    in->has_lived = life->has_lived;
    in->how = life->how;
    if (life->backoff_ms >= AGENT_BACKOFF_MIN_MS && life->backoff_ms <= AGENT_BACKOFF_MAX_MS)
        in->backoff_ms = life->backoff_ms;
    adopt_bookings(&in->bookings, life, in->rules.budget.restarts);
    if (life->is_over) {
        in->phase = OVER; // without a decision: it was told when it happened
        in->leaving = STOPPED;
        svc->over_count++;
        return;
    }
    if (!life->is_running) return;
    in->phase = LAUNCHING; // also one that its group would hold
    in->leaving = life->is_stopped     ? STOPPED
                  : life->is_recycled  ? RECYCLED
                  : life->is_unhealthy ? UNHEALTHY
                                       : STAYING;
    in->has_failed = in->leaving == UNHEALTHY;
    agent_life_begin(s, now_ms, svc, index);
    in->started_at_ms = life->started_at_ms < now_ms ? life->started_at_ms : now_ms;
    if (!life->is_ready || in->leaving != STAYING) return;
    in->is_signed = in->is_ready = true;
    in->ready_at_ms = UINT64_MAX;
    agent_life_await_check(s, now_ms, svc, index);
}
