// Programs that are asked whether they are well, and what the supervisor makes of what they say.
#include "supervisor_world.h"

// Its time is over: that is as bad an answer as any.
static void settle(const sim_world *w, sim_instance *in) {
    uint64_t late_at_ms = in->question_at_ms + in->rules.health.timeout_ms;
    if (!in->is_asked || w->now_ms < late_at_ms) return;
    in->is_asked = false;
    in->answered_at_ms = late_at_ms;
    in->bad_count++;
}

static uint64_t pause_ms(const sim_instance *in) {
    uint64_t ms = in->rules.health.interval_ms;
    return !in->is_ready && ms > AGENT_HEALTH_START_MS ? (uint64_t)AGENT_HEALTH_START_MS : ms;
}

void sim_health_begin(sim_world *w, sim_instance *in) {
    in->is_ill = !w->is_calm && sim_below(w, 100) < 40;
    in->is_asked = in->has_been_well = in->is_unhealthy = false;
    in->reply_at_ms = in->answered_at_ms = NEVER;
    in->bad_count = 0;
}

// It is asked: what will it say, and when?
void sim_health_ask(sim_world *w, sim_instance *in, uint32_t number) {
    uint32_t timeout_ms = in->rules.health.timeout_ms;
    bool is_silent = !w->is_calm && sim_below(w, 100) < 10;
    if (sim_below(w, 100) < 15) in->is_ill = !in->is_ill;
    if (w->is_calm) in->is_ill = false;
    in->is_asked = true;
    in->question_at_ms = w->now_ms;
    in->number = number;
    uint64_t at_ms = w->now_ms + sim_below(w, w->is_calm ? timeout_ms / 2 : 2 * timeout_ms);
    if (at_ms == w->now_ms + timeout_ms) at_ms++; // which of the two is first is nobody's business
    in->reply_at_ms = is_silent ? NEVER : at_ms;
}

void sim_health_reply(sim_world *w, const sim_service *svc, uint32_t index) {
    sim_instance *in = (sim_instance *)&svc->instances[index];
    settle(w, in);
    in->reply_at_ms = NEVER;
    if (in->is_asked && sim_is_wanted(in)) {
        in->is_asked = false;
        in->answered_at_ms = w->now_ms;
        in->has_been_well |= !in->is_ill;
        in->bad_count = in->is_ill ? in->bad_count + 1 : 0;
    }
    agent_supervisor_checked(w->s, w->now_ms, svc->spec.service_id, index, in->number, !in->is_ill);
}

// ---- S10

void sim_check_question(sim_world *w, const sim_service *svc, const agent_decision *d,
                        bool has_signed) {
    sim_instance *in = (sim_instance *)&svc->instances[d->instance];
    uint32_t id = svc->spec.service_id;
    settle(w, in);
    // Once it has given its sign no stronger one is waited for, whatever others of its service say.
    bool is_signed = has_signed || in->answered_at_ms != NEVER;
    if (in->life != LIFE_RUNNING || !sim_is_wanted(in) || !in->rules.health.is_checked ||
        !is_signed)
        sim_violate(w, "S10: %u.%u is not to be asked", id, d->instance);
    if (in->is_asked) sim_violate(w, "S10: %u.%u is asked twice", id, d->instance);
    if (in->answered_at_ms != NEVER && w->now_ms < in->answered_at_ms + pause_ms(in))
        sim_violate(w, "S10: %u.%u is asked too early", id, d->instance);
    if (d->delay_ms != in->rules.health.timeout_ms)
        sim_violate(w, "S10: %u.%u has another time to answer", id, d->instance);
}

void sim_check_unhealthy(sim_world *w, const sim_service *svc, const agent_decision *d) {
    sim_instance *in = (sim_instance *)&svc->instances[d->instance];
    settle(w, in);
    if (in->life != LIFE_RUNNING || !in->is_ready || !sim_is_wanted(in) ||
        in->bad_count < in->rules.health.failures || d->failures != in->bad_count)
        sim_violate(w, "S10: %u.%u is not unhealthy", svc->spec.service_id, d->instance);
    in->is_unhealthy = true;
    w->result.unhealthy++;
}

void sim_check_health(sim_world *w, const sim_service *svc, uint32_t index, bool has_signed) {
    sim_instance *in = (sim_instance *)&svc->instances[index];
    uint32_t id = svc->spec.service_id;
    settle(w, in);
    if (in->is_unhealthy && sim_is_wanted(in))
        sim_violate(w, "S10: %u.%u is unhealthy, and was not told to end", id, index);
    if (!in->rules.health.is_checked || !sim_is_wanted(in)) return;
    if (in->is_ready && in->bad_count >= in->rules.health.failures)
        sim_violate(w, "S10: nobody has noticed that %u.%u is unhealthy", id, index);
    bool is_due =
        in->answered_at_ms != NEVER ? w->now_ms >= in->answered_at_ms + pause_ms(in) : has_signed;
    if (is_due && !in->is_asked) sim_violate(w, "S10: nobody asks %u.%u", id, index);
}
