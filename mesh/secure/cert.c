#include "secure/cert.h"

#include <string.h>

#include <sodium.h>

#include "cert.pb-c.h"
#include "core/be.h"
#include "core/budget.h"
#include "core/error.h"
#include "core/mem.h"

// A zero byte ends the label, so that no label begins another one.
static const char signature_label[] = "warren-cert-v1";
static const char cluster_label[] = "warren-cluster-v1", host_label[] = "warren-host-v1",
                  node_label[] = "warren-node-v1";

enum { VERSION = 1, TBS_LEN_MAX = MESH_CERT_LEN_MAX };

// ---- ids

static void hash_id(const char *label, const uint8_t key[MESH_SIGN_KEY_LEN],
                    uint8_t out[MESH_ID_LEN]) {
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, MESH_ID_LEN);
    (void)crypto_generichash_update(&state, (const uint8_t *)label, strlen(label));
    (void)crypto_generichash_update(&state, key, MESH_SIGN_KEY_LEN);
    (void)crypto_generichash_final(&state, out, MESH_ID_LEN);
}

void mesh_cluster_id_of(const uint8_t root[MESH_SIGN_KEY_LEN], uint8_t out[MESH_ID_LEN]) {
    hash_id(cluster_label, root, out);
}

void mesh_host_id_of(const uint8_t ed25519[MESH_SIGN_KEY_LEN], uint8_t out[MESH_ID_LEN]) {
    hash_id(host_label, ed25519, out);
}

uint64_t mesh_node_id_of(const uint8_t host_id[MESH_ID_LEN], uint64_t number) {
    uint8_t text[sizeof node_label - 1 + MESH_ID_LEN + 8], hash[MESH_ID_LEN];
    memcpy(text, node_label, sizeof node_label - 1);
    memcpy(text + sizeof node_label - 1, host_id, MESH_ID_LEN);
    (void)store_be64(text + sizeof text - 8, number);
    (void)crypto_generichash(hash, sizeof hash, text, sizeof text, NULL, 0);
    return load_be64(hash);
}

// ---- what a certificate must be

bool mesh_cert_name_is_valid(const char *name) {
    size_t len = strlen(name);
    return len >= 1 && len <= MESH_CERT_NAME_LEN_MAX && strspn(name, MESH_NAME_LETTERS) == len;
}

// A host's id is a hash of its key: nobody else can have it. A node has its host's.
static bool has_own_id(const mesh_cert *cert) {
    uint8_t id[MESH_ID_LEN];
    mesh_host_id_of(cert->ed25519, id);
    return memcmp(id, cert->host_id, MESH_ID_LEN) == 0;
}

static bool is_sound(const mesh_cert *cert) {
    bool is_node = cert->role == MESH_ROLE_NODE;
    if (cert->role < MESH_ROLE_ISSUER || cert->role > MESH_ROLE_ADMIN) return false;
    if (!mesh_cert_name_is_valid(cert->name) || cert->not_after_s <= cert->not_before_s)
        return false;
    if ((cert->node_number != 0) != is_node || (!is_node && !has_own_id(cert))) return false;
    if (cert->scope_count > MESH_SCOPES_MAX) return false;
    for (size_t i = 0; i < cert->scope_count; i++)
        if (!mesh_scope_is_valid(cert->scopes[i])) return false;
    return true;
}

static int judge_time(const mesh_cert *cert, uint64_t now_s) {
    bool is_early = now_s + MESH_CERT_TOLERANCE_S < cert->not_before_s;
    bool is_late = now_s > cert->not_after_s && now_s - cert->not_after_s > MESH_CERT_TOLERANCE_S;
    return is_early || is_late ? MESH_ECERTTIME : 0;
}

// ---- bytes to certificates

static bool take_bytes(ProtobufCBinaryData from, uint8_t *to, size_t len, bool is_there) {
    if (from.len != (is_there ? len : 0)) return false;
    if (is_there) memcpy(to, from.data, len);
    return true;
}

static bool take_scopes(const Warren__Cert__CertTbs *tbs, mesh_cert *out) {
    if (tbs->n_scopes > MESH_SCOPES_MAX) return false;
    for (size_t i = 0; i < tbs->n_scopes; i++) {
        size_t len = strlen(tbs->scopes[i]);
        if (len > MESH_SCOPE_LEN_MAX) return false;
        memcpy(out->scopes[i], tbs->scopes[i], len + 1);
    }
    out->scope_count = tbs->n_scopes;
    return true;
}

// 0 is nobody's id.
static bool take_node_id(mesh_cert *out) {
    if (out->role != MESH_ROLE_NODE) return true;
    out->node_id = mesh_node_id_of(out->host_id, out->node_number);
    return out->node_id != 0;
}

