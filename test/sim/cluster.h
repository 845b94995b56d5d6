// Membership of a cluster under faults: loss, repeats, partitions, stops, restarts, wrong clocks,
// and a member that lies. Safety is checked at each step, agreement after the faults have stopped.
#pragma once

#include "cluster_world.h"

// Bugs to plant, in a host's state or around it, to see that the checks find them.
typedef enum cluster_bug {
    CLUSTER_BUG_NONE,
    CLUSTER_BUG_LEFT_UNSIGNED,        // anybody says that a host has left
    CLUSTER_BUG_ALIVE_UNSIGNED,       // or where it is
    CLUSTER_BUG_ACCUSED_UNSIGNED,     // or accuses in the name of others
    CLUSTER_BUG_STAMP_RAISED,         // a host raises the incarnation of another
    CLUSTER_BUG_REFUTE_LOST,          // an accused host does not answer
    CLUSTER_BUG_GENERATION_FORGOTTEN, // a restart in the generation of before
    CLUSTER_BUG_SUSPICION_SHORT,      // a second from accusation to death
    CLUSTER_BUG_TOMBSTONE_SHORT,      // the dead are forgotten at once
    CLUSTER_BUG_RECONNECT_FORGOTTEN,  // nobody tries those who are down
    CLUSTER_BUG_SYNC_FORGOTTEN,       // nobody compares
    CLUSTER_BUG_TICK_FORGOTTEN,       // the driver of a host misses its timers
    CLUSTER_BUG_SEND_FORGOTTEN,       // or sends nothing
    CLUSTER_BUG_CHANGE_FORGOTTEN,     // or misses a change
    CLUSTER_BUG_PAGE_FORGOTTEN,       // or the last intro page
    CLUSTER_BUG_WINDOW_FORGOTTEN,     // the same datagram is taken twice
    CLUSTER_BUG_NONCE_REPEATED,
    CLUSTER_BUG_SYNC_STORM, // comparing all the time
    CLUSTER_BUG_COUNT,
} cluster_bug;

const char *cluster_bug_name(cluster_bug bug);

typedef struct cluster_options {
    uint64_t seed;
    bool is_verbose;
    cluster_bug bug;
    uint32_t host_count; // 0: the seed chooses 2 to 64
} cluster_options;

typedef struct cluster_result {
    char violation[200]; // empty: every rule held
    uint64_t hash, datagrams, bytes, deaths, restarts, leaves, partitions, pauses, lies, refuted;
    uint32_t hosts;
    bool is_gentle;
    uint64_t agreed_ms; // from the end of the faults
} cluster_result;

cluster_result cluster_run(const cluster_options *options);

// What a run with `count` hosts costs and how fast it is: prints one row (docs/performance.md).
void cluster_measure(uint32_t count, uint32_t loss, uint32_t rounds);
