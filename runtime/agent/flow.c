#include "agent/flow.h"

// As many nodes as wanted more in the last period are taken to want more in this one.
static void turn(agent_flow *flow, uint64_t now_ms) {
    uint64_t period = now_ms / AGENT_FLOW_PERIOD_MS + 1; // never 0, the period of who is new
    if (flow->period == period) return;
    bool is_next = flow->period + 1 == period;
    uint32_t count = is_next && flow->eager_count > 0 ? flow->eager_count : 1;
    flow->share_len = AGENT_FLOW_PERIOD_LEN / count;
    if (flow->share_len < AGENT_FLOW_SHARE_MIN) flow->share_len = AGENT_FLOW_SHARE_MIN;
    flow->period = period;
    flow->len = 0;
    flow->eager_count = 0;
}

static size_t left(const agent_flow *flow, const agent_flow_use *use) {
    // They may be more than they were: then the first of them leave the others the least there is.
    size_t all = flow->len < AGENT_FLOW_PERIOD_LEN ? AGENT_FLOW_PERIOD_LEN - flow->len : 0;
    size_t least = use->len < AGENT_FLOW_SHARE_MIN ? AGENT_FLOW_SHARE_MIN - use->len : 0;
    size_t share = use->len < flow->share_len ? flow->share_len - use->len : 0;
    if (share > all) share = all;
    return share > least ? share : least;
}

size_t agent_flow_left(agent_flow *flow, agent_flow_use *use, uint64_t now_ms) {
    turn(flow, now_ms);
    if (use->period != flow->period) *use = (agent_flow_use){.period = flow->period};
    return left(flow, use);
}

void agent_flow_take(agent_flow *flow, agent_flow_use *use, uint64_t now_ms, size_t len) {
    (void)agent_flow_left(flow, use, now_ms);
    use->len += len;
    flow->len += len;
    if (use->is_eager || left(flow, use) > 0) return;
    use->is_eager = true;
    flow->eager_count++;
}

uint64_t agent_flow_wait_ms(uint64_t now_ms) {
    return AGENT_FLOW_PERIOD_MS - now_ms % AGENT_FLOW_PERIOD_MS;
}
