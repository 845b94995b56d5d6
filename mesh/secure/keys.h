// Keys that are made from one secret: a label each, so that none of them says anything about
// another or about the secret.
#pragma once

#include <stdint.h>

enum { MESH_SECRET_LEN = 32 };

typedef enum mesh_key_use {
    // From the secret that all hosts of a cluster share.
    MESH_KEY_LINK,      // psk of handshakes
    MESH_KEY_KNOCK,     // of the first 90 bytes
    MESH_KEY_GOSSIP,    // datagrams between agents
    MESH_KEY_MULTICAST, // discovery on a local network
    // From the secret of a ticket.
    MESH_KEY_TICKET_LINK,
    MESH_KEY_TICKET_KNOCK,
} mesh_key_use;

// BLAKE2b (32 bytes out), keyed with the secret, over the label.
void mesh_key_derive(const uint8_t secret[MESH_SECRET_LEN], mesh_key_use use,
                     uint8_t out[MESH_SECRET_LEN]);
