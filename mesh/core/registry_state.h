// What registry.c (members, entries, topics) and route.c (subject -> targets) share.
#pragma once

#include "core/registry.h"

typedef struct mesh_topic mesh_topic;

typedef struct mesh_owner {
    uint64_t node_id;
    uint32_t tag;
    struct mesh_record **entries;
    size_t count, cap;
} mesh_owner;

// An entry where it is kept; its strings follow it in the same block.
typedef struct mesh_record {
    mesh_entry entry;
    mesh_owner *member;
    mesh_topic *topic;
    size_t member_index, topic_index;
} mesh_record;

// All entries of one kind and name: the instances of a service, or the subscribers of a pattern.
struct mesh_topic {
    mesh_entry_kind kind;
    mesh_bytes name;
    bool is_wildcard;
    size_t wildcard_index;
    mesh_record **records;
    mesh_target *targets; // parallel to records, for lookups
    size_t count, cap, target_cap;
    uint8_t name_memory[];
};

typedef struct mesh_cached_route {
    mesh_route route;
    uint64_t version; // of the registry when it was built
    mesh_target *targets, *callable;
    uint32_t *group_ends;
    uint64_t hash;
    size_t subject_len;
    uint8_t subject[MESH_NAME_LEN_MAX];
} mesh_cached_route;

struct mesh_registry {
    mesh_map members, records, topics, routes;
    mesh_topic **wildcards;
    size_t wildcard_count, wildcard_cap;
    mesh_record *found_last; // most messages are for the entry that the one before was for
    uint64_t version;        // counts changes of subscriptions
    mesh_cached_route *cached[MESH_REGISTRY_ROUTES_MAX];
    size_t cached_next; // the place that is used next
    mesh_record **matches;
    size_t match_count, match_cap;
};

mesh_topic *mesh_registry_topic(const mesh_registry *registry, mesh_entry_kind kind,
                                mesh_bytes name);
void mesh_registry_forget_routes(mesh_registry *registry);
