// The one public port of a host: who connects must say within MESH_KNOCK_TIMEOUT_MS, in his first
// 90 bytes, that he knows a key (secure/knock.h). Who does not is cut off without a word; who is
// silent makes room when many are. The bytes are only looked at: whoever gets the socket reads
// them.
#pragma once

#include <uv.h>

#include "secure/knock.h"

typedef struct mesh_gate mesh_gate;

typedef struct mesh_gate_events {
    // The key that these 90 bytes must be sealed with, by kind, psk_id and (ENROL) target; borrowed
    // until the next call. NULL: nobody may come so.
    const uint8_t *(*on_preamble)(const mesh_preamble *preamble, void *user);
    // He has the key. Takes fd, non-blocking and tuned.
    void (*on_guest)(int fd, const mesh_preamble *preamble, void *user);
} mesh_gate_events;

typedef struct mesh_gate_stats {
    uint64_t accepted, strangers; // strangers: a wrong knock, one that came before, or silence
    uint32_t silent;              // now
} mesh_gate_stats;

// Takes the listening socket, also on failure. 0 or -errno.
int mesh_gate_open(uv_loop_t *loop, int listen_fd, const mesh_gate_events *events, void *user,
                   mesh_gate **out);
void mesh_gate_close(mesh_gate *gate); // cuts off those who have not knocked yet; NULL is fine
mesh_gate_stats mesh_gate_stats_get(const mesh_gate *gate);
