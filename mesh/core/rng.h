// A small seeded generator: the same seed gives the same run. Not for secrets.
#pragma once

#include <stdint.h>

typedef struct mesh_rng {
    uint64_t state;
} mesh_rng;

void mesh_rng_init(mesh_rng *rng, uint64_t seed);
uint64_t mesh_rng_next(mesh_rng *rng);
// Even over [0, bound); bound > 0.
uint32_t mesh_rng_below(mesh_rng *rng, uint32_t bound);
