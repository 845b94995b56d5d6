#include "agent/sealed.h"

#include <stdio.h>

#include <sodium.h>

#include "core/be.h"
#include "core/budget.h"
#include "core/error.h"
#include "core/mem.h"
#include "sealed.pb-c.h"
#include "secure/field.h"

enum {
    NONCE_LEN = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    TAG_LEN = crypto_aead_xchacha20poly1305_ietf_ABYTES,
    CIPHER_LEN_MAX = AGENT_SECRET_LEN_MAX + TAG_LEN,
    ENVELOPE_LEN = AGENT_SEALED_KEY_LEN + crypto_box_SEALBYTES,
};

typedef enum record_kind { SECRET = 1, RECIPIENT = 2, REVOKED = 3 } record_kind;

static const char signed_label[] = "warren-sealed-v1"; // its end counts, too
static const char value_label[] = "warren-secret-v1";

// ---- signed by a host

typedef struct signed_text {
    uint8_t bytes[sizeof signed_label + MESH_ID_LEN + 1 + AGENT_SEALED_LEN_MAX];
    size_t len;
} signed_text;

static void put_text(const agent_sealer *self, record_kind kind, mesh_bytes body,
                     signed_text *out) {
    uint8_t *at = out->bytes;
    memcpy(at, signed_label, sizeof signed_label);
    memcpy(at += sizeof signed_label, self->cluster_id, MESH_ID_LEN);
    *(at += MESH_ID_LEN) = (uint8_t)kind;
    if (body.len > 0) memcpy(at + 1, body.data, body.len);
    out->len = (size_t)(at + 1 - out->bytes) + body.len;
}

static size_t sign(const agent_sealer *self, record_kind kind, const ProtobufCMessage *message,
                   uint8_t *out) {
    static signed_text text;
    static uint8_t body[AGENT_SEALED_LEN_MAX];
    uint8_t signature[MESH_SIGNATURE_LEN];
    ProtobufCBinaryData chain[2];
    CHECK(protobuf_c_message_get_packed_size(message) <= sizeof body);
    size_t len = protobuf_c_message_pack(message, body);
    put_text(self, kind, (mesh_bytes){body, len}, &text);
    (void)crypto_sign_detached(signature, NULL, text.bytes, text.len, self->sign_secret);
    Warren__Sealed__Signed made = WARREN__SEALED__SIGNED__INIT;
    for (size_t i = 0; i < 2; i++)
        chain[i] = mesh_field_view(self->chain[i].bytes, self->chain[i].len);
    made.body = mesh_field_view(body, len);
    made.n_chain = 2;
    made.chain = chain;
    made.signature = mesh_field_view(signature, sizeof signature);
    // The largest value, for the most hosts, has room: see the test.
    CHECK(warren__sealed__signed__get_packed_size(&made) <= AGENT_SEALED_LEN_MAX);
    return warren__sealed__signed__pack(&made, out);
}

static int judge_chain(const agent_sealer *self, const Warren__Sealed__Signed *from, uint64_t now_s,
                       mesh_cert *out) {
    mesh_bytes certs[2];
    mesh_chain chain;
    if (from->n_chain != 2) return MESH_ECERT;
    for (size_t i = 0; i < 2; i++)
        certs[i] = (mesh_bytes){from->chain[i].data, from->chain[i].len};
    int err = now_s > 0 ? mesh_chain_verify(&self->trust, certs, 2, now_s, &chain)
                        : mesh_chain_read(&self->trust, certs, 2, &chain);
    if (err != 0) return err;
    *out = chain.host;
    bool is_host = !chain.is_node && chain.host.role == MESH_ROLE_HOST &&
                   memcmp(chain.host.cluster_id, self->cluster_id, MESH_ID_LEN) == 0;
    return is_host ? 0 : MESH_ECERT;
}

