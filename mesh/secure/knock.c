#include "secure/knock.h"

#include <stdbool.h>

#include <sodium.h>

#include "core/be.h"
#include "core/error.h"

static const uint8_t magic[4] = {'w', 'r', 'n', '!'};

enum {
    HASH_LEN = MESH_PREAMBLE_LEN - MESH_PREAMBLE_BOUND_LEN,
    FIRST_LEN = MESH_KNOCK_LEN - MESH_PREAMBLE_LEN,
    FIRST_MESSAGE_LEN = FIRST_LEN - 2,
};

static void hash(const uint8_t bound[MESH_PREAMBLE_BOUND_LEN], const uint8_t first[FIRST_LEN],
                 const uint8_t key[MESH_KNOCK_KEY_LEN], uint8_t out[HASH_LEN]) {
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, key, MESH_KNOCK_KEY_LEN, HASH_LEN);
    (void)crypto_generichash_update(&state, bound, MESH_PREAMBLE_BOUND_LEN);
    (void)crypto_generichash_update(&state, first, FIRST_LEN);
    (void)crypto_generichash_final(&state, out, HASH_LEN);
}

void mesh_knock_write(const mesh_preamble *preamble, const uint8_t key[MESH_KNOCK_KEY_LEN],
                      const uint8_t first[FIRST_LEN], uint8_t out[MESH_PREAMBLE_LEN]) {
    memcpy(out, magic, sizeof magic);
    uint8_t *at = store_be8(out + sizeof magic, preamble->major);
    at = store_be8(at, preamble->kind);
    at = store_be16(at, preamble->psk_id);
    at = store_be64(at, preamble->target);
    at = store_be64(at, preamble->salt);
    hash(out, first, key, at);
}

int mesh_knock_peek(const uint8_t bytes[MESH_KNOCK_LEN], mesh_preamble *out) {
    bool is_kind = bytes[5] >= MESH_KIND_AGENT && bytes[5] <= MESH_KIND_ENROL;
    if (memcmp(bytes, magic, sizeof magic) != 0 || !is_kind) return MESH_ESEAL;
    if (load_be16(bytes + MESH_PREAMBLE_LEN) != FIRST_MESSAGE_LEN) return MESH_ESEAL;
    *out = (mesh_preamble){.major = bytes[4],
                           .kind = (mesh_link_kind)bytes[5],
                           .psk_id = load_be16(bytes + 6),
                           .target = load_be64(bytes + 8),
                           .salt = load_be64(bytes + 16)};
    return 0;
}

int mesh_knock_judge(const uint8_t bytes[MESH_KNOCK_LEN], const uint8_t key[MESH_KNOCK_KEY_LEN],
                     mesh_preamble *out) {
    uint8_t want[HASH_LEN];
    hash(bytes, bytes + MESH_PREAMBLE_LEN, key, want);
    if (sodium_memcmp(want, bytes + MESH_PREAMBLE_BOUND_LEN, HASH_LEN) != 0) return MESH_ESEAL;
    mesh_preamble preamble;
    int err = mesh_knock_peek(bytes, &preamble);
    // Another major may have another preamble: its number comes first.
    if (memcmp(bytes, magic, sizeof magic) == 0 && bytes[4] != MESH_WIRE_MAJOR)
        return MESH_EVERSION;
    if (err == 0) *out = preamble;
    return err;
}
