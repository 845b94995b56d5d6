// The rules: what a host is told of the nodes of others is what their own agents said, in order,
// and the dead stay dead.
#include <inttypes.h>
#include <sodium.h>

#include "registry_world.h"

static node *node_of_id(world *w, uint64_t id) {
    for (uint32_t i = 0; i < w->node_count; i++)
        if (w->nodes[i].node_id == id) return &w->nodes[i];
    return NULL;
}

static bool is_text(mesh_bytes bytes, const char *text) {
    return bytes.len == strlen(text) && memcmp(bytes.data, text, bytes.len) == 0;
}

uint32_t text_of(mesh_bytes name) {
    char text[64];
    uint32_t number = 0;
    (void)snprintf(text, sizeof text, "%.*s", (int)name.len, (const char *)name.data);
    return sscanf(text, "entry-%u", &number) == 1 ? number : UINT32_MAX;
}

static void add_to_hash(world *w, int at, const mesh_replica_output *out) {
    const uint64_t facts[] = {w->result.hash,        w->now_ms,
                              (uint64_t)at,          out->kind,
                              out->node_id,          out->op.entry.entry_id,
                              (uint64_t)out->op.code};
    uint8_t hash[crypto_generichash_BYTES_MIN];
    (void)crypto_generichash(hash, sizeof hash, (const uint8_t *)facts, sizeof facts, NULL, 0);
    memcpy(&w->result.hash, hash, sizeof w->result.hash);
    w->result.told++;
}

static void told_up(world *w, int at, const node *n, view *v, const mesh_op *op) {
    if (v->is_up) check_fail(w, "host %d is told twice that a node is up", at);
    if (v->is_over) check_fail(w, "host %d is told that a dead node is up again", at);
    if (!is_text(op->name, "app.0") || !is_text(op->service, "app") || op->pid != n->pid)
        check_fail(w, "host %d is told of a node by another name", at);
    v->is_up = true;
}

static void told_put(world *w, int at, const node *n, view *v, const mesh_op *op) {
    if (!v->is_up) check_fail(w, "host %d is told of an entry before its node", at);
    uint32_t index = op->entry.entry_id - 1;
    if (index >= n->entry_count) {
        check_fail(w, "host %d is told of an entry that never was", at);
        return;
    }
    v->texts[index] = text_of(op->entry.name) + 1;
}

static void told_removed(world *w, int at, view *v, const mesh_op *op) {
    uint32_t index = op->entry.entry_id - 1;
    if (!v->is_up || index >= ENTRIES_PER_NODE || v->texts[index] == 0)
        check_fail(w, "host %d is told that an entry is gone that it does not know", at);
    else
        v->texts[index] = 0;
}

static void told_down(world *w, int at, const node *n, view *v, const mesh_op *op) {
    if (!v->is_up) check_fail(w, "host %d is told of the end of a node it does not know", at);
    const belief *b = &w->beliefs[at][n->host];
    bool is_end = is_text(op->reason, "crash") && op->code == n->code &&
                  op->signal == (uint32_t)n->signal && !n->is_alive;
    bool is_right = is_end || (is_text(op->reason, "noproc") && !n->is_alive) ||
                    (is_text(op->reason, "unreachable") && b->state == MESH_HOST_DOWN) ||
                    (is_text(op->reason, "left") && b->state == MESH_HOST_LEFT) ||
                    (is_text(op->reason, "restarted") && b->generation > n->generation);
    if (!is_right)
        check_fail(w, "host %d is told that a node ended: %.*s %d", at, (int)op->reason.len,
                   (const char *)op->reason.data, op->code);
    bool is_over = v->is_over || !is_text(op->reason, "unreachable");
    *v = (view){.is_over = is_over};
}

