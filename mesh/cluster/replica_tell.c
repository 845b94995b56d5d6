// What is told of the nodes of other hosts, and the queue of outputs.
#include "cluster/replica_state.h"
#include "core/error.h"
#include "core/mem.h"

enum { ITEMS_KEPT = 1024 };

// ---- the queue

mesh_replica_output *mesh_replica_push(mesh_replica *r, mesh_replica_output_kind kind,
                                       const uint8_t host_id[MESH_ID_LEN], void *owned) {
    size_t need = r->item_head + r->item_count + 1;
    r->items = mem_grow(r->items, sizeof *r->items, need, &r->item_cap);
    mesh_replica_item *item = &r->items[r->item_head + r->item_count++];
    *item = (mesh_replica_item){.out = {.kind = kind}, .owned = owned};
    memcpy(item->out.host_id, host_id, MESH_ID_LEN);
    return &item->out;
}

bool mesh_replica_poll(mesh_replica *r, mesh_replica_output *out) {
    free(r->owned);
    r->owned = NULL;
    if (r->item_count == 0) {
        r->item_head = 0;
        for (size_t i = 0; i < r->neighbour_count; i++)
            r->neighbours[i].given = 0;
        if (r->item_cap <= ITEMS_KEPT) return false;
        free(r->items); // a whole map went through
        r->items = NULL;
        r->item_cap = 0;
        return false;
    }
    mesh_replica_item *item = &r->items[r->item_head++];
    r->item_count--;
    r->owned = item->owned;
    *out = item->out;
    return true;
}

static void move_text(uint8_t **at, mesh_bytes *text) {
    if (text->len > 0) memcpy(*at, text->data, text->len);
    text->data = *at;
    *at += text->len;
}

static void tell(mesh_replica *r, mesh_replica_output_kind kind, const mesh_replica_host *host,
                 const mesh_op *op) {
    size_t len = op->name.len + op->service.len + op->entry.name.len + op->entry.queue.len +
                 op->entry.tags.len + op->reason.len;
    uint8_t *text = mem_alloc(len);
    mesh_replica_output *out = mesh_replica_push(r, kind, host->id, text);
    out->op = *op;
    out->node_id = mesh_node_id_of(host->id, op->number);
    move_text(&text, &out->op.name);
    move_text(&text, &out->op.service);
    move_text(&text, &out->op.entry.name);
    move_text(&text, &out->op.entry.queue);
    move_text(&text, &out->op.entry.tags);
    move_text(&text, &out->op.reason);
}

// ---- nodes that are told of

static mesh_host_node *find_told(const mesh_replica *r, uint64_t node_id) {
    uint64_t hash = mesh_map_hash_u64(&r->nodes, node_id);
    mesh_host_node *node;
    for (size_t cursor = 0; (node = mesh_map_next(&r->nodes, hash, &cursor)) != NULL;)
        if (node->node_id == node_id) return node;
    return NULL;
}

static void add_told(mesh_replica *r, const mesh_replica_host *host, mesh_host_node *node) {
    node->is_told = true;
    node->node_id = mesh_node_id_of(host->id, node->number);
    node->holder = host;
    mesh_map_add(&r->nodes, mesh_map_hash_u64(&r->nodes, node->node_id), node);
}

static void remove_told(mesh_replica *r, mesh_host_node *node) {
    node->is_told = node->are_told = false;
    (void)mesh_map_remove(&r->nodes, mesh_map_hash_u64(&r->nodes, node->node_id), node);
}

static mesh_op op_of(const mesh_host_node *node) {
    return (mesh_op){
        .kind = MESH_OP_NODE,
        .number = node->number,
        .name = node->name,
        .service = node->service,
        .instance = node->instance,
        .pid = node->pid,
        .state = node->state,
    };
}

// Of one that was told before: the same again.
static void tell_state(mesh_replica *r, const mesh_replica_host *host, const mesh_host_node *node) {
    mesh_op op = op_of(node);
    tell(r, MESH_REPLICA_PEER_UP, host, &op);
}

static mesh_op put_of(const mesh_host_node *node, size_t index) {
    return (mesh_op){
        .kind = MESH_OP_PUT, .number = node->number, .entry = mesh_host_map_entry_at(node, index)};
}

static void tell_removed(mesh_replica *r, const mesh_replica_host *host, uint64_t number,
                         uint32_t entry_id) {
    mesh_op op = {.kind = MESH_OP_REMOVED, .number = number, .entry = {.entry_id = entry_id}};
    tell(r, MESH_REPLICA_ENTRY_REMOVED, host, &op);
}

