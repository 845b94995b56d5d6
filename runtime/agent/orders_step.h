// What is next for one instance that the leader gives orders about (pure): what is wanted of it,
// beside what it is. Whatever happened meanwhile, and whichever orders were missed, said again and
// again it comes to what is wanted; orders.h carries it out.
#pragma once

#include "agent/instances.h"

typedef struct agent_order_wanted {
    uint64_t release; // 0: it does not run
    uint32_t attempt; // of the order
    uint32_t since; // a life of this release that was brought by a smaller one is not what is meant
    bool is_here;   // the release can be started on this host
    bool has_failed; // it was tried with this attempt, and did not become ready
} agent_order_wanted;

typedef enum agent_order_action {
    AGENT_ORDER_REST,   // it is as wanted, or cannot be
    AGENT_ORDER_WAIT,   // something is under way: it ends by itself
    AGENT_ORDER_START,  // it has no process
    AGENT_ORDER_BRING,  // a new life beside the present one, by a reload
    AGENT_ORDER_CANCEL, // what starts beside it is not wanted any more
    AGENT_ORDER_RETIRE,
} agent_order_action;

agent_order_action agent_order_next(const agent_order_wanted *wanted,
                                    const agent_instance *present);
// It runs, or has run to its end, what is wanted.
bool agent_order_is_kept(const agent_order_wanted *wanted, const agent_instance *present);

// The smallest attempt that is what is meant, when the order of an instance changes from `before`
// to this: with another release, any life of that one will do, for it was brought by an order of
// before.
uint32_t agent_order_since(uint64_t release_before, uint32_t attempt_before, uint32_t since_before,
                           uint64_t release, uint32_t attempt);
