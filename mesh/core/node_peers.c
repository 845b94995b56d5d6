// Members: who is there, what they serve, and their death.
#include "core/error.h"
#include "core/mem.h"
#include "core/node_state.h"

mesh_peer *mesh_node_peers_get(mesh_node *node, uint32_t handle) {
    uint32_t index = handle & MESH_NODE_PEER_INDEX_MASK;
    mesh_peer *peer = index < node->peer_cap ? node->peers[index] : NULL;
    return peer && peer->handle == handle ? peer : NULL;
}

mesh_peer *mesh_node_peers_find(mesh_node *node, uint64_t node_id) {
    uint64_t hash = mesh_map_hash_u64(&node->peers_by_id, node_id);
    mesh_peer *peer;
    for (size_t cursor = 0; (peer = mesh_map_next(&node->peers_by_id, hash, &cursor));) {
        if (peer->info.node_id == node_id) return peer;
    }
    return NULL;
}

static mesh_bytes copy_text(uint8_t **at, mesh_bytes text) {
    if (text.len > 0) memcpy(*at, text.data, text.len);
    mesh_bytes copy = {*at, text.len};
    *at += text.len;
    return copy;
}

static mesh_peer *create_peer(const mesh_peer_info *info, uint32_t handle) {
    size_t text_len = info->name.len + info->service.len + info->host.len;
    mesh_peer *peer = mem_alloc(sizeof *peer + text_len);
    uint8_t *at = (uint8_t *)(peer + 1);
    peer->handle = handle;
    peer->info = *info;
    peer->info.name = copy_text(&at, info->name);
    peer->info.service = copy_text(&at, info->service);
    peer->info.host = copy_text(&at, info->host);
    peer->first_call = MESH_CALL_NONE;
    peer->first_serve = MESH_SERVE_NONE;
    return peer;
}

void mesh_node_peers_free(mesh_peer *peer) {
    mesh_link_destroy(peer->link);
    free(peer->cert);
    free(peer->reason);
    free(peer);
}

// A handle counts up, so none is used twice in 4,294,901,760 peers; its low bits are the place.
static uint32_t take_handle(mesh_node *node) {
    uint32_t handle = node->next_handle;
    for (;; handle++) {
        uint32_t index = handle & MESH_NODE_PEER_INDEX_MASK;
        bool is_taken = index < node->peer_cap && node->peers[index];
        if (!is_taken && handle != MESH_PEER_ANY) break;
    }
    node->next_handle = handle + 1;
    return handle;
}

void mesh_node_peers_put(mesh_node *node, mesh_peer *peer) {
    size_t index = peer->handle & MESH_NODE_PEER_INDEX_MASK, old_cap = node->peer_cap;
    node->peers = mem_grow(node->peers, sizeof(mesh_peer *), index + 1, &node->peer_cap);
    memset(node->peers + old_cap, 0, (node->peer_cap - old_cap) * sizeof(mesh_peer *));
    node->peers[index] = peer;
}

static void say_peer(mesh_node *node, const mesh_peer *peer, bool is_up, void *owned) {
    mesh_output *out = mesh_outbox_push(&node->outbox, MESH_OUT_PEER, owned);
    out->peer = peer->handle;
    out->node_id = peer->info.node_id;
    out->info = &peer->info;
    out->is_up = is_up;
}

void mesh_node_peers_say_service(mesh_node *node, const mesh_peer *peer, mesh_bytes name,
                                 bool is_up) {
    void *copy = mem_copy(name.data, name.len);
    mesh_output *out = mesh_outbox_push(&node->outbox, MESH_OUT_SERVICE, copy);
    out->peer = peer->handle;
    out->node_id = peer->info.node_id;
    out->name = (mesh_bytes){copy, name.len};
    out->is_up = is_up;
}