static bool take_tbs(const Warren__Cert__CertTbs *tbs, mesh_cert *out) {
    bool is_node = tbs->role == WARREN__CERT__CERT_TBS__ROLE__NODE;
    bool is_issuer = tbs->role == WARREN__CERT__CERT_TBS__ROLE__ISSUER;
    *out = (mesh_cert){.role = (mesh_role)tbs->role,
                       .node_number = tbs->node_number,
                       .not_before_s = tbs->not_before_s,
                       .not_after_s = tbs->not_after_s,
                       .crl_epoch = tbs->crl_epoch};
    if (tbs->base.n_unknown_fields > 0 || tbs->version != VERSION) return false;
    if (strlen(tbs->name) > MESH_CERT_NAME_LEN_MAX) return false;
    memcpy(out->name, tbs->name, strlen(tbs->name) + 1);
    return take_bytes(tbs->cluster_id, out->cluster_id, MESH_ID_LEN, true) &&
           take_bytes(tbs->serial, out->serial, MESH_ID_LEN, true) &&
           take_bytes(tbs->host_id, out->host_id, MESH_ID_LEN, true) &&
           take_bytes(tbs->ed25519, out->ed25519, MESH_SIGN_KEY_LEN, !is_node) &&
           take_bytes(tbs->x25519, out->x25519, MESH_LINK_KEY_LEN, !is_issuer) &&
           take_scopes(tbs, out) && is_sound(out) && take_node_id(out);
}

static int parse_tbs(mesh_bytes bytes, mesh_cert *out) {
    mesh_budget budget;
    mesh_budget_init(&budget, MESH_BUDGET_DEFAULT);
    Warren__Cert__CertTbs *tbs =
        warren__cert__cert_tbs__unpack(&budget.allocator, bytes.len, bytes.data);
    bool is_fine = tbs != NULL && take_tbs(tbs, out);
    warren__cert__cert_tbs__free_unpacked(tbs, &budget.allocator);
    return is_fine ? 0 : MESH_ECERT;
}

static size_t put_signed_text(uint8_t out[sizeof signature_label + TBS_LEN_MAX], mesh_bytes tbs) {
    memcpy(out, signature_label, sizeof signature_label); // with its zero
    if (tbs.len > 0) memcpy(out + sizeof signature_label, tbs.data, tbs.len);
    return sizeof signature_label + tbs.len;
}

static bool is_signed_by(const Warren__Cert__SignedCert *cert,
                         const uint8_t key[MESH_SIGN_KEY_LEN]) {
    uint8_t text[sizeof signature_label + TBS_LEN_MAX];
    if (cert->base.n_unknown_fields > 0 || cert->signature.len != crypto_sign_BYTES) return false;
    size_t len = put_signed_text(text, (mesh_bytes){cert->tbs.data, cert->tbs.len});
    return crypto_sign_verify_detached(cert->signature.data, text, len, key) == 0;
}

// `keys`: one of them must have signed it.
static int parse_cert(mesh_bytes bytes, const uint8_t keys[][MESH_SIGN_KEY_LEN], size_t key_count,
                      mesh_cert *out) {
    if (bytes.len > MESH_CERT_LEN_MAX) return MESH_ECERT; // so tbs is within TBS_LEN_MAX too
    mesh_budget budget;
    mesh_budget_init(&budget, MESH_BUDGET_DEFAULT);
    Warren__Cert__SignedCert *cert =
        warren__cert__signed_cert__unpack(&budget.allocator, bytes.len, bytes.data);
    int err = MESH_ECERT;
    for (size_t i = 0; cert != NULL && err != 0 && i < key_count; i++)
        if (is_signed_by(cert, keys[i])) err = 0;
    if (err == 0) err = parse_tbs((mesh_bytes){cert->tbs.data, cert->tbs.len}, out);
    warren__cert__signed_cert__free_unpacked(cert, &budget.allocator);
    return err;
}

// ---- chains

static int parse_chain(const mesh_trust *trust, const mesh_bytes *certs, size_t count,
                       mesh_chain *out) {
    if (count < 2 || count > MESH_CHAIN_MAX || trust->root_count > MESH_ROOTS_MAX)
        return MESH_ECERT;
    int err = parse_cert(certs[0], trust->roots, trust->root_count, &out->issuer);
    if (err == 0) err = parse_cert(certs[1], &out->issuer.ed25519, 1, &out->host);
    out->is_node = count == MESH_CHAIN_MAX;
    if (err == 0 && out->is_node) err = parse_cert(certs[2], &out->host.ed25519, 1, &out->node);
    return err;
}

static bool has_right_roles(const mesh_chain *chain) {
    if (chain->issuer.role != MESH_ROLE_ISSUER) return false;
    if (!chain->is_node)
        return chain->host.role == MESH_ROLE_HOST || chain->host.role == MESH_ROLE_ADMIN;
    return chain->host.role == MESH_ROLE_HOST && chain->node.role == MESH_ROLE_NODE &&
           memcmp(chain->node.host_id, chain->host.host_id, MESH_ID_LEN) == 0 &&
           mesh_scope_is_within(&chain->node, &chain->host);
}

