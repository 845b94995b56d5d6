// The driver of one host: its nodes, the time, and what its cores say.
#include <sodium.h>

#include "registry_world.h"

// ---- keys

static const uint8_t *key_of(const uint8_t host_id[MESH_ID_LEN], void *user) {
    world *w = user;
    int of = host_of_id(w, host_id);
    if (of < 0) return NULL;
    if (has_bug(w, REGISTRY_BUG_WRONG_KEY)) of = (of + 1) % w->host_count;
    return w->hosts[of].key;
}

// Each signature is checked once, however many hosts look at it.
static bool verify(const uint8_t signature[MESH_SIGNATURE_LEN], mesh_bytes text,
                   const uint8_t key[MESH_SIGN_KEY_LEN], void *user) {
    world *w = user;
    if (has_bug(w, REGISTRY_BUG_SIGNATURES_IGNORED)) return true;
    kept_signature *kept = &w->kept[(signature[0] << 8 | signature[1]) % KEPT_SIGNATURES];
    bool is_same = kept->is_used && memcmp(kept->bytes, signature, MESH_SIGNATURE_LEN) == 0 &&
                   memcmp(kept->text, text.data, MESH_HEAD_TEXT_LEN) == 0;
    if (is_same && !has_bug(w, REGISTRY_BUG_WRONG_KEY)) return kept->is_good;
    memcpy(kept->bytes, signature, MESH_SIGNATURE_LEN);
    memcpy(kept->text, text.data, MESH_HEAD_TEXT_LEN);
    kept->is_used = true;
    kept->is_good = crypto_sign_verify_detached(signature, text.data, text.len, key) == 0;
    return kept->is_good;
}

// ---- life

void agent_start(world *w, int at, uint64_t generation) {
    host *h = &w->hosts[at];
    h->generation = generation;
    h->has_left = false;
    mesh_replica_options options = {
        .generation = generation,
        .seed = mesh_rng_next(&w->rng),
        .key_of = key_of,
        .verify = verify,
        .user = w,
    };
    memcpy(options.host_id, h->id, MESH_ID_LEN);
    memcpy(options.secret, h->secret, MESH_SIGN_SECRET_LEN);
    h->replica = mesh_replica_create(&options);
    h->overlay = mesh_overlay_create(h->id, mesh_rng_next(&w->rng));
    memset(h->views, 0, sizeof h->views);
    memset(w->beliefs[at], 0, sizeof w->beliefs[at]);
    h->is_held = false;
}

void agent_stop(world *w, int at) {
    host *h = &w->hosts[at];
    for (int other = 0; other < w->host_count; other++) {
        network_break(w, at, other, w->is_calm ? 0 : 2000);
        w->links[at][other].is_told = false;
        h->dial_at_ms[other] = 0;
    }
    for (uint32_t i = 0; i < w->node_count; i++)
        if (w->nodes[i].host == at) w->nodes[i].is_alive = false;
    w->result.fetches += mesh_replica_stats_get(h->replica).fetches;
    w->result.maps += mesh_replica_stats_get(h->replica).maps;
    mesh_replica_destroy(h->replica);
    mesh_overlay_destroy(h->overlay);
    h->replica = NULL;
    h->overlay = NULL;
}

// ---- nodes

static void write(world *w, int at, const mesh_op *op) {
    if (mesh_replica_write(w->hosts[at].replica, op) != 0)
        check_fail(w, "host %d cannot say what happens there", at);
    w->result.changes++;
}

// A host that lies gives its node the number, or the id, of a node of another host.
static uint64_t number_for(world *w, int at) {
    uint64_t number = mesh_rng_next(&w->rng) | 1;
    if (w->node_count > 0 && chance(w, 10)) {
        const node *victim = &w->nodes[pick(w, w->node_count)];
        number = chance(w, 50) ? victim->id : victim->node_id;
    }
    for (uint32_t i = 0; i < w->node_count; i++)
        if (w->nodes[i].host == at && w->nodes[i].id == number) return mesh_rng_next(&w->rng) | 1;
    return number;
}

static void node_up(world *w, int at) {
    if (w->node_count == NODES_MAX) return;
    uint64_t number = number_for(w, at);
    node *n = &w->nodes[w->node_count++];
    *n = (node){.id = number,
                .generation = w->hosts[at].generation,
                .host = at,
                .pid = pick(w, 65536),
                .is_alive = true};
    n->node_id = mesh_node_id_of(w->hosts[at].id, n->id);
    mesh_op op = {.kind = MESH_OP_NODE,
                  .number = n->id,
                  .name = mesh_bytes_text("app.0"),
                  .service = mesh_bytes_text("app"),
                  .pid = n->pid};
    write(w, at, &op);
}

static void node_end(world *w, int at, node *n) {
    n->is_alive = false;
    n->code = (int)pick(w, 256) - 1;
    n->signal = (int)pick(w, 32);
    if (has_bug(w, REGISTRY_BUG_END_FORGOTTEN) && chance(w, 20)) return;
    mesh_op op = {.kind = MESH_OP_END,
                  .number = n->id,
                  .reason = mesh_bytes_text("crash"),
                  .code = n->code,
                  .signal = (uint32_t)n->signal};
    write(w, at, &op);
}

