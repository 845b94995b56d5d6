// Which thing happens next, from the seed alone.
#include "registry.h"

#include <sodium.h>

#include "registry_world.h"

enum { SUSPECT_MS = 1000, UNREACHABLE_MS = 4000, DOWN_MS = 8000 };

const char *registry_bug_name(registry_bug bug) {
    static const char *const names[REGISTRY_BUG_COUNT] = {
        [REGISTRY_BUG_NONE] = "none",
        [REGISTRY_BUG_END_FORGOTTEN] = "end-forgotten",
        [REGISTRY_BUG_ENTRY_FORGOTTEN] = "entry-forgotten",
        [REGISTRY_BUG_REMOVED_FORGOTTEN] = "removed-forgotten",
        [REGISTRY_BUG_ENTRY_CHANGED] = "entry-changed",
        [REGISTRY_BUG_TOLD_LOST] = "told-lost",
        [REGISTRY_BUG_TOLD_SWAPPED] = "told-swapped",
        [REGISTRY_BUG_STATE_FORGOTTEN] = "state-forgotten",
        [REGISTRY_BUG_GENERATION_REUSED] = "generation-reused",
        [REGISTRY_BUG_SIGNATURES_IGNORED] = "signatures-ignored",
        [REGISTRY_BUG_WRONG_KEY] = "wrong-key",
        [REGISTRY_BUG_TICK_FORGOTTEN] = "tick-forgotten",
        [REGISTRY_BUG_REPAIR_LOST] = "repair-lost",
        [REGISTRY_BUG_UNLINKED_FORGOTTEN] = "unlinked-forgotten",
    };
    return names[bug];
}

int host_of_id(const world *w, const uint8_t id[MESH_ID_LEN]) {
    for (int i = 0; i < w->host_count; i++)
        if (memcmp(w->hosts[i].id, id, MESH_ID_LEN) == 0) return i;
    return -1;
}

static world *create(const registry_options *options) {
    world *w = mem_alloc(sizeof *w);
    w->options = *options;
    mesh_rng_init(&w->rng, options->seed);
    w->now_ms = 1000;
    w->host_count = 2 + (int)pick(w, HOSTS_MAX - 1);
    w->work = 2 + pick(w, 30);
    w->breakage = pick(w, 4);
    w->lying = chance(w, 50) ? pick(w, 5) : 0;
    if (has_bug(w, REGISTRY_BUG_SIGNATURES_IGNORED)) w->lying = 5;
    for (int a = 0; a < HOSTS_MAX; a++)
        for (int b = 0; b < HOSTS_MAX; b++)
            w->links[a][b].last = &w->links[a][b].first;
    for (int i = 0; i < w->host_count; i++) {
        host *h = &w->hosts[i];
        uint8_t seed[crypto_sign_SEEDBYTES] = {(uint8_t)(i + 1)};
        (void)crypto_sign_seed_keypair(h->key, h->secret, seed);
        mesh_host_id_of(h->key, h->id);
        agent_start(w, i, 100);
    }
    return w;
}

static void destroy(world *w) {
    for (int i = 0; i < w->host_count; i++) {
        mesh_replica_destroy(w->hosts[i].replica);
        mesh_overlay_destroy(w->hosts[i].overlay);
    }
    network_deinit(w);
    free(w);
}

// ---- a model of membership

// Whether gossip finds a way from one host to the other.
static bool is_heard(const world *w, int at, int of) {
    bool is_reached[HOSTS_MAX] = {false};
    int queue[HOSTS_MAX], head = 0, tail = 0;
    is_reached[at] = true;
    queue[tail++] = at;
    while (head < tail) {
        int from = queue[head++];
        for (int to = 0; to < w->host_count; to++) {
            if (is_reached[to] || w->is_cut[from][to] || w->hosts[to].replica == NULL) continue;
            is_reached[to] = true;
            queue[tail++] = to;
        }
    }
    return is_reached[of];
}

static mesh_host_state judge(world *w, int at, int of) {
    belief *b = &w->beliefs[at][of];
    if (w->hosts[of].has_left) return MESH_HOST_LEFT;
    if (w->now_ms < b->wrong_until_ms) return b->wrong;
    if (is_heard(w, at, of)) {
        b->lost_at_ms = 0;
        return MESH_HOST_UP;
    }
    if (b->lost_at_ms == 0) {
        b->lost_at_ms = w->now_ms;
        b->pace = 50 + pick(w, 100);
    }
    uint64_t lost_ms = (w->now_ms - b->lost_at_ms) * 100 / b->pace;
    if (lost_ms < SUSPECT_MS) return b->is_known ? b->state : MESH_HOST_UP;
    if (lost_ms < UNREACHABLE_MS) return MESH_HOST_SUSPECT;
    return lost_ms < DOWN_MS ? MESH_HOST_UNREACHABLE : MESH_HOST_DOWN;
}

