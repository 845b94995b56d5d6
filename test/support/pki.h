// Keys and certificates for tests: each key is made from a small number, so that runs repeat.
#pragma once

#include "secure/handshake.h"
#include "secure/issue.h"

enum { PKI_ROOT = 1, PKI_ISSUER, PKI_NOW_S = 1000000, PKI_DAY_S = 86400 };

void pki_sign_key(uint8_t number, uint8_t public[MESH_SIGN_KEY_LEN],
                  uint8_t secret[MESH_SIGN_SECRET_LEN]);
mesh_trust pki_trust(void); // in PKI_ROOT
// Valid for a day before and after PKI_NOW_S, allowed everything. `key` is of the host or issuer;
// `link_key` the first byte of an X25519 secret whose others are 0: a multiple of 8, or it is the
// same key as the one before.
mesh_cert pki_cert(mesh_role role, uint8_t key, uint8_t link_key);

typedef struct pki_host { // an agent's credentials, valid for a day around `now_s`
    mesh_credentials self;
    mesh_signer signer; // of its nodes
    mesh_bytes chain[2];
    uint8_t certs[2][MESH_CERT_LEN_MAX];
} pki_host;
// In place: it points into itself. Its boot id is `key`.
void pki_host_init(pki_host *host, uint8_t key, uint64_t now_s, const char *scope);
// What mesh_cert_issue makes of it; `room` has MESH_CERT_LEN_MAX bytes and keeps it. Ends the
// program when it can't.
mesh_bytes pki_issue(const mesh_cert *cert, uint8_t signer, uint8_t *room);
