#include "secure/cipher.h"

#include <string.h>

#include <sodium.h>

#include "core/error.h"
#include "core/mem.h"

_Static_assert(MESH_CIPHER_KEY_LEN == crypto_aead_chacha20poly1305_ietf_KEYBYTES, "RFC 8439");
_Static_assert(MESH_CIPHER_TAG_LEN == crypto_aead_chacha20poly1305_ietf_ABYTES, "RFC 8439");

_Static_assert(MESH_CIPHER_NONCE_LEN == crypto_aead_chacha20poly1305_ietf_NPUBBYTES, "RFC 8439");

enum { COUNT_AT = 4 };

static void sodium_seal(const uint8_t *key, const uint8_t *nonce, mesh_bytes bound, uint8_t *data,
                        size_t len) {
    (void)crypto_aead_chacha20poly1305_ietf_encrypt_detached(
        data, data + len, NULL, data, len, bound.data, bound.len, NULL, nonce, key);
}

static bool sodium_open(const uint8_t *key, const uint8_t *nonce, mesh_bytes bound, uint8_t *data,
                        size_t len) {
    return crypto_aead_chacha20poly1305_ietf_decrypt_detached(
               data, NULL, data, len, data + len, bound.data, bound.len, nonce, key) == 0;
}

const mesh_aead mesh_aead_sodium = {sodium_seal, sodium_open};
static const mesh_aead *_Atomic aead = &mesh_aead_sodium; // workers of one process set the same

void mesh_cipher_use(const mesh_aead *other) {
    aead = other;
}

// Noise 12.3: 32 zero bits, then the counter in little endian.
static void store_nonce(uint8_t nonce[MESH_CIPHER_NONCE_LEN], uint64_t count) {
    memset(nonce, 0, COUNT_AT);
    for (int i = 0; i < 8; i++)
        nonce[COUNT_AT + i] = (uint8_t)(count >> (8 * i));
}

void mesh_cipher_init(mesh_cipher *cipher, const uint8_t key[MESH_CIPHER_KEY_LEN]) {
    memcpy(cipher->key, key, MESH_CIPHER_KEY_LEN);
    cipher->count = 0;
}

void mesh_cipher_deinit(mesh_cipher *cipher) {
    sodium_memzero(cipher, sizeof *cipher);
}

int mesh_cipher_seal(mesh_cipher *cipher, mesh_bytes bound, uint8_t *data, size_t len) {
    if (cipher->count >= MESH_CIPHER_COUNT_MAX) return MESH_EQUOTA;
    uint8_t nonce[MESH_CIPHER_NONCE_LEN];
    store_nonce(nonce, cipher->count);
    aead->seal(cipher->key, nonce, bound, data, len);
    cipher->count++;
    return 0;
}

int mesh_cipher_open(mesh_cipher *cipher, mesh_bytes bound, uint8_t *data, size_t len) {
    if (len < MESH_CIPHER_TAG_LEN || cipher->count >= MESH_CIPHER_COUNT_MAX) return MESH_ESEAL;
    uint8_t nonce[MESH_CIPHER_NONCE_LEN];
    store_nonce(nonce, cipher->count);
    if (!aead->open(cipher->key, nonce, bound, data, len - MESH_CIPHER_TAG_LEN)) return MESH_ESEAL;
    // Only now: a counter that a forged message moves would make the next true one unreadable.
    cipher->count++;
    return 0;
}

void mesh_cipher_rekey(mesh_cipher *cipher) {
    uint8_t nonce[MESH_CIPHER_NONCE_LEN], sealed[MESH_CIPHER_KEY_LEN + MESH_CIPHER_TAG_LEN] = {0};
    store_nonce(nonce, UINT64_MAX);
    (void)crypto_aead_chacha20poly1305_ietf_encrypt(sealed, NULL, sealed, MESH_CIPHER_KEY_LEN, NULL,
                                                    0, NULL, nonce, cipher->key);
    memcpy(cipher->key, sealed, MESH_CIPHER_KEY_LEN);
    sodium_memzero(sealed, sizeof sealed);
}
