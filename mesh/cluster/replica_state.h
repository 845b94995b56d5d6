// What replica.c (hosts, neighbours, this host's own deltas), replica_receive.c (deltas of others),
// replica_repair.c (summaries, fetched maps) and replica_tell.c (what is told) share.
#pragma once

#include "cluster/replica.h"
#include "core/map.h"

enum {
    MESH_REPLICA_FETCHES_MAX = 8,      // open at once
    MESH_REPLICA_FETCH_MS = 5000,      // without a page: ask somebody else
    MESH_REPLICA_QUEUED_MAX = 1 << 20, // above it a neighbour gets no more maps for now ...
    MESH_REPLICA_LOOK_MS = 10,         // ... and this is how often that is looked at
    MESH_REPLICA_BUCKETS = 16,
    MESH_REPLICA_VERSIONS_MAX = 1000,   // in one Have
    MESH_REPLICA_BYTES_MAX = 512 << 20, // of all maps
    MESH_REPLICA_EMPTY = 1,             // the version of the empty map
};

typedef struct mesh_replica_host {
    uint8_t id[MESH_ID_LEN];
    uint64_t generation;
    uint64_t version;   // of the map; while there is none: no older one will be taken
    mesh_host_map *map; // NULL: it must be fetched, or the host is gone
    mesh_head head;     // for this version, when it is above MESH_REPLICA_EMPTY
    mesh_host_state state;
    uint64_t sum;            // its part of the summary
    uint64_t wanted, hinted; // versions that somebody has
    uint8_t wanted_from[MESH_ID_LEN];
    bool is_queued, is_fetched, is_said; // in wants, in fetches, in said
} mesh_replica_host;

typedef struct mesh_replica_neighbour {
    uint8_t id[MESH_ID_LEN];
    size_t given; // bytes of maps in outputs that were not polled yet
    uint8_t waiting[MESH_REPLICA_FETCHES_MAX][MESH_ID_LEN]; // hosts whose maps wait
    size_t waiting_count;
} mesh_replica_neighbour;

typedef struct mesh_replica_fetch {
    mesh_replica_host *host; // NULL: free
    uint8_t neighbour[MESH_ID_LEN];
    uint64_t last_ms;
    uint32_t next_index;
    mesh_head head;
    mesh_host_map *map; // what has come so far
} mesh_replica_fetch;

typedef struct mesh_replica_item {
    mesh_replica_output out;
    void *owned;
} mesh_replica_item;

typedef struct mesh_replica_list {
    mesh_replica_host **hosts;
    size_t count, cap;
} mesh_replica_list;

struct mesh_replica {
    mesh_replica_options options;
    mesh_rng rng;
    uint64_t now_ms, summary_at_ms, delta_at_ms; // when the next summary is due; the last delta was
    uint64_t looked_at_ms;                       // when maps that wait were looked at last
    mesh_replica_host *self;
    mesh_map hosts;   // by id
    mesh_map nodes;   // that are told of, by node id: mesh_host_node, whose holder is the host
    mesh_ops pending; // of this host, not yet in a delta
    uint64_t sums[MESH_REPLICA_BUCKETS];
    mesh_replica_neighbour neighbours[MESH_REPLICA_NEIGHBOURS_MAX];
    size_t neighbour_count;
    mesh_replica_fetch fetches[MESH_REPLICA_FETCHES_MAX];
    mesh_replica_list wants; // first in, first out
    mesh_replica_list said;  // whose version is told to all neighbours by the next tick
    mesh_replica_item *items;
    size_t item_head, item_count, item_cap;
    void *owned; // of the output polled last
    mesh_replica_stats stats;
};

static inline bool mesh_replica_is_gone(const mesh_replica_host *host) {
    return host->state == MESH_HOST_DOWN || host->state == MESH_HOST_LEFT;
}
// The version of the map that is here; 0: none.
static inline uint64_t mesh_replica_has(const mesh_replica_host *host) {
    return host->map != NULL ? host->version : 0;
}

// ---- replica.c
mesh_replica_host *mesh_replica_find(const mesh_replica *r, const uint8_t id[MESH_ID_LEN]);
mesh_replica_neighbour *mesh_replica_neighbour_find(mesh_replica *r, const uint8_t id[MESH_ID_LEN]);
void mesh_replica_send(mesh_replica *r, const uint8_t neighbour[MESH_ID_LEN],
                       const Warren__Overlay__Overlay *message);
void mesh_replica_send_bytes(mesh_replica *r, const uint8_t neighbour[MESH_ID_LEN],
                             mesh_bytes bytes); // copies
void mesh_replica_flush(mesh_replica *r);       // pending ops become a delta
void mesh_replica_set_version(mesh_replica *r, mesh_replica_host *host, uint64_t version);
bool mesh_replica_is_signed(mesh_replica *r, const mesh_head *head);

// ---- replica_repair.c
// Neighbours hear of its version by the next tick: who has a newer one answers, who has none
// fetches.
void mesh_replica_say(mesh_replica *r, mesh_replica_host *host);
void mesh_replica_say_now(mesh_replica *r);
void mesh_replica_want(mesh_replica *r, mesh_replica_host *host, uint64_t version,
                       const uint8_t from[MESH_ID_LEN]);
void mesh_replica_start_fetches(mesh_replica *r);
void mesh_replica_nothing_newer(mesh_replica *r, mesh_replica_host *host,
                                const uint8_t from[MESH_ID_LEN]); // says who was asked
void mesh_replica_end_fetch(mesh_replica *r, mesh_replica_host *host);
void mesh_replica_fetches_of(mesh_replica *r, const uint8_t neighbour[MESH_ID_LEN]); // it is gone
void mesh_replica_expire_fetches(mesh_replica *r);
void mesh_replica_send_summary(mesh_replica *r, const uint8_t neighbour[MESH_ID_LEN]);
int mesh_replica_on_summary(mesh_replica *r, const uint8_t from[MESH_ID_LEN],
                            const Warren__Overlay__Summary *summary);
int mesh_replica_on_have(mesh_replica *r, const uint8_t from[MESH_ID_LEN],
                         const Warren__Overlay__Have *have);
int mesh_replica_on_fetch(mesh_replica *r, const uint8_t from[MESH_ID_LEN],
                          const Warren__Overlay__Fetch *fetch);
void mesh_replica_send_waiting(mesh_replica *r); // maps that can be given now
int mesh_replica_on_page(mesh_replica *r, const uint8_t from[MESH_ID_LEN],
                         const Warren__Overlay__Page *page);

// ---- replica_tell.c
mesh_replica_output *mesh_replica_push(mesh_replica *r, mesh_replica_output_kind kind,
                                       const uint8_t host_id[MESH_ID_LEN], void *owned);
int mesh_replica_apply(mesh_replica *r, mesh_replica_host *host, const mesh_op *op);
void mesh_replica_show(mesh_replica *r, mesh_replica_host *host); // all that is not told yet
void mesh_replica_hide(mesh_replica *r, mesh_replica_host *host);
void mesh_replica_lose(mesh_replica *r, mesh_replica_host *host, const char *reason); // its map
// Takes `map` in place of the one there was, tells the difference. False: it raises the dead; not
// taken.
bool mesh_replica_replace(mesh_replica *r, mesh_replica_host *host, mesh_host_map *map);
