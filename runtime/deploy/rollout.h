// One release of a service takes the place of another (pure): a few instances at a time, each only
// when the ones before are healthy, first a few canaries if that is asked for, and back again when
// too many fail. The state is plain data: a leader stores it after every event and before it
// carries out the actions, so that the next one goes on wherever it died. docs/rollout.md has the
// rules.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"

enum { DEPLOY_SLOTS_MAX = 1024, DEPLOY_REVERTS_MAX = 3, DEPLOY_ROLLOUT_LEN_MAX = 64 << 10 };

typedef struct deploy_rollout_options {
    uint64_t from, to; // releases
    uint32_t instances;
    uint32_t parallel;     // in the midst of it at a time; at least 1
    uint32_t canaries;     // 0: none
    uint32_t failures_max; // more than these, and it goes back
    uint32_t ready_ms;     // for an instance to become ready
    uint32_t settle_ms;    // that it must stay healthy for
    uint32_t promote_ms;   // canaries that were healthy for so long are enough; 0: `promote` alone
} deploy_rollout_options;

typedef enum deploy_phase {
    DEPLOY_FORWARD,
    DEPLOY_CANARY, // they are healthy, and `promote` is waited for
    DEPLOY_BACK,
    DEPLOY_DONE,     // but for news that one is not well any more, while somebody still looks
    DEPLOY_RETURNED, // all are as they were
    DEPLOY_BROKEN,   // some could not be brought back
    DEPLOY_PHASES,
} deploy_phase;

typedef enum deploy_step {
    DEPLOY_OLD,
    DEPLOY_STARTING, // the new one, beside the old one
    DEPLOY_SETTLING, // the new one serves
    DEPLOY_NEW,
    DEPLOY_REVERTING, // the old one is begun again, or goes on
    DEPLOY_STUCK,     // it could not be
    DEPLOY_UNWELL,    // the new one was well and is not, and has some time to be so again
    DEPLOY_STEPS,
} deploy_step;

typedef struct deploy_slot {
    deploy_step step;
    uint32_t attempt; // grows with every action, so that late news are known as such
    uint32_t revert_count;
    bool is_lost;   // its host is away: nobody waits for it
    bool is_told;   // its action was polled; not stored
    uint64_t at_ms; // when the step ends by itself; 0: never
} deploy_slot;

typedef struct deploy_rollout {
    deploy_rollout_options options;
    deploy_phase phase;
    uint32_t failures;
    bool is_promoted;
    uint64_t promote_at_ms; // 0: not by itself
    deploy_slot slots[DEPLOY_SLOTS_MAX];
} deploy_rollout;

void deploy_rollout_begin(deploy_rollout *r, const deploy_rollout_options *options,
                          uint64_t now_ms);

// What happened. News of another attempt than the present one change nothing.
void deploy_rollout_ready(deploy_rollout *r, uint64_t now_ms, uint32_t slot, uint32_t attempt);
void deploy_rollout_failed(deploy_rollout *r, uint64_t now_ms, uint32_t slot, uint32_t attempt);
// It was ready, and is not now: it has ended and is started again, or does not answer.
void deploy_rollout_unwell(deploy_rollout *r, uint64_t now_ms, uint32_t slot, uint32_t attempt);
void deploy_rollout_lost(deploy_rollout *r, uint64_t now_ms, uint32_t slot);
void deploy_rollout_back(deploy_rollout *r, uint64_t now_ms, uint32_t slot); // on some host
bool deploy_rollout_promote(deploy_rollout *r, uint64_t now_ms); // false: there is nothing to
bool deploy_rollout_abort(deploy_rollout *r, uint64_t now_ms);   // false: it is over, or goes back
void deploy_rollout_tick(deploy_rollout *r, uint64_t now_ms);
uint64_t deploy_rollout_wake_at_ms(const deploy_rollout *r); // UINT64_MAX: no work
bool deploy_rollout_is_over(const deploy_rollout *r);
// What a slot should run, also one that was lost and is back when all is over.
uint64_t deploy_rollout_release(const deploy_rollout *r, uint32_t slot);

typedef struct deploy_action { // let this slot run this release: start it beside what is there, and
    uint32_t slot; // report ready or failed with the attempt. Said again, it is the same.
    uint32_t attempt;
    uint64_t release;
} deploy_action;
bool deploy_rollout_poll(deploy_rollout *r, deploy_action *out);

// ---- stored (rollout_json.c)

char *deploy_rollout_write(const deploy_rollout *r); // gives a text, free()
// Takes over: what was under way is polled again, and has its time again if its own is over.
// MESH_EPROTO: it is no rollout; `out` stays untouched.
int deploy_rollout_read(mesh_bytes text, uint64_t now_ms, deploy_rollout *out);
