// The shapes of this node's encoder, in order: each link sends them ahead of what uses them
// (wire.md).
#pragma once

#include "core/bytes.h"
#include "core/limits.h"

typedef struct mesh_shapes {
    mesh_bytes *bodies; // copies
    size_t count, cap;
} mesh_shapes;

void mesh_shapes_deinit(mesh_shapes *shapes); // zero memory is an empty list
// Copies. MESH_EINVAL: not a SHAPE body, or not the next id.
int mesh_shapes_add(mesh_shapes *shapes, mesh_bytes body);
