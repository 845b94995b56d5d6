// Which agents this one keeps a link to: the overlay that carries the registry (replica.h). All of
// them while they are few; else the next one on the ring of host ids, so that the overlay never
// falls apart, and random ones up to MESH_OVERLAY_DEGREE links in all, those that others dialled
// included.
//
// Pure: the driver dials, says what became of it, and closes. A link is one link whoever dialled
// it; when two agents dial each other at once the driver keeps one (of the smaller host id's
// dialling) and says `linked` once.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "secure/cert.h"

enum {
    MESH_OVERLAY_DEGREE = 6,
    MESH_OVERLAY_LINKS_MAX = 12, // beyond it random ones are hung up
    MESH_OVERLAY_HOSTS_MAX = 16384,
    MESH_OVERLAY_RETRY_MIN_MS = 500, // a dial that failed, or a link that ended
    MESH_OVERLAY_RETRY_MAX_MS = 30000,
    MESH_OVERLAY_DIAL_MS = 30000, // of which nothing was heard: it counts as failed
};

typedef struct mesh_overlay mesh_overlay;

mesh_overlay *mesh_overlay_create(const uint8_t self[MESH_ID_LEN], uint64_t seed);
void mesh_overlay_destroy(mesh_overlay *overlay); // NULL is fine

// From membership: whether this host should be linked to at all (joining, up, suspect). A link to
// one that is not wanted any longer (unreachable) is left alone until it ends.
void mesh_overlay_host(mesh_overlay *overlay, const uint8_t host_id[MESH_ID_LEN], bool is_wanted);
// A link is up, whoever dialled it.
void mesh_overlay_linked(mesh_overlay *overlay, uint64_t now_ms,
                         const uint8_t host_id[MESH_ID_LEN]);
// It ended, or the dialling failed.
void mesh_overlay_unlinked(mesh_overlay *overlay, uint64_t now_ms,
                           const uint8_t host_id[MESH_ID_LEN]);

void mesh_overlay_tick(mesh_overlay *overlay, uint64_t now_ms);
uint64_t mesh_overlay_wake_at_ms(const mesh_overlay *overlay); // UINT64_MAX: no work

typedef enum mesh_overlay_output_kind {
    MESH_OVERLAY_DIAL,    // then say linked or unlinked
    MESH_OVERLAY_HANG_UP, // close the link, then say unlinked
} mesh_overlay_output_kind;

typedef struct mesh_overlay_output {
    mesh_overlay_output_kind kind;
    uint8_t host_id[MESH_ID_LEN];
} mesh_overlay_output;

bool mesh_overlay_poll(mesh_overlay *overlay, mesh_overlay_output *out); // until false

size_t mesh_overlay_link_count(const mesh_overlay *overlay);
