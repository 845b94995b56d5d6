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

// Whether its address and port are among those of the list.
static inline bool mesh_candidate_is_in(const mesh_candidate *list, size_t count,
                                        const mesh_candidate *one) {
    for (size_t i = 0; i < count; i++)
        if (list[i].port == one->port && strcmp(list[i].address, one->address) == 0) return true;
    return false;
}
