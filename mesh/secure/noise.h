// A handshake of the Noise Protocol Framework, revision 34, with 25519, ChaChaPoly and BLAKE2b: two
// strangers who exchange a few messages know afterwards who the other is, and share two keys that
// nobody else has. Links use the pattern XXpsk3 alone; the others are driven by the same code, so
// that all published vectors test it.
//
// Pure: ephemeral keys are given in, and must come from the system's random numbers, new for each
// handshake. A handshake that has failed stays failed: send nothing, close.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "secure/cipher.h"

enum {
    MESH_NOISE_KEY_LEN = 32,
    MESH_NOISE_HASH_LEN = 64,
    MESH_NOISE_MESSAGE_LEN_MAX = 65535,
    MESH_NOISE_PSKS_MAX = 2,
    // What a message may carry besides its payload: two public keys and two tags.
    MESH_NOISE_OVERHEAD_MAX = 2 * MESH_NOISE_KEY_LEN + 2 * MESH_CIPHER_TAG_LEN,
};

typedef enum mesh_noise_token {
    MESH_NOISE_END, // of a message; one more ends the pattern
    MESH_NOISE_E,
    MESH_NOISE_S,
    MESH_NOISE_EE,
    MESH_NOISE_ES,
    MESH_NOISE_SE,
    MESH_NOISE_SS,
    MESH_NOISE_PSK,
} mesh_noise_token;

typedef struct mesh_noise_pattern {
    const char *protocol; // the whole name, at most 64 bytes
    bool has_psk;
    bool is_initiator_known, is_responder_known; // whose static key the other has from the start
    const uint8_t *tokens;                       // the messages one after the other, each ended
} mesh_noise_pattern;

extern const mesh_noise_pattern mesh_noise_xxpsk3;

typedef struct mesh_noise_options {
    const mesh_noise_pattern *pattern; // borrowed for the life of the handshake
    bool is_initiator;
    mesh_bytes prologue; // both sides must have the same
    const uint8_t *static_secret, *ephemeral_secret, *remote_static; // NULL: the pattern has none
    const uint8_t *psks[MESH_NOISE_PSKS_MAX];                        // in the order of use
} mesh_noise_options;

// The fields belong to noise.c.
typedef struct mesh_noise {
    const mesh_noise_pattern *pattern;
    const uint8_t *next; // token
    bool is_initiator, is_writer, has_key, is_failed, has_remote_static;
    uint8_t hash[MESH_NOISE_HASH_LEN], chaining_key[MESH_NOISE_HASH_LEN];
    mesh_cipher cipher;
    uint8_t static_secret[MESH_NOISE_KEY_LEN], static_public[MESH_NOISE_KEY_LEN];
    uint8_t ephemeral_secret[MESH_NOISE_KEY_LEN], ephemeral_public[MESH_NOISE_KEY_LEN];
    uint8_t remote_static[MESH_NOISE_KEY_LEN], remote_ephemeral[MESH_NOISE_KEY_LEN];
    uint8_t psks[MESH_NOISE_PSKS_MAX][MESH_NOISE_KEY_LEN];
    uint32_t psks_used;
} mesh_noise;

// Copies all keys; wipe them with mesh_noise_deinit.
void mesh_noise_init(mesh_noise *noise, const mesh_noise_options *options);
void mesh_noise_deinit(mesh_noise *noise);

// The next message of this side, to `out` of at least payload.len + MESH_NOISE_OVERHEAD_MAX bytes.
// The payload may not overlap it.
//   MESH_EINVAL  it is not this side's turn     MESH_ETOOBIG  longer than
//   MESH_NOISE_MESSAGE_LEN_MAX MESH_ESEAL   the handshake has failed
int mesh_noise_write(mesh_noise *noise, mesh_bytes payload, uint8_t *out, size_t *out_len);

// The next message of the other side; its payload goes to `out`, of at least message.len bytes.
//   MESH_EINVAL  it is this side's turn     MESH_ESEAL  a message that is cut, changed, from
//   somebody without the right keys, or with a key of small order: the handshake has failed
int mesh_noise_read(mesh_noise *noise, mesh_bytes message, uint8_t *out, size_t *out_len);

bool mesh_noise_is_done(const mesh_noise *noise); // every message was sent and read
// When it is done: the two ciphers, the same for both sides. One-way patterns have only the
// initiator's.
void mesh_noise_split(const mesh_noise *noise, mesh_cipher *out_send, mesh_cipher *out_receive);
// The transcript so far: names this handshake and no other once it is done.
const uint8_t *mesh_noise_hash(const mesh_noise *noise); // MESH_NOISE_HASH_LEN bytes, borrowed
const uint8_t *mesh_noise_remote_static(const mesh_noise *noise); // NULL: not known yet
