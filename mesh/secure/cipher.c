#include "secure/cipher.h"

#include <string.h>

#include <sodium.h>

#include "core/error.h"
#include "core/mem.h"

_Static_assert(MESH_CIPHER_KEY_LEN == crypto_aead_chacha20poly1305_ietf_KEYBYTES, "RFC 8439");
_Static_assert(MESH_CIPHER_TAG_LEN == crypto_aead_chacha20poly1305_ietf_ABYTES, "RFC 8439");

enum { NONCE_LEN = crypto_aead_chacha20poly1305_ietf_NPUBBYTES, COUNT_AT = 4 };

// Noise 12.3: 32 zero bits, then the counter in little endian.
static void store_nonce(uint8_t nonce[NONCE_LEN], uint64_t count) {
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
    uint8_t nonce[NONCE_LEN];
    store_nonce(nonce, cipher->count);
    (void)crypto_aead_chacha20poly1305_ietf_encrypt_detached(
        data, data + len, NULL, data, len, bound.data, bound.len, NULL, nonce, cipher->key);
    cipher->count++;
    return 0;
}

int mesh_cipher_open(mesh_cipher *cipher, mesh_bytes bound, uint8_t *data, size_t len) {
    if (len < MESH_CIPHER_TAG_LEN || cipher->count >= MESH_CIPHER_COUNT_MAX) return MESH_ESEAL;
    uint8_t nonce[NONCE_LEN];
    store_nonce(nonce, cipher->count);
    size_t text_len = len - MESH_CIPHER_TAG_LEN;
    if (crypto_aead_chacha20poly1305_ietf_decrypt_detached(data, NULL, data, text_len,
                                                           data + text_len, bound.data, bound.len,
                                                           nonce, cipher->key) != 0)
        return MESH_ESEAL;
    // Only now: a counter that a forged message moves would make the next true one unreadable.
    cipher->count++;
    return 0;
}

void mesh_cipher_rekey(mesh_cipher *cipher) {
    uint8_t nonce[NONCE_LEN], sealed[MESH_CIPHER_KEY_LEN + MESH_CIPHER_TAG_LEN] = {0};
    store_nonce(nonce, UINT64_MAX);
    (void)crypto_aead_chacha20poly1305_ietf_encrypt(sealed, NULL, sealed, MESH_CIPHER_KEY_LEN, NULL,
                                                    0, NULL, nonce, cipher->key);
    memcpy(cipher->key, sealed, MESH_CIPHER_KEY_LEN);
    sodium_memzero(sealed, sizeof sealed);
}
