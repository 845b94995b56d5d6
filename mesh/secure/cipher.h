// One direction of an authenticated, encrypted stream of messages: ChaCha20-Poly1305 (RFC 8439)
// under a key and a counter of messages, Noise's CipherState (Noise revision 34, 5.1). Handshakes
// seal their payloads with it, links their records. Pure; copies its key, so wipe it with
// mesh_cipher_deinit.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"

enum { MESH_CIPHER_KEY_LEN = 32, MESH_CIPHER_TAG_LEN = 16 };

// No link lives so long: at a million messages a second it would take nine years. The counter goes
// on when the key changes, and the reserved nonce 2^64-1 is far.
#define MESH_CIPHER_COUNT_MAX (UINT64_C(1) << 48)

// What computes it. Either way the bytes are those of RFC 8439.
typedef struct mesh_aead {
    // Encrypts in place, the tag goes behind.
    void (*seal)(const uint8_t *key, const uint8_t *nonce, mesh_bytes bound, uint8_t *data,
                 size_t len);
    // Decrypts in place `len` bytes with the tag behind them. False: forged, and `data` is garbage.
    bool (*open)(const uint8_t *key, const uint8_t *nonce, mesh_bytes bound, uint8_t *data,
                 size_t len);
} mesh_aead;
enum { MESH_CIPHER_NONCE_LEN = 12 };

extern const mesh_aead mesh_aead_sodium; // the default
// For all ciphers of this process.
void mesh_cipher_use(const mesh_aead *aead);

typedef struct mesh_cipher {
    uint8_t key[MESH_CIPHER_KEY_LEN];
    uint64_t count; // messages so far: the next nonce
} mesh_cipher;

void mesh_cipher_init(mesh_cipher *cipher, const uint8_t key[MESH_CIPHER_KEY_LEN]);
void mesh_cipher_deinit(mesh_cipher *cipher);

// Encrypts `len` bytes at `data` in place and writes MESH_CIPHER_TAG_LEN bytes behind them. `bound`
// is authenticated with them and not sent. MESH_EQUOTA: the key has sealed MESH_CIPHER_COUNT_MAX
// messages.
int mesh_cipher_seal(mesh_cipher *cipher, mesh_bytes bound, uint8_t *data, size_t len);

// The way back: `len` counts the tag; the plaintext is the first len - MESH_CIPHER_TAG_LEN bytes.
//   MESH_ESEAL  they are not what the peer sealed as its next message: `data` is garbage, the
//   cipher is as it was, and the link must be closed without a word (an answer would tell a forger
//   what is wrong)
int mesh_cipher_open(mesh_cipher *cipher, mesh_bytes bound, uint8_t *data, size_t len);

// Noise's Rekey (11.3): a key that does not lead back to the one before. Both ends do it after the
// same message; the counter goes on.
void mesh_cipher_rekey(mesh_cipher *cipher);
