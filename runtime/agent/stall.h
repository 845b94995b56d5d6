// Has a node stalled? Pure: numbers of turns of its loop and the time in, news out. A loop that
// waits for events does not turn either, and has not stalled.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    AGENT_STALL_MS = 2000,     // a loop that has not turned for so long has stalled
    AGENT_STALL_LOOK_MS = 500, // how often it is looked at
    // Zygotes tell of processes that were stopped. One that they do not see (a debugger's, one
    // whose zygote has died) is found by asking the system, once in so many looks.
    AGENT_STALL_ASK_LOOKS = 40,
    AGENT_STALL_AFTER_MIN_MS = 1000,
    AGENT_STALL_AFTER_MAX_MS = 3600000,
};

typedef struct agent_stall { // zeroed at first
    uint64_t turns, looked_at_ms;
    uint64_t still_ms; // for so long it has not turned
    bool has_looked, is_stalled, has_acted;
    bool is_stopped; // its process, as far as is known: set it, and the next look asks
    uint32_t looks;
    uint32_t count; // of stalls
} agent_stall;

typedef struct agent_stall_news {
    bool begins, ends;
    bool acts;         // it is time for what its policy says: once in a stall
    uint64_t still_ms; // how long it has been, or was
} agent_stall_news;

// Whether this look wants to know from the system whether the process is stopped: a loop that waits
// for events and one whose process was stopped meanwhile look the same.
bool agent_stall_asks(const agent_stall *stall, uint64_t turns);
// `turns`: of heartbeat.h; stall->is_stopped is what the system said, if it was asked. act_after_ms
// 0: there is no policy.
agent_stall_news agent_stall_look(agent_stall *stall, uint64_t now_ms, uint64_t turns,
                                  uint64_t act_after_ms);
