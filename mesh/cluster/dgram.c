#include "cluster/dgram.h"

#include <string.h>

#include <sodium.h>

#include "core/be.h"
#include "core/error.h"
#include "core/mem.h"

enum { TYPE_SEALED = 1, VERSION = 1, NONCE_AT = 20, NONCE_LEN = 24 };

static const char key_label[] = "dgram1";

_Static_assert(NONCE_AT + NONCE_LEN == MESH_DGRAM_HEAD_LEN, "the nonce ends the head");
_Static_assert(NONCE_LEN == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "its length");

int mesh_dgram_parse(mesh_bytes datagram, mesh_dgram_head *out) {
    if (datagram.len < MESH_DGRAM_HEAD_LEN + MESH_DGRAM_TAG_LEN ||
        datagram.len > MESH_DATAGRAM_LEN_MAX)
        return MESH_EPROTO;
    const uint8_t *at = datagram.data;
    if (at[0] != TYPE_SEALED) return MESH_EPROTO;
    if (at[1] != VERSION) return MESH_EVERSION;
    *out = (mesh_dgram_head){.psk_id = load_be16(at + 2),
                             .source = load_be64(at + 4),
                             .target = load_be64(at + 12),
                             .counter = load_be64(at + NONCE_AT)};
    return 0;
}

size_t mesh_dgram_seal(const mesh_dgram_head *head, const uint8_t salt[MESH_DGRAM_SALT_LEN],
                       const uint8_t key[MESH_DGRAM_KEY_LEN], mesh_bytes body,
                       uint8_t out[MESH_DATAGRAM_LEN_MAX]) {
    CHECK(body.len <= MESH_DGRAM_BODY_MAX);
    uint8_t *at = store_be8(out, TYPE_SEALED);
    at = store_be16(store_be8(at, VERSION), head->psk_id);
    at = store_be64(store_be64(at, head->source), head->target);
    at = store_be64(at, head->counter);
    memcpy(at, salt, MESH_DGRAM_SALT_LEN);
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(out + MESH_DGRAM_HEAD_LEN, NULL, body.data,
                                                     body.len, out, MESH_DGRAM_HEAD_LEN, NULL,
                                                     out + NONCE_AT, key);
    return MESH_DGRAM_HEAD_LEN + body.len + MESH_DGRAM_TAG_LEN;
}

int mesh_dgram_open(mesh_bytes datagram, const uint8_t key[MESH_DGRAM_KEY_LEN],
                    uint8_t out[MESH_DGRAM_BODY_MAX], size_t *out_len) {
    mesh_dgram_head head;
    int err = mesh_dgram_parse(datagram, &head); // the lengths, above all
    if (err != 0) return err;
    mesh_bytes sealed = mesh_bytes_skip(datagram, MESH_DGRAM_HEAD_LEN);
    unsigned long long len;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(out, &len, NULL, sealed.data, sealed.len,
                                                   datagram.data, MESH_DGRAM_HEAD_LEN,
                                                   datagram.data + NONCE_AT, key) != 0)
        return MESH_ESEAL;
    *out_len = (size_t)len;
    return 0;
}

void mesh_dgram_key(const uint8_t gossip_key[MESH_DGRAM_KEY_LEN],
                    const uint8_t shared[MESH_DGRAM_KEY_LEN],
                    const uint8_t source_public[MESH_DGRAM_KEY_LEN],
                    const uint8_t target_public[MESH_DGRAM_KEY_LEN],
                    uint8_t out[MESH_DGRAM_KEY_LEN]) {
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, gossip_key, MESH_DGRAM_KEY_LEN, MESH_DGRAM_KEY_LEN);
    (void)crypto_generichash_update(&state, shared, MESH_DGRAM_KEY_LEN);
    (void)crypto_generichash_update(&state, source_public, MESH_DGRAM_KEY_LEN);
    (void)crypto_generichash_update(&state, target_public, MESH_DGRAM_KEY_LEN);
    (void)crypto_generichash_update(&state, (const uint8_t *)key_label, strlen(key_label));
    (void)crypto_generichash_final(&state, out, MESH_DGRAM_KEY_LEN);
    sodium_memzero(&state, sizeof state);
}

// ---- the window: bit `counter % MESH_WINDOW_LEN` belongs to the one counter of the window that it
// fits

static uint64_t *word_of(mesh_window *window, uint64_t counter) {
    return &window->bits[counter % MESH_WINDOW_LEN / 64];
}

bool mesh_window_is_new(const mesh_window *window, uint64_t counter) {
    if (counter > window->top) return true;
    if (counter == 0 || window->top - counter >= MESH_WINDOW_LEN) return false;
    return (window->bits[counter % MESH_WINDOW_LEN / 64] >> counter % 64 & 1) == 0;
}

void mesh_window_take(mesh_window *window, uint64_t counter) {
    if (counter > window->top) {
        uint64_t step = counter - window->top;
        if (step >= MESH_WINDOW_LEN) {
            memset(window->bits, 0, sizeof window->bits);
        } else {
            for (uint64_t c = window->top + 1; c < counter; c++)
                *word_of(window, c) &= ~(UINT64_C(1) << c % 64);
        }
        window->top = counter;
    }
    *word_of(window, counter) |= UINT64_C(1) << counter % 64;
}
