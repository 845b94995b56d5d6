// A cluster of agents in one thread, as far as the registry between hosts goes: real replicas and
// overlays, a model of membership, links that keep order and break. One seed decides everything.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Bugs to plant in everything around the cores, to see that the checks find them.
typedef enum registry_bug {
    REGISTRY_BUG_NONE,
    REGISTRY_BUG_END_FORGOTTEN,      // the agent does not say that a node has ended
    REGISTRY_BUG_ENTRY_FORGOTTEN,    // or that it offers something
    REGISTRY_BUG_REMOVED_FORGOTTEN,  // or no longer
    REGISTRY_BUG_ENTRY_CHANGED,      // or says another name
    REGISTRY_BUG_TOLD_LOST,          // what a replica tells does not arrive
    REGISTRY_BUG_TOLD_SWAPPED,       // or after the next thing it tells
    REGISTRY_BUG_STATE_FORGOTTEN,    // a replica does not hear that a host is down
    REGISTRY_BUG_GENERATION_REUSED,  // an agent starts again with the generation it had
    REGISTRY_BUG_SIGNATURES_IGNORED, // every signature is taken for good
    REGISTRY_BUG_WRONG_KEY,          // keys of hosts are mixed up
    REGISTRY_BUG_TICK_FORGOTTEN,     // a replica does not hear the time
    REGISTRY_BUG_REPAIR_LOST,        // messages get lost on links that are up, and all summaries
    REGISTRY_BUG_UNLINKED_FORGOTTEN, // an overlay does not hear that a link has ended
    REGISTRY_BUG_COUNT,
} registry_bug;

const char *registry_bug_name(registry_bug bug);

enum { REGISTRY_VIOLATION_MAX = 256 };

typedef struct registry_options {
    uint64_t seed;
    registry_bug bug;
    bool is_verbose;
} registry_options;

typedef struct registry_result {
    uint64_t hash; // of everything told
    uint64_t told, messages, bytes, changes, restarts, cuts, breaks, lies, fetches, maps;
    uint64_t equal_after_ms;                // the last fault
    char violation[REGISTRY_VIOLATION_MAX]; // a sentence; empty: every rule held
} registry_result;

registry_result registry_run(const registry_options *options);