static void forget_id(mesh_node *node, const mesh_peer *peer) {
    uint64_t hash = mesh_map_hash_u64(&node->peers_by_id, peer->info.node_id);
    (void)mesh_map_remove(&node->peers_by_id, hash, peer);
}

void mesh_node_peer_up(mesh_node *node, const mesh_peer_info *info) {
    size_t text_len = info->name.len + info->service.len + info->host.len;
    if (info->node_id == node->options.node_id || text_len > MESH_PACKET_LEN_MAX) return;
    // What is told about a member does not change: known is known. One that is gone comes again
    // when its host was thought to be lost (wire.md, Death): as another peer, while the link of the
    // first is read to its end.
    mesh_peer *known = mesh_node_peers_find(node, info->node_id);
    if (known && !known->is_gone) return;
    if (known) forget_id(node, known);
    if (node->peers_by_id.count >= MESH_NODE_PEERS_MAX) return;

    mesh_peer *peer = create_peer(info, take_handle(node));
    mesh_node_peers_put(node, peer);
    mesh_map_add(&node->peers_by_id, mesh_map_hash_u64(&node->peers_by_id, info->node_id), peer);
    CHECK(mesh_registry_member_add(node->registry, info->node_id, peer->handle) == 0);
    say_peer(node, peer, true, NULL);
}

// ---- entries

bool mesh_node_peers_serves(mesh_node *node, const mesh_peer *peer, mesh_bytes name) {
    const mesh_target *targets;
    size_t count = mesh_registry_service(node->registry, name, &targets);
    for (size_t i = 0; i < count; i++) {
        if (targets[i].tag == peer->handle) return true;
    }
    return false;
}

