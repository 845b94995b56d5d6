#include "deploy/bundle_record.h"

#include <stdio.h>

#include <sodium.h>

#include "bundle.pb-c.h"
#include "core/budget.h"
#include "core/error.h"
#include "core/mem.h"
#include "secure/field.h"

enum { VERSION = 1 };

static const char label[] = "warren-release-v1"; // its end is signed, too

// ---- signing

static size_t pack(const deploy_record *r, uint8_t *out) {
    Warren__Bundle__Release body = WARREN__BUNDLE__RELEASE__INIT;
    body.version = VERSION;
    body.manifest = mesh_field_view(&r->manifest, DEPLOY_HASH_LEN);
    body.manifest_len = r->manifest_len;
    body.manifest_chunks =
        mesh_field_view(r->manifest_chunks, r->manifest_chunk_count * DEPLOY_HASH_LEN);
    body.project = (char *)(uintptr_t)r->project;
    body.at_ms = r->at_ms;
    body.files = r->file_count;
    body.len = r->len;
    CHECK(warren__bundle__release__get_packed_size(&body) <= DEPLOY_RECORD_LEN_MAX / 2);
    return warren__bundle__release__pack(&body, out);
}

// What is signed: the label and the bytes.
static size_t put_signed(mesh_bytes body, uint8_t out[DEPLOY_RECORD_LEN_MAX + sizeof label]) {
    memcpy(out, label, sizeof label);
    if (body.len > 0) memcpy(out + sizeof label, body.data, body.len);
    return sizeof label + body.len;
}

size_t deploy_record_sign(const deploy_record *r, const deploy_signer *signer, uint8_t *out) {
    uint8_t body[DEPLOY_RECORD_LEN_MAX / 2], text[DEPLOY_RECORD_LEN_MAX + sizeof label];
    uint8_t signature[MESH_SIGNATURE_LEN];
    ProtobufCBinaryData chain[2];
    size_t len = pack(r, body);
    size_t text_len = put_signed((mesh_bytes){body, len}, text);
    (void)crypto_sign_detached(signature, NULL, text, text_len, signer->secret);
    Warren__Bundle__SignedRelease message = WARREN__BUNDLE__SIGNED_RELEASE__INIT;
    message.release = mesh_field_view(body, len);
    message.signature = mesh_field_view(signature, sizeof signature);
    // libsodium keeps the public half behind the seed.
    message.key = mesh_field_view(signer->secret + MESH_SIGN_KEY_LEN, MESH_SIGN_KEY_LEN);
    for (size_t i = 0; i < signer->chain_count; i++)
        chain[i] = mesh_field_view(signer->chain[i].data, signer->chain[i].len);
    message.chain = chain;
    message.n_chain = signer->chain_count;
    CHECK(warren__bundle__signed_release__get_packed_size(&message) <= DEPLOY_RECORD_LEN_MAX);
    return warren__bundle__signed_release__pack(&message, out);
}

// ---- judging

static bool is_project(const char *name) {
    size_t len = strlen(name);
    return len > 0 && len < DEPLOY_PROJECT_MAX && strspn(name, MESH_NAME_LETTERS) == len;
}

static bool take(const Warren__Bundle__Release *from, deploy_record *out) {
    size_t chunk_count = from->manifest_chunks.len / DEPLOY_HASH_LEN;
    uint64_t wanted = (from->manifest_len + DEPLOY_CHUNK_LEN - 1) / DEPLOY_CHUNK_LEN;
    if (from->version != VERSION || from->manifest_len == 0) return false;
    if (from->manifest_len > DEPLOY_MANIFEST_LEN_MAX || from->files > DEPLOY_ENTRIES_MAX)
        return false;
    if (from->manifest_chunks.len % DEPLOY_HASH_LEN != 0 || chunk_count != wanted) return false;
    if (!mesh_field_take(from->manifest, out->manifest.bytes, DEPLOY_HASH_LEN)) return false;
    if (!is_project(from->project) || from->len > DEPLOY_BUNDLE_LEN_MAX) return false;
    memcpy(out->manifest_chunks, from->manifest_chunks.data, from->manifest_chunks.len);
    out->manifest_chunk_count = chunk_count;
    out->manifest_len = from->manifest_len;
    (void)snprintf(out->project, sizeof out->project, "%s", from->project);
    out->at_ms = from->at_ms;
    out->file_count = from->files;
    out->len = from->len;
    return true;
}

static int judge_chain(const Warren__Bundle__SignedRelease *from, const mesh_trust *trust,
                       deploy_record *out) {
    mesh_bytes certs[2];
    mesh_chain chain;
    if (from->n_chain != 2) return MESH_ECERT;
    for (size_t i = 0; i < 2; i++)
        certs[i] = (mesh_bytes){from->chain[i].data, from->chain[i].len};
    int err = mesh_chain_verify(trust, certs, 2, out->at_ms / 1000, &chain);
    if (err != 0) return err;
    if (chain.host.role != MESH_ROLE_HOST ||
        memcmp(chain.host.ed25519, out->key, sizeof out->key) != 0)
        return MESH_ECERT;
    (void)snprintf(out->host, sizeof out->host, "%s", chain.host.name);
    return 0;
}

static int judge(const Warren__Bundle__SignedRelease *from, const mesh_trust *trust,
                 ProtobufCAllocator *allocator, deploy_record *out) {
    uint8_t text[DEPLOY_RECORD_LEN_MAX + sizeof label];
    mesh_bytes body = {from->release.data, from->release.len};
    uint8_t signature[MESH_SIGNATURE_LEN];
    if (from->n_chain > 2 || !mesh_field_take(from->signature, signature, sizeof signature) ||
        !mesh_field_take(from->key, out->key, sizeof out->key))
        return MESH_EINVAL;
    size_t len = put_signed(body, text);
    if (crypto_sign_verify_detached(signature, text, len, out->key) != 0) return MESH_ECERT;
    Warren__Bundle__Release *release =
        warren__bundle__release__unpack(allocator, body.len, body.data);
    bool is_sound = release != NULL && release->base.n_unknown_fields == 0 && take(release, out);
    if (release != NULL) warren__bundle__release__free_unpacked(release, allocator);
    out->has_chain = from->n_chain == 2;
    if (!is_sound) return MESH_EINVAL;
    return trust != NULL ? judge_chain(from, trust, out) : 0;
}

int deploy_record_open(mesh_bytes bytes, const mesh_trust *trust, deploy_record *out) {
    mesh_budget budget;
    deploy_record record = {.project = ""};
    if (bytes.len > DEPLOY_RECORD_LEN_MAX) return MESH_EINVAL;
    mesh_budget_init(&budget, MESH_BUDGET_DEFAULT);
    Warren__Bundle__SignedRelease *message =
        warren__bundle__signed_release__unpack(&budget.allocator, bytes.len, bytes.data);
    if (message == NULL) return MESH_EINVAL;
    int err = message->base.n_unknown_fields > 0
                  ? MESH_EINVAL
                  : judge(message, trust, &budget.allocator, &record);
    warren__bundle__signed_release__free_unpacked(message, &budget.allocator);
    if (err == 0) *out = record;
    return err;
}
