// A release as a host that took it in signs it (SignedRelease of proto/bundle.proto). Pure.
#pragma once

#include "deploy/bundle.h"
#include "secure/cert.h"

typedef struct deploy_record {
    deploy_hash manifest;
    uint64_t manifest_len;
    deploy_hash manifest_chunks[DEPLOY_MANIFEST_CHUNKS_MAX];
    size_t manifest_chunk_count;
    char project[DEPLOY_PROJECT_MAX];
    uint64_t at_ms; // wall clock
    uint64_t len;
    uint32_t file_count;
    // Who signed it.
    uint8_t key[MESH_SIGN_KEY_LEN];
    bool has_chain;
    char host[MESH_CERT_NAME_LEN_MAX + 1]; // of its certificate, when it was verified; or ""
} deploy_record;

typedef struct deploy_signer {
    uint8_t secret[MESH_SIGN_SECRET_LEN];
    mesh_bytes chain[2]; // of a host of a cluster, issuer first; borrowed
    size_t chain_count;  // 0: of a host that is in none
} deploy_signer;

// Writes to `out` of DEPLOY_RECORD_LEN_MAX bytes; returns the length. Looks at nothing of `record`
// about who signs.
size_t deploy_record_sign(const deploy_record *record, const deploy_signer *signer, uint8_t *out);

// Judges one. With `trust` its chain must lead to a root of it, and have been valid when it was
// signed (a certificate lives for days, a release for years); without, what is in the state
// directory is our own: the signature must fit its key, and nobody says whose that is.
//   MESH_EINVAL  it cannot be read, or breaks a rule     MESH_ECERT  it is signed by nobody whom we
//   trust   MESH_ECERTTIME  by one whose certificate was not valid then
int deploy_record_open(mesh_bytes bytes, const mesh_trust *trust, deploy_record *out);