static void tell_end(mesh_replica *r, const mesh_replica_host *host, mesh_host_node *node,
                     const mesh_op *end) {
    if (!node->is_told) return;
    remove_told(r, node);
    tell(r, MESH_REPLICA_PEER_DOWN, host, end);
}

static mesh_op end_of(uint64_t number, const char *reason) {
    return (mesh_op){
        .kind = MESH_OP_END, .number = number, .reason = mesh_bytes_text(reason), .code = -1};
}

static bool is_shown(const mesh_replica_host *host) {
    return host->state < MESH_HOST_UNREACHABLE;
}

static void show_node(mesh_replica *r, const mesh_replica_host *host, mesh_host_node *node) {
    if (!node->is_told) {
        // Another host's can only be the same by luck of 1 in 2^64: the first one keeps it.
        if (find_told(r, mesh_node_id_of(host->id, node->number)) != NULL) return;
        add_told(r, host, node);
        mesh_op op = op_of(node);
        tell(r, MESH_REPLICA_PEER_UP, host, &op);
    }
    if (node->are_told) return;
    node->are_told = true;
    for (size_t i = 0; i < node->entry_count; i++) {
        mesh_op op = put_of(node, i);
        tell(r, MESH_REPLICA_ENTRY_PUT, host, &op);
    }
}

void mesh_replica_show(mesh_replica *r, mesh_replica_host *host) {
    if (host == r->self || host->map == NULL || !is_shown(host)) return;
    for (size_t i = 0; i < host->map->node_count; i++)
        show_node(r, host, host->map->nodes[i]);
}

void mesh_replica_hide(mesh_replica *r, mesh_replica_host *host) {
    if (host->map == NULL) return;
    for (size_t i = 0; i < host->map->node_count; i++) {
        mesh_host_node *node = host->map->nodes[i];
        if (!node->are_told) continue;
        node->are_told = false;
        for (size_t e = 0; e < node->entry_count; e++)
            tell_removed(r, host, node->number, mesh_host_map_entry_at(node, e).entry_id);
    }
}

void mesh_replica_lose(mesh_replica *r, mesh_replica_host *host, const char *reason) {
    if (host->map == NULL) return;
    for (size_t i = 0; i < host->map->node_count; i++) {
        mesh_op end = end_of(host->map->nodes[i]->number, reason);
        tell_end(r, host, host->map->nodes[i], &end);
    }
    r->stats.bytes -= host->map->bytes;
    mesh_host_map_destroy(host->map);
    host->map = NULL;
}

// ---- changes

static int apply_node(mesh_replica *r, mesh_replica_host *host, const mesh_op *op) {
    const mesh_host_node *known = mesh_host_map_find(host->map, op->number);
    bool is_change = known != NULL && known->is_told && known->state != op->state;
    int err = mesh_host_map_apply(host->map, op);
    if (err != 0) return err;
    mesh_host_node *node = mesh_host_map_find(host->map, op->number);
    if (is_change) tell_state(r, host, node);
    if (is_shown(host)) show_node(r, host, node);
    return 0;
}

static int apply_entry(mesh_replica *r, mesh_replica_host *host, const mesh_op *op) {
    int err = mesh_host_map_apply(host->map, op);
    if (err != 0 || !mesh_host_map_find(host->map, op->number)->are_told) return err;
    tell(r, op->kind == MESH_OP_PUT ? MESH_REPLICA_ENTRY_PUT : MESH_REPLICA_ENTRY_REMOVED, host,
         op);
    return 0;
}

static int apply_end(mesh_replica *r, mesh_replica_host *host, const mesh_op *op) {
    mesh_host_node *node = mesh_host_map_find(host->map, op->number);
    if (op->reason.len > MESH_REASON_LEN_MAX) return MESH_EINVAL;
    if (node != NULL) tell_end(r, host, node, op);
    return mesh_host_map_apply(host->map, op);
}

int mesh_replica_apply(mesh_replica *r, mesh_replica_host *host, const mesh_op *op) {
    size_t before = host->map->bytes;
    int err;
    switch (op->kind) {
    case MESH_OP_NODE: err = apply_node(r, host, op); break;
    case MESH_OP_END: err = apply_end(r, host, op); break;
    default: err = apply_entry(r, host, op); break;
    }
    r->stats.bytes += host->map->bytes - before;
    return err;
}

