#include "cluster/host_map.h"

#include <sodium.h>

#include "core/be.h"
#include "core/error.h"
#include "core/mem.h"
#include "core/tags.h"

enum { NODE_BYTES = 24, ENTRY_BYTES = 8 }; // what each costs in the quota, beside its texts

struct mesh_host_entry { // small, for there are many
    uint32_t entry_id;
    uint8_t kind, name_len, queue_len, tags_len;
    uint8_t text[];
};

mesh_host_map *mesh_host_map_create(void) {
    return mem_alloc(sizeof(mesh_host_map));
}

static void free_node(mesh_host_node *node) {
    for (size_t i = 0; i < node->entry_count; i++)
        free(node->entries[i]);
    free(node->entries);
    free(node);
}

void mesh_host_map_destroy(mesh_host_map *map) {
    if (map == NULL) return;
    for (size_t i = 0; i < map->node_count; i++)
        free_node(map->nodes[i]);
    free(map->nodes);
    free(map->ends);
    free(map);
}

// ---- looking

// Where number is, or would be.
static size_t node_place(const mesh_host_map *map, uint64_t number) {
    size_t low = 0, high = map->node_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (map->nodes[mid]->number < number)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static size_t entry_place(const mesh_host_node *node, uint32_t entry_id) {
    size_t low = 0, high = node->entry_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (node->entries[mid]->entry_id < entry_id)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

mesh_host_node *mesh_host_map_find(const mesh_host_map *map, uint64_t number) {
    size_t at = node_place(map, number);
    bool is_there = at < map->node_count && map->nodes[at]->number == number;
    return is_there ? map->nodes[at] : NULL;
}

static bool is_entry_at(const mesh_host_node *node, size_t at, uint32_t entry_id) {
    return at < node->entry_count && node->entries[at]->entry_id == entry_id;
}

mesh_entry mesh_host_map_entry_at(const mesh_host_node *node, size_t index) {
    const mesh_host_entry *entry = node->entries[index];
    return (mesh_entry){
        .entry_id = entry->entry_id,
        .kind = (mesh_entry_kind)entry->kind,
        .name = {entry->text, entry->name_len},
        .queue = {entry->text + entry->name_len, entry->queue_len},
        .tags = {entry->text + entry->name_len + entry->queue_len, entry->tags_len},
    };
}

bool mesh_host_map_entry(const mesh_host_node *node, uint32_t entry_id, mesh_entry *out) {
    size_t at = entry_place(node, entry_id);
    if (!is_entry_at(node, at, entry_id)) return false;
    *out = mesh_host_map_entry_at(node, at);
    return true;
}

const mesh_host_end *mesh_host_map_end(const mesh_host_map *map, uint64_t number) {
    for (size_t i = map->end_count; i-- > 0;)
        if (map->ends[i].number == number) return &map->ends[i];
    return NULL;
}

// ---- nodes

static size_t entry_bytes(const mesh_host_entry *entry) {
    return (size_t)ENTRY_BYTES + entry->name_len + entry->queue_len + entry->tags_len;
}

static size_t node_bytes(const mesh_host_node *node) {
    size_t bytes = NODE_BYTES + node->name.len + node->service.len;
    for (size_t i = 0; i < node->entry_count; i++)
        bytes += entry_bytes(node->entries[i]);
    return bytes;
}

static mesh_host_node *create_node(const mesh_op *op) {
    mesh_host_node *node = mem_alloc(sizeof *node + op->name.len + op->service.len);
    uint8_t *text = (uint8_t *)(node + 1);
    if (op->name.len > 0) memcpy(text, op->name.data, op->name.len);
    if (op->service.len > 0) memcpy(text + op->name.len, op->service.data, op->service.len);
    node->number = op->number;
    node->instance = op->instance;
    node->pid = op->pid;
    node->state = op->state;
    node->name = (mesh_bytes){text, op->name.len};
    node->service = (mesh_bytes){text + op->name.len, op->service.len};
    return node;
}

// A text ends at its 0 on the wire, so none may be inside.
static bool is_text(mesh_bytes text, size_t len_max) {
    return text.len <= len_max && (text.len == 0 || memchr(text.data, 0, text.len) == NULL);
}

// Names of a node never change: a second NODE says its state.
static int put_node(mesh_host_map *map, const mesh_op *op) {
    if (!is_text(op->name, MESH_NAME_LEN_MAX) || !is_text(op->service, MESH_NAME_LEN_MAX))
        return MESH_EINVAL;
    mesh_host_node *known = mesh_host_map_find(map, op->number);
    if (known != NULL) {
        known->state = op->state;
        known->pid = op->pid;
        known->is_hashed = false;
        return 0;
    }
    if (mesh_host_map_end(map, op->number) != NULL) return MESH_EINVAL; // the dead stay dead
    size_t bytes = NODE_BYTES + op->name.len + op->service.len;
    if (map->node_count == MESH_HOST_NODES_MAX || map->bytes + bytes > MESH_HOST_BYTES_MAX)
        return MESH_EQUOTA;

    size_t at = node_place(map, op->number);
    map->nodes =
        mem_grow(map->nodes, sizeof(mesh_host_node *), map->node_count + 1, &map->node_cap);
    memmove(map->nodes + at + 1, map->nodes + at,
            (map->node_count - at) * sizeof(mesh_host_node *));
    map->nodes[at] = create_node(op);
    map->node_count++;
    map->bytes += bytes;
    return 0;
}

static int end_node(mesh_host_map *map, const mesh_op *op) {
    if (!is_text(op->reason, MESH_REASON_LEN_MAX)) return MESH_EINVAL;
    mesh_host_node *node = mesh_host_map_find(map, op->number);
    if (node != NULL) {
        size_t at = node_place(map, op->number);
        map->bytes -= node_bytes(node);
        free_node(node);
        map->node_count--;
        memmove(map->nodes + at, map->nodes + at + 1,
                (map->node_count - at) * sizeof(mesh_host_node *));
    }
    if (map->end_count == MESH_HOST_ENDS_MAX)
        memmove(map->ends, map->ends + 1, --map->end_count * sizeof *map->ends);
    map->ends = mem_grow(map->ends, sizeof *map->ends, map->end_count + 1, &map->end_cap);
    mesh_host_end *end = &map->ends[map->end_count++];
    *end = (mesh_host_end){op->number, op->code, op->signal, (uint8_t)op->reason.len, {0}};
    if (op->reason.len > 0) memcpy(end->reason, op->reason.data, op->reason.len);
    return 0;
}

// ---- entries

static bool is_valid(const mesh_entry *entry) {
    if (entry->name.len == 0 || !is_text(entry->name, MESH_NAME_LEN_MAX)) return false;
    if (!mesh_tags_is_valid(entry->tags)) return false;
    if (entry->kind == MESH_ENTRY_SERVICE) return entry->queue.len == 0;
    return entry->kind == MESH_ENTRY_SUBSCRIPTION && is_text(entry->queue, MESH_NAME_LEN_MAX);
}

static mesh_host_entry *create_entry(const mesh_entry *from) {
    mesh_host_entry *entry =
        mem_alloc(sizeof *entry + from->name.len + from->queue.len + from->tags.len);
    entry->entry_id = from->entry_id;
    entry->kind = (uint8_t)from->kind;
    entry->name_len = (uint8_t)from->name.len;
    entry->queue_len = (uint8_t)from->queue.len;
    entry->tags_len = (uint8_t)from->tags.len;
    memcpy(entry->text, from->name.data, from->name.len);
    if (from->queue.len > 0)
        memcpy(entry->text + from->name.len, from->queue.data, from->queue.len);
    if (from->tags.len > 0)
        memcpy(entry->text + from->name.len + from->queue.len, from->tags.data, from->tags.len);
    return entry;
}

static void forget_entry(mesh_host_map *map, mesh_host_node *node, size_t at) {
    mesh_host_entry *entry = node->entries[at];
    map->bytes -= entry_bytes(entry);
    free(entry);
    node->entry_count--;
    memmove(node->entries + at, node->entries + at + 1,
            (node->entry_count - at) * sizeof(mesh_host_entry *));
    node->is_hashed = false;
}

static int put_entry(mesh_host_map *map, const mesh_op *op) {
    mesh_host_node *node = mesh_host_map_find(map, op->number);
    if (node == NULL) return MESH_ENOTFOUND;
    if (!is_valid(&op->entry)) return MESH_EINVAL;
    size_t at = entry_place(node, op->entry.entry_id);
    bool is_known = is_entry_at(node, at, op->entry.entry_id);
    size_t bytes = ENTRY_BYTES + op->entry.name.len + op->entry.queue.len + op->entry.tags.len;
    if (!is_known && node->entry_count == MESH_ENTRIES_MAX) return MESH_EQUOTA;
    if (map->bytes + bytes > MESH_HOST_BYTES_MAX) return MESH_EQUOTA;

    mesh_host_entry *entry = create_entry(&op->entry);
    if (is_known) forget_entry(map, node, at);
    node->entries =
        mem_grow(node->entries, sizeof(mesh_host_entry *), node->entry_count + 1, &node->entry_cap);
    memmove(node->entries + at + 1, node->entries + at,
            (node->entry_count - at) * sizeof(mesh_host_entry *));
    node->entries[at] = entry;
    node->entry_count++;
    node->is_hashed = false;
    map->bytes += bytes;
    return 0;
}

static int remove_entry(mesh_host_map *map, const mesh_op *op) {
    mesh_host_node *node = mesh_host_map_find(map, op->number);
    if (node == NULL) return MESH_ENOTFOUND;
    size_t at = entry_place(node, op->entry.entry_id);
    if (!is_entry_at(node, at, op->entry.entry_id)) return MESH_ENOTFOUND;
    forget_entry(map, node, at);
    return 0;
}

int mesh_host_map_apply(mesh_host_map *map, const mesh_op *op) {
    if (op->number == 0) return MESH_EINVAL;
    switch (op->kind) {
    case MESH_OP_NODE: return put_node(map, op);
    case MESH_OP_PUT: return put_entry(map, op);
    case MESH_OP_REMOVED: return remove_entry(map, op);
    case MESH_OP_END: return end_node(map, op);
    default: return MESH_EINVAL;
    }
}

// ---- the hash

static void add_u32(crypto_generichash_state *hash, uint32_t value) {
    uint8_t bytes[4];
    (void)store_be32(bytes, value);
    (void)crypto_generichash_update(hash, bytes, sizeof bytes);
}

static void add_u64(crypto_generichash_state *hash, uint64_t value) {
    uint8_t bytes[8];
    (void)store_be64(bytes, value);
    (void)crypto_generichash_update(hash, bytes, sizeof bytes);
}

static void add_text(crypto_generichash_state *hash, const void *text, size_t len) {
    uint8_t len8 = (uint8_t)len;
    (void)crypto_generichash_update(hash, &len8, 1);
    (void)crypto_generichash_update(hash, text, len);
}

static void hash_node(mesh_host_node *node) {
    crypto_generichash_state hash;
    (void)crypto_generichash_init(&hash, NULL, 0, MESH_HASH_LEN);
    add_u64(&hash, node->number);
    add_text(&hash, node->name.data, node->name.len);
    add_text(&hash, node->service.data, node->service.len);
    add_u32(&hash, node->instance);
    add_u32(&hash, node->pid);
    add_u32(&hash, node->state);
    for (size_t i = 0; i < node->entry_count; i++) {
        const mesh_host_entry *entry = node->entries[i];
        add_u32(&hash, entry->entry_id);
        (void)crypto_generichash_update(&hash, &entry->kind, 1);
        add_text(&hash, entry->text, entry->name_len);
        add_text(&hash, entry->text + entry->name_len, entry->queue_len);
        add_text(&hash, entry->text + entry->name_len + entry->queue_len, entry->tags_len);
    }
    (void)crypto_generichash_final(&hash, node->hash, MESH_HASH_LEN);
    node->is_hashed = true;
}

void mesh_host_map_hash(mesh_host_map *map, uint8_t out[MESH_HASH_LEN]) {
    crypto_generichash_state hash;
    (void)crypto_generichash_init(&hash, NULL, 0, MESH_HASH_LEN);
    add_u32(&hash, (uint32_t)map->end_count);
    for (size_t i = 0; i < map->end_count; i++) {
        const mesh_host_end *end = &map->ends[i];
        add_u64(&hash, end->number);
        add_text(&hash, end->reason, end->reason_len);
        add_u32(&hash, (uint32_t)end->code);
        add_u32(&hash, end->signal);
    }
    for (size_t i = 0; i < map->node_count; i++) {
        if (!map->nodes[i]->is_hashed) hash_node(map->nodes[i]);
        (void)crypto_generichash_update(&hash, map->nodes[i]->hash, MESH_HASH_LEN);
    }
    (void)crypto_generichash_final(&hash, out, MESH_HASH_LEN);
}

// ---- as ops

static mesh_op op_of_end(const mesh_host_end *end) {
    return (mesh_op){
        .kind = MESH_OP_END,
        .number = end->number,
        .reason = {(const uint8_t *)end->reason, end->reason_len},
        .code = end->code,
        .signal = end->signal,
    };
}

static mesh_op op_of_node(const mesh_host_node *node) {
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

bool mesh_host_map_each(const mesh_host_map *map, mesh_host_cursor *cursor, mesh_op *out) {
    if (cursor->end < map->end_count) {
        *out = op_of_end(&map->ends[cursor->end++]);
        return true;
    }
    if (cursor->node == map->node_count) return false;
    const mesh_host_node *node = map->nodes[cursor->node];
    if (cursor->entry == 0)
        *out = op_of_node(node);
    else
        *out = (mesh_op){.kind = MESH_OP_PUT,
                         .number = node->number,
                         .entry = mesh_host_map_entry_at(node, cursor->entry - 1)};
    if (++cursor->entry > node->entry_count)
        *cursor = (mesh_host_cursor){cursor->end, cursor->node + 1, 0};
    return true;
}
