#include "secure/issue.h"

#include <string.h>

#include "core/error.h"

static uint64_t earlier(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

// What is the same for all: the cluster, the serial, the times.
static int begin(const mesh_cert *signer, mesh_role role, uint64_t life_s, const mesh_moment *at,
                 mesh_cert *out) {
    bool is_early = at->now_s + MESH_CERT_TOLERANCE_S < signer->not_before_s;
    if (is_early || at->now_s >= signer->not_after_s) return MESH_ECERTTIME;
    *out = (mesh_cert){.role = role,
                       .not_before_s = at->now_s,
                       .not_after_s = earlier(at->now_s + life_s, signer->not_after_s)};
    memcpy(out->cluster_id, signer->cluster_id, MESH_ID_LEN);
    memcpy(out->serial, at->serial, MESH_ID_LEN);
    return 0;
}

static int sign(const mesh_cert *cert, const uint8_t secret[MESH_SIGN_SECRET_LEN],
                mesh_signed *out) {
    mesh_signed made = {0};
    int err = mesh_cert_issue(cert, secret, made.bytes, &made.len);
    if (err == 0) *out = made;
    return err;
}

int mesh_issue_issuer(const uint8_t root[MESH_SIGN_SECRET_LEN],
                      const uint8_t ed25519[MESH_SIGN_KEY_LEN], const char *name,
                      const mesh_moment *at, mesh_signed *out) {
    if (strlen(name) > MESH_CERT_NAME_LEN_MAX) return MESH_EINVAL;
    mesh_cert cert = {.role = MESH_ROLE_ISSUER,
                      .not_before_s = at->now_s,
                      .not_after_s = at->now_s + MESH_ISSUER_LIFE_S};
    // libsodium keeps the public half behind the seed.
    mesh_cluster_id_of(root + MESH_SIGN_SECRET_LEN - MESH_SIGN_KEY_LEN, cert.cluster_id);
    memcpy(cert.serial, at->serial, MESH_ID_LEN);
    memcpy(cert.name, name, strlen(name) + 1);
    memcpy(cert.ed25519, ed25519, MESH_SIGN_KEY_LEN);
    mesh_host_id_of(ed25519, cert.host_id);
    return sign(&cert, root, out);
}

int mesh_issue_host(const mesh_signer *issuer, const mesh_cert *wanted, const mesh_moment *at,
                    mesh_signed *out) {
    mesh_cert cert;
    int err = begin(&issuer->cert, MESH_ROLE_HOST, MESH_HOST_LIFE_S, at, &cert);
    if (err != 0) return err;
    memcpy(cert.name, wanted->name, sizeof cert.name);
    memcpy(cert.ed25519, wanted->ed25519, MESH_SIGN_KEY_LEN);
    memcpy(cert.x25519, wanted->x25519, MESH_LINK_KEY_LEN);
    memcpy(cert.scopes, wanted->scopes, sizeof cert.scopes);
    cert.scope_count = wanted->scope_count;
    mesh_host_id_of(cert.ed25519, cert.host_id);
    return sign(&cert, issuer->secret, out);
}

int mesh_issue_node(const mesh_signer *host, const mesh_cert *wanted, const mesh_moment *at,
                    mesh_signed *out) {
    mesh_cert cert;
    int err = begin(&host->cert, MESH_ROLE_NODE, MESH_NODE_LIFE_S, at, &cert);
    if (err != 0) return err;
    // Valid from before now: else nobody would speak with the nodes of a host whose clock is ahead.
    cert.not_before_s = at->now_s > MESH_NODE_EARLY_S ? at->now_s - MESH_NODE_EARLY_S : 0;
    if (cert.not_before_s < host->cert.not_before_s) cert.not_before_s = host->cert.not_before_s;
    memcpy(cert.host_id, host->cert.host_id, MESH_ID_LEN);
    memcpy(cert.name, wanted->name, sizeof cert.name);
    memcpy(cert.x25519, wanted->x25519, MESH_LINK_KEY_LEN);
    memcpy(cert.scopes, host->cert.scopes, sizeof cert.scopes);
    cert.scope_count = host->cert.scope_count;
    cert.node_number = wanted->node_number;
    return sign(&cert, host->secret, out);
}

uint64_t mesh_cert_renew_at_s(const mesh_cert *cert) {
    return cert->not_before_s + (cert->not_after_s - cert->not_before_s) / 3 * 2;
}
