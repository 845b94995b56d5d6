#include "core/queue.h"

#include "core/mem.h"

enum { ALIGN = 8, KEEP_MAX = 256 << 10 };

void mesh_queue_init(mesh_queue *queue) {
    *queue = (mesh_queue){0};
}

void mesh_queue_deinit(mesh_queue *queue) {
    free(queue->data);
    *queue = (mesh_queue){0};
}

static size_t entry_size(size_t message_len) {
    return (sizeof(mesh_queue_entry) + message_len + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

static mesh_queue_entry *entry_at(const mesh_queue *queue, size_t at) {
    return (mesh_queue_entry *)(void *)(queue->data + at);
}

static void make_room(mesh_queue *queue, size_t need) {
    if (queue->cap - queue->tail >= need) return;
    size_t live = queue->tail - queue->head;
    // Moving at most as many bytes as have been carried away since the last move keeps a push O(1).
    if (queue->head >= live && queue->cap - live >= need) {
        memmove(queue->data, queue->data + queue->head, live);
        queue->base += queue->head;
        queue->head = 0;
        queue->tail = live;
        return;
    }
    queue->data = mem_grow(queue->data, 1, queue->tail + need, &queue->cap);
}

uint64_t mesh_queue_push(mesh_queue *queue, mesh_queue_entry entry, mesh_bytes head,
                         mesh_bytes payload) {
    size_t len = head.len + payload.len, size = entry_size(len);
    make_room(queue, size);
    entry.len = (uint32_t)len;
    entry.done = 0;
    entry.is_dropped = false;
    uint8_t *at = queue->data + queue->tail;
    memcpy(at, &entry, sizeof entry);
    at += sizeof entry;
    if (head.len > 0) memcpy(at, head.data, head.len);
    if (payload.len > 0) memcpy(at + head.len, payload.data, payload.len);
    uint64_t position = queue->base + queue->tail;
    queue->tail += size;
    return position;
}

mesh_queue_entry *mesh_queue_front(mesh_queue *queue, uint8_t **out_message) {
    while (queue->head < queue->tail) {
        mesh_queue_entry *entry = entry_at(queue, queue->head);
        if (!entry->is_dropped) {
            *out_message = queue->data + queue->head + sizeof *entry;
            return entry;
        }
        mesh_queue_pop(queue);
    }
    return NULL;
}

void mesh_queue_pop(mesh_queue *queue) {
    CHECK(queue->head < queue->tail);
    queue->head += entry_size(entry_at(queue, queue->head)->len);
    if (queue->head < queue->tail) return;
    queue->base += queue->tail;
    queue->head = queue->tail = 0;
    if (queue->cap <= KEEP_MAX) return;
    free(queue->data);
    queue->data = NULL;
    queue->cap = 0;
}

bool mesh_queue_is_waiting(const mesh_queue *queue, uint64_t position) {
    if (position < queue->base + queue->head) return false;
    return entry_at(queue, (size_t)(position - queue->base))->done == 0;
}

bool mesh_queue_drop(mesh_queue *queue, uint64_t position) {
    if (!mesh_queue_is_waiting(queue, position)) return false;
    entry_at(queue, (size_t)(position - queue->base))->is_dropped = true;
    uint8_t *message;
    (void)mesh_queue_front(queue, &message); // gives the memory back when it was the first
    return true;
}

mesh_queue_entry *mesh_queue_each(mesh_queue *queue, size_t *cursor) {
    if (*cursor < queue->head) *cursor = queue->head;
    if (*cursor >= queue->tail) return NULL;
    mesh_queue_entry *entry = entry_at(queue, *cursor);
    *cursor += entry_size(entry->len);
    return entry;
}
