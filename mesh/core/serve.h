// The calls this node serves. A slot is free again only when its handler has answered, also when
// the caller has long gone: so cancelling quickly cannot start more handlers than the limit.
#pragma once

#include <stdbool.h>

#include "core/limits.h"
#include "core/map.h"
#include "core/stream.h"

enum { MESH_SERVE_NONE = 0xffffffff };

typedef struct mesh_served_call {
    uint64_t call_id;
    uint32_t peer, epoch; // the caller, and which of its links the call came by
    uint32_t cost;        // credit to return
    uint64_t told;        // where its REQUEST is in the outbox
    uint8_t channel;      // by which it came; the answer goes by the same lane
    uint32_t prev, next;  // the live calls of that peer; next: also the list of free slots
    bool is_used;
    bool is_live; // the caller still waits
    mesh_stream stream;
    bool has_input; // that is a stream:
    mesh_stream input;
} mesh_served_call;

typedef struct mesh_serves {
    mesh_served_call *slots;
    size_t cap, made; // slots ever used
    uint32_t free_head, used_count;
    mesh_map live; // (peer, call_id) -> slot + 1
} mesh_serves;

void mesh_serves_init(mesh_serves *serves, const uint8_t hash_key[MESH_MAP_KEY_LEN]);
void mesh_serves_deinit(mesh_serves *serves);
// Copies what `call` says up to `channel`. `head` is the peer's list. MESH_SERVE_NONE: all
// MESH_CALLS_MAX are in use.
uint32_t mesh_serves_open(mesh_serves *serves, const mesh_served_call *call, uint32_t *head);
// The live call, or MESH_SERVE_NONE.
uint32_t mesh_serves_find(const mesh_serves *serves, uint32_t peer, uint64_t call_id);
mesh_served_call *mesh_serves_get(mesh_serves *serves, uint32_t slot);      // NULL: not in use
void mesh_serves_abort(mesh_serves *serves, uint32_t slot, uint32_t *head); // nobody waits any more
void mesh_serves_close(mesh_serves *serves, uint32_t slot);                 // aborted before
