// Is one life healthy? Pure: time and answers in, questions and news out. It is asked again and
// again; so many failures in a row, and it is unhealthy. docs/supervision.md has the rules.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    AGENT_HEALTH_INTERVAL_MS = 10000, // where none is said
    AGENT_HEALTH_TIMEOUT_MS = 2000,
    AGENT_HEALTH_FAILURES = 3,
    AGENT_HEALTH_START_MS = 500, // of one that is not ready yet: it is asked at least so often
    AGENT_HEALTH_INTERVAL_MIN_MS = 100,
    AGENT_HEALTH_TIMEOUT_MIN_MS = 50,
    AGENT_HEALTH_MS_MAX = 3600000,
    AGENT_HEALTH_FAILURES_MAX = 100,
};

typedef struct agent_health_rules {
    bool is_checked;      // else nothing else counts
    uint32_t interval_ms; // from an answer to the next question
    uint32_t timeout_ms;  // for an answer
    uint32_t failures;    // in a row
} agent_health_rules;

typedef struct agent_health {
    uint64_t due_at_ms; // of the next question, or of the answer; UINT64_MAX: neither
    bool is_asked;      // an answer is waited for
    uint32_t number;    // of the last question
    uint32_t failures;  // in a row
} agent_health;

typedef enum agent_health_news {
    AGENT_HEALTH_NOTHING,
    AGENT_HEALTH_ASK,       // it, with health->number
    AGENT_HEALTH_GOOD,      // it answered that it is well
    AGENT_HEALTH_BAD,       // it did not, or not in time
    AGENT_HEALTH_UNHEALTHY, // the same, once too often
} agent_health_news;

static inline agent_health agent_health_none(uint32_t number) { // nobody asks
    return (agent_health){.due_at_ms = UINT64_MAX, .number = number};
}
void agent_health_begin(agent_health *health, uint64_t at_ms); // the first question is due then
void agent_health_stop(agent_health *health);
// Time: ASK, BAD or UNHEALTHY (there was no answer). `is_ready`: else it is asked more often.
agent_health_news agent_health_tick(agent_health *health, const agent_health_rules *rules,
                                    uint64_t now_ms, bool is_ready);
// What it said to the question of this number; an answer to another one is NOTHING.
agent_health_news agent_health_answer(agent_health *health, const agent_health_rules *rules,
                                      uint64_t now_ms, bool is_ready, uint32_t number,
                                      bool is_good);
