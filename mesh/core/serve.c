#include "core/serve.h"

#include "core/mem.h"

enum { KEY_LEN = 12 };

void mesh_serves_init(mesh_serves *serves, const uint8_t hash_key[MESH_MAP_KEY_LEN]) {
    *serves = (mesh_serves){.free_head = MESH_SERVE_NONE};
    mesh_map_init(&serves->live, hash_key);
}

void mesh_serves_deinit(mesh_serves *serves) {
    free(serves->slots);
    mesh_map_deinit(&serves->live);
    *serves = (mesh_serves){0};
}

static uint64_t hash_of(const mesh_serves *serves, uint32_t peer, uint64_t call_id) {
    uint8_t key[KEY_LEN];
    memcpy(key, &call_id, sizeof call_id);
    memcpy(key + sizeof call_id, &peer, sizeof peer);
    return mesh_map_hash(&serves->live, key, sizeof key);
}

// The map keeps pointers that are never followed: slots move when the table grows.
static void *item_of(uint32_t slot) {
    return (void *)((uintptr_t)slot + 1);
}

static uint32_t take_slot(mesh_serves *serves) {
    uint32_t slot = serves->free_head;
    if (slot != MESH_SERVE_NONE) {
        serves->free_head = serves->slots[slot].next;
        return slot;
    }
    if (serves->made == MESH_CALLS_MAX) return MESH_SERVE_NONE;
    serves->slots = mem_grow(serves->slots, sizeof *serves->slots, serves->made + 1, &serves->cap);
    return (uint32_t)serves->made++;
}

uint32_t mesh_serves_open(mesh_serves *serves, const mesh_served_call *call, uint32_t *head) {
    uint32_t slot = take_slot(serves);
    if (slot == MESH_SERVE_NONE) return MESH_SERVE_NONE;
    mesh_served_call *served = &serves->slots[slot];
    *served = *call;
    served->is_used = served->is_live = true;
    mesh_stream_init(&served->stream);
    served->prev = MESH_SERVE_NONE;
    served->next = *head;
    if (*head != MESH_SERVE_NONE) serves->slots[*head].prev = slot;
    *head = slot;
    serves->used_count++;
    mesh_map_add(&serves->live, hash_of(serves, call->peer, call->call_id), item_of(slot));
    return slot;
}

uint32_t mesh_serves_find(const mesh_serves *serves, uint32_t peer, uint64_t call_id) {
    uint64_t hash = hash_of(serves, peer, call_id);
    const void *item;
    for (size_t cursor = 0; (item = mesh_map_next(&serves->live, hash, &cursor));) {
        uint32_t slot = (uint32_t)((uintptr_t)item - 1);
        const mesh_served_call *served = &serves->slots[slot];
        if (served->peer == peer && served->call_id == call_id) return slot;
    }
    return MESH_SERVE_NONE;
}

mesh_served_call *mesh_serves_get(mesh_serves *serves, uint32_t slot) {
    return slot < serves->made && serves->slots[slot].is_used ? &serves->slots[slot] : NULL;
}

void mesh_serves_abort(mesh_serves *serves, uint32_t slot, uint32_t *head) {
    mesh_served_call *served = mesh_serves_get(serves, slot);
    CHECK(served && served->is_live);
    (void)mesh_map_remove(&serves->live, hash_of(serves, served->peer, served->call_id),
                          item_of(slot));
    if (served->next != MESH_SERVE_NONE) serves->slots[served->next].prev = served->prev;
    if (served->prev != MESH_SERVE_NONE) {
        serves->slots[served->prev].next = served->next;
    } else {
        *head = served->next;
    }
    served->is_live = false;
}

void mesh_serves_close(mesh_serves *serves, uint32_t slot) {
    mesh_served_call *served = mesh_serves_get(serves, slot);
    CHECK(served && !served->is_live);
    served->is_used = false;
    served->next = serves->free_head;
    serves->free_head = slot;
    serves->used_count--;
}
