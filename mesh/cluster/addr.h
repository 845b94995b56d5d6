// Where a datagram or a connection goes: a numeric IP address and a port. Names are resolved by
// discovery, never here.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MESH_ADDR_TEXT_MAX = 64 }; // "[ip]:port" and its zero

typedef struct mesh_addr {
    uint8_t family; // 4 or 6; 0: none
    uint16_t port;
    uint8_t ip[16]; // of family 4 the first four bytes, the others 0
} mesh_addr;

bool mesh_addr_equal(const mesh_addr *a, const mesh_addr *b);

// "10.0.0.1:7400" or "[fe80::1]:7400". MESH_EINVAL: it is neither, or the port is not 1 to 65535.
int mesh_addr_parse(const char *text, mesh_addr *out);
// The same, back; returns `out`. An address of no family is "-".
const char *mesh_addr_text(const mesh_addr *addr, char out[MESH_ADDR_TEXT_MAX]);
