#include "secure/cipher_openssl.h"

#include <openssl/evp.h>

#include "core/mem.h"

// Made at the first message and kept, for choosing an algorithm costs more than sealing a small
// message. One for each direction: switching between them would set the key up twice.
typedef struct context {
    EVP_CIPHER_CTX *evp;
    bool is_refused;
} context;

static _Thread_local context sealer, opener;

static EVP_CIPHER_CTX *context_of(context *c, bool is_seal) {
    if (c->evp != NULL || c->is_refused) return c->evp;
    EVP_CIPHER_CTX *evp = EVP_CIPHER_CTX_new();
    if (evp != NULL &&
        EVP_CipherInit_ex(evp, EVP_chacha20_poly1305(), NULL, NULL, NULL, is_seal) == 1) {
        c->evp = evp;
    } else {
        EVP_CIPHER_CTX_free(evp);
        c->is_refused = true;
    }
    return c->evp;
}

// Everything but the tag. False: the algorithm is there, so it can only be for want of memory.
static bool begin(EVP_CIPHER_CTX *evp, const uint8_t *key, const uint8_t *nonce, mesh_bytes bound,
                  uint8_t *data, size_t len) {
    int done;
    return EVP_CipherInit_ex(evp, NULL, NULL, key, nonce, -1) == 1 &&
           (bound.len == 0 ||
            EVP_CipherUpdate(evp, NULL, &done, bound.data, (int)bound.len) == 1) &&
           EVP_CipherUpdate(evp, data, &done, data, (int)len) == 1;
}

static void seal(const uint8_t *key, const uint8_t *nonce, mesh_bytes bound, uint8_t *data,
                 size_t len) {
    EVP_CIPHER_CTX *evp = context_of(&sealer, true);
    int done;
    if (evp == NULL) {
        mesh_aead_sodium.seal(key, nonce, bound, data, len);
        return;
    }
    CHECK(begin(evp, key, nonce, bound, data, len));
    CHECK(EVP_CipherFinal_ex(evp, data + len, &done) == 1);
    CHECK(EVP_CIPHER_CTX_ctrl(evp, EVP_CTRL_AEAD_GET_TAG, MESH_CIPHER_TAG_LEN, data + len) == 1);
}

static bool open(const uint8_t *key, const uint8_t *nonce, mesh_bytes bound, uint8_t *data,
                 size_t len) {
    EVP_CIPHER_CTX *evp = context_of(&opener, false);
    int done;
    if (evp == NULL) return mesh_aead_sodium.open(key, nonce, bound, data, len);
    CHECK(begin(evp, key, nonce, bound, data, len));
    CHECK(EVP_CIPHER_CTX_ctrl(evp, EVP_CTRL_AEAD_SET_TAG, MESH_CIPHER_TAG_LEN, data + len) == 1);
    return EVP_CipherFinal_ex(evp, data + len, &done) == 1;
}

const mesh_aead mesh_aead_openssl = {seal, open};
