// Sealed datagrams between two agents (wire.md, Datagrams): XChaCha20-Poly1305 under a key of this
// pair of hosts and this direction, made from keys that live as long as a boot. There is no
// handshake, so nothing that is not sealed is ever answered. Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/limits.h"

enum {
    MESH_DGRAM_KEY_LEN = 32,
    MESH_DGRAM_SALT_LEN = 16, // random, of each datagram
    MESH_DGRAM_HEAD_LEN = 44,
    MESH_DGRAM_TAG_LEN = 16,
    MESH_DGRAM_BODY_MAX = MESH_DATAGRAM_LEN_MAX - MESH_DGRAM_HEAD_LEN - MESH_DGRAM_TAG_LEN,
    MESH_WINDOW_LEN = 1024,
};

typedef struct mesh_dgram_head {
    uint16_t psk_id;
    uint64_t source, target; // short ids: the first 8 bytes of the host ids
    uint64_t counter;        // of this direction; never the same twice
} mesh_dgram_head;

// MESH_EPROTO: no datagram of ours; MESH_EVERSION: of another version. Nothing is proved yet.
int mesh_dgram_parse(mesh_bytes datagram, mesh_dgram_head *out);

// Writes the datagram; returns its length. body.len is at most MESH_DGRAM_BODY_MAX.
size_t mesh_dgram_seal(const mesh_dgram_head *head, const uint8_t salt[MESH_DGRAM_SALT_LEN],
                       const uint8_t key[MESH_DGRAM_KEY_LEN], mesh_bytes body,
                       uint8_t out[MESH_DATAGRAM_LEN_MAX]);
// MESH_ESEAL: not from the other host of the key, or changed.
int mesh_dgram_open(mesh_bytes datagram, const uint8_t key[MESH_DGRAM_KEY_LEN],
                    uint8_t out[MESH_DGRAM_BODY_MAX], size_t *out_len);

// The two keys of a pair of hosts. `shared` is X25519 of one's secret and the other's public boot
// key, `gossip_key` the cluster's (MESH_KEY_GOSSIP).
void mesh_dgram_key(const uint8_t gossip_key[MESH_DGRAM_KEY_LEN],
                    const uint8_t shared[MESH_DGRAM_KEY_LEN],
                    const uint8_t source_public[MESH_DGRAM_KEY_LEN],
                    const uint8_t target_public[MESH_DGRAM_KEY_LEN],
                    uint8_t out[MESH_DGRAM_KEY_LEN]);

// Which counters came already: those of the last MESH_WINDOW_LEN; what is older counts as seen.
typedef struct mesh_window {
    uint64_t top; // the highest seen, 0: none
    uint64_t bits[MESH_WINDOW_LEN / 64];
} mesh_window;

bool mesh_window_is_new(const mesh_window *window, uint64_t counter); // 0 never is
void mesh_window_take(mesh_window *window, uint64_t counter);         // of one that is new