static bool is_same_text(mesh_bytes a, mesh_bytes b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static bool is_known(const mesh_entry *known, const mesh_entry *entry) {
    return known && known->kind == entry->kind && is_same_text(known->name, entry->name) &&
           is_same_text(known->queue, entry->queue) && is_same_text(known->tags, entry->tags);
}

int mesh_node_entry_put(mesh_node *node, uint64_t node_id, const mesh_entry *entry) {
    mesh_peer *peer = mesh_node_peers_find(node, node_id);
    if (!peer || peer->is_gone) return 0;
    bool is_service = entry->kind == MESH_ENTRY_SERVICE;
    if (is_known(mesh_registry_find(node->registry, node_id, entry->entry_id), entry)) return 0;
    if (is_service) mesh_node_entry_removed(node, node_id, entry->entry_id);
    bool is_new = is_service && !mesh_node_peers_serves(node, peer, entry->name);
    int err = mesh_registry_put(node->registry, node_id, entry);
    if (err == 0 && is_new) mesh_node_peers_say_service(node, peer, entry->name, true);
    return err;
}

static void remove_entry(mesh_node *node, mesh_peer *peer, const mesh_entry *entry) {
    if (entry->kind != MESH_ENTRY_SERVICE) {
        (void)mesh_registry_remove(node->registry, peer->info.node_id, entry->entry_id);
        return;
    }
    uint8_t name[MESH_NAME_LEN_MAX];
    mesh_bytes copy = {name, entry->name.len};
    memcpy(name, entry->name.data, entry->name.len);
    (void)mesh_registry_remove(node->registry, peer->info.node_id, entry->entry_id);
    if (!mesh_node_peers_serves(node, peer, copy))
        mesh_node_peers_say_service(node, peer, copy, false);
}

void mesh_node_entry_removed(mesh_node *node, uint64_t node_id, uint32_t entry_id) {
    mesh_peer *peer = mesh_node_peers_find(node, node_id);
    if (!peer) return;
    const mesh_entry *entry = mesh_registry_find(node->registry, node_id, entry_id);
    if (entry) remove_entry(node, peer, entry);
}

// ---- death

void mesh_node_peers_finish(mesh_node *node, mesh_peer *peer) {
    mesh_node_calls_fail_of(node, peer, false);
    mesh_deadlines_clear(&node->deadlines,
                         MESH_NODE_DEADLINE_HOLD + (peer->handle & MESH_NODE_PEER_INDEX_MASK));
    if (peer->is_monitored) {
        mesh_output *out = mesh_outbox_push(&node->outbox, MESH_OUT_DOWN, NULL);
        out->peer = peer->handle;
        out->node_id = peer->info.node_id;
        out->name = mesh_bytes_text(peer->reason);
        out->exit_code = peer->exit_code;
        out->exit_signal = peer->exit_signal;
    }
    if (peer->is_stalled) node->stalled_count--;
    forget_id(node, peer);
    node->peers[peer->handle & MESH_NODE_PEER_INDEX_MASK] = NULL;
    // Both outputs borrow: the second owns the peer, and the reason goes after it.
    char *reason = peer->reason;
    peer->reason = NULL;
    say_peer(node, peer, false, peer);
    mesh_outbox_retire(&node->outbox, reason);
}

void mesh_node_peer_down(mesh_node *node, uint64_t now_ms, uint64_t node_id, mesh_bytes reason,
                         int code, int signal) {
    node->now_ms = now_ms;
    mesh_peer *peer = mesh_node_peers_find(node, node_id);
    if (!peer || peer->is_gone) return;
    peer->is_gone = true;
    size_t reason_len = reason.len < MESH_NAME_LEN_MAX ? reason.len : MESH_NAME_LEN_MAX;
    peer->reason = mem_alloc(reason_len + 1);
    if (reason_len > 0) memcpy(peer->reason, reason.data, reason_len);
    peer->exit_code = code;
    peer->exit_signal = signal;
    const mesh_entry *entry;
    while ((entry = mesh_registry_entry_at(node->registry, node_id, 0)))
        remove_entry(node, peer, entry);
    mesh_registry_member_remove(node->registry, node_id);

    // What it sent before it died may still be in the socket: the link is read to its end first.
    bool has_socket = peer->link && peer->link->state != MESH_LINK_WAITING &&
                      peer->link->state != MESH_LINK_BROKEN;
    if (has_socket) {
        mesh_deadlines_set(&node->deadlines,
                           MESH_NODE_DEADLINE_HOLD + (peer->handle & MESH_NODE_PEER_INDEX_MASK),
                           now_ms + MESH_NODE_HOLD_MS);
        return;
    }
    if (peer->link)
        mesh_node_links_end(node, peer);
    else
        mesh_node_peers_finish(node, peer);
}

// Somebody else keeps the dead peer's socket open (a child that inherited it).
void mesh_node_peers_expire_hold(mesh_node *node, uint32_t index) {
    mesh_peer *peer = node->peers[index];
    if (!peer || !peer->link) return;
    if (!peer->is_gone) {
        mesh_node_links_expire(node, peer);
        return;
    }
    mesh_link_mute(peer->link); // a full socket would keep it open for good
    peer->is_close_said = true;
    mesh_output *out = mesh_outbox_push(&node->outbox, MESH_OUT_CLOSE, NULL);
    out->peer = peer->handle;
    out->node_id = peer->info.node_id;
}

// ---- monitors

static void say_no_such_peer(mesh_node *node, uint32_t handle) {
    mesh_output *out = mesh_outbox_push(&node->outbox, MESH_OUT_DOWN, NULL);
    out->peer = handle;
    out->name = mesh_bytes_text("noproc");
    out->exit_code = -1;
}

int mesh_node_monitor(mesh_node *node, uint32_t handle) {
    mesh_peer *peer = mesh_node_peers_get(node, handle);
    if (!peer) {
        say_no_such_peer(node, handle);
        return MESH_ENOTFOUND;
    }
    peer->is_monitored = true;
    return 0;
}

void mesh_node_demonitor(mesh_node *node, uint32_t handle) {
    mesh_peer *peer = mesh_node_peers_get(node, handle);
    if (peer) peer->is_monitored = false;
}
