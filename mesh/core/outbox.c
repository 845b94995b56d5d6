#include "core/outbox.h"

#include "core/mem.h"

enum { CAP_MIN = 64 };

void mesh_outbox_init(mesh_outbox *outbox) {
    *outbox = (mesh_outbox){0};
}

void mesh_outbox_deinit(mesh_outbox *outbox) {
    for (uint64_t at = outbox->head; at < outbox->tail; at++) {
        free(outbox->items[at & (outbox->cap - 1)].owned);
    }
    free(outbox->owned);
    free(outbox->items);
    *outbox = (mesh_outbox){0};
}

static void grow(mesh_outbox *outbox) {
    size_t cap = outbox->cap ? outbox->cap * 2 : CAP_MIN;
    mesh_outbox_item *items = mem_check(malloc(cap * sizeof *items));
    for (uint64_t at = outbox->head; at < outbox->tail; at++) {
        items[at & (cap - 1)] = outbox->items[at & (outbox->cap - 1)];
    }
    free(outbox->items);
    outbox->items = items;
    outbox->cap = cap;
}

static mesh_outbox_item *add(mesh_outbox *outbox) {
    if (outbox->tail - outbox->head == outbox->cap) grow(outbox);
    mesh_outbox_item *item = &outbox->items[outbox->tail++ & (outbox->cap - 1)];
    memset(item, 0, sizeof *item);
    return item;
}

mesh_output *mesh_outbox_push(mesh_outbox *outbox, mesh_output_kind kind, void *owned) {
    mesh_outbox_item *item = add(outbox);
    item->out.kind = kind;
    item->owned = owned;
    return &item->out;
}

mesh_output *mesh_outbox_last(mesh_outbox *outbox) {
    if (outbox->head == outbox->tail) return NULL;
    mesh_outbox_item *item = &outbox->items[(outbox->tail - 1) & (outbox->cap - 1)];
    return item->is_silent ? NULL : &item->out;
}

bool mesh_outbox_take_back(mesh_outbox *outbox, uint64_t position) {
    if (position < outbox->head) return false;
    outbox->items[position & (outbox->cap - 1)].is_silent = true;
    return true;
}

void mesh_outbox_retire(mesh_outbox *outbox, void *memory) {
    if (!memory) return;
    mesh_outbox_item *item = add(outbox);
    item->owned = memory;
    item->is_silent = true;
}

bool mesh_outbox_poll(mesh_outbox *outbox, mesh_output *out) {
    free(outbox->owned);
    outbox->owned = NULL;
    while (outbox->head < outbox->tail) {
        mesh_outbox_item *item = &outbox->items[outbox->head++ & (outbox->cap - 1)];
        if (item->is_silent) {
            free(item->owned);
            continue;
        }
        outbox->owned = item->owned;
        *out = item->out;
        return true;
    }
    return false;
}
