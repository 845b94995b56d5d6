// A member of the mesh: life, time, output. The rest is in node_*.c (see node_state.h).
#include "core/error.h"
#include "core/mem.h"
#include "core/node_state.h"

static void make_hash_key(mesh_rng *rng, uint8_t key[MESH_MAP_KEY_LEN]) {
    for (size_t i = 0; i < MESH_MAP_KEY_LEN; i += sizeof(uint64_t)) {
        uint64_t word = mesh_rng_next(rng);
        memcpy(key + i, &word, sizeof word);
    }
}

static void init_self(mesh_node *node) {
    node->self = (mesh_peer){
        .handle = MESH_PEER_SELF,
        .info = {.node_id = node->options.node_id},
        .first_call = MESH_CALL_NONE,
        .first_serve = MESH_SERVE_NONE,
    };
    mesh_node_peers_put(node, &node->self);
    CHECK(mesh_registry_member_add(node->registry, node->options.node_id, MESH_PEER_SELF) == 0);
}

static uint32_t bounded(uint32_t value, uint32_t min, uint32_t max) {
    if (value < min) return min;
    return value > max ? max : value;
}

mesh_node *mesh_node_create(const mesh_node_options *options) {
    mesh_node *node = mem_alloc(sizeof *node);
    node->options = *options;
    if (options->max_message_len == 0) node->options.max_message_len = MESH_MESSAGE_LEN_DEFAULT;
    node->options.max_message_len =
        bounded(node->options.max_message_len, MESH_MESSAGE_LEN_MIN, MESH_MESSAGE_LEN_MAX);
    if (options->credit == 0) node->options.credit = MESH_CREDIT_DEFAULT;
    node->assemblies.bytes_max = options->assembled_max;
    mesh_rng_init(&node->rng, options->seed);
    uint8_t hash_key[MESH_MAP_KEY_LEN];
    make_hash_key(&node->rng, hash_key);
    mesh_map_init(&node->peers_by_id, hash_key);
    node->registry = mesh_registry_create(hash_key);
    mesh_serves_init(&node->serves, hash_key);
    mesh_deadlines_init(&node->deadlines);
    mesh_outbox_init(&node->outbox);
    node->next_handle = MESH_PEER_SELF + 1;
    init_self(node);
    return node;
}

void mesh_node_destroy(mesh_node *node) {
    if (!node) return;
    for (size_t i = 0; i < node->peer_cap; i++)
        if (node->peers[i] && node->peers[i] != &node->self) mesh_node_peers_free(node->peers[i]);
    mesh_map_deinit(&node->peers_by_id);
    mesh_registry_destroy(node->registry);
    mesh_shapes_deinit(&node->shapes);
    mesh_calls_deinit(&node->calls);
    mesh_serves_deinit(&node->serves);
    mesh_deadlines_deinit(&node->deadlines);
    mesh_outbox_deinit(&node->outbox);
    free(node->peers);
    free(node->linked);
    free(node->targets);
    free(node->able);
    free(node);
}

int mesh_node_announce(mesh_node *node, const mesh_entry *entry) {
    uint64_t self_id = node->options.node_id;
    if (mesh_registry_find(node->registry, self_id, entry->entry_id)) return MESH_EEXIST;
    bool is_service = entry->kind == MESH_ENTRY_SERVICE;
    if (is_service && mesh_node_peers_serves(node, &node->self, entry->name)) return MESH_EEXIST;
    int err = mesh_registry_put(node->registry, self_id, entry);
    if (err == 0 && is_service) mesh_node_peers_say_service(node, &node->self, entry->name, true);
    return err;
}

int mesh_node_withdraw(mesh_node *node, uint32_t entry_id) {
    uint64_t self_id = node->options.node_id;
    const mesh_entry *entry = mesh_registry_find(node->registry, self_id, entry_id);
    if (!entry) return MESH_ENOTFOUND;
    if (entry->kind == MESH_ENTRY_SERVICE)
        mesh_node_peers_say_service(node, &node->self, entry->name, false);
    (void)mesh_registry_remove(node->registry, self_id, entry_id);
    return 0;
}

int mesh_node_shape(mesh_node *node, mesh_bytes body) {
    // Links send it ahead of the next message: see write_control in link_send.c.
    return mesh_shapes_add(&node->shapes, body);
}

void mesh_node_close(mesh_node *node, uint64_t now_ms) {
    if (node->is_closed) return;
    node->now_ms = now_ms;
    node->is_closed = true;
    mesh_node_calls_close(node);
    for (size_t i = node->linked_count; i > 0; i--) {
        mesh_peer *peer = node->linked[i - 1];
        if (peer->link->state == MESH_LINK_WAITING || peer->link->state == MESH_LINK_BROKEN) {
            mesh_node_links_end(node, peer);
            continue;
        }
        (void)mesh_link_close(peer->link, now_ms);
        mesh_node_links_settle(node, peer);
    }
}

uint64_t mesh_node_wake_at_ms(const mesh_node *node) {
    return mesh_deadlines_next_ms(&node->deadlines);
}

void mesh_node_tick(mesh_node *node, uint64_t now_ms) {
    node->now_ms = now_ms;
    uint32_t id;
    while (mesh_deadlines_take(&node->deadlines, now_ms, &id)) {
        if (id < MESH_NODE_DEADLINE_SERVE) {
            mesh_node_calls_expire(node, id);
        } else if (id < MESH_NODE_DEADLINE_HOLD) {
            mesh_node_calls_stop(node, id - MESH_NODE_DEADLINE_SERVE);
        } else {
            mesh_node_peers_expire_hold(node, id - MESH_NODE_DEADLINE_HOLD);
        }
    }
}

bool mesh_node_poll(mesh_node *node, mesh_output *out) {
    if (!mesh_outbox_poll(&node->outbox, out)) return false;
    bool is_answer = out->kind == MESH_OUT_REPLY || out->kind == MESH_OUT_ERROR;
    if (is_answer && out->peer == MESH_PEER_SELF) node->self_answered -= out->payload.len;
    return true;
}

mesh_node_stats mesh_node_stats_get(const mesh_node *node) {
    mesh_node_stats stats = node->stats;
    stats.unsent_bytes = 0;
    for (mesh_lane lane = 0; lane < MESH_LANE_COUNT; lane++) {
        stats.queued_bytes[lane] = node->self_held[lane];
        for (size_t i = 0; i < node->linked_count; i++) {
            size_t queued = mesh_node_links_queued(node, node->linked[i], lane);
            if (queued > stats.queued_bytes[lane]) stats.queued_bytes[lane] = queued;
            stats.unsent_bytes += queued;
        }
    }
    return stats;
}
