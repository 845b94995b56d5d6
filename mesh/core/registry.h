// Who serves what: members and their entries. A node holds a replica, the agent the truth.
// `tag` is what the owner calls a member; lookups give tags and entry ids. Memory that lookups give
// is borrowed until the registry next changes or is asked for another subject.
#pragma once

#include <stdbool.h>

#include "core/entry.h"
#include "core/limits.h"
#include "core/map.h"

enum { MESH_REGISTRY_ROUTES_MAX = 1024 }; // subjects whose targets are remembered

typedef struct mesh_registry mesh_registry;

typedef struct mesh_target {
    uint32_t tag, entry_id;
    const mesh_entry *entry;
} mesh_target;

// Where a subject goes. First the subscriptions without a queue group, ordered by tag; then the
// groups, one after the other: group i is targets[i == 0 ? plain_count : group_ends[i - 1]] up to
// targets[group_ends[i]].
typedef struct mesh_route {
    const mesh_target *targets;
    uint32_t count, plain_count, group_count;
    const uint32_t *group_ends;
    // Those that take requests too: without the ones that only listen (MESH_TAG_LISTENS).
    const mesh_target *callable;
    uint32_t callable_count;
} mesh_route;

mesh_registry *mesh_registry_create(const uint8_t hash_key[MESH_MAP_KEY_LEN]);
void mesh_registry_destroy(mesh_registry *registry);

int mesh_registry_member_add(mesh_registry *registry, uint64_t node_id,
                             uint32_t tag);                                  // MESH_EEXIST
void mesh_registry_member_remove(mesh_registry *registry, uint64_t node_id); // and all its entries

// Adds, or replaces the entry with that id. MESH_ENOTFOUND: no such member; MESH_EINVAL: a bad
// name; MESH_EQUOTA: over MESH_ENTRIES_MAX.
int mesh_registry_put(mesh_registry *registry, uint64_t node_id, const mesh_entry *entry);
bool mesh_registry_remove(mesh_registry *registry, uint64_t node_id, uint32_t entry_id);
const mesh_entry *mesh_registry_find(mesh_registry *registry, uint64_t node_id, uint32_t entry_id);
// The entries of one member, in no order: index from 0 until NULL.
const mesh_entry *mesh_registry_entry_at(const mesh_registry *registry, uint64_t node_id,
                                         size_t index);

// The instances of a service; count 0: none.
size_t mesh_registry_service(mesh_registry *registry, mesh_bytes name,
                             const mesh_target **out_targets);
// The route of a subject. NULL: nobody can publish to it (subject.h).
const mesh_route *mesh_registry_route(mesh_registry *registry, mesh_bytes subject);
