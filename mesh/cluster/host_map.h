// The map of one host: its nodes, what they offer, and its last ends. The host itself and everyone
// who has a copy apply the same ops in the same order; equal maps have equal hashes.
#pragma once

#include <stdbool.h>

#include "core/entry.h"
#include "core/limits.h"

enum {
    MESH_HOST_NODES_MAX = 16384,
    MESH_HOST_BYTES_MAX = 4 << 20, // of one map, as mesh_op_size counts
    MESH_HOST_ENDS_MAX = 64,       // the oldest is forgotten beyond
    MESH_REASON_LEN_MAX = 31,
    MESH_HASH_LEN = 32,
};

typedef enum mesh_op_kind {
    MESH_OP_NODE,    // this one is there now, or has another state
    MESH_OP_PUT,     // it offers `entry` (replaces the one of that id)
    MESH_OP_REMOVED, // no longer: only entry.entry_id counts
    MESH_OP_END,     // it is gone for good, and what it offered with it
} mesh_op_kind;

typedef enum mesh_node_state { MESH_NODE_UP, MESH_NODE_STALLED } mesh_node_state;

typedef struct mesh_op { // its memory is borrowed
    mesh_op_kind kind;
    uint64_t number;          // of the node, on its host: mesh_node_id_of makes its id of the two
    mesh_bytes name, service; // NODE
    uint32_t instance, pid;
    uint32_t state;    // NODE: a mesh_node_state, or one of a later minor
    mesh_entry entry;  // PUT, REMOVED
    mesh_bytes reason; // END
    int code;
    uint32_t signal;
} mesh_op;

typedef struct mesh_host_entry mesh_host_entry;

typedef struct mesh_host_node {
    uint64_t number;
    uint64_t node_id; // the owner's
    uint32_t instance, pid, state;
    mesh_bytes name, service;  // in this block
    mesh_host_entry **entries; // by id, ascending
    size_t entry_count, entry_cap;
    uint8_t hash[MESH_HASH_LEN];
    bool is_hashed;
    bool is_told;       // the owner's: whether others were told of it ...
    bool are_told;      // ... and of its entries
    const void *holder; // the owner's
} mesh_host_node;

typedef struct mesh_host_end {
    uint64_t number;
    int32_t code;
    uint32_t signal;
    uint8_t reason_len;
    char reason[MESH_REASON_LEN_MAX];
} mesh_host_end;

typedef struct mesh_host_map {
    mesh_host_node **nodes; // by id, ascending
    size_t node_count, node_cap;
    mesh_host_end *ends; // oldest first
    size_t end_count, end_cap;
    size_t bytes;
} mesh_host_map;

mesh_host_map *mesh_host_map_create(void);
void mesh_host_map_destroy(mesh_host_map *map); // NULL is fine

// Copies. On an error the map is as it was.
//   MESH_EINVAL    number 0, a name or reason that is too long, a service with a queue, an empty
//                  name of an entry; a NODE that is among the ends
//   MESH_ENOTFOUND PUT or REMOVED of a node or entry that is not there
//   MESH_EQUOTA    over one of the limits above, or MESH_ENTRIES_MAX
// An END of an unknown node is remembered as an end.
int mesh_host_map_apply(mesh_host_map *map, const mesh_op *op);

mesh_host_node *mesh_host_map_find(const mesh_host_map *map, uint64_t number); // or NULL
// Borrowed until the entry is replaced or removed. False: there is none of this id.
bool mesh_host_map_entry(const mesh_host_node *node, uint32_t entry_id, mesh_entry *out);
mesh_entry mesh_host_map_entry_at(const mesh_host_node *node, size_t index);
const mesh_host_end *mesh_host_map_end(const mesh_host_map *map, uint64_t number); // or NULL

// wire.md, "State hash". Costs what changed since the last time, and 32 bytes for each node.
void mesh_host_map_hash(mesh_host_map *map, uint8_t out[MESH_HASH_LEN]);

typedef struct mesh_host_cursor {
    size_t end, node, entry; // entry 0: the node itself
} mesh_host_cursor;
// The ops that build this map from an empty one. Zero the cursor before the first call; don't
// change the map meanwhile.
bool mesh_host_map_each(const mesh_host_map *map, mesh_host_cursor *cursor, mesh_op *out);
