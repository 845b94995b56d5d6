// The store: small pairs of a key and a value that must be agreed upon and must not be lost. A file
// of SQLite on one host, that file for other hosts too, or etcd; the same promises from each, and
// the same tests:
// - A transaction is done whole or not at all, and what was said to be done is not lost.
// - Every change has a revision, and revisions only grow: what is later has the larger one.
// - A watch is told every change once and in order, or that it has to read anew.
// Everything is asynchronous, on one libuv loop: no disk and no network ever stops that.
// docs/store.md says when to use which, and what each error asks for.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "core/bytes.h"
#include "store/limits.h"
#include "store/place.h"

// Clear of the codes of mesh/core/error.h; each comes with a sentence of its own.
enum store_error {
    STORE_EUNREACHABLE = -11001, // not now; later it may be
    STORE_ECONFLICT = -11002,    // a comparison of the transaction did not hold: nothing was done
    STORE_ETOOLARGE = -11003,    // over a bound of limits.h: nothing was done
    STORE_EDENIED = -11004,      // rights are missing
    STORE_ECORRUPT = -11005,     // its bytes are not what was written
    STORE_EFULL = -11006,        // no room: nothing was done
    STORE_EGONE = -11007,        // that lease has ended
    STORE_ECOMPACTED = -11008,   // a watch began before what is remembered
    STORE_EINVAL = -11009,       // a request that makes no sense: nothing was done
};

typedef struct store_db store_db;
typedef struct store_link store_link; // store/remote.h

typedef struct store_pair {
    mesh_bytes key, value;
    // The revisions at which it began to exist (the fencing token of who put it first), and at
    // which it was put last.
    int64_t created, changed;
    int64_t lease; // 0: none
} store_pair;

typedef struct store_answer { // all borrowed, until the call back returns
    int error;                // 0 or one of the above
    const char *sentence;     // what, where, why, what to do; "" without an error
    bool is_maybe_done;       // with an error: it was sent, and what came of it is not known
    int64_t revision;         // of the store, when it answered; 0 with an error
    const store_pair *pairs;  // of a read, in the order of their keys
    size_t pair_count;
    bool has_more;  // of a list: go on after the last key
    int64_t lease;  // of a grant
    uint32_t ttl_s; // of a grant or of a lease kept alive: may be longer than was asked for
} store_answer;

typedef void (*store_cb)(const store_answer *answer, void *user);

typedef struct store_status {
    bool is_reachable;
    bool is_known;                             // it has answered, or could not be asked
    char sentence[STORE_SENTENCE_LEN_MAX + 1]; // why not, and what to do; "" when it is
    int64_t revision;                          // the largest that was heard of
} store_status;

typedef struct store_options {
    uv_loop_t *loop;
    const store_place *place;                            // copies
    const store_link *link;                              // of a HOST, copies; else NULL
    void (*on_status)(const store_status *, void *user); // it has changed; or NULL
    void *user;
} store_options;

// Opens at once: whether the store can be reached is told by on_status and by the first answer.
store_db *store_open(const store_options *options);
// No call back of a request or a watch follows, only `cb` from the loop (or NULL). What was not
// answered may have been done. Fine with NULL, where nothing is called.
void store_close(store_db *db, void (*cb)(void *user), void *user);
// Before the first answer it is not reachable, with the sentence "it has not answered yet".
const store_status *store_status_get(const store_db *db);

// All requests: copy what they are given, and call back once, later, from the loop. Those of one
// store may be answered in another order than they were made.

void store_get(store_db *db, mesh_bytes key, store_cb cb, void *user); // no pair: it is not there

typedef struct store_range {
    mesh_bytes prefix; // empty: all
    mesh_bytes after;  // the last key of the page before; empty: from the first
    uint32_t limit;    // 0: STORE_PAGE_MAX
} store_range;

// A store may change between two pages: watch from the revision of the first, and what was missed
// comes as a change.
void store_list(store_db *db, const store_range *range, store_cb cb, void *user);

typedef enum store_revision_kind { STORE_CHANGED, STORE_CREATED } store_revision_kind;
typedef struct store_compare {
    mesh_bytes key;
    store_revision_kind kind;
    int64_t revision; // that it must have; 0: it must not be there
} store_compare;

typedef enum store_op_kind { STORE_PUT, STORE_DELETE } store_op_kind;
typedef struct store_op {
    store_op_kind kind;
    mesh_bytes key, value;
    int64_t lease; // with the end of which the pair is deleted; 0: it stays
} store_op;

typedef struct store_transaction {
    const store_compare *compares;
    size_t compare_count;
    const store_op *ops; // no key twice
    size_t op_count;
} store_transaction;

// All of `ops` when all of `compares` hold, in one revision, else STORE_ECONFLICT. To delete what
// is not there is no change.
void store_commit(store_db *db, const store_transaction *transaction, store_cb cb, void *user);

// ---- leases: the raw ones; store/hold.h keeps one alive

void store_grant(store_db *db, uint32_t ttl_s, store_cb cb, void *user);
void store_keep(store_db *db, int64_t lease, store_cb cb, void *user); // STORE_EGONE: it has ended
void store_revoke(store_db *db, int64_t lease, store_cb cb, void *user); // deletes what it bound

// ---- watches

typedef struct store_change {
    mesh_bytes key;
    bool is_delete;
    mesh_bytes value; // empty of a delete
    int64_t revision, created, lease;
} store_change;

typedef struct store_news { // all borrowed, until the call back returns
    // STORE_ECOMPACTED: changes are missing, so list again and watch from there. Others: see the
    // sentence. Nothing follows, close the watch.
    int error;
    const char *sentence;
    const store_change *changes;
    size_t change_count;
} store_news;

typedef struct store_watch store_watch;
typedef void (*store_watch_cb)(const store_news *news, void *user);

typedef struct store_watch_options {
    mesh_bytes prefix;
    int64_t after; // the revision of the list before it
    store_watch_cb cb;
    void *user;
} store_watch_options;

// While the store cannot be reached it waits, and then goes on where it was. NULL: there are
// STORE_WATCHES_MAX already, or the prefix is too long.
store_watch *store_watch_open(store_db *db, const store_watch_options *options);
void store_watch_close(store_watch *watch); // from its call back too; fine with NULL

// ---- SQLite alone: etcd has its own (`etcdctl snapshot save`)

// A copy of the whole store as it is at one moment, made while it is in use. `path` must not exist.
void store_backup(store_db *db, const char *path, store_cb cb, void *user);