// The cluster is the one of a trusted root, and all of the chain name it.
static bool is_of_cluster(const mesh_chain *chain, const mesh_trust *trust) {
    bool is_known = false;
    for (size_t i = 0; i < trust->root_count; i++) {
        uint8_t id[MESH_ID_LEN];
        mesh_cluster_id_of(trust->roots[i], id);
        is_known |= memcmp(id, chain->issuer.cluster_id, MESH_ID_LEN) == 0;
    }
    return is_known && memcmp(chain->host.cluster_id, chain->issuer.cluster_id, MESH_ID_LEN) == 0 &&
           (!chain->is_node ||
            memcmp(chain->node.cluster_id, chain->issuer.cluster_id, MESH_ID_LEN) == 0);
}

int mesh_chain_read(const mesh_trust *trust, const mesh_bytes *certs, size_t count,
                    mesh_chain *out) {
    mesh_chain chain = {0};
    int err = parse_chain(trust, certs, count, &chain);
    if (err != 0) return err;
    if (!has_right_roles(&chain) || !is_of_cluster(&chain, trust)) return MESH_ECERT;
    *out = chain;
    return 0;
}

int mesh_chain_verify(const mesh_trust *trust, const mesh_bytes *certs, size_t count,
                      uint64_t now_s, mesh_chain *out) {
    mesh_chain chain;
    int err = mesh_chain_read(trust, certs, count, &chain);
    if (err != 0) return err;
    err = judge_time(&chain.issuer, now_s);
    if (err == 0) err = judge_time(&chain.host, now_s);
    if (err == 0 && chain.is_node) err = judge_time(&chain.node, now_s);
    if (err == 0) *out = chain;
    return err;
}

// ---- issuing

static ProtobufCBinaryData give_bytes(const uint8_t *data, size_t len, bool is_there) {
    return (ProtobufCBinaryData){is_there ? len : 0, (uint8_t *)(uintptr_t)data};
}

static size_t pack_tbs(const mesh_cert *cert, uint8_t out[TBS_LEN_MAX]) {
    char *scopes[MESH_SCOPES_MAX];
    for (size_t i = 0; i < cert->scope_count; i++)
        scopes[i] = (char *)(uintptr_t)cert->scopes[i];
    Warren__Cert__CertTbs tbs = WARREN__CERT__CERT_TBS__INIT;
    tbs.version = VERSION;
    tbs.role = (Warren__Cert__CertTbs__Role)cert->role;
    tbs.cluster_id = give_bytes(cert->cluster_id, MESH_ID_LEN, true);
    tbs.serial = give_bytes(cert->serial, MESH_ID_LEN, true);
    tbs.host_id = give_bytes(cert->host_id, MESH_ID_LEN, true);
    tbs.ed25519 = give_bytes(cert->ed25519, MESH_SIGN_KEY_LEN, cert->role != MESH_ROLE_NODE);
    tbs.x25519 = give_bytes(cert->x25519, MESH_LINK_KEY_LEN, cert->role != MESH_ROLE_ISSUER);
    tbs.node_number = cert->node_number;
    tbs.name = (char *)(uintptr_t)cert->name;
    tbs.not_before_s = cert->not_before_s;
    tbs.not_after_s = cert->not_after_s;
    tbs.crl_epoch = cert->crl_epoch;
    tbs.n_scopes = cert->scope_count;
    tbs.scopes = scopes;
    if (warren__cert__cert_tbs__get_packed_size(&tbs) > TBS_LEN_MAX) return 0;
    return warren__cert__cert_tbs__pack(&tbs, out);
}

int mesh_cert_issue(const mesh_cert *cert, const uint8_t signer[MESH_SIGN_SECRET_LEN],
                    uint8_t out[MESH_CERT_LEN_MAX], size_t *out_len) {
    if (!is_sound(cert)) return MESH_EINVAL;
    uint8_t tbs[TBS_LEN_MAX], text[sizeof signature_label + TBS_LEN_MAX],
        signature[crypto_sign_BYTES];
    size_t tbs_len = pack_tbs(cert, tbs);
    if (tbs_len == 0) return MESH_EINVAL;
    size_t text_len = put_signed_text(text, (mesh_bytes){tbs, tbs_len});
    (void)crypto_sign_detached(signature, NULL, text, text_len, signer);
    Warren__Cert__SignedCert packed = WARREN__CERT__SIGNED_CERT__INIT;
    packed.tbs = give_bytes(tbs, tbs_len, true);
    packed.signature = give_bytes(signature, sizeof signature, true);
    if (warren__cert__signed_cert__get_packed_size(&packed) > MESH_CERT_LEN_MAX) return MESH_EINVAL;
    *out_len = warren__cert__signed_cert__pack(&packed, out);
    return 0;
}
