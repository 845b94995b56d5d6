// What the leader of a cluster decides of deployments (pure): from what the store holds below
// "deploy/" (proto/deploy.proto) to what is to be written there next. No clock, no store: whoever
// holds the key `leader` tells it what is there, and commits what it says.
//
// It is level-triggered. Nothing is remembered but what the store has, so the next leader, who has
// listed everything, goes on wherever the one before it died, between any two transactions.
// docs/deploy.md, "How it is decided", has the rules.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"

enum {
    DEPLOY_RELEASES_KEPT = 10, // of a project, beside those that something still needs
    // For all hosts to have a release on their disks; then the deployment is given up.
    DEPLOY_PREPARE_MS = 600000,
    DEPLOY_OPS_MAX = 128,
    DEPLOY_TRANSACTION_LEN_MAX = 1 << 20, // keys and values
    DEPLOY_VALUE_LEN_MAX = 64 << 10,
    DEPLOY_ABSENT_MAX = 64,
};

typedef struct deploy_conductor deploy_conductor;

deploy_conductor *deploy_conductor_create(void); // one for each time that this host is the leader
void deploy_conductor_destroy(deploy_conductor *c);

// What the store holds: all of the list first, then each change of the watch, in order. `key` is
// the whole one, "deploy/host/a". Both copy. A change that is older than what it knows (an echo of
// its own) is no news. Gives a sentence for the log when the pair is left out (a key that it does
// not know, a value that does not decode or is over a bound of proto/deploy.proto), which is
// borrowed until the next call; else NULL.
const char *deploy_conductor_put(deploy_conductor *c, mesh_bytes key, mesh_bytes value,
                                 int64_t revision);
void deploy_conductor_delete(deploy_conductor *c, mesh_bytes key, int64_t revision);

typedef struct deploy_op {
    bool is_delete;
    mesh_bytes key, value;
} deploy_op;

typedef struct deploy_transaction {
    const deploy_op *ops; // no key twice
    size_t op_count;      // 1 to DEPLOY_OPS_MAX
    // Keys that must not be there (STORE_CREATED, 0), or nothing is done: hosts that are taken for
    // gone, so that what never runs twice is begun elsewhere.
    const mesh_bytes *absent;
    size_t absent_count; // at most DEPLOY_ABSENT_MAX
} deploy_transaction;

// The next thing to write: to be committed with the comparison that the key `leader` still is this
// host's (STORE_CREATED), so that a leader that was deposed writes nothing. It is borrowed until
// deploy_conductor_committed. False: there is nothing to write now, or one is under way.
// `now_ms` is wall clock. Call it after news, after deploy_conductor_committed, and at
// deploy_conductor_wake_at_ms, until it is false.
bool deploy_conductor_turn(deploy_conductor *c, uint64_t now_ms, deploy_transaction *out);

// What became of it: `revision` of the answer; 0: it surely was not done (a conflict: `leader` is
// another one's, or a host has come back; a store that could not be reached before it was sent),
// and the same or another one comes with the next turn. When nobody knows (is_maybe_done), destroy
// the conductor and list anew with another one.
void deploy_conductor_committed(deploy_conductor *c, int64_t revision);

// When a turn has work without news; as of the last turn that was false. UINT64_MAX: never.
uint64_t deploy_conductor_wake_at_ms(const deploy_conductor *c);

// ---- What it expects of each host's agent
//
// - It writes its `host/HOST` only when its reports are true: after a start it looks first.
// - A report names the version of the order that it is about. An instance that its order names is
// in
//   it with the release and the attempt of that order; one that its order has with release 0 is
//   NONE, with a pid until its process has ended. Orders keep those until then.
// - An order names (release, attempt) for each instance. The same pair again changes nothing. When
//   the release differs from what it had before, and that one runs still (nobody took its place
//   yet), it goes on and is READY with the new attempt: nothing is started.
// - What it has to run it prepares by itself; `prepare` is what it may be told to run next, and
// what
//   it may have to go back to.
// - No order for a service (its key is gone): it stops all of it, and reports nothing of it.
// - With `stop_after_ms`: without the store for so long, all instances of the order are ended, with
//   their grace and no draining. They are begun only when `host/HOST` is there and the order was
//   read after that: a leader that took the host for gone has changed it.
