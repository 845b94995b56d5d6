// What the files of the registry's simulator share. registry.c: which thing happens next;
// registry_network.c: links; registry_agent.c: the driver of one host and its nodes;
// registry_check.c: the rules.
#pragma once

#include "cluster/overlay.h"
#include "cluster/replica.h"
#include "core/mem.h"
#include "registry.h"

enum {
    HOSTS_MAX = 10,
    NODES_MAX = 600,
    ENTRIES_PER_NODE = 12,
    STEP_MS = 10,
    CHAOS_MS = 30000,
    CALM_MS = 30000,
    STASH_MAX = 64,
    KEPT_SIGNATURES = 8192,
};

typedef struct world world;

// ---- the truth
typedef struct entry {
    uint32_t entry_id, text; // its name says `text`
    bool is_there;
} entry;

typedef struct node {
    uint64_t id, node_id; // the number that its host gave it, and what others know it by
    uint64_t generation;  // of its host then
    int host;
    uint32_t pid;
    bool is_alive;
    int code, signal; // of its end
    entry entries[ENTRIES_PER_NODE];
    uint32_t entry_count;
} node;

// ---- what one host was told of a node
typedef struct view {
    bool is_up, is_over;              // over: told that it is gone for certain
    uint32_t texts[ENTRIES_PER_NODE]; // text + 1 of each entry that is known; 0: not
} view;

typedef struct belief { // of membership at one host about another
    mesh_host_state state;
    uint64_t generation, lost_at_ms; // lost_at_ms 0: it is heard of
    uint32_t pace;                   // percent of the usual times until suspect, unreachable, down
    uint64_t wrong_until_ms;         // until then it is thought to be `wrong` without a reason
    mesh_host_state wrong;
    bool is_known;
} belief;

typedef struct message {
    uint64_t at_ms;
    uint8_t *bytes;
    size_t len;
    struct message *next;
} message;

typedef struct link { // from one host to another; both directions are up together
    bool is_up;
    bool is_told;        // to the host at its beginning
    uint64_t told_at_ms; // when that host notices the end
    uint64_t last_at_ms; // when the newest message arrives
    message *first, **last;
} link;

typedef struct host {
    mesh_replica *replica; // NULL: the agent is not running
    mesh_overlay *overlay;
    uint64_t generation, dial_at_ms[HOSTS_MAX]; // a dial comes to its end then
    bool has_left;
    view views[NODES_MAX];
    mesh_replica_output held; // of the planted bugs
    bool is_held;
    uint8_t id[MESH_ID_LEN], key[MESH_SIGN_KEY_LEN], secret[MESH_SIGN_SECRET_LEN];
} host;

typedef struct kept_signature {
    uint8_t bytes[MESH_SIGNATURE_LEN], text[MESH_HEAD_TEXT_LEN];
    bool is_used, is_good;
} kept_signature;

struct world {
    registry_options options;
    registry_result result;
    mesh_rng rng;
    uint64_t now_ms;
    bool is_calm;
    int host_count;
    host hosts[HOSTS_MAX];
    bool is_cut[HOSTS_MAX][HOSTS_MAX];
    belief beliefs[HOSTS_MAX][HOSTS_MAX]; // [at][of]
    link links[HOSTS_MAX][HOSTS_MAX];
    node nodes[NODES_MAX];
    uint32_t node_count;
    message stash[STASH_MAX]; // to be sent once more, by somebody else
    uint32_t stash_count;
    kept_signature kept[KEPT_SIGNATURES];
    uint32_t work, breakage, lying; // percent
};

#define check_fail(W, ...)                                                                         \
    do {                                                                                           \
        if ((W)->result.violation[0]) break;                                                       \
        (void)snprintf((W)->result.violation, REGISTRY_VIOLATION_MAX, __VA_ARGS__);                \
    } while (0)

static inline uint32_t pick(world *w, uint32_t bound) {
    return mesh_rng_below(&w->rng, bound);
}
static inline bool chance(world *w, uint32_t percent) {
    return pick(w, 100) < percent;
}
static inline bool has_bug(const world *w, registry_bug bug) {
    return w->options.bug == bug;
}
int host_of_id(const world *w, const uint8_t id[MESH_ID_LEN]);

// ---- registry_network.c
void network_dial(world *w, int from, int to);
void network_break(world *w, int a, int b, uint32_t notice_ms_max); // what is under way is lost
void network_send(world *w, int from, int to, mesh_bytes bytes);
void network_step(world *w);
void network_lie(world *w); // somebody repeats, changes or invents a message
void network_deinit(world *w);

// ---- registry_agent.c
void agent_start(world *w, int at, uint64_t generation);
void agent_stop(world *w, int at); // all its nodes end with it
void agent_act(world *w, int at);  // a node comes, changes or ends
void agent_step(world *w, int at); // time and outputs
void agent_carry_out(world *w, int at);
void agent_believe(world *w, int at, int of, mesh_host_state state);

// ---- registry_check.c
void check_told(world *w, int at, const mesh_replica_output *out);
void check_state(world *w, int at, int of); // after membership has spoken
bool check_equal(world *w, bool is_final);  // every view is the truth
uint32_t text_of(mesh_bytes name);          // the number in an entry's name
