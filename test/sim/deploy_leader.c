// The leaders of deploy_sim: who drives the conductor. They die, stand still until another one has
// taken over, and do not always learn what became of a transaction.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "deploy_sim.h"

static const char leader_key[] = "deploy/leader";

static void hear(sim_world *w, sim_leader *l, const sim_change *change) {
    deploy_key key;
    bool is_report = deploy_key_read(mesh_bytes_text(change->key), &key) &&
                     key.kind == DEPLOY_RECORD_REPORT && !change->is_delete;
    if (is_report && sim_is_bug(w, SIM_BUG_REPORT_LOST)) return;
    if (change->is_delete && sim_is_bug(w, SIM_BUG_DELETE_LOST)) return;
    if (change->is_delete) {
        deploy_conductor_delete(l->c, mesh_bytes_text(change->key), change->revision);
        return;
    }
    const char *why =
        deploy_conductor_put(l->c, mesh_bytes_text(change->key),
                             (mesh_bytes){change->value, change->len}, change->revision);
    if (why != NULL) sim_violate(w, "%s", why);
}

static void list(sim_world *w, sim_leader *l) {
    deploy_conductor_destroy(l->c);
    l->c = deploy_conductor_create();
    l->cursor = w->store.log_count;
    l->commit_at_ms = 0;
    for (size_t i = 0; i < w->store.count; i++) {
        const sim_pair *pair = &w->store.pairs[i];
        const char *why = deploy_conductor_put(l->c, mesh_bytes_text(pair->key),
                                               (mesh_bytes){pair->value, pair->len}, pair->changed);
        if (why != NULL) sim_violate(w, "%s", why);
    }
}

void sim_leader_end(sim_leader *l) {
    deploy_conductor_destroy(l->c);
    *l = (sim_leader){0};
}

static void die(sim_world *w, sim_leader *l, const char *how) {
    sim_say(w, "leader %d %s", (int)(l - w->leaders), how);
    w->deaths++;
    sim_leader_end(l);
}

static bool is_leader(const sim_world *w, const sim_leader *l) {
    return w->store.leader == l->fence;
}

static void drop_lease(sim_world *w) {
    if (w->store.leader == 0 || w->store.leader_until_ms > w->now_ms) return;
    sim_store_begin(w);
    sim_store_delete(w, leader_key);
    w->store.leader = 0;
}

static void elect(sim_world *w, sim_leader *l) {
    if (w->store.leader != 0 || sim_below(w, 3) > 0) return;
    sim_store_begin(w);
    sim_store_put(w, leader_key, "a", 1);
    w->store.leader = w->store.revision;
    w->store.leader_until_ms = w->now_ms + SIM_LEASE_MS;
    l->fence = w->store.leader;
    sim_say(w, "leader %d takes over", (int)(l - w->leaders));
    list(w, l);
}

// ---- transactions

static void mix(sim_world *w, mesh_bytes bytes) {
    for (size_t i = 0; i < bytes.len; i++)
        w->hash = (w->hash ^ bytes.data[i]) * 1099511628211ULL;
}

static void check_bounds(sim_world *w, const deploy_transaction *t) {
    size_t len = 0;
    for (size_t i = 0; i < t->op_count; i++) {
        len += t->ops[i].key.len + t->ops[i].value.len;
        if (t->ops[i].value.len > DEPLOY_VALUE_LEN_MAX) sim_violate(w, "D8: a value is too long");
        for (size_t j = 0; j < i; j++)
            if (t->ops[i].key.len == t->ops[j].key.len &&
                memcmp(t->ops[i].key.data, t->ops[j].key.data, t->ops[i].key.len) == 0)
                sim_violate(w, "D8: a key is twice in a transaction");
    }
    if (t->op_count == 0 || t->op_count > DEPLOY_OPS_MAX || len > DEPLOY_TRANSACTION_LEN_MAX)
        sim_violate(w, "D8: a transaction of %zu changes and %zu bytes", t->op_count, len);
}

static void say_op(const sim_world *w, const deploy_op *op, const deploy_key *key,
                   const char *text) {
    char line[400] = "";
    const char *why;
    sim_say(w, "  %s %s", op->is_delete ? "delete" : "put", text);
    if (!w->run.is_verbose || op->is_delete) return;
    ProtobufCMessage *message = deploy_record_decode(key->kind, op->value, &why);
    const Warren__Deploy__Order *order = (const Warren__Deploy__Order *)message;
    for (size_t i = 0; key->kind == DEPLOY_RECORD_ORDER && i < order->n_instances; i++)
        (void)snprintf(line + strlen(line), sizeof line - strlen(line), " %" PRIu64 "#%u",
                       order->instances[i]->release, order->instances[i]->attempt);
    const Warren__Deploy__Placed *placed = (const Warren__Deploy__Placed *)message;
    for (size_t i = 0; key->kind == DEPLOY_RECORD_PLACED && i < placed->n_slots; i++)
        (void)snprintf(line + strlen(line), sizeof line - strlen(line), " %u:%s.%u%s%s/%" PRIu64,
                       placed->slots[i]->slot, placed->slots[i]->host, placed->slots[i]->index,
                       placed->slots[i]->is_lost ? "!" : "",
                       placed->slots[i]->is_stand_in ? "+" : "", placed->slots[i]->before);
    if (key->kind == DEPLOY_RECORD_PLACED)
        sim_say(w, "    release %" PRIu64 " before %" PRIu64, placed->release, placed->before);
    if (line[0] != '\0') sim_say(w, "   %s", line);
    if (key->kind == DEPLOY_RECORD_ROLLOUT)
        sim_say(w, "    %.*s", (int)op->value.len, (const char *)op->value.data);
    deploy_record_free(message);
}

