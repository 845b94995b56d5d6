#include "agent/stall.h"

// What has passed since the last look. Not more than two looks' time: when this process, or the
// whole machine, was stopped meanwhile, the nodes may have been as well.
static uint64_t passed_ms(const agent_stall *stall, uint64_t now_ms) {
    const uint64_t most_ms = (uint64_t)2 * AGENT_STALL_LOOK_MS;
    uint64_t ms = now_ms - stall->looked_at_ms;
    return ms < most_ms ? ms : most_ms;
}

static agent_stall_news turns_again(agent_stall *stall) {
    agent_stall_news news = {.ends = stall->is_stalled, .still_ms = stall->still_ms};
    stall->is_stalled = stall->has_acted = false;
    stall->still_ms = 0;
    return news;
}

bool agent_stall_asks(const agent_stall *stall, uint64_t turns) {
    if (stall->is_stopped || !stall->has_looked) return true;
    bool is_running = (turns & 1) != 0;
    return turns == stall->turns && (is_running || stall->looks % AGENT_STALL_ASK_LOOKS == 0);
}

agent_stall_news agent_stall_look(agent_stall *stall, uint64_t now_ms, uint64_t turns,
                                  uint64_t act_after_ms) {
    bool is_still =
        stall->has_looked && turns == stall->turns && ((turns & 1) != 0 || stall->is_stopped);
    uint64_t ms = passed_ms(stall, now_ms);
    stall->has_looked = true;
    stall->turns = turns;
    stall->looked_at_ms = now_ms;
    stall->looks++;
    if (!is_still) return turns_again(stall);

    stall->still_ms += ms;
    bool is_due = act_after_ms != 0 && stall->still_ms >= act_after_ms;
    agent_stall_news news = {.still_ms = stall->still_ms};
    news.begins = !stall->is_stalled && (stall->still_ms >= AGENT_STALL_MS || is_due);
    news.acts = is_due && !stall->has_acted;
    stall->is_stalled |= news.begins;
    stall->has_acted |= news.acts;
    stall->count += news.begins;
    return news;
}
