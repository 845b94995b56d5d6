// What store.c and the kinds of store share: a request with all that it was given and what came
// of it, and the face of a kind.
#pragma once

#include "store/store.h"

typedef enum store_request_kind {
    STORE_READ,
    STORE_COMMIT,
    STORE_GRANT,
    STORE_KEEP,
    STORE_REVOKE,
    STORE_BACKUP,
    STORE_CHANGES, // SQLite, by itself: what a watch has not been told
    STORE_EXPIRE,  // SQLite, by itself: leases that end now
} store_request_kind;

typedef struct store_cursor { // all up to this change was told
    int64_t revision;
    int64_t position; // in that revision
} store_cursor;

typedef struct store_reply {
    int error;
    char sentence[STORE_SENTENCE_LEN_MAX + 1];
    bool is_maybe_done, has_more;
    int64_t revision, lease;
    uint32_t ttl_s;
    store_pair *pairs;     // their bytes are the reply's, one block each: key, then value
    store_change *changes; // the same
    size_t pair_count, change_count, pair_cap, change_cap;
    store_cursor cursor; // of CHANGES: the last
} store_reply;

typedef struct store_request {
    store_request_kind kind;
    struct store_request *next;
    store_cb cb;
    void *user;
    store_watch *watch; // of CHANGES; NULL when that was closed meanwhile
    uint64_t now_ms;    // when it was made
    // READ: is_prefix, key (or prefix), after, limit. COMMIT: compares, ops. BACKUP: key is the
    // path, with its 0. CHANGES: key is the prefix, cursor.
    mesh_bytes key, after;
    bool is_prefix;
    uint32_t limit, ttl_s;
    int64_t lease;
    uint32_t login_count; // etcd: it was sent with as many new logins
    store_cursor cursor;
    store_compare *compares;
    store_op *ops;
    size_t compare_count, op_count;
    uint8_t *memory; // of all bytes above
    store_reply reply;
} store_request;

typedef struct store_kind {
    store_db *(*open)(const store_options *options);
    void (*submit)(store_db *db, store_request *request); // takes; store_finish follows, later
    void (*watch)(store_watch *watch);                    // it was opened
    void (*unwatch)(store_watch *watch);                  // it will be freed
    void (*close)(store_db *db); // store_closed follows from the loop, and nothing else
} store_kind;

extern const store_kind store_kind_sqlite, store_kind_etcd, store_kind_remote;

struct store_watch {
    store_db *db;
    store_watch *next;
    store_watch_cb cb;
    void *user;
    uint8_t prefix[STORE_KEY_LEN_MAX];
    size_t prefix_len;
    store_cursor cursor;
    bool is_over;         // nothing follows
    bool is_own;          // of this process, not of another host
    store_request *asked; // SQLite
    void *stream;         // etcd
    uint32_t number;      // of another host; 0: it was not told
};

struct store_db { // the first member of each kind's
    const store_kind *kind;
    uv_loop_t *loop;
    store_status status;
    void (*on_status)(const store_status *, void *user);
    void *user;
    store_watch *watches;
    struct store_hold *holds;
    size_t watch_count, own_watch_count, request_count;
    bool is_closing;
    void (*on_closed)(void *user);
    void *closed_user;
};

// For a kind, on the loop.
void store_finish(store_db *db, store_request *request); // calls back, frees
void store_heard(store_db *db, int64_t revision);        // it answers
void store_lost(store_db *db, const char *sentence);     // it does not
void store_closed(store_db *db);                         // the last; frees `db`
void store_hold_drop_all(store_db *db);                  // hold.c
void store_tell(store_watch *watch, const store_news *news);
// A watch for another host, from a place in the midst of a revision; more of them may be open.
store_watch *store_watch_open_at(store_db *db, const store_watch_options *options,
                                 store_cursor cursor);

void store_request_free(store_request *request);
// Wherever it is. The reply's sentence, cut to fit.
__attribute__((format(printf, 3, 4))) void store_fail(store_reply *reply, int error,
                                                      const char *format, ...);
void store_reply_add_pair(store_reply *reply, const store_pair *pair);       // copies
void store_reply_add_change(store_reply *reply, const store_change *change); // copies
void store_reply_clear(store_reply *reply);
// The first key that is behind all with that prefix. False: there is none, for it is empty or 0xff
// alone.
bool store_prefix_end(mesh_bytes prefix, uint8_t out[STORE_KEY_LEN_MAX], size_t *out_len);
