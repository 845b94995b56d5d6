// "host:port" as people and stores write it. Pure.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/bytes.h"

enum {
    MESH_HOST_LEN_MAX = 253,     // of a name, as DNS has it
    MESH_ENDPOINT_LEN_MAX = 261, // a name, or an address in brackets, a colon, five digits
    MESH_PORT_DEFAULT = 7400,
    MESH_ENDPOINTS_MAX = 256, // that one source may give at a time
};

typedef struct mesh_endpoint {
    char host[MESH_HOST_LEN_MAX + 1]; // a name, or an IPv4 or IPv6 address without brackets
    uint16_t port;
} mesh_endpoint;

// "name:7400", "10.0.0.1:7400", "[fd00::1]:7400". Without a port it gets `port_default`; 0 means
// that the port must be there. MESH_EINVAL: it is none of these. Whether it exists is not asked.
int mesh_endpoint_parse(mesh_bytes text, uint16_t port_default, mesh_endpoint *out);
// The other way round; addresses of IPv6 get brackets.
void mesh_endpoint_write(const mesh_endpoint *endpoint, char out[MESH_ENDPOINT_LEN_MAX + 1]);

// A name that DNS can be asked for: letters, digits, '-', '_' and dots, at most 253 bytes.
bool mesh_is_host_name(mesh_bytes text);
// A numeric address of IPv4 or IPv6 without brackets or a zone (%eth0).
bool mesh_is_host_address(const char *text);
// What may stand before keys in etcd: letters, digits, '.', '-', '_' and single slashes.
bool mesh_is_key_prefix(mesh_bytes text);