void check_told(world *w, int at, const mesh_replica_output *out) {
    const mesh_op *op = &out->op;
    add_to_hash(w, at, out);
    if (w->options.is_verbose)
        (void)printf("%" PRIu64 " host %d: kind %d node %016" PRIx64 " entry %u %.*s\n", w->now_ms,
                     at, out->kind, out->node_id, op->entry.entry_id, (int)op->reason.len,
                     (const char *)op->reason.data);
    node *n = node_of_id(w, out->node_id);
    if (n == NULL || host_of_id(w, out->host_id) != n->host || n->host == at) {
        check_fail(w, "host %d is told of a node that is not of that host", at);
        return;
    }
    view *v = &w->hosts[at].views[n - w->nodes];
    switch (out->kind) {
    case MESH_REPLICA_PEER_UP: told_up(w, at, n, v, op); break;
    case MESH_REPLICA_ENTRY_PUT: told_put(w, at, n, v, op); break;
    case MESH_REPLICA_ENTRY_REMOVED: told_removed(w, at, v, op); break;
    default: told_down(w, at, n, v, op); break;
    }
}

static bool has_entries(const view *v) {
    for (uint32_t i = 0; i < ENTRIES_PER_NODE; i++)
        if (v->texts[i] != 0) return true;
    return false;
}

void check_state(world *w, int at, int of) {
    mesh_host_state state = w->beliefs[at][of].state;
    for (uint32_t i = 0; i < w->node_count; i++) {
        if (w->nodes[i].host != of) continue;
        const view *v = &w->hosts[at].views[i];
        if (state == MESH_HOST_UNREACHABLE && has_entries(v))
            check_fail(w, "host %d sees an entry of an unreachable host", at);
        if (state >= MESH_HOST_DOWN && v->is_up)
            check_fail(w, "host %d sees a node of a host that is gone", at);
    }
}

// ---- the end

static bool is_same(const node *n, const view *v) {
    if (n->is_alive != v->is_up) return false;
    if (!n->is_alive) return true;
    for (uint32_t i = 0; i < ENTRIES_PER_NODE; i++) {
        const entry *e = &n->entries[i];
        uint32_t text = i < n->entry_count && e->is_there ? e->text + 1 : 0;
        if (v->texts[i] != text) return false;
    }
    return true;
}

static void count_one(const mesh_replica_output *told, void *user) {
    size_t *counts = user;
    counts[told->kind == MESH_REPLICA_ENTRY_PUT]++;
}

// What the core lists for a newcomer is what it has told.
static void check_list(world *w, int at) {
    const host *h = &w->hosts[at];
    size_t listed[2] = {0}, told[2] = {0};
    mesh_replica_each(h->replica, count_one, listed);
    for (uint32_t i = 0; i < w->node_count; i++) {
        const view *v = &h->views[i];
        told[0] += v->is_up;
        for (uint32_t e = 0; e < ENTRIES_PER_NODE; e++)
            told[1] += v->texts[e] != 0;
        const uint8_t *holder = mesh_replica_host_of(h->replica, w->nodes[i].node_id);
        if ((holder != NULL) != v->is_up) check_fail(w, "host %d looks up what was not told", at);
    }
    if (listed[0] != told[0] || listed[1] != told[1])
        check_fail(w, "host %d lists %zu nodes and %zu entries, but told %zu and %zu", at,
                   listed[0], listed[1], told[0], told[1]);
}

static bool is_equal(world *w, int at, bool is_final) {
    for (uint32_t i = 0; i < w->node_count; i++) {
        const node *n = &w->nodes[i];
        if (n->host == at || is_same(n, &w->hosts[at].views[i])) continue;
        if (is_final)
            check_fail(w, "at the end host %d sees a node of host %d otherwise than it is", at,
                       n->host);
        return false;
    }
    if (is_final) check_list(w, at);
    return true;
}

bool check_equal(world *w, bool is_final) {
    for (int at = 0; at < w->host_count; at++)
        if (w->hosts[at].replica != NULL && !is_equal(w, at, is_final)) return false;
    return true;
}
