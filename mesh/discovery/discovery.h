// Finds addresses of other hosts. Each source (a list, DNS, etcd, a file) is asked again and again;
// what they give is merged. All of it is candidates only: nobody becomes a member of the cluster
// without the handshake, so a wrong or hostile source costs a dial that fails. A source that fails
// or has nothing keeps what it gave last, and the last good answers are kept on disk.
#pragma once

#include <uv.h>

#include "discovery/candidate.h"
#include "discovery/spec.h"

enum { MESH_SOURCES_MAX = 16 };

typedef struct mesh_discovery mesh_discovery;

// An address that was not there before, from any source. Borrowed. Called from the loop; may close
// the discovery.
typedef void (*mesh_candidate_cb)(const mesh_candidate *candidate, void *user);
// For the log, once per change: a source began to fail, or works again; the file of candidates is
// damaged, or cannot be written.
typedef void (*mesh_discovery_say_cb)(const char *sentence, void *user);

typedef struct mesh_discovery_options { // copied
    uv_loop_t *loop;
    const char *const *texts; // of the sources (spec.h)
    size_t text_count;
    const char *own_id; // names this host in etcd: at most 64 letters, digits; NULL: only reads
    const char *own_address; // host:port that others reach it at, written to etcd; NULL: only reads
    const char *cache_path;  // where the last good answers are kept, mode 0600; NULL: nowhere
    const char *dns_servers; // "127.0.0.1:53"; NULL: the system's
    uint32_t etcd_lease_s;   // 0: 90
    mesh_candidate_cb on_candidate;
    mesh_discovery_say_cb on_say; // may be NULL
    void *user;
} mesh_discovery_options;

// The first looks are from the loop. MESH_EINVAL: a text is no source, and the sentence says why.
int mesh_discovery_open(const mesh_discovery_options *options, mesh_discovery **out,
                        char out_sentence[MESH_SENTENCE_LEN_MAX + 1]);
// Never calls back after it; frees later from the loop. Fine with NULL.
void mesh_discovery_close(mesh_discovery *discovery);

// A host that searches for its cluster (as at open) looks every 1 to 5 s, one that found it every
// 30 s, and neither before an answer of DNS has expired. Searching again looks at once.
void mesh_discovery_search(mesh_discovery *discovery, bool is_searching);

// All candidates, each address once. Gives an array: free().
mesh_candidate *mesh_discovery_candidates(const mesh_discovery *discovery, size_t *out_count);

typedef struct mesh_source_status { // borrowed until the next turn of the loop
    const char *text;
    size_t candidate_count; // that it gave last, also when that was on another day
    bool is_from_disk;      // they are from the last run: it has given none in this one
    uint64_t success_at_ms; // wall clock; 0: never in this run
    const char *error;      // what was wrong at its last look, "" for nothing
} mesh_source_status;

// false: there is no such index.
bool mesh_discovery_status(const mesh_discovery *discovery, size_t index, mesh_source_status *out);
