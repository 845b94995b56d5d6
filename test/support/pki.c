#include "pki.h"

#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "core/mem.h"

void pki_sign_key(uint8_t number, uint8_t public[MESH_SIGN_KEY_LEN],
                  uint8_t secret[MESH_SIGN_SECRET_LEN]) {
    const uint8_t seed[crypto_sign_SEEDBYTES] = {number};
    (void)crypto_sign_seed_keypair(public, secret, seed);
}

mesh_trust pki_trust(void) {
    uint8_t secret[MESH_SIGN_SECRET_LEN];
    mesh_trust trust = {.root_count = 1};
    pki_sign_key(PKI_ROOT, trust.roots[0], secret);
    return trust;
}

mesh_cert pki_cert(mesh_role role, uint8_t key, uint8_t link_key) {
    uint8_t secret[MESH_SIGN_SECRET_LEN];
    const uint8_t link_secret[MESH_LINK_KEY_LEN] = {link_key};
    mesh_cert cert = {.role = role,
                      .not_before_s = PKI_NOW_S - PKI_DAY_S,
                      .not_after_s = PKI_NOW_S + PKI_DAY_S,
                      .name = "somebody",
                      .scopes = {"*"},
                      .scope_count = 1};
    mesh_trust trust = pki_trust();
    mesh_cluster_id_of(trust.roots[0], cert.cluster_id);
    pki_sign_key(key, cert.ed25519, secret);
    mesh_host_id_of(cert.ed25519, cert.host_id);
    (void)crypto_scalarmult_base(cert.x25519, link_secret);
    return cert;
}

mesh_bytes pki_issue(const mesh_cert *cert, uint8_t signer, uint8_t *room) {
    uint8_t public[MESH_SIGN_KEY_LEN], secret[MESH_SIGN_SECRET_LEN];
    size_t len = 0;
    pki_sign_key(signer, public, secret);
    CHECK(mesh_cert_issue(cert, secret, room, &len) == 0);
    return (mesh_bytes){room, len};
}

void pki_host_init(pki_host *host, uint8_t key, uint64_t now_s, const char *scope) {
    mesh_cert issuer = pki_cert(MESH_ROLE_ISSUER, PKI_ISSUER, 0);
    mesh_cert cert = pki_cert(MESH_ROLE_HOST, key, (uint8_t)(8 * key));
    issuer.not_before_s = cert.not_before_s = now_s - PKI_DAY_S;
    issuer.not_after_s = cert.not_after_s = now_s + PKI_DAY_S;
    (void)snprintf(cert.scopes[0], sizeof cert.scopes[0], "%s", scope);
    *host = (pki_host){.self = {.chain = host->chain,
                                .chain_count = 2,
                                .link_secret = {(uint8_t)(8 * key)},
                                .link_psk = {11},
                                .knock_key = {12},
                                .psk_id = 1,
                                .trust = pki_trust(),
                                .boot_id = key,
                                .minor_min = 1,
                                .minor_max = 1},
                       .signer.cert = cert};
    memcpy(host->self.cluster_id, cert.cluster_id, MESH_ID_LEN);
    pki_sign_key(key, cert.ed25519, host->signer.secret);
    host->chain[0] = pki_issue(&issuer, PKI_ROOT, host->certs[0]);
    host->chain[1] = pki_issue(&cert, PKI_ISSUER, host->certs[1]);
}
