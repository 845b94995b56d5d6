// The first 90 bytes of a link between hosts: the preamble, and the dialler's first handshake
// message. They are judged with one keyed hash before anything is computed or allocated for a
// stranger: who does not know the cluster's knock key costs nothing and gets no answer.
#pragma once

#include <stdint.h>

#include "core/bytes.h"

enum {
    MESH_PREAMBLE_LEN = 40,
    MESH_PREAMBLE_BOUND_LEN = 24, // of it, bound to the handshake: all but the knock
    MESH_KNOCK_LEN = 90,          // preamble, u16 length, message of 48 bytes
    MESH_KNOCK_KEY_LEN = 32,
    MESH_WIRE_MAJOR = 1,
};

typedef enum mesh_link_kind {
    MESH_KIND_AGENT = 1, // host to host
    MESH_KIND_NODE,      // node to node
    MESH_KIND_ADMIN,     // administrator to host
    MESH_KIND_ENROL,     // a host that has no certificate yet, to one that gives it one
} mesh_link_kind;

typedef struct mesh_preamble {
    uint8_t major;
    mesh_link_kind kind;
    uint16_t psk_id; // which cluster key, while one replaces the other
    uint64_t target; // node id the link is for; 0: the agent. ENROL: the id of the ticket
    uint64_t salt;   // random: no two are alike
} mesh_preamble;

// Writes the preamble that goes before `first`, the u16 length and first message of the dialler (50
// bytes).
void mesh_knock_write(const mesh_preamble *preamble, const uint8_t key[MESH_KNOCK_KEY_LEN],
                      const uint8_t first[MESH_KNOCK_LEN - MESH_PREAMBLE_LEN],
                      uint8_t out[MESH_PREAMBLE_LEN]);
// What the preamble says, before it is known who wrote it: only to choose the key that judges it.
// MESH_ESEAL: it is no preamble; close, say nothing.
int mesh_knock_peek(const uint8_t bytes[MESH_KNOCK_LEN], mesh_preamble *out);

// MESH_ESEAL: not from somebody with the key; close, say nothing. MESH_EVERSION: from one, who
// speaks another major.
int mesh_knock_judge(const uint8_t bytes[MESH_KNOCK_LEN], const uint8_t key[MESH_KNOCK_KEY_LEN],
                     mesh_preamble *out);
