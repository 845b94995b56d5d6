// Which host runs which instances of which service (pure): from what is wanted, what the hosts are
// and where instances are now, to where they should be. The same input gives the same plan, and
// what is well where it is stays there. docs/placement.md has the rules.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DEPLOY_HOSTS_MAX = 1024,
    DEPLOY_SERVICES_MAX = 1024,
    DEPLOY_INSTANCES_MAX = 16384, // of one service, and of all
    DEPLOY_SENTENCE_LEN_MAX = 400,
};

typedef struct deploy_label {
    const char *key, *value;
} deploy_label;

typedef enum deploy_host_state {
    DEPLOY_UP,
    DEPLOY_SUSPECT,  // what it has stays, nothing new goes there
    DEPLOY_DOWN,     // nobody hears from it: what becomes of its instances each service says
    DEPLOY_DRAINING, // everything leaves it
} deploy_host_state;

typedef struct deploy_host {
    const char *name; // of one host alone
    const deploy_label *labels;
    size_t label_count;
    uint64_t memory; // for all instances together
    uint32_t cpu_milli;
    deploy_host_state state;
    uint64_t since_ms; // in this state
} deploy_host;

typedef enum deploy_count {
    DEPLOY_COUNT,    // so many, wherever
    DEPLOY_PER_HOST, // so many on every host that may have it
    DEPLOY_MAX,      // one for each whole processor of those
} deploy_count;

typedef enum deploy_disconnect { // what becomes of instances on a host that is down
    DEPLOY_KEEP,                 // they are waited for
    DEPLOY_REPLACE, // after `disconnect_ms` others stand in for them; `reconcile` when it is back
    DEPLOY_STOP_AFTER, // after `disconnect_ms` without the cluster the host has ended them itself,
                       // and only then others are begun: never two at a time
} deploy_disconnect;

typedef enum deploy_reconcile { DEPLOY_ORIGINAL, DEPLOY_STAND_IN, DEPLOY_LONGEST } deploy_reconcile;

typedef struct deploy_service {
    const char *name; // of one service alone
    deploy_count kind;
    uint32_t count;               // not of MAX
    const deploy_label *requires; // a host needs all of them
    size_t require_count;
    bool is_spread;           // evenly, within 1 where there is room
    const char *spread_label; // over its values; NULL: over hosts
    const char *const *apart; // names of services that it shares no host with
    size_t apart_count;
    uint32_t cpu_milli; // of one instance; 0: none reserved
    uint64_t memory;
    deploy_disconnect disconnect;
    uint64_t disconnect_ms;
    deploy_reconcile reconcile;
} deploy_service;

typedef struct deploy_placed {
    uint32_t service; // its index
    uint32_t
        slot; // tells the instances of a service apart; a stand-in has that of whom it replaces
    const char *host;
    uint64_t since_ms; // when it was placed there
    bool is_lost;      // its host is down: it may run, or not
    bool is_stand_in;
} deploy_placed;

typedef struct deploy_world { // all borrowed
    const deploy_host *hosts;
    size_t host_count;
    const deploy_service *services;
    size_t service_count;
    const deploy_placed *placed; // as the last plan had it; of hosts and services that are gone too
    size_t placed_count;
    uint64_t now_ms;
} deploy_world;

typedef struct deploy_unplaced {
    uint32_t service;
    uint32_t count;                             // of its instances
    char sentence[DEPLOY_SENTENCE_LEN_MAX + 1]; // why
} deploy_unplaced;

typedef struct deploy_plan {
    deploy_placed *placed; // by service and slot; hosts are named by the world's own texts
    size_t placed_count;
    deploy_unplaced *unplaced; // at most one for each service
    size_t unplaced_count;
    uint64_t again_at_ms; // when time alone changes it; UINT64_MAX: never
} deploy_plan;

// Gives `out`: deploy_plan_deinit. It borrows the names of the world.
void deploy_plan_make(const deploy_world *world, deploy_plan *out);
void deploy_plan_deinit(deploy_plan *plan);
