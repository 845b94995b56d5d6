// A first-in first-out queue of messages as bytes in one growing block: no allocation per message.
// Each message has a position that never repeats, so its owner can take it back while it waits.
#pragma once

#include <stdbool.h>

#include "core/bytes.h"

typedef struct mesh_queue {
    uint8_t *data;
    size_t cap, head, tail;
    uint64_t base; // position of data[0]
} mesh_queue;

typedef struct mesh_queue_entry {
    uint64_t expires_at_ms; // the owner's, UINT64_MAX: none
    uint32_t len;           // of the message
    uint32_t tag;           // the owner's
    uint32_t done;          // bytes the owner has carried away already
    uint8_t type;           // the owner's
    bool is_dropped;
} mesh_queue_entry;

void mesh_queue_init(mesh_queue *queue);
void mesh_queue_deinit(mesh_queue *queue);

// Copies head and payload; `entry->len`, `done` and `is_dropped` are set here. Returns the
// position.
uint64_t mesh_queue_push(mesh_queue *queue, mesh_queue_entry entry, mesh_bytes head,
                         mesh_bytes payload);
// The first message that was not dropped, or NULL. Both borrow until the next push or pop.
mesh_queue_entry *mesh_queue_front(mesh_queue *queue, uint8_t **out_message);
void mesh_queue_pop(mesh_queue *queue);
// Takes a waiting message back. False: it has left the queue, or its first bytes have.
bool mesh_queue_drop(mesh_queue *queue, uint64_t position);
// It is there, and no byte of it was carried away.
bool mesh_queue_is_waiting(const mesh_queue *queue, uint64_t position);
// Every waiting message, dropped ones too. Set *cursor to 0 before the first call.
mesh_queue_entry *mesh_queue_each(mesh_queue *queue, size_t *cursor);

// Bytes of memory that wait, with what the queue itself needs for each message.
static inline size_t mesh_queue_bytes(const mesh_queue *queue) {
    return queue->tail - queue->head;
}
