// A ticket lets one new host into the cluster, once. Its issuer keeps a mesh_ticket; an operator
// carries a mesh_token, one line of text with everything that the new host needs, to that host.
// Pure.
#pragma once

#include "secure/cert.h"
#include "secure/keys.h"
#include "secure/knock.h"

enum {
    MESH_TOKEN_LEN_MAX = 1024, // characters
    MESH_TOKEN_ADDRESSES_MAX = 4,
    MESH_ADDRESS_LEN_MAX = 259, // a name of 253, a colon, a port
};

// "host:port" or "[IPv6]:port"; a host is a name or an IPv4 address, a port 1 to 65535. Whether it
// exists is not asked.
bool mesh_is_address(const char *text);

typedef struct mesh_token {
    uint8_t cluster_id[MESH_ID_LEN];
    mesh_trust trust;
    char addresses[MESH_TOKEN_ADDRESSES_MAX][MESH_ADDRESS_LEN_MAX + 1]; // of the issuer
    size_t address_count;
    uint64_t ticket_id; // random, not 0
    uint8_t secret[MESH_SECRET_LEN];
    uint64_t expires_s;
} mesh_token;

// "warren1:" and base64url, with a zero at its end. MESH_EINVAL: parse would not take it.
// MESH_ETOOBIG: too long, by its addresses.
int mesh_token_write(const mesh_token *token, char out[MESH_TOKEN_LEN_MAX + 1]);
// Blanks and line ends around it are fine.
//   MESH_EINVAL    no token, or not all of it, or a changed one
//   MESH_EVERSION  a token of another version ("warren2:")
// Whether it has expired is asked of expires_s.
int mesh_token_parse(mesh_bytes text, mesh_token *out);

typedef struct mesh_ticket_keys { // what both ends of an enrolment link know, made from the secret
    uint64_t id;
    uint8_t link_psk[MESH_SECRET_LEN], knock_key[MESH_KNOCK_KEY_LEN];
} mesh_ticket_keys;

void mesh_ticket_keys_of(uint64_t id, const uint8_t secret[MESH_SECRET_LEN], mesh_ticket_keys *out);

typedef struct mesh_ticket { // as its issuer keeps it
    mesh_ticket_keys keys;
    char name[MESH_CERT_NAME_LEN_MAX + 1];                // that the host must have; empty: any
    char scopes[MESH_SCOPES_MAX][MESH_SCOPE_LEN_MAX + 1]; // that it gets
    size_t scope_count;
    uint64_t expires_s;
    uint64_t used_s; // 0: not yet
    uint8_t used_by[MESH_ID_LEN];
} mesh_ticket;
