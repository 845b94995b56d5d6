// One reload of a service, decided (pure): each instance gets a second life beside its present one;
// when that is ready it takes the place, the one before is drained and stopped. The first new life
// that does not become ready ends the reload: no further one is begun, what is only starting is
// stopped, and what serves goes on.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/health.h"

enum {
    AGENT_RELOAD_DRAIN_MS = 10000, // where none is said: idle connections of Node.js end after 5 s
    AGENT_RELOAD_DRAIN_MAX_MS = 3600000,
    AGENT_RELOAD_ANSWER_MS = 1000, // more than the time to drain: a loop that turns has answered
};

typedef struct agent_reload agent_reload;

typedef struct agent_reload_options {
    uint32_t instances;
    uint32_t parallel; // new lives that are starting at one time; 0: all
    uint32_t drain_ms; // for the old life to finish what it has
} agent_reload_options;

agent_reload *agent_reload_create(const agent_reload_options *options);
void agent_reload_destroy(agent_reload *reload);
// Before it begins: this instance stays as it is.
void agent_reload_skip(agent_reload *reload, uint32_t instance);
void agent_reload_begin(agent_reload *reload);
// The life that is, or will be, beside this instance has so long from the stop signal to SIGKILL.
void agent_reload_grace(agent_reload *reload, uint32_t instance, uint32_t grace_ms);

// The new life is asked whether it is well, and may not be for so long.
void agent_reload_health(agent_reload *reload, uint32_t instance, const agent_health_rules *rules,
                         uint32_t start_timeout_ms);

// False when a LAUNCH that has not been carried out yet is no longer wanted: say gone then.
bool agent_reload_wants(const agent_reload *reload, uint32_t instance);
// The new life runs. It has `patience_ms` to become ready; then it is (`is_ready_then`), or never.
// One that is asked whether it is well takes the place when it has also answered that it is.
void agent_reload_launched(agent_reload *reload, uint64_t now_ms, uint32_t instance,
                           uint32_t patience_ms, bool is_ready_then);
void agent_reload_ready(agent_reload *reload, uint64_t now_ms, uint32_t instance);
// What the life beside answered to a CHECK, by its number.
void agent_reload_checked(agent_reload *reload, uint64_t now_ms, uint32_t instance, uint32_t number,
                          bool is_good);
void agent_reload_drained(agent_reload *reload, uint64_t now_ms, uint32_t instance);
// The life beside has ended, or could not be started: before REPLACE the new one, after it the old
// one (also when there was none).
void agent_reload_gone(agent_reload *reload, uint64_t now_ms, uint32_t instance);
// It could not take the place, though it is ready.
void agent_reload_refused(agent_reload *reload, uint64_t now_ms, uint32_t instance);
// True: were the life beside to end now, the reload would fail for it. Of one that is given up for
// another's failure, or for a stop, the end is no news.
bool agent_reload_fails_with(const agent_reload *reload, uint32_t instance);
// Its new life has not taken the place yet, and may still do so; or is on its way out for that.
bool agent_reload_is_to_come(const agent_reload *reload, uint32_t instance);
bool agent_reload_is_failed(const agent_reload *reload);
// The service ends: nothing is waited for any more, and SIGKILL is not either with `is_kill`.
void agent_reload_stop(agent_reload *reload, uint64_t now_ms, bool is_kill);
// One instance is stopped: it is not counted any more, unless it has been replaced already, and the
// others go on. The reload fails when none is left.
void agent_reload_stop_one(agent_reload *reload, uint64_t now_ms, uint32_t instance, bool is_kill);

typedef enum agent_reload_kind {
    AGENT_RELOAD_LAUNCH,    // a life beside the present one
    AGENT_RELOAD_CHECK,     // ask the life beside whether it is well: say checked with `number`
    AGENT_RELOAD_REPLACE,   // it takes the place; the one before is drained, and becomes the one
                            // beside
    AGENT_RELOAD_TERMINATE, // the one beside, by the stop signal
    AGENT_RELOAD_KILL,      // the one beside, by SIGKILL
    AGENT_RELOAD_LATE,      // it was not ready in time; KILL follows
    AGENT_RELOAD_DEAF,      // the old one has not said in time what it has left; TERMINATE follows
    AGENT_RELOAD_DONE,      // this instance: the old life has ended
    AGENT_RELOAD_FAILED,    // this instance: its new life is why the reload fails; it has ended, or
                            // never began
    AGENT_RELOAD_GIVEN_UP,  // this instance: so has this one, for what happened elsewhere
    AGENT_RELOAD_OVER,      // all: agent_reload_result
} agent_reload_kind;

typedef struct agent_reload_decision {
    agent_reload_kind kind;
    uint32_t instance;
    uint32_t number; // CHECK
} agent_reload_decision;

bool agent_reload_poll(agent_reload *reload, agent_reload_decision *out);
uint64_t agent_reload_wake_at_ms(const agent_reload *reload); // UINT64_MAX: no work
void agent_reload_tick(agent_reload *reload, uint64_t now_ms);

typedef struct agent_reload_result {
    uint32_t wanted, replaced; // of the instances
    bool is_failed;
} agent_reload_result;
agent_reload_result agent_reload_result_get(const agent_reload *reload);
