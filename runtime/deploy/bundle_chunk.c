#include "deploy/bundle_chunk.h"

#include <sodium.h>
#include <zstd.h>

#include "core/error.h"
#include "core/mem.h"

enum { LEVEL = 3 };

_Static_assert(sizeof(deploy_hasher) >= sizeof(crypto_generichash_state), "room for it");
_Static_assert(DEPLOY_SEALED_MAX >= ZSTD_COMPRESSBOUND(DEPLOY_CHUNK_LEN), "room at the worst");

deploy_hash deploy_hash_of(mesh_bytes plain) {
    deploy_hash hash;
    (void)crypto_generichash(hash.bytes, sizeof hash.bytes, plain.data, plain.len, NULL, 0);
    return hash;
}

bool deploy_hash_equal(const deploy_hash *a, const deploy_hash *b) {
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static crypto_generichash_state *state_of(deploy_hasher *hasher) {
    return (crypto_generichash_state *)hasher->state;
}

void deploy_hasher_init(deploy_hasher *hasher) {
    (void)crypto_generichash_init(state_of(hasher), NULL, 0, DEPLOY_HASH_LEN);
}

void deploy_hasher_add(deploy_hasher *hasher, mesh_bytes piece) {
    (void)crypto_generichash_update(state_of(hasher), piece.data, piece.len);
}

deploy_hash deploy_hasher_end(deploy_hasher *hasher) {
    deploy_hash hash;
    (void)crypto_generichash_final(state_of(hasher), hash.bytes, sizeof hash.bytes);
    return hash;
}

size_t deploy_chunk_seal(mesh_bytes plain, uint8_t *out) {
    CHECK(plain.len <= DEPLOY_CHUNK_LEN);
    size_t len = ZSTD_compress(out, DEPLOY_SEALED_MAX, plain.data, plain.len, LEVEL);
    CHECK(!ZSTD_isError(len)); // there is room, and memory
    return len;
}

// One frame and nothing behind it, whose length is told at its front and held to: what grows past
// it is an error of zstd, which never writes past `out`.
int deploy_chunk_open(mesh_bytes sealed, const deploy_hash *hash, uint8_t *out, size_t *out_len) {
    unsigned long long told = ZSTD_getFrameContentSize(sealed.data, sealed.len);
    if (sealed.len > DEPLOY_SEALED_MAX || told > DEPLOY_CHUNK_LEN) return MESH_EINVAL; // or unknown
    if (ZSTD_findFrameCompressedSize(sealed.data, sealed.len) != sealed.len) return MESH_EINVAL;
    size_t len = ZSTD_decompress(out, (size_t)told, sealed.data, sealed.len);
    if (ZSTD_isError(len) || len != told) return MESH_EINVAL;
    deploy_hash found = deploy_hash_of((mesh_bytes){out, len});
    if (!deploy_hash_equal(&found, hash)) return MESH_EINVAL;
    *out_len = len;
    return 0;
}
