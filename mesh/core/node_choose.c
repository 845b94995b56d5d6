// Choosing who gets a call, or a message of a queue group: one place, so that services and groups
// keep the same rules (wire.md, "Choosing").
#include <sodium.h>

#include "core/be.h"
#include "core/mem.h"
#include "core/node_state.h"
#include "core/tags.h"

enum { BACKLOG_STEP = 64 << 10 };

// Who may be chosen at all. A member that leaves has no entries any more, one that starts none yet;
// one whose loop does not turn is there, and would keep the caller waiting.
static bool is_able(const mesh_peer *peer) {
    return !peer->is_stalled;
}

// The able ones that have all wanted tags.
static size_t filter(mesh_node *node, const mesh_target *targets, size_t count, mesh_bytes tags,
                     bool is_any_able) {
    node->able = mem_grow(node->able, sizeof *node->able, count, &node->able_cap);
    size_t able_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_any_able && !is_able(mesh_node_peers_get(node, targets[i].tag))) continue;
        if (mesh_tags_has(targets[i].entry->tags, tags)) node->able[able_count++] = targets[i];
    }
    return able_count;
}

// ---- by load

// In coarse steps: a few messages more or less say nothing, a peer that does not read does.
static size_t backlog(const mesh_node *node, const mesh_peer *peer) {
    size_t bytes = 0;
    for (mesh_lane lane = 0; lane < MESH_LANE_COUNT; lane++)
        bytes += mesh_node_links_queued(node, peer, lane);
    return bytes / BACKLOG_STEP;
}

static bool is_less_loaded(const mesh_node *node, const mesh_peer *a, const mesh_peer *b) {
    if (a->in_flight != b->in_flight) return a->in_flight < b->in_flight;
    return backlog(node, a) < backlog(node, b);
}

// Two at random, the less busy one of them: nearly as even as asking all, and O(1).
static const mesh_target *by_load(mesh_node *node, const mesh_target *targets, size_t count) {
    if (count == 1) return targets;
    uint32_t first = mesh_rng_below(&node->rng, (uint32_t)count);
    uint32_t second = mesh_rng_below(&node->rng, (uint32_t)count - 1);
    if (second >= first) second++;
    const mesh_peer *one = mesh_node_peers_get(node, targets[first].tag);
    const mesh_peer *other = mesh_node_peers_get(node, targets[second].tag);
    return targets + (is_less_loaded(node, other, one) ? second : first);
}

// ---- by key

static uint64_t hash_of(const uint8_t *data, size_t len) {
    // Known to everybody: all callers agree. Whoever chooses keys to meet on one instance could as
    // well send one key.
    static const uint8_t public_key[crypto_shorthash_KEYBYTES] = "warren-choose-v1";
    uint8_t hash[crypto_shorthash_BYTES];
    (void)crypto_shorthash(hash, data, len, public_key);
    return load_be64(hash);
}

// Rendezvous: each member draws a number for the key, the highest has it. So one that goes takes
// only its own keys along, and one that comes takes only those it wins.
static const mesh_target *by_key(mesh_node *node, const mesh_target *targets, size_t count,
                                 mesh_bytes key) {
    uint8_t text[16];
    uint8_t *at = store_be64(text, hash_of(key.data, key.len));
    const mesh_target *best = NULL;
    uint64_t best_score = 0, best_id = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t id = mesh_node_peers_get(node, targets[i].tag)->info.node_id;
        (void)store_be64(at, id);
        uint64_t score = hash_of(text, sizeof text);
        bool is_better = best == NULL || score > best_score ||
                         (score == best_score && id < best_id) ||
                         (id == best_id && targets[i].entry_id < best->entry_id);
        if (!is_better) continue;
        best = &targets[i];
        best_score = score;
        best_id = id;
    }
    return best;
}

bool mesh_node_pick_is_valid(const mesh_pick *pick) {
    return pick->key.len <= MESH_TAGS_LEN_MAX && mesh_tags_is_valid(pick->tags);
}

const mesh_target *mesh_node_choose(mesh_node *node, const mesh_target *targets, size_t count,
                                    const mesh_pick *pick, bool must_go) {
    if (pick->tags.len > 0 || node->stalled_count > 0) {
        size_t able_count = filter(node, targets, count, pick->tags, false);
        if (able_count == 0 && must_go) able_count = filter(node, targets, count, pick->tags, true);
        count = able_count;
        targets = node->able;
    }
    if (count == 0) return NULL;
    return pick->key.len > 0 ? by_key(node, targets, count, pick->key)
                             : by_load(node, targets, count);
}

void mesh_node_peer_stalled(mesh_node *node, uint64_t node_id, bool is_stalled) {
    mesh_peer *peer = mesh_node_peers_find(node, node_id);
    if (!peer || peer->is_stalled == is_stalled) return;
    peer->is_stalled = is_stalled;
    if (is_stalled)
        node->stalled_count++;
    else
        node->stalled_count--;
}
