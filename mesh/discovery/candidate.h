// An address at which another host of the cluster may be.
#pragma once

#include "discovery/endpoint.h"

enum { MESH_ADDRESS_TEXT_LEN_MAX = 45 };

typedef struct mesh_candidate {
    char host[MESH_HOST_LEN_MAX + 1];            // as its source has it, for people to read
    char address[MESH_ADDRESS_TEXT_LEN_MAX + 1]; // numeric, IPv4 or IPv6 without brackets
    uint16_t port;
    uint32_t source; // index of its source
} mesh_candidate;

static inline bool mesh_candidate_is_same(const mesh_candidate *a, const mesh_candidate *b) {
    return a->port == b->port && strcmp(a->address, b->address) == 0;
}
