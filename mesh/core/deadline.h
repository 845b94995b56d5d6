// A heap of wake-up times: one for all calls, instead of a timer for each. Ids are small integers
// of the owner; each has at most one time.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mesh_deadline {
    uint64_t at_ms;
    uint32_t id;
} mesh_deadline;

typedef struct mesh_deadlines {
    mesh_deadline *heap;
    size_t count, cap;
    uint32_t *places; // of each id: its index in heap + 1, or 0
    size_t place_cap;
} mesh_deadlines;

void mesh_deadlines_init(mesh_deadlines *deadlines);
void mesh_deadlines_deinit(mesh_deadlines *deadlines);
void mesh_deadlines_set(mesh_deadlines *deadlines, uint32_t id, uint64_t at_ms); // adds or moves
void mesh_deadlines_clear(mesh_deadlines *deadlines, uint32_t id);               // no-op if not set
uint64_t mesh_deadlines_next_ms(const mesh_deadlines *deadlines);                // UINT64_MAX: none
// Takes the earliest one that is due. Equal times come out in no particular, but repeatable, order.
bool mesh_deadlines_take(mesh_deadlines *deadlines, uint64_t now_ms, uint32_t *out_id);
