#include "agent/orders_step.h"

static bool is_meant(const agent_order_wanted *wanted, uint64_t release, uint32_t attempt) {
    return wanted->release != 0 && release == wanted->release && attempt >= wanted->since;
}

bool agent_order_is_kept(const agent_order_wanted *wanted, const agent_instance *present) {
    bool is_there = present->state != AGENT_INSTANCE_LEAVING &&
                    (present->state != AGENT_INSTANCE_NONE || !present->is_stopped);
    return is_there && is_meant(wanted, present->release, present->attempt);
}

static agent_order_action end(const agent_instance *present) {
    switch (present->state) {
    case AGENT_INSTANCE_NONE:
    case AGENT_INSTANCE_FAILED: return present->is_brought ? AGENT_ORDER_CANCEL : AGENT_ORDER_REST;
    case AGENT_INSTANCE_LEAVING: return AGENT_ORDER_WAIT;
    default: return AGENT_ORDER_RETIRE;
    }
}

agent_order_action agent_order_next(const agent_order_wanted *wanted,
                                    const agent_instance *present) {
    if (wanted->release == 0) return end(present);
    bool is_kept = agent_order_is_kept(wanted, present);
    if (present->is_brought) // also by hand, the same again
        return is_meant(wanted, present->brought_release, present->brought_attempt)
                   ? AGENT_ORDER_WAIT
                   : AGENT_ORDER_CANCEL;
    if (is_kept)
        return present->state == AGENT_INSTANCE_STARTING ? AGENT_ORDER_WAIT : AGENT_ORDER_REST;
    if (present->state == AGENT_INSTANCE_LEAVING || present->is_draining) return AGENT_ORDER_WAIT;
    if (wanted->has_failed || !wanted->is_here) return AGENT_ORDER_REST;
    return present->state == AGENT_INSTANCE_NONE || present->state == AGENT_INSTANCE_FAILED
               ? AGENT_ORDER_START
               : AGENT_ORDER_BRING;
}

uint32_t agent_order_since(uint64_t release_before, uint32_t attempt_before, uint32_t since_before,
                           uint64_t release, uint32_t attempt) {
    if (release != release_before) return 0;
    return attempt > attempt_before ? attempt : since_before;
}
