// Who signs whom, and for how long: the root issuers, an issuer hosts, a host its nodes. A
// certificate never outlives the one that signs it. Pure: the time and the random serial are
// arguments.
#pragma once

#include "secure/cert.h"

enum {
    MESH_ISSUER_LIFE_S = 365 * 86400,
    MESH_HOST_LIFE_S = 7 * 86400,
    MESH_NODE_LIFE_S = 86400,
    MESH_NODE_EARLY_S = 43200, // how far a host's clock may be ahead
};

typedef struct mesh_signer { // an issuer, or a host
    mesh_cert cert;
    uint8_t secret[MESH_SIGN_SECRET_LEN];
} mesh_signer;

typedef struct mesh_signed { // a SignedCert
    uint8_t bytes[MESH_CERT_LEN_MAX];
    size_t len;
} mesh_signed;

typedef struct mesh_moment {
    uint64_t now_s;
    uint8_t serial[MESH_ID_LEN]; // random
} mesh_moment;

// Each: 0, MESH_EINVAL as mesh_cert_issue has it, or MESH_ECERTTIME: the signer's own certificate
// is not valid now.

// `root`: both halves of the root's key, of which the public one names the cluster.
int mesh_issue_issuer(const uint8_t root[MESH_SIGN_SECRET_LEN],
                      const uint8_t ed25519[MESH_SIGN_KEY_LEN], const char *name,
                      const mesh_moment *at, mesh_signed *out);
// Takes name, keys and scopes of `wanted`, and nothing else.
int mesh_issue_host(const mesh_signer *issuer, const mesh_cert *wanted, const mesh_moment *at,
                    mesh_signed *out);
// Takes name, number and X25519 key of `wanted`; a node may do what its host may.
int mesh_issue_node(const mesh_signer *host, const mesh_cert *wanted, const mesh_moment *at,
                    mesh_signed *out);

// When it should be replaced: after two thirds of its life.
uint64_t mesh_cert_renew_at_s(const mesh_cert *cert);
