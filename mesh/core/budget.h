// A protobuf-c allocator with a limit: a control message can make the decoder take about 40 times
// its own size (unknown fields), so each decoding gets a budget and fails beyond it.
#pragma once

#include <protobuf-c/protobuf-c.h>

enum { MESH_BUDGET_DEFAULT = 256 << 10 };

typedef struct mesh_budget {
    ProtobufCAllocator allocator; // for unpack and free_unpacked
    size_t left;
} mesh_budget;

void mesh_budget_init(mesh_budget *budget, size_t limit);
