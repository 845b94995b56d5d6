// Certificates (proto/cert.proto) and chains of them: root -> issuer -> host -> node. Names, roles
// and rights of a peer come from here and from nothing that the peer says. Pure: the time is an
// argument.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"

// Of the names of hosts and nodes; DNS names have no others.
#define MESH_NAME_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

enum {
    MESH_ID_LEN = 16,
    MESH_SIGN_KEY_LEN = 32,    // Ed25519, public
    MESH_SIGN_SECRET_LEN = 64, // Ed25519, as libsodium keeps it: seed and public key
    MESH_SIGNATURE_LEN = 64,
    MESH_LINK_KEY_LEN = 32, // X25519, either half
    MESH_CERT_LEN_MAX = 512,
    MESH_CHAIN_MAX = 3,
    MESH_SCOPES_MAX = 16,
    MESH_SCOPE_LEN_MAX = 64,
    MESH_CERT_NAME_LEN_MAX = 63,
    MESH_ROOTS_MAX = 2, // while one replaces the other
    MESH_CERT_TOLERANCE_S = 300,
};

typedef enum mesh_role {
    MESH_ROLE_ISSUER = 1,
    MESH_ROLE_HOST,
    MESH_ROLE_NODE,
    MESH_ROLE_ADMIN,
} mesh_role;

typedef struct mesh_cert {
    mesh_role role;
    uint8_t cluster_id[MESH_ID_LEN], serial[MESH_ID_LEN], host_id[MESH_ID_LEN];
    uint64_t node_number; // NODE: which its host gave it, else 0
    uint64_t node_id;     // NODE: mesh_node_id_of the two, else 0. Not signed: it is worked out
    char name[MESH_CERT_NAME_LEN_MAX + 1];
    uint8_t ed25519[MESH_SIGN_KEY_LEN]; // not of a NODE
    uint8_t x25519[MESH_LINK_KEY_LEN];  // not of an ISSUER
    uint64_t not_before_s, not_after_s, crl_epoch;
    char scopes[MESH_SCOPES_MAX][MESH_SCOPE_LEN_MAX + 1];
    size_t scope_count;
} mesh_cert;

typedef struct mesh_trust { // whom a host believes: given to it when it joined
    uint8_t roots[MESH_ROOTS_MAX][MESH_SIGN_KEY_LEN];
    size_t root_count;
} mesh_trust;

void mesh_cluster_id_of(const uint8_t root[MESH_SIGN_KEY_LEN], uint8_t out[MESH_ID_LEN]);
void mesh_host_id_of(const uint8_t ed25519[MESH_SIGN_KEY_LEN], uint8_t out[MESH_ID_LEN]);
// The id by which programs know a node: a hash of its host's id and the number that its host gave
// it. A host chooses numbers, never ids: so nobody can take the id of another host's node.
uint64_t mesh_node_id_of(const uint8_t host_id[MESH_ID_LEN], uint64_t number);

// Signs `cert` as a SignedCert of at most MESH_CERT_LEN_MAX bytes. MESH_EINVAL: it would not be
// accepted by mesh_chain_verify (a name, a scope, a missing key, an empty time), or is too long.
int mesh_cert_issue(const mesh_cert *cert, const uint8_t signer[MESH_SIGN_SECRET_LEN],
                    uint8_t out[MESH_CERT_LEN_MAX], size_t *out_len);

typedef struct mesh_chain {
    mesh_cert issuer, host; // host: or the ADMIN
    mesh_cert node;         // of a NODE
    bool is_node;
} mesh_chain;

// Judges a chain, issuer first: two certificates (issuer, host or admin) or three (issuer, host,
// node). Each signature is checked before what it signs is parsed.
//   MESH_ECERT      it is not a chain of this cluster: a signature, a role, a key, a scope that the
//   host has not, a
//                   field that is unknown
//   MESH_ECERTTIME  it is, but not at this time: expired, or one of the two clocks is wrong
int mesh_chain_verify(const mesh_trust *trust, const mesh_bytes *certs, size_t count,
                      uint64_t now_s, mesh_chain *out);

// The same without the times: for our own certificate, which may have expired while we were off.
int mesh_chain_read(const mesh_trust *trust, const mesh_bytes *certs, size_t count,
                    mesh_chain *out);

// The certificate of the peer itself.
static inline const mesh_cert *mesh_chain_leaf(const mesh_chain *chain) {
    return chain->is_node ? &chain->node : &chain->host;
}

typedef enum mesh_verb {
    MESH_VERB_SERVE,     // a service
    MESH_VERB_CALL,      // a service
    MESH_VERB_SUBSCRIBE, // a subject or pattern
    MESH_VERB_PUBLISH,   // a subject, request() included
} mesh_verb;

// One of the scopes allows it: "*" allows everything, "call:billing" that service,
// "subscribe:orders.>" what the pattern matches (NATS rules; "call:>" is any service, "call:*" one
// whose name has no dot). To subscribe to a pattern its own text must match, so
// "subscribe:orders.>" allows "orders.*" and not ">".
bool mesh_scope_allows(const mesh_cert *cert, mesh_verb verb, mesh_bytes name);
bool mesh_scope_is_valid(const char *scope);
bool mesh_cert_name_is_valid(const char *name); // 1 to 63 of MESH_NAME_LETTERS
// Every scope of `below` is allowed to `above`.
bool mesh_scope_is_within(const mesh_cert *below, const mesh_cert *above);
