// Pieces of a release: named by the BLAKE2b-256 of their plain bytes, compressed with zstd wherever
// they lie or travel. Pure.
#pragma once

#include "deploy/bundle.h"

deploy_hash deploy_hash_of(mesh_bytes plain);
bool deploy_hash_equal(const deploy_hash *a, const deploy_hash *b);

typedef struct deploy_hasher { // of content that comes piece by piece
    _Alignas(64) uint8_t state[384];
} deploy_hasher;
void deploy_hasher_init(deploy_hasher *hasher);
void deploy_hasher_add(deploy_hasher *hasher, mesh_bytes piece);
deploy_hash deploy_hasher_end(deploy_hasher *hasher);

// Compresses up to DEPLOY_CHUNK_LEN bytes. Writes to `out` of DEPLOY_SEALED_MAX bytes; returns the
// length.
size_t deploy_chunk_seal(mesh_bytes plain, uint8_t *out);
// Back again, to `out` of DEPLOY_CHUNK_LEN bytes. MESH_EINVAL: it is damaged, is not what the hash
// says, or says that it is, or becomes, longer than a chunk. Never writes more.
int deploy_chunk_open(mesh_bytes sealed, const deploy_hash *hash, uint8_t *out, size_t *out_len);