static int judge(const agent_sealer *self, record_kind kind, const Warren__Sealed__Signed *from,
                 uint64_t now_s, agent_sealed_signer *out) {
    static signed_text text;
    uint8_t signature[MESH_SIGNATURE_LEN];
    mesh_cert cert;
    if (from->base.n_unknown_fields > 0 ||
        !mesh_field_take(from->signature, signature, sizeof signature))
        return MESH_EINVAL;
    int err = judge_chain(self, from, now_s, &cert);
    if (err != 0) return err;
    put_text(self, kind, (mesh_bytes){from->body.data, from->body.len}, &text);
    if (crypto_sign_verify_detached(signature, text.bytes, text.len, cert.ed25519) != 0)
        return MESH_ECERT;
    memcpy(out->host_id, cert.host_id, MESH_ID_LEN);
    (void)snprintf(out->name, sizeof out->name, "%s", cert.name);
    out->until_s = cert.not_after_s;
    return 0;
}

// What is read: freed as a whole.
typedef struct reading {
    mesh_budget budget;
    Warren__Sealed__Signed *outer;
    ProtobufCMessage *body;
} reading;

static void end_reading(reading *r) {
    if (r->body != NULL) protobuf_c_message_free_unpacked(r->body, &r->budget.allocator);
    if (r->outer != NULL) warren__sealed__signed__free_unpacked(r->outer, &r->budget.allocator);
}

static const ProtobufCMessageDescriptor *descriptor_of(record_kind kind) {
    switch (kind) {
    case SECRET: return &warren__sealed__secret__descriptor;
    case RECIPIENT: return &warren__sealed__recipient__descriptor;
    default: return &warren__sealed__revoked__descriptor;
    }
}

static int unpack_outer(reading *r, mesh_bytes bytes) {
    *r = (reading){.outer = NULL};
    mesh_budget_init(&r->budget, MESH_BUDGET_DEFAULT);
    if (bytes.len > AGENT_SEALED_LEN_MAX) return MESH_EINVAL;
    r->outer = warren__sealed__signed__unpack(&r->budget.allocator, bytes.len, bytes.data);
    return r->outer != NULL ? 0 : MESH_EINVAL;
}

static int unpack_body(reading *r, record_kind kind) {
    r->body = protobuf_c_message_unpack(descriptor_of(kind), &r->budget.allocator,
                                        r->outer->body.len, r->outer->body.data);
    return r->body != NULL && r->body->n_unknown_fields == 0 ? 0 : MESH_EINVAL;
}

// End the reading whatever these two return. The first is for bytes that were judged before.
static int read_kept(record_kind kind, mesh_bytes bytes, reading *r) {
    int err = unpack_outer(r, bytes);
    return err != 0 ? err : unpack_body(r, kind);
}

// The signature first: what is behind it was written by a host of the cluster.
static int read_signed(const agent_sealer *self, record_kind kind, mesh_bytes bytes, uint64_t now_s,
                       reading *r, agent_sealed_signer *out) {
    int err = unpack_outer(r, bytes);
    if (err == 0) err = judge(self, kind, r->outer, now_s, out);
    return err != 0 ? err : unpack_body(r, kind);
}

// ---- values

typedef struct associated {
    uint8_t bytes[sizeof value_label + MESH_ID_LEN + 8 + AGENT_SECRET_NAME_MAX];
    size_t len;
} associated;

static associated associated_of(const agent_sealer *self, const Warren__Sealed__Secret *secret) {
    associated out = {.len = 0};
    uint8_t *at = out.bytes;
    size_t name_len = strlen(secret->name);
    CHECK(name_len < AGENT_SECRET_NAME_MAX);
    memcpy(at, value_label, sizeof value_label);
    memcpy(at += sizeof value_label, self->cluster_id, MESH_ID_LEN);
    store_be64(at += MESH_ID_LEN, secret->version);
    memcpy(at += 8, secret->name, name_len);
    out.len = (size_t)(at - out.bytes) + name_len;
    return out;
}

static bool is_id_of(const uint8_t *id, const uint8_t key[AGENT_SEALED_KEY_LEN]) {
    return memcmp(id, key, AGENT_SEALED_KEY_ID_LEN) == 0;
}

