// The outputs of a node that wait to be polled, each with the memory it borrows from.
#pragma once

#include "core/node.h"

typedef struct mesh_outbox_item {
    mesh_output out;
    void *owned;    // freed by the poll after the one that gave it out
    bool is_silent; // only carries memory to be freed when everything before it was polled
} mesh_outbox_item;

typedef struct mesh_outbox {
    mesh_outbox_item *items; // a ring; cap is a power of two
    size_t cap;
    uint64_t head, tail; // counts, never reset
    void *owned;         // of the item polled last
} mesh_outbox;

void mesh_outbox_init(mesh_outbox *outbox);
void mesh_outbox_deinit(mesh_outbox *outbox);
// A zeroed output at the end of the queue, to be filled in before the next push. `owned` (or NULL)
// is taken.
mesh_output *mesh_outbox_push(mesh_outbox *outbox, mesh_output_kind kind, void *owned);
// The output at the end of the queue: what was pushed last, when it was not polled; else NULL.
mesh_output *mesh_outbox_last(mesh_outbox *outbox);
// Takes back the output that was pushed when `tail` was `position`: its memory is freed in its
// turn. False: it was polled.
bool mesh_outbox_take_back(mesh_outbox *outbox, uint64_t position);
// Takes memory that earlier outputs may borrow: freed after they were polled. NULL is fine.
void mesh_outbox_retire(mesh_outbox *outbox, void *memory);
bool mesh_outbox_poll(mesh_outbox *outbox, mesh_output *out);
