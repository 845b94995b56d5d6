// The calls this node made and waits for, by the slot that the caller chose. On the wire a call is
// `generation << 32 | slot`, so a late answer never meets the slot's next call.
#pragma once

#include "core/link.h"
#include "core/stream.h"

enum { MESH_CALL_NONE = 0xffffffff }; // end of a list of slots

typedef struct mesh_made_call {
    uint32_t generation; // counts the calls of this slot
    bool is_open;
    uint32_t peer;
    uint32_t prev, next; // the open calls to that peer
    mesh_link_place place;
    mesh_stream stream;
    bool has_input; // that is a stream:
    mesh_stream input;
    uint32_t timeout_ms; // counts again from the end of the input
} mesh_made_call;

typedef struct mesh_calls {
    mesh_made_call *slots;
    size_t cap;
    uint32_t open_count;
} mesh_calls;

void mesh_calls_deinit(mesh_calls *calls); // zero memory is an empty table
bool mesh_calls_is_free(const mesh_calls *calls, uint32_t slot);
// `head` is the peer's list. The slot must be free and below MESH_CALLS_MAX. Borrowed until the
// next open.
mesh_made_call *mesh_calls_open(mesh_calls *calls, uint32_t slot, uint32_t peer, uint32_t *head);
void mesh_calls_close(mesh_calls *calls, uint32_t slot, uint32_t *head);
mesh_made_call *mesh_calls_get(mesh_calls *calls, uint32_t slot); // NULL: not open
uint64_t mesh_calls_id(const mesh_calls *calls, uint32_t slot);
// The slot of an open call to this peer, or MESH_CALL_NONE.
uint32_t mesh_calls_find(const mesh_calls *calls, uint64_t call_id, uint32_t peer);
