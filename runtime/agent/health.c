#include "agent/health.h"

void agent_health_begin(agent_health *h, uint64_t at_ms) {
    h->due_at_ms = at_ms;
    h->is_asked = false;
    h->failures = 0;
}

void agent_health_stop(agent_health *h) {
    h->due_at_ms = UINT64_MAX;
    h->is_asked = false;
}

static void ask_later(agent_health *h, const agent_health_rules *rules, uint64_t now_ms,
                      bool is_ready) {
    bool is_often = !is_ready && rules->interval_ms > AGENT_HEALTH_START_MS;
    h->is_asked = false;
    h->due_at_ms = now_ms + (is_often ? (uint64_t)AGENT_HEALTH_START_MS : rules->interval_ms);
}

static agent_health_news fail(agent_health *h, const agent_health_rules *rules, uint64_t now_ms,
                              bool is_ready) {
    h->failures++;
    ask_later(h, rules, now_ms, is_ready);
    return h->failures >= rules->failures ? AGENT_HEALTH_UNHEALTHY : AGENT_HEALTH_BAD;
}

agent_health_news agent_health_tick(agent_health *h, const agent_health_rules *rules,
                                    uint64_t now_ms, bool is_ready) {
    if (h->due_at_ms > now_ms) return AGENT_HEALTH_NOTHING;
    if (h->is_asked) return fail(h, rules, now_ms, is_ready);
    h->is_asked = true;
    h->number++;
    h->due_at_ms = now_ms + rules->timeout_ms;
    return AGENT_HEALTH_ASK;
}

agent_health_news agent_health_answer(agent_health *h, const agent_health_rules *rules,
                                      uint64_t now_ms, bool is_ready, uint32_t number,
                                      bool is_good) {
    if (!h->is_asked || number != h->number) return AGENT_HEALTH_NOTHING;
    if (!is_good) return fail(h, rules, now_ms, is_ready);
    h->failures = 0;
    ask_later(h, rules, now_ms, true);
    return AGENT_HEALTH_GOOD;
}