static void membership_step(world *w) {
    for (int at = 0; at < w->host_count; at++) {
        if (w->hosts[at].replica == NULL) continue;
        for (int of = 0; of < w->host_count; of++) {
            // News takes its time, and not the same everywhere.
            if (of == at || !chance(w, 4)) continue;
            bool is_heard_now = w->hosts[of].has_left || is_heard(w, at, of);
            if (!w->beliefs[at][of].is_known && !is_heard_now) continue;
            mesh_host_state state = judge(w, at, of);
            // What happens behind a cut is not known: neither is a new life there.
            if (!is_heard_now && w->beliefs[at][of].generation != w->hosts[of].generation) continue;
            agent_believe(w, at, of, state);
        }
    }
}

// ---- faults

static void cut(world *w) {
    bool side[HOSTS_MAX] = {false};
    for (int i = 0; i < w->host_count; i++)
        side[i] = chance(w, 50);
    bool is_partial = chance(w, 30);
    for (int a = 0; a < w->host_count; a++)
        for (int b = 0; b < a; b++) {
            bool is_cut = side[a] != side[b] && !(is_partial && chance(w, 40));
            w->is_cut[a][b] = w->is_cut[b][a] = is_cut;
            if (is_cut) network_break(w, a, b, 8000);
        }
    w->result.cuts++;
}

static void heal(world *w) {
    memset(w->is_cut, 0, sizeof w->is_cut);
}

static void restart(world *w) {
    int at = (int)pick(w, (uint32_t)w->host_count);
    host *h = &w->hosts[at];
    if (h->replica != NULL) {
        agent_stop(w, at);
        h->has_left = chance(w, 30);
        return;
    }
    agent_start(w, at, h->generation + !has_bug(w, REGISTRY_BUG_GENERATION_REUSED));
    w->result.restarts++;
}

// A false alarm: its links stay, and what it says goes on coming.
static void suspect(world *w) {
    belief *b = &w->beliefs[pick(w, (uint32_t)w->host_count)][pick(w, (uint32_t)w->host_count)];
    if (!b->is_known) return;
    b->wrong = MESH_HOST_SUSPECT + pick(w, 3);
    b->wrong_until_ms = w->now_ms + pick(w, 6000);
}

static void fault(world *w) {
    uint32_t kind = pick(w, 100);
    if (kind < 20)
        suspect(w);
    else if (kind < 50)
        network_break(w, (int)pick(w, (uint32_t)w->host_count),
                      (int)pick(w, (uint32_t)w->host_count), 8000);
    else if (kind < 60)
        cut(w);
    else if (kind < 75)
        heal(w);
    else
        restart(w);
}

// ---- time

static void step(world *w) {
    w->now_ms += STEP_MS;
    membership_step(w);
    network_step(w);
    for (int at = 0; at < w->host_count; at++)
        agent_step(w, at);
}

static void chaos(world *w) {
    for (uint64_t until_ms = w->now_ms + CHAOS_MS;
         w->now_ms < until_ms && !w->result.violation[0];) {
        for (int at = 0; at < w->host_count; at++)
            while (w->hosts[at].replica != NULL && chance(w, w->work / 2))
                agent_act(w, at);
        if (chance(w, w->breakage)) fault(w);
        if (chance(w, w->lying)) network_lie(w);
        step(w);
    }
}

static void calm(world *w) {
    w->is_calm = true;
    heal(w);
    for (int at = 0; at < w->host_count; at++)
        for (int of = 0; of < w->host_count; of++)
            w->beliefs[at][of].wrong_until_ms = 0;
    for (int at = 0; at < w->host_count; at++)
        if (w->hosts[at].replica == NULL) {
            host *h = &w->hosts[at];
            agent_start(w, at, h->generation + !has_bug(w, REGISTRY_BUG_GENERATION_REUSED));
        }
    uint64_t from_ms = w->now_ms;
    while (w->now_ms < from_ms + CALM_MS && !w->result.violation[0]) {
        step(w);
        if (w->result.equal_after_ms == 0 && check_equal(w, false))
            w->result.equal_after_ms = w->now_ms - from_ms;
    }
}

registry_result registry_run(const registry_options *options) {
    world *w = create(options);
    chaos(w);
    if (!w->result.violation[0]) calm(w);
    if (!w->result.violation[0]) (void)check_equal(w, true);
    for (int at = 0; at < w->host_count; at++) {
        if (w->hosts[at].replica == NULL) continue;
        w->result.fetches += mesh_replica_stats_get(w->hosts[at].replica).fetches;
        w->result.maps += mesh_replica_stats_get(w->hosts[at].replica).maps;
    }
    registry_result result = w->result;
    destroy(w);
    return result;
}
