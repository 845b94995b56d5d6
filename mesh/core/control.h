// The bodies of READY and GOAWAY (proto/link.proto) to structs and back.
#pragma once

#include <stdbool.h>

#include "core/bytes.h"
#include "core/limits.h"
#include "core/resume.h"

enum { MESH_GOAWAY_TEXT_MAX = 128, MESH_CONTROL_WRITE_MAX = 256 };

// The minors of the protocol that this build speaks: between two builds the highest that both do.
typedef struct mesh_minors {
    uint16_t min, max;
} mesh_minors;
mesh_minors mesh_minors_spoken(void); // minors.c, which tests link another one for

typedef struct mesh_ready {
    uint32_t minor_min, minor_max, max_frame, max_message;
    uint64_t features, node_id, request_credit, publish_credit;
    bool has_session; // a connection takes the place of another one
    uint8_t session[MESH_SESSION_LEN];
    uint64_t received;
} mesh_ready;

enum {
    MESH_FEATURE_STREAMS = 1, // it understands ITEM
    MESH_FEATURE_INPUTS = 2,  // and INPUT
    MESH_FEATURE_RESUME = 4,  // and ACK; of an encrypted link
};

// wire.md, link codes
typedef enum mesh_goaway_code {
    MESH_GOAWAY_NORMAL,
    MESH_GOAWAY_PROTOCOL,
    MESH_GOAWAY_TOO_LARGE,
    MESH_GOAWAY_FLOW,
    MESH_GOAWAY_WRONG_PEER,
    MESH_GOAWAY_VERSION,
    MESH_GOAWAY_QUOTA,
} mesh_goaway_code;

// MESH_EPROTO: not a READY, or limits outside the ones link.proto allows. MESH_EVERSION: no common
// minor.
int mesh_ready_parse(mesh_bytes body, mesh_ready *out);
int mesh_goaway_parse(mesh_bytes body, uint32_t *out_code); // MESH_EPROTO
// Write to `out` of MESH_CONTROL_WRITE_MAX bytes; return the length.
size_t mesh_ready_write(uint8_t *out, const mesh_ready *ready);
size_t mesh_goaway_write(uint8_t *out, mesh_goaway_code code, const char *text);

mesh_goaway_code mesh_goaway_code_of(int err); // of a MESH_E*