static void apply_op(sim_world *w, const deploy_op *op) {
    deploy_key key;
    char text[DEPLOY_KEY_MAX] = "";
    mesh_bytes value = op->value;
    memcpy(text, op->key.data, op->key.len);
    if (!deploy_key_read(op->key, &key)) sim_violate(w, "D8: it writes %s", text);
    if (!sim_hurt(w, &key, op->is_delete, &value)) return;
    say_op(w, op, &key, text);
    if (op->is_delete)
        sim_store_delete(w, text);
    else
        sim_store_put(w, text, value.data, value.len);
    if (value.data != op->value.data) free((void *)(uintptr_t)value.data);
}

static void apply(sim_world *w, const sim_leader *l) {
    const deploy_transaction *t = &l->transaction;
    sim_say(w, "leader %d commits", (int)(l - w->leaders));
    sim_store_begin(w);
    for (size_t i = 0; i < t->op_count; i++) {
        mix(w, t->ops[i].key);
        mix(w, t->ops[i].value);
        if (i > 0 && i >= t->op_count / 2 && sim_is_bug(w, SIM_BUG_TORN)) break;
        apply_op(w, &t->ops[i]);
    }
    w->transactions++;
    w->written_at_ms = w->now_ms;
    sim_check_commit(w, l->known);
}

static bool is_held_up(const sim_world *w, const sim_leader *l) {
    for (size_t i = 0; i < l->transaction.absent_count; i++)
        if (sim_store_get(&w->store, (const char *)l->transaction.absent[i].data) != NULL)
            return true;
    return false;
}

static void commit(sim_world *w, sim_leader *l) {
    uint32_t fate = sim_is_calm(w) ? 99 : sim_below(w, 100);
    l->commit_at_ms = 0;
    if (!is_leader(w, l) && !sim_is_bug(w, SIM_BUG_FENCE)) {
        deploy_conductor_committed(l->c, 0);
        die(w, l, "is deposed");
        return;
    }
    if (fate < 4 || is_held_up(w, l)) { // it could not be reached, or a host is back
        deploy_conductor_committed(l->c, 0);
        return;
    }
    if (fate < 6) { // nobody knows
        if (fate == 4) apply(w, l);
        sim_say(w, "leader %d lists anew", (int)(l - w->leaders));
        list(w, l);
        return;
    }
    if (fate == 6) {
        die(w, l, "dies before it has committed");
        return;
    }
    apply(w, l);
    if (fate == 7)
        die(w, l, "dies when it has committed");
    else
        deploy_conductor_committed(l->c, w->store.revision);
}

static void turn(sim_world *w, sim_leader *l) {
    uint64_t now_ms = w->now_ms;
    if (sim_is_bug(w, SIM_BUG_WAKE_FORGOTTEN)) now_ms = w->bug_at_ms;
    if (sim_is_bug(w, SIM_BUG_CHATTER))
        deploy_conductor_delete(l->c, mesh_bytes_text("deploy/order/h0/a"), INT64_MAX);
    if (!deploy_conductor_turn(l->c, now_ms, &l->transaction)) {
        if (deploy_conductor_wake_at_ms(l->c) <= now_ms)
            sim_violate(w, "D7: a turn with nothing to write asks for another one at once");
        return;
    }
    l->known = l->cursor;
    check_bounds(w, &l->transaction);
    l->commit_at_ms = w->now_ms + sim_below(w, 3) * SIM_STEP_MS / 2;
}

// News are heard in order, and some later.
static void watch(sim_world *w, sim_leader *l) {
    size_t until = w->store.log_count;
    if (sim_below(w, 3) == 0) return;
    for (; l->cursor < until; l->cursor++)
        hear(w, l, &w->store.log[l->cursor]);
}

void sim_leader_step(sim_world *w, uint32_t leader) {
    sim_leader *l = &w->leaders[leader];
    drop_lease(w);
    if (l->c == NULL) {
        elect(w, l);
        return;
    }
    if (l->paused_until_ms > w->now_ms) return;
    uint32_t fate = sim_is_calm(w) ? 999 : sim_below(w, 1000);
    if (fate < 5) {
        die(w, l, "dies");
        return;
    }
    if (fate < 10) l->paused_until_ms = w->now_ms + 2ULL * SIM_LEASE_MS;
    if (is_leader(w, l)) w->store.leader_until_ms = w->now_ms + SIM_LEASE_MS;
    watch(w, l);
    // As long as there is something to say, in one step too.
    for (uint32_t i = 0; l->c != NULL && i < 4; i++) {
        if (l->commit_at_ms == 0) turn(w, l);
        if (l->commit_at_ms == 0 || l->commit_at_ms > w->now_ms) break;
        commit(w, l);
    }
}
