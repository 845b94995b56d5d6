#include "core/deadline.h"

#include <string.h>

#include "core/mem.h"

void mesh_deadlines_init(mesh_deadlines *deadlines) {
    *deadlines = (mesh_deadlines){0};
}

void mesh_deadlines_deinit(mesh_deadlines *deadlines) {
    free(deadlines->heap);
    free(deadlines->places);
    *deadlines = (mesh_deadlines){0};
}

static void put(mesh_deadlines *d, size_t at, mesh_deadline item) {
    d->heap[at] = item;
    d->places[item.id] = (uint32_t)at + 1;
}

static void sift_up(mesh_deadlines *d, size_t at, mesh_deadline item) {
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (d->heap[parent].at_ms <= item.at_ms) break;
        put(d, at, d->heap[parent]);
        at = parent;
    }
    put(d, at, item);
}

static void sift_down(mesh_deadlines *d, size_t at, mesh_deadline item) {
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= d->count) break;
        if (child + 1 < d->count && d->heap[child + 1].at_ms < d->heap[child].at_ms) child++;
        if (item.at_ms <= d->heap[child].at_ms) break;
        put(d, at, d->heap[child]);
        at = child;
    }
    put(d, at, item);
}

static void settle(mesh_deadlines *d, size_t at, mesh_deadline item) {
    bool is_early = at > 0 && item.at_ms < d->heap[(at - 1) / 2].at_ms;
    if (is_early) {
        sift_up(d, at, item);
    } else {
        sift_down(d, at, item);
    }
}

static void remove_at(mesh_deadlines *d, size_t at) {
    d->places[d->heap[at].id] = 0;
    mesh_deadline last = d->heap[--d->count];
    if (at < d->count) settle(d, at, last);
}

void mesh_deadlines_set(mesh_deadlines *d, uint32_t id, uint64_t at_ms) {
    if (id >= d->place_cap) {
        size_t old_cap = d->place_cap;
        d->places = mem_grow(d->places, sizeof *d->places, (size_t)id + 1, &d->place_cap);
        memset(d->places + old_cap, 0, (d->place_cap - old_cap) * sizeof *d->places);
    }
    mesh_deadline item = {at_ms, id};
    if (d->places[id]) {
        settle(d, d->places[id] - 1, item);
        return;
    }
    d->heap = mem_grow(d->heap, sizeof *d->heap, d->count + 1, &d->cap);
    d->count++;
    sift_up(d, d->count - 1, item);
}

void mesh_deadlines_clear(mesh_deadlines *d, uint32_t id) {
    if (id < d->place_cap && d->places[id]) remove_at(d, d->places[id] - 1);
}

uint64_t mesh_deadlines_next_ms(const mesh_deadlines *d) {
    return d->count ? d->heap[0].at_ms : UINT64_MAX;
}

bool mesh_deadlines_take(mesh_deadlines *d, uint64_t now_ms, uint32_t *out_id) {
    if (d->count == 0 || d->heap[0].at_ms > now_ms) return false;
    *out_id = d->heap[0].id;
    remove_at(d, 0);
    return true;
}
