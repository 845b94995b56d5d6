// Certificate chains. The first byte chooses: a whole chain as it comes (u16 length and
// certificate, again and again), or the inside of one certificate, signed with the right key, so
// that what stands behind the signature is reached.
#include <sodium.h>

#include "cert.pb-c.h"
#include "core/be.h"
#include "core/mem.h"
#include "fuzz.h"
#include "pki.h"

enum { HOST = 10, LINK = 20 };

static const char label[] = "warren-cert-v1";

static void verify(const mesh_bytes *certs, size_t count) {
    mesh_trust trust = pki_trust();
    mesh_chain chain;
    if (mesh_chain_verify(&trust, certs, count, PKI_NOW_S, &chain) != 0) return;
    // What was accepted names its cluster and itself, and could have been issued.
    uint8_t id[MESH_ID_LEN], room[MESH_CERT_LEN_MAX];
    mesh_cluster_id_of(trust.roots[0], id);
    CHECK(memcmp(id, mesh_chain_leaf(&chain)->cluster_id, MESH_ID_LEN) == 0);
    CHECK(pki_issue(mesh_chain_leaf(&chain), HOST, room).len > 0);
}

static void verify_raw(mesh_bytes input) {
    mesh_bytes certs[MESH_CHAIN_MAX + 1];
    size_t count = 0;
    for (; count < MESH_CHAIN_MAX + 1 && input.len >= 2; count++) {
        size_t len = load_be16(input.data);
        input = mesh_bytes_skip(input, 2);
        if (len > input.len) len = input.len;
        certs[count] = (mesh_bytes){input.data, len};
        input = mesh_bytes_skip(input, len);
    }
    verify(certs, count);
}

static mesh_bytes sign(mesh_bytes tbs, uint8_t signer, uint8_t room[2 * MESH_CERT_LEN_MAX]) {
    uint8_t text[sizeof label + MESH_CERT_LEN_MAX], signature[crypto_sign_BYTES];
    uint8_t public[MESH_SIGN_KEY_LEN], secret[MESH_SIGN_SECRET_LEN];
    pki_sign_key(signer, public, secret);
    memcpy(text, label, sizeof label);
    if (tbs.len > 0) memcpy(text + sizeof label, tbs.data, tbs.len);
    (void)crypto_sign_detached(signature, NULL, text, sizeof label + tbs.len, secret);
    Warren__Cert__SignedCert cert = WARREN__CERT__SIGNED_CERT__INIT;
    cert.tbs = (ProtobufCBinaryData){tbs.len, (uint8_t *)(uintptr_t)tbs.data};
    cert.signature = (ProtobufCBinaryData){sizeof signature, signature};
    return (mesh_bytes){room, warren__cert__signed_cert__pack(&cert, room)};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    mesh_bytes input = {data + 1, size - 1};
    size_t at = data[0] % (MESH_CHAIN_MAX + 1);
    if (at == MESH_CHAIN_MAX) {
        verify_raw(input);
        return 0;
    }
    if (input.len > MESH_CERT_LEN_MAX) return 0;
    uint8_t room[MESH_CHAIN_MAX][2 * MESH_CERT_LEN_MAX];
    const uint8_t signers[MESH_CHAIN_MAX] = {PKI_ROOT, PKI_ISSUER, HOST};
    mesh_cert issuer = pki_cert(MESH_ROLE_ISSUER, PKI_ISSUER, 0),
              host = pki_cert(MESH_ROLE_HOST, HOST, LINK);
    mesh_bytes certs[MESH_CHAIN_MAX] = {pki_issue(&issuer, PKI_ROOT, room[0]),
                                        pki_issue(&host, PKI_ISSUER, room[1])};
    certs[at] = sign(input, signers[at], room[at]);
    verify(certs, at == 2 ? 3 : 2);
    return 0;
}