static void entry_put(world *w, int at, node *n) {
    uint32_t index = n->entry_count < ENTRIES_PER_NODE && chance(w, 80) ? n->entry_count
                                                                        : pick(w, ENTRIES_PER_NODE);
    if (index >= n->entry_count) n->entry_count = index + 1;
    entry *e = &n->entries[index];
    *e = (entry){.entry_id = index + 1, .text = pick(w, 1000), .is_there = true};
    char name[32];
    bool is_wrong = has_bug(w, REGISTRY_BUG_ENTRY_CHANGED) && chance(w, 10);
    (void)snprintf(name, sizeof name, "entry-%u", e->text + is_wrong);
    mesh_op op = {.kind = MESH_OP_PUT,
                  .number = n->id,
                  .entry = {.entry_id = e->entry_id, .name = mesh_bytes_text(name)}};
    if (chance(w, 30)) {
        op.entry.kind = MESH_ENTRY_SUBSCRIPTION;
        op.entry.queue = mesh_bytes_text("q");
    }
    if (has_bug(w, REGISTRY_BUG_ENTRY_FORGOTTEN) && chance(w, 10)) return;
    write(w, at, &op);
}

static void entry_removed(world *w, int at, node *n) {
    for (uint32_t i = 0; i < n->entry_count; i++) {
        entry *e = &n->entries[i];
        if (!e->is_there) continue;
        e->is_there = false;
        if (has_bug(w, REGISTRY_BUG_REMOVED_FORGOTTEN) && chance(w, 20)) return;
        mesh_op op = {.kind = MESH_OP_REMOVED, .number = n->id, .entry = {.entry_id = e->entry_id}};
        write(w, at, &op);
        return;
    }
}

static node *pick_node(world *w, int at) {
    for (int tries = 0; tries < 40 && w->node_count > 0; tries++) {
        node *n = &w->nodes[pick(w, w->node_count)];
        if (n->host == at && n->is_alive) return n;
    }
    return NULL;
}

void agent_act(world *w, int at) {
    node *n = pick_node(w, at);
    uint32_t kind = pick(w, 100);
    if (n == NULL || kind < 15)
        node_up(w, at);
    else if (kind < 25)
        node_end(w, at, n);
    else if (kind < 80)
        entry_put(w, at, n);
    else
        entry_removed(w, at, n);
}

// ---- membership

void agent_believe(world *w, int at, int of, mesh_host_state state) {
    host *h = &w->hosts[at];
    const host *other = &w->hosts[of];
    belief *b = &w->beliefs[at][of];
    if (b->is_known && b->state == state && b->generation == other->generation) return;
    b->state = state;
    b->generation = other->generation;
    b->is_known = true;
    if (!has_bug(w, REGISTRY_BUG_STATE_FORGOTTEN) || state < MESH_HOST_DOWN)
        mesh_replica_host_state(h->replica, other->id, b->generation, state);
    mesh_overlay_host(h->overlay, other->id, state < MESH_HOST_UNREACHABLE);
    agent_carry_out(w, at);
    check_state(w, at, of);
}

// ---- outputs

static void take(world *w, int at, const mesh_replica_output *out) {
    host *h = &w->hosts[at];
    if (has_bug(w, REGISTRY_BUG_TOLD_LOST) && chance(w, 2)) return;
    // Only what has no texts can be held back: they are borrowed.
    if (has_bug(w, REGISTRY_BUG_TOLD_SWAPPED) && out->kind == MESH_REPLICA_ENTRY_REMOVED &&
        !h->is_held) {
        h->held = *out;
        h->is_held = true;
        return;
    }
    check_told(w, at, out);
    if (h->is_held) check_told(w, at, &h->held);
    h->is_held = false;
}

void agent_carry_out(world *w, int at) {
    host *h = &w->hosts[at];
    mesh_replica_output out;
    while (mesh_replica_poll(h->replica, &out)) {
        if (out.kind == MESH_REPLICA_SEND)
            network_send(w, at, host_of_id(w, out.host_id), out.bytes);
        else
            take(w, at, &out);
    }
    mesh_overlay_output wish;
    while (mesh_overlay_poll(h->overlay, &wish)) {
        int to = host_of_id(w, wish.host_id);
        if (wish.kind == MESH_OVERLAY_DIAL)
            network_dial(w, at, to);
        else
            network_break(w, at, to, 0);
    }
}

void agent_step(world *w, int at) {
    host *h = &w->hosts[at];
    if (h->replica == NULL) return;
    bool is_deaf = has_bug(w, REGISTRY_BUG_TICK_FORGOTTEN) && at == 0;
    if (!is_deaf && mesh_replica_wake_at_ms(h->replica) <= w->now_ms)
        mesh_replica_tick(h->replica, w->now_ms);
    if (mesh_overlay_wake_at_ms(h->overlay) <= w->now_ms) mesh_overlay_tick(h->overlay, w->now_ms);
    agent_carry_out(w, at);
    if (!is_deaf && mesh_replica_wake_at_ms(h->replica) == 0)
        check_fail(w, "host %d has work although its time has come", at);
}