bool agent_sealed_is_for(const agent_sealed_secret *secret,
                         const uint8_t key[AGENT_SEALED_KEY_LEN]) {
    for (size_t i = 0; i < secret->key_count; i++)
        if (is_id_of(secret->key_ids[i], key)) return true;
    return false;
}

static bool is_sound(const Warren__Sealed__Secret *s) {
    if (!agent_secrets_is_name(s->name) || s->version == 0 || !mesh_cert_name_is_valid(s->by))
        return false;
    if (s->is_removed) return s->cipher.len == 0 && s->nonce.len == 0 && s->n_envelopes == 0;
    if (s->nonce.len != NONCE_LEN || s->cipher.len < TAG_LEN || s->cipher.len > CIPHER_LEN_MAX)
        return false;
    if (s->n_envelopes > AGENT_SEALED_HOSTS_MAX) return false;
    for (size_t i = 0; i < s->n_envelopes; i++) {
        const Warren__Sealed__Envelope *e = s->envelopes[i];
        if (e->base.n_unknown_fields > 0 || e->key.len != AGENT_SEALED_KEY_ID_LEN ||
            e->sealed.len != ENVELOPE_LEN)
            return false;
    }
    return true;
}

static void take(const Warren__Sealed__Secret *from, agent_sealed_secret *out) {
    uint8_t head[8 + 1 + NONCE_LEN] = {0};
    crypto_generichash_state state;
    out->version = from->version;
    out->at_ms = from->at_ms;
    out->is_removed = from->is_removed;
    (void)snprintf(out->by, sizeof out->by, "%s", from->by);
    out->key_count = from->n_envelopes;
    for (size_t i = 0; i < from->n_envelopes; i++)
        memcpy(out->key_ids[i], from->envelopes[i]->key.data, AGENT_SEALED_KEY_ID_LEN);
    store_be64(head, from->version);
    head[8] = from->is_removed ? 1 : 0;
    if (from->nonce.len == NONCE_LEN) memcpy(head + 9, from->nonce.data, NONCE_LEN);
    (void)crypto_generichash_init(&state, NULL, 0, sizeof out->digest);
    (void)crypto_generichash_update(&state, head, sizeof head);
    (void)crypto_generichash_update(&state, from->cipher.data, from->cipher.len);
    (void)crypto_generichash_final(&state, out->digest, sizeof out->digest);
}

int agent_sealed_read(const agent_sealer *self, const char *name, mesh_bytes bytes, uint64_t now_s,
                      agent_sealed_secret *out) {
    reading r;
    agent_sealed_signer signer;
    int err = read_signed(self, SECRET, bytes, now_s, &r, &signer);
    const Warren__Sealed__Secret *secret = (const Warren__Sealed__Secret *)r.body;
    if (err == 0 && !is_sound(secret)) err = MESH_EINVAL;
    if (err == 0 && strcmp(secret->name, name) != 0) err = MESH_ECERT;
    if (err == 0) {
        out->signer = signer;
        take(secret, out);
    }
    end_reading(&r);
    return err;
}

bool agent_sealed_name(mesh_bytes bytes, char out[AGENT_SECRET_NAME_MAX]) {
    reading r;
    int err = read_kept(SECRET, bytes, &r);
    const Warren__Sealed__Secret *secret = (const Warren__Sealed__Secret *)r.body;
    bool is_good = err == 0 && agent_secrets_is_name(secret->name);
    if (is_good) (void)snprintf(out, AGENT_SECRET_NAME_MAX, "%s", secret->name);
    end_reading(&r);
    return is_good;
}

// ---- sealing

