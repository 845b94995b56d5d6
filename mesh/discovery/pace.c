#include "discovery/pace.h"

static uint32_t step(mesh_pace *pace, bool is_searching) {
    if (!is_searching) return MESH_PACE_REST_MS;
    uint32_t ms = pace->last_ms == 0 ? MESH_PACE_FIRST_MS : pace->last_ms + pace->last_ms / 2;
    pace->last_ms = ms < MESH_PACE_SEARCH_MS ? ms : MESH_PACE_SEARCH_MS;
    return pace->last_ms;
}

uint32_t mesh_pace_next_ms(mesh_pace *pace, bool is_searching, uint32_t ttl_s, mesh_rng *rng) {
    uint32_t ms = step(pace, is_searching);
    ms = ms - ms / 5 + mesh_rng_below(rng, 2 * ms / 5 + 1);
    if (ttl_s == 0) return ms;
    if (ttl_s < MESH_PACE_TTL_MIN_S) ttl_s = MESH_PACE_TTL_MIN_S;
    if (ttl_s > MESH_PACE_TTL_MAX_S) ttl_s = MESH_PACE_TTL_MAX_S;
    return ms > ttl_s * 1000 ? ms : ttl_s * 1000;
}

void mesh_pace_restart(mesh_pace *pace) {
    pace->last_ms = 0;
}
