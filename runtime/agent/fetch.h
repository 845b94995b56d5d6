// Chunks of releases that this host misses, from hosts that have them; and to hosts that miss them
// (docs/releases.md, From host to host; proto/fetch.proto). Whoever has fetched a chunk gives it
// on, so that many hosts do not all draw on one.
//
// Pure: messages of links, answers of the store of chunks, and time in. What goes out is asked of
// two faces, of which neither calls back in the same call: `net` are the links to other agents
// (cluster_fetch.c), `chunks` the store (fetch_chunks.c over releases.h).
#pragma once

#include <stddef.h>

#include "agent/fetch_wire.h"
#include "agent/link_net.h"

enum {
    AGENT_FETCH_JOBS_MAX = 64,         // that wait or are under way
    AGENT_FETCH_ACTIVE_MAX = 4,        // under way
    AGENT_FETCH_HASHES_MAX = 200000,   // of one job
    AGENT_FETCH_PEERS_MAX = 8,         // hosts that one job asks at a time
    AGENT_FETCH_WANTS_MAX = 16,        // chunks that one job wants of one host at a time
    AGENT_FETCH_PUTS_MAX = 8 << 20,    // bytes that wait for the disk: no more is wanted
    AGENT_FETCH_QUEUE_MAX = 256 << 10, // bytes on the way to one host: no piece is added
    AGENT_FETCH_ASKERS_MAX = 16,       // hosts that are given to at a time; others hear: busy
    AGENT_FETCH_ASKER_WANTS_MAX = AGENT_FETCH_ACTIVE_MAX * AGENT_FETCH_WANTS_MAX,
    AGENT_FETCH_QUESTIONS_MAX = 64, // of which chunks are here
    AGENT_FETCH_TEXT_MAX = 1024,
    AGENT_FETCH_STALL_MS = 30000, // a job that nobody has given anything fails
};

typedef struct agent_fetch agent_fetch;

// Each request has a number, under which its answer comes back, later.
typedef struct agent_fetch_chunks {
    void *user;
    void (*missing)(void *user, uint32_t number, mesh_bytes hashes); // agent_fetch_missing
    void (*get)(void *user, uint32_t number, const uint8_t *hash);   // agent_fetch_got
    void (*put)(void *user, uint32_t number, const uint8_t *hash,
                mesh_bytes sealed); // agent_fetch_put; copies
    size_t (*queued)(void *user);   // bytes of puts that are not on the disk yet
} agent_fetch_chunks;

agent_fetch *agent_fetch_create(const agent_fetch_chunks *chunks, uint64_t seed);
void agent_fetch_destroy(agent_fetch *fetch); // calls nobody back; NULL is fine

// This host is in a cluster now, or (NULL) no longer: then all jobs fail.
void agent_fetch_attach(agent_fetch *fetch, const agent_link_net *net);

// ---- jobs

typedef struct agent_fetch_options {
    const uint8_t (*hashes)[AGENT_FETCH_HASH_LEN]; // that are not here; copies; none twice
    size_t count;
    const char *host; // by name: who is likely to have them; or NULL
    // Once, from one of the functions below. 0: all are here; else a negative error and a sentence.
    void (*cb)(int err, const char *sentence, void *user);
    void (*on_progress)(size_t done, size_t count, uint64_t len, void *user); // or NULL
    void *user;
} agent_fetch_options;

// Gives the number of the job; 0: there are AGENT_FETCH_JOBS_MAX already, or over
// AGENT_FETCH_HASHES_MAX hashes: nobody is called back.
uint64_t agent_fetch_begin(agent_fetch *fetch, uint64_t now_ms, const agent_fetch_options *options);
// Nobody is called back. Fine with one that is over. What came of it stays.
void agent_fetch_cancel(agent_fetch *fetch, uint64_t job);

// ---- what happens. Each may end jobs, whose call backs may begin and cancel others.

void agent_fetch_linked(agent_fetch *fetch, uint64_t now_ms, const uint8_t host_id[MESH_ID_LEN]);
// It ended, or could not be dialled.
void agent_fetch_unlinked(agent_fetch *fetch, uint64_t now_ms, const uint8_t host_id[MESH_ID_LEN]);
// MESH_EPROTO: close the link.
int agent_fetch_receive(agent_fetch *fetch, uint64_t now_ms, const uint8_t host_id[MESH_ID_LEN],
                        mesh_bytes message);
void agent_fetch_missing(agent_fetch *fetch, uint64_t now_ms, uint32_t number, int err,
                         mesh_bytes missing);
void agent_fetch_got(agent_fetch *fetch, uint64_t now_ms, uint32_t number, int err,
                     mesh_bytes sealed); // copies
// MESH_EINVAL: it is not what its name says.
void agent_fetch_put(agent_fetch *fetch, uint64_t now_ms, uint32_t number, int err,
                     const char *text);
void agent_fetch_tick(agent_fetch *fetch, uint64_t now_ms);
uint64_t agent_fetch_wake_at_ms(const agent_fetch *fetch); // UINT64_MAX: no work
// Its link is in use: chunks go over it, one way or the other.
bool agent_fetch_is_busy(const agent_fetch *fetch, const uint8_t host_id[MESH_ID_LEN]);

typedef struct agent_fetch_stats {
    uint64_t given, given_len; // chunks, bytes
    uint64_t taken, taken_len;
    size_t jobs, askers;
} agent_fetch_stats;
agent_fetch_stats agent_fetch_stats_get(const agent_fetch *fetch);