static bool seal_envelopes(Warren__Sealed__Secret *secret, const agent_sealed_keys *keys,
                           const uint8_t key[AGENT_SEALED_KEY_LEN]) {
    static Warren__Sealed__Envelope envelopes[AGENT_SEALED_HOSTS_MAX];
    static Warren__Sealed__Envelope *list[AGENT_SEALED_HOSTS_MAX];
    static uint8_t sealed[AGENT_SEALED_HOSTS_MAX][ENVELOPE_LEN];
    CHECK(keys->count <= AGENT_SEALED_HOSTS_MAX);
    secret->n_envelopes = 0;
    secret->envelopes = list;
    for (size_t i = 0; i < keys->count; i++) {
        if (crypto_box_seal(sealed[i], key, AGENT_SEALED_KEY_LEN, keys->keys[i]) != 0) continue;
        warren__sealed__envelope__init(&envelopes[i]);
        envelopes[i].key = mesh_field_view(keys->keys[i], AGENT_SEALED_KEY_ID_LEN);
        envelopes[i].sealed = mesh_field_view(sealed[i], ENVELOPE_LEN);
        list[secret->n_envelopes++] = &envelopes[i];
    }
    return secret->n_envelopes > 0;
}

size_t agent_sealed_set(const agent_sealer *self, const agent_sealed_wanted *wanted, uint8_t *out) {
    static uint8_t cipher[CIPHER_LEN_MAX];
    uint8_t nonce[NONCE_LEN];
    unsigned long long len = 0;
    Warren__Sealed__Secret secret = WARREN__SEALED__SECRET__INIT;
    secret.name = (char *)(uintptr_t)wanted->name;
    secret.version = wanted->version;
    secret.at_ms = wanted->at_ms;
    secret.by = (char *)(uintptr_t)self->name;
    secret.is_removed = wanted->is_removed;
    if (wanted->is_removed) return sign(self, SECRET, &secret.base, out);
    CHECK(wanted->value.len <= AGENT_SECRET_LEN_MAX);
    uint8_t *key = mem_check(sodium_malloc(AGENT_SEALED_KEY_LEN));
    randombytes_buf(key, AGENT_SEALED_KEY_LEN);
    randombytes_buf(nonce, sizeof nonce);
    associated with = associated_of(self, &secret);
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(cipher, &len, wanted->value.data,
                                                     wanted->value.len, with.bytes, with.len, NULL,
                                                     nonce, key);
    secret.nonce = mesh_field_view(nonce, sizeof nonce);
    secret.cipher = mesh_field_view(cipher, (size_t)len);
    (void)seal_envelopes(&secret, wanted->keys, key);
    sodium_free(key);
    return sign(self, SECRET, &secret.base, out);
}

// The key of the cipher, out of this host's envelope. False: there is none, or it is no good.
static bool open_envelope(const agent_sealer *self, const Warren__Sealed__Secret *secret,
                          uint8_t out[AGENT_SEALED_KEY_LEN]) {
    for (size_t i = 0; i < secret->n_envelopes; i++) {
        const Warren__Sealed__Envelope *e = secret->envelopes[i];
        if (is_id_of(e->key.data, self->key))
            return crypto_box_seal_open(out, e->sealed.data, ENVELOPE_LEN, self->key,
                                        self->key_secret) == 0;
    }
    return false;
}

static char *open_value(const agent_sealer *self, const Warren__Sealed__Secret *secret,
                        const uint8_t key[AGENT_SEALED_KEY_LEN], size_t *out_len) {
    unsigned long long len = 0;
    associated with = associated_of(self, secret);
    char *value = mem_check(sodium_malloc(secret->cipher.len - TAG_LEN + 1));
    int err = crypto_aead_xchacha20poly1305_ietf_decrypt(
        (uint8_t *)value, &len, NULL, secret->cipher.data, secret->cipher.len, with.bytes, with.len,
        secret->nonce.data, key);
    // A value is a variable's: a byte 0 would hide the rest of it.
    if (err != 0 || (len > 0 && memchr(value, '\0', (size_t)len) != NULL)) {
        sodium_free(value);
        return NULL;
    }
    value[len] = '\0';
    *out_len = (size_t)len;
    return value;
}

