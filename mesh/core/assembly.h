// Messages that come in fragments (proto/wire.md, Messages), of all links of a process together.
// Memory grows with the bytes that came, never to what `total` promises, and is bounded for all:
// the message whose next fragment would go over the bound is dropped. It is read to its end all the
// same, and its head is kept, so that its sender can be told. Before that one gives way that has
// not moved for long: it may be of a peer that stopped.
#pragma once

#include <stdbool.h>

#include "core/bytes.h"
#include "core/limits.h"

typedef struct mesh_assembly {
    uint8_t type; // 0: none is open
    bool is_dropped;
    uint32_t len, total; // of the whole message: here, and announced
    uint32_t cost;       // the owner's
    uint8_t *data;       // of a dropped one the first MESH_MESSAGE_HEAD_MAX bytes
    size_t cap;
    uint64_t moved_at_ms;
    struct mesh_assembly *older, *newer; // by moved_at_ms, of those that are not dropped
} mesh_assembly;

typedef struct mesh_assemblies {
    size_t bytes_max; // 0: MESH_ASSEMBLED_MAX
    size_t bytes;     // taken; those of dropped ones do not count
    mesh_assembly *oldest, *newest;
} mesh_assemblies; // zero memory is an empty one

void mesh_assembly_begin(mesh_assemblies *all, mesh_assembly *a, uint64_t now_ms, uint8_t type,
                         uint32_t total);
// `body` is at most what is missing of the total.
void mesh_assembly_add(mesh_assemblies *all, mesh_assembly *a, uint64_t now_ms, mesh_bytes body);
// Gives the bytes (of a dropped one its head), and is closed.
mesh_bytes mesh_assembly_take(mesh_assemblies *all, mesh_assembly *a);
void mesh_assembly_end(mesh_assemblies *all, mesh_assembly *a); // fine when none is open