// ---- another map

static bool is_same_text(mesh_bytes a, mesh_bytes b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static bool is_same_entry(const mesh_entry *a, const mesh_entry *b) {
    return a->kind == b->kind && is_same_text(a->name, b->name) &&
           is_same_text(a->queue, b->queue) && is_same_text(a->tags, b->tags);
}

static void tell_entry_changes(mesh_replica *r, const mesh_replica_host *host,
                               const mesh_host_node *old, const mesh_host_node *node) {
    mesh_entry other;
    for (size_t i = 0; i < old->entry_count; i++) {
        uint32_t entry_id = mesh_host_map_entry_at(old, i).entry_id;
        if (!mesh_host_map_entry(node, entry_id, &other))
            tell_removed(r, host, node->number, entry_id);
    }
    for (size_t i = 0; i < node->entry_count; i++) {
        mesh_op op = put_of(node, i);
        if (mesh_host_map_entry(old, op.entry.entry_id, &other) && is_same_entry(&other, &op.entry))
            continue;
        tell(r, MESH_REPLICA_ENTRY_PUT, host, &op);
    }
}

static void tell_ended(mesh_replica *r, const mesh_replica_host *host, mesh_host_node *old,
                       const mesh_host_map *map) {
    mesh_op op = end_of(old->number, "noproc");
    const mesh_host_end *end = mesh_host_map_end(map, old->number);
    if (end != NULL) {
        op.reason = (mesh_bytes){(const uint8_t *)end->reason, end->reason_len};
        op.code = end->code;
        op.signal = end->signal;
    }
    tell_end(r, host, old, &op);
}

static void carry_over(mesh_replica *r, const mesh_replica_host *host, mesh_host_node *old,
                       const mesh_host_map *map) {
    mesh_host_node *node = mesh_host_map_find(map, old->number);
    if (node == NULL) {
        tell_ended(r, host, old, map);
        return;
    }
    if (!old->is_told) return;
    bool are_told = old->are_told;
    remove_told(r, old);
    add_told(r, host, node);
    node->are_told = are_told;
    if (node->state != old->state) tell_state(r, host, node);
    if (are_told) tell_entry_changes(r, host, old, node);
}

static bool raises_the_dead(const mesh_host_map *old, const mesh_host_map *map) {
    for (size_t i = 0; i < old->end_count; i++)
        if (mesh_host_map_find(map, old->ends[i].number) != NULL) return true;
    return false;
}

bool mesh_replica_replace(mesh_replica *r, mesh_replica_host *host, mesh_host_map *map) {
    if (host->map != NULL) {
        if (raises_the_dead(host->map, map)) return false;
        for (size_t i = 0; i < host->map->node_count; i++)
            carry_over(r, host, host->map->nodes[i], map);
        r->stats.bytes -= host->map->bytes;
        mesh_host_map_destroy(host->map);
    }
    host->map = map;
    r->stats.bytes += map->bytes;
    mesh_replica_show(r, host);
    return true;
}

// ---- looking

const uint8_t *mesh_replica_host_of(const mesh_replica *r, uint64_t node_id) {
    const mesh_host_node *node = find_told(r, node_id);
    return node != NULL ? ((const mesh_replica_host *)node->holder)->id : NULL;
}

size_t mesh_replica_node_count(const mesh_replica *r, const uint8_t host_id[MESH_ID_LEN]) {
    const mesh_replica_host *host = mesh_replica_find(r, host_id);
    size_t count = 0;
    for (size_t i = 0; host != NULL && host->map != NULL && i < host->map->node_count; i++)
        count += host->map->nodes[i]->is_told;
    return count;
}

void mesh_replica_each(const mesh_replica *r, mesh_replica_cb each, void *user) {
    const mesh_host_node *node;
    for (size_t cursor = 0; (node = mesh_map_each(&r->nodes, &cursor)) != NULL;) {
        mesh_replica_output told = {
            .kind = MESH_REPLICA_PEER_UP, .node_id = node->node_id, .op = op_of(node)};
        memcpy(told.host_id, ((const mesh_replica_host *)node->holder)->id, MESH_ID_LEN);
        each(&told, user);
        told.kind = MESH_REPLICA_ENTRY_PUT;
        for (size_t i = 0; node->are_told && i < node->entry_count; i++) {
            told.op = put_of(node, i);
            each(&told, user);
        }
    }
}
