// Who runs on which host and serves what, for all hosts of the cluster: each agent has one replica.
// A host is the only writer of its own map; it signs what changed, and every agent passes that on
// to its neighbours. Who missed something fetches the whole map from a neighbour. Publications and
// calls never pass here.
//
// Pure: time is an argument, outputs are polled. Hosts are named by their host id of MESH_ID_LEN
// bytes; a neighbour is a host to which this agent has a link (overlay.h says which ones).
//
// What is told of other hosts is in order: a node comes before its entries, its end is the last of
// it. What membership says of a host decides what is told of its nodes:
//
//   joining, up, suspect   everything. `suspect` changes nothing: calls to such a host go on, for
//   it is
//                          nearly always only slow, and a call has its own deadline.
//   unreachable            its entries are removed, so that no new call goes there; its nodes stay,
//   and
//                          links and calls under way with them. Up again: the entries come back.
//   down                   its nodes end, reason "unreachable": not certain. If that host comes
//   back in
//                          the same generation, those that still run come again, as new peers
//                          with the same id (wire.md, Death).
//   left                   its nodes end, reason "left"
//   a newer generation     its agent was started again, so the nodes of before are gone: they end,
//                          reason "restarted"
//
// A node that its own host has said to be ended never comes back. One whose end was missed (a
// fetched map has it no longer, and not among its last 64 ends) ends with reason "noproc".
#pragma once

#include "cluster/delta.h"
#include "cluster/host_state.h"
#include "core/rng.h"

enum {
    MESH_REPLICA_HOSTS_MAX = 16384,
    MESH_REPLICA_NEIGHBOURS_MAX = 64,
    MESH_REPLICA_GATHER_MS = 10, // between two deltas of this host
    MESH_REPLICA_SUMMARY_MS = 10000,
};

typedef struct mesh_replica mesh_replica;

typedef struct mesh_replica_options {
    uint8_t host_id[MESH_ID_LEN];
    uint64_t generation; // of this life of the agent: higher than of every life before
    uint8_t secret[MESH_SIGN_SECRET_LEN]; // the host's Ed25519 key
    uint64_t seed;                        // all randomness of this core
    // The Ed25519 key of a host that is in the cluster (borrowed until the next call), or NULL.
    const uint8_t *(*key_of)(const uint8_t host_id[MESH_ID_LEN], void *user);
    // NULL: libsodium's. A simulator that checks one signature a thousand times brings its own.
    bool (*verify)(const uint8_t signature[MESH_SIGNATURE_LEN], mesh_bytes text,
                   const uint8_t key[MESH_SIGN_KEY_LEN], void *user);
    // Bytes that wait for this neighbour in the driver: maps are given only while they are few.
    // NULL: none ever do.
    size_t (*queued)(const uint8_t neighbour[MESH_ID_LEN], void *user);
    void *user;
} mesh_replica_options;

mesh_replica *mesh_replica_create(const mesh_replica_options *options);
void mesh_replica_destroy(mesh_replica *replica); // NULL is fine

// ---- what happens on this host: said to the others by the next tick, all of it in one delta
// Errors are mesh_host_map_apply's; then nothing is said. MESH_EQUOTA: the others will not know of
// it.
int mesh_replica_write(mesh_replica *replica, const mesh_op *op);

// ---- what membership says
// Of this host itself it is ignored, and so is what it says of a generation before the newest said.
// Until a host is named here, nothing is kept of it.
void mesh_replica_host_state(mesh_replica *replica, const uint8_t host_id[MESH_ID_LEN],
                             uint64_t generation, mesh_host_state state);

// ---- links to other agents; at most MESH_REPLICA_NEIGHBOURS_MAX, more are not used
// A link that takes another's place: down, then up.
void mesh_replica_neighbour_up(mesh_replica *replica, uint64_t now_ms,
                               const uint8_t host_id[MESH_ID_LEN]);
void mesh_replica_neighbour_down(mesh_replica *replica, const uint8_t host_id[MESH_ID_LEN]);
// One message of it. MESH_EPROTO: it breaks the protocol (what it sent cannot be read, or has a
// signature that is none): close the link.
int mesh_replica_receive(mesh_replica *replica, uint64_t now_ms,
                         const uint8_t neighbour[MESH_ID_LEN], mesh_bytes message);

// ---- time and output
void mesh_replica_tick(mesh_replica *replica, uint64_t now_ms);
uint64_t mesh_replica_wake_at_ms(const mesh_replica *replica); // may be in the past: tick now

typedef enum mesh_replica_output_kind {
    MESH_REPLICA_SEND, // `bytes` (at most MESH_OVERLAY_LEN_MAX) to neighbour host_id, in this order
    // Of nodes of other hosts: host_id and op
    MESH_REPLICA_PEER_UP,       // op: NODE. Told again when its state is another one
    MESH_REPLICA_ENTRY_PUT,     // op: PUT
    MESH_REPLICA_ENTRY_REMOVED, // op: REMOVED
    MESH_REPLICA_PEER_DOWN,     // op: END. Its entries are not removed one by one
} mesh_replica_output_kind;

typedef struct mesh_replica_output {
    mesh_replica_output_kind kind;
    uint8_t host_id[MESH_ID_LEN];
    uint64_t node_id; // of the node that `op` is about: no other host's, whatever that host says
    mesh_bytes bytes;
    mesh_op op;
} mesh_replica_output;

// Until false. The output's memory is borrowed until the next poll.
bool mesh_replica_poll(mesh_replica *replica, mesh_replica_output *out);

// ---- looking
// The host of a node that was told of (PEER_UP), or NULL. Borrowed until the next call. And how
// many were told of one host.
const uint8_t *mesh_replica_host_of(const mesh_replica *replica, uint64_t node_id);
size_t mesh_replica_node_count(const mesh_replica *replica, const uint8_t host_id[MESH_ID_LEN]);
// All that was told and still holds, in the same form, for a member that comes later; poll to the
// end before.
typedef void (*mesh_replica_cb)(const mesh_replica_output *told, void *user);
void mesh_replica_each(const mesh_replica *replica, mesh_replica_cb each, void *user);

// What this host has said last: for its Alive record.
uint64_t mesh_replica_version(const mesh_replica *replica);
// Another host says that it is at `version` (its Alive record): who is behind asks the neighbours.
void mesh_replica_hint(mesh_replica *replica, const uint8_t host_id[MESH_ID_LEN],
                       uint64_t generation, uint64_t version);

typedef struct mesh_replica_stats {
    uint64_t deltas, duplicates, fetches, maps, bad_signatures, bad_maps, refused_fetches;
    size_t hosts, nodes, bytes; // nodes that are told of; bytes of all maps, as quotas count
} mesh_replica_stats;
mesh_replica_stats mesh_replica_stats_get(const mesh_replica *replica);
