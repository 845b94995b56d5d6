// When a source is asked again. Pure.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/rng.h"

enum {
    MESH_PACE_FIRST_MS = 1000,  // between the first two looks; 1.5 times that each time after,
    MESH_PACE_SEARCH_MS = 5000, // up to this, while the host still searches for its cluster
    MESH_PACE_REST_MS = 30000,  // when it has found it
    MESH_PACE_TTL_MIN_S = 5,    // what DNS says less than that is taken as this
    MESH_PACE_TTL_MAX_S = 300,  // and what it says more: a day, set by mistake, keeps nobody out
};

typedef struct mesh_pace {
    uint32_t last_ms;
} mesh_pace;

// From the end of one look to the next, +-20 %. ttl_s: how long the answer holds, 0 if nothing
// says so.
uint32_t mesh_pace_next_ms(mesh_pace *pace, bool is_searching, uint32_t ttl_s, mesh_rng *rng);
// The host lost its cluster: begin from the first step again.
void mesh_pace_restart(mesh_pace *pace);