char *agent_sealed_open(const agent_sealer *self, mesh_bytes bytes, size_t *out_len) {
    reading r;
    char *value = NULL;
    int err = read_kept(SECRET, bytes, &r);
    const Warren__Sealed__Secret *secret = (const Warren__Sealed__Secret *)r.body;
    if (err == 0 && is_sound(secret) && !secret->is_removed) {
        uint8_t *key = mem_check(sodium_malloc(AGENT_SEALED_KEY_LEN));
        if (open_envelope(self, secret, key)) value = open_value(self, secret, key, out_len);
        sodium_free(key);
    }
    end_reading(&r);
    return value;
}

size_t agent_sealed_again(const agent_sealer *self, mesh_bytes bytes, const agent_sealed_keys *keys,
                          uint8_t *out) {
    reading r;
    size_t len = 0;
    int err = read_kept(SECRET, bytes, &r);
    const Warren__Sealed__Secret *secret = (const Warren__Sealed__Secret *)r.body;
    if (err == 0 && is_sound(secret)) {
        uint8_t *key = mem_check(sodium_malloc(AGENT_SEALED_KEY_LEN));
        Warren__Sealed__Secret made = *secret; // borrows all but the envelopes
        bool can_sign = secret->is_removed ||
                        (open_envelope(self, secret, key) && seal_envelopes(&made, keys, key));
        if (can_sign) len = sign(self, SECRET, &made.base, out);
        sodium_free(key);
    }
    end_reading(&r);
    return len;
}

// ---- hosts

size_t agent_sealed_recipient(const agent_sealer *self, uint8_t *out) {
    Warren__Sealed__Recipient recipient = WARREN__SEALED__RECIPIENT__INIT;
    recipient.key = mesh_field_view(self->key, AGENT_SEALED_KEY_LEN);
    return sign(self, RECIPIENT, &recipient.base, out);
}

int agent_sealed_read_recipient(const agent_sealer *self, mesh_bytes bytes, uint64_t now_s,
                                agent_sealed_signer *out, uint8_t out_key[AGENT_SEALED_KEY_LEN]) {
    reading r;
    agent_sealed_signer signer;
    int err = read_signed(self, RECIPIENT, bytes, now_s, &r, &signer);
    const Warren__Sealed__Recipient *recipient = (const Warren__Sealed__Recipient *)r.body;
    uint8_t shared[crypto_scalarmult_BYTES];
    // With a key of small order nothing can be sealed.
    if (err == 0 && (!mesh_field_take(recipient->key, out_key, AGENT_SEALED_KEY_LEN) ||
                     crypto_scalarmult(shared, self->key_secret, out_key) != 0))
        err = MESH_EINVAL;
    sodium_memzero(shared, sizeof shared);
    if (err == 0) *out = signer;
    end_reading(&r);
    return err;
}

size_t agent_sealed_revoke(const agent_sealer *self, const agent_sealed_revoked *host,
                           uint8_t *out) {
    Warren__Sealed__Revoked revoked = WARREN__SEALED__REVOKED__INIT;
    revoked.host_id = mesh_field_view(host->host_id, MESH_ID_LEN);
    revoked.name = (char *)(uintptr_t)host->name;
    return sign(self, REVOKED, &revoked.base, out);
}

int agent_sealed_read_revoked(const agent_sealer *self, mesh_bytes bytes, uint64_t now_s,
                              agent_sealed_signer *out, agent_sealed_revoked *out_revoked) {
    reading r;
    agent_sealed_signer signer;
    int err = read_signed(self, REVOKED, bytes, now_s, &r, &signer);
    const Warren__Sealed__Revoked *revoked = (const Warren__Sealed__Revoked *)r.body;
    if (err == 0 && (!mesh_cert_name_is_valid(revoked->name) ||
                     !mesh_field_take(revoked->host_id, out_revoked->host_id, MESH_ID_LEN)))
        err = MESH_EINVAL;
    if (err == 0) {
        *out = signer;
        (void)snprintf(out_revoked->name, sizeof out_revoked->name, "%s", revoked->name);
    }
    end_reading(&r);
    return err;
}
