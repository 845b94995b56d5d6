#include "pki.h"

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
