// A copy in memory of what the store has below a prefix: read once, then kept as it is by a watch,
// and read anew when the watch has missed something. While the store is away it stays as it was.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "store/store.h"

enum {
    AGENT_MIRROR_PAIRS_MAX = 100000,
    AGENT_MIRROR_LEN_MAX = 256 << 20
}; // what is over is left out

typedef struct agent_mirror agent_mirror;

typedef struct agent_mirror_pair {
    mesh_bytes key, value;
    int64_t created, changed, lease; // as in the store
} agent_mirror_pair;

typedef struct agent_mirror_options {
    uv_loop_t *loop;
    store_db *db;
    const char *prefix; // copies
    // The pair is there now or is another one, or is gone: then its value is empty, and `changed`
    // the revision at which it was found so. Borrowed.
    void (*on_pair)(const agent_mirror_pair *pair, bool is_gone, void *user);
    // All of one revision, or of the first reading, was told.
    void (*on_settled)(void *user);
    void *user;
} agent_mirror_options;

agent_mirror *agent_mirror_create(const agent_mirror_options *options);
void agent_mirror_destroy(agent_mirror *mirror); // when the store is closed; NULL is fine

// Lists all of it anew: for whoever does not know what came of a transaction of his.
void agent_mirror_read_again(agent_mirror *mirror);
uint64_t agent_mirror_readings(const agent_mirror *mirror); // that have ended
int64_t agent_mirror_revision(const agent_mirror *mirror);  // the last that it was told of
bool agent_mirror_is_whole(const agent_mirror *mirror);     // it was read once
bool agent_mirror_is_settled(const agent_mirror *mirror);   // and is not being read anew
// NULL: it is not there. Borrowed until the loop's next turn.
const agent_mirror_pair *agent_mirror_get(const agent_mirror *mirror, const char *key);
// In the order of their keys, those that begin with `prefix`.
typedef void (*agent_mirror_cb)(const agent_mirror_pair *pair, void *user);
void agent_mirror_each(const agent_mirror *mirror, const char *prefix, agent_mirror_cb each,
                       void *user);
