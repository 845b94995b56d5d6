#include "core/call.h"

#include "core/mem.h"

void mesh_calls_deinit(mesh_calls *calls) {
    free(calls->slots);
    *calls = (mesh_calls){0};
}

bool mesh_calls_is_free(const mesh_calls *calls, uint32_t slot) {
    if (slot >= MESH_CALLS_MAX) return false;
    return slot >= calls->cap || !calls->slots[slot].is_open;
}

mesh_made_call *mesh_calls_open(mesh_calls *calls, uint32_t slot, uint32_t peer, uint32_t *head) {
    CHECK(mesh_calls_is_free(calls, slot));
    if (slot >= calls->cap) {
        size_t old_cap = calls->cap;
        calls->slots = mem_grow(calls->slots, sizeof *calls->slots, (size_t)slot + 1, &calls->cap);
        memset(calls->slots + old_cap, 0, (calls->cap - old_cap) * sizeof *calls->slots);
    }
    mesh_made_call *call = &calls->slots[slot];
    *call = (mesh_made_call){
        .generation = call->generation + 1,
        .is_open = true,
        .peer = peer,
        .prev = MESH_CALL_NONE,
        .next = *head,
    };
    mesh_stream_init(&call->stream);
    if (*head != MESH_CALL_NONE) calls->slots[*head].prev = slot;
    *head = slot;
    calls->open_count++;
    return call;
}

void mesh_calls_close(mesh_calls *calls, uint32_t slot, uint32_t *head) {
    mesh_made_call *call = mesh_calls_get(calls, slot);
    CHECK(call);
    if (call->next != MESH_CALL_NONE) calls->slots[call->next].prev = call->prev;
    if (call->prev != MESH_CALL_NONE) {
        calls->slots[call->prev].next = call->next;
    } else {
        *head = call->next;
    }
    call->is_open = false;
    calls->open_count--;
}

mesh_made_call *mesh_calls_get(mesh_calls *calls, uint32_t slot) {
    return slot < calls->cap && calls->slots[slot].is_open ? &calls->slots[slot] : NULL;
}

uint64_t mesh_calls_id(const mesh_calls *calls, uint32_t slot) {
    return (uint64_t)calls->slots[slot].generation << 32 | slot;
}

uint32_t mesh_calls_find(const mesh_calls *calls, uint64_t call_id, uint32_t peer) {
    uint32_t slot = (uint32_t)call_id;
    if (slot >= calls->cap) return MESH_CALL_NONE;
    const mesh_made_call *call = &calls->slots[slot];
    bool is_it = call->is_open && call->generation == call_id >> 32 && call->peer == peer;
    return is_it ? slot : MESH_CALL_NONE;
}
