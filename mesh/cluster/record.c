#include "cluster/record.h"

#include <string.h>

#include <sodium.h>

#include "core/be.h"
#include "core/error.h"
#include "core/mem.h"

// Before every signed text, with its zero and then the cluster's id: no signature of one cluster,
// or for another purpose, fits here.
static const char label[] = "warren-member-v1";

enum {
    STAMP_LEN = 12,
    ABOUT_LEN = 1 + MESH_ID_LEN + STAMP_LEN, // kind, host, stamp: every record begins so
    SUSPECT_LEN = ABOUT_LEN + MESH_ID_LEN,   // without its signature
    WITNESS_LEN = MESH_ID_LEN + MESH_SIGNATURE_LEN,
    ALIVE_FIXED_LEN = 32 + MESH_CERT_HASH_LEN + 2 + 2 + 8 + 8 + 4 + 2, // up to the zone
    TEXT_MAX = MESH_RECORD_SIGNED_MAX - MESH_SIGNATURE_LEN,
    PREFIX_LEN = sizeof label + MESH_ID_LEN,
};

int mesh_stamp_compare(mesh_stamp a, mesh_stamp b) {
    if (a.generation != b.generation) return a.generation < b.generation ? -1 : 1;
    if (a.incarnation != b.incarnation) return a.incarnation < b.incarnation ? -1 : 1;
    return 0;
}

// ---- signatures

static size_t put_prefix(const uint8_t cluster_id[MESH_ID_LEN], mesh_bytes text,
                         uint8_t out[PREFIX_LEN + TEXT_MAX]) {
    CHECK(text.len <= TEXT_MAX);
    memcpy(out, label, sizeof label);
    memcpy(out + sizeof label, cluster_id, MESH_ID_LEN);
    memcpy(out + PREFIX_LEN, text.data, text.len);
    return PREFIX_LEN + text.len;
}

static void sign(const uint8_t cluster_id[MESH_ID_LEN], mesh_bytes text,
                 const uint8_t secret[MESH_SIGN_SECRET_LEN], uint8_t out[MESH_SIGNATURE_LEN]) {
    uint8_t whole[PREFIX_LEN + TEXT_MAX];
    size_t len = put_prefix(cluster_id, text, whole);
    (void)crypto_sign_detached(out, NULL, whole, len, secret);
}

bool mesh_verify_signature(void *user, mesh_bytes text, const uint8_t *signature,
                           const uint8_t *key) {
    (void)user;
    return crypto_sign_verify_detached(signature, text.data, text.len, key) == 0;
}

static bool is_signed(mesh_bytes text, const uint8_t *signature, const uint8_t *key,
                      const mesh_verifier *verifier) {
    uint8_t whole[PREFIX_LEN + TEXT_MAX];
    size_t len = put_prefix(verifier->cluster_id, text, whole);
    return verifier->verify(verifier->user, (mesh_bytes){whole, len}, signature, key);
}

// ---- writing

static uint8_t *put_about(uint8_t *at, mesh_record_kind kind, const uint8_t host_id[MESH_ID_LEN],
                          mesh_stamp stamp) {
    at = store_be8(at, kind);
    memcpy(at, host_id, MESH_ID_LEN);
    return store_be32(store_be64(at + MESH_ID_LEN, stamp.generation), stamp.incarnation);
}

static uint8_t *put_addr(uint8_t *at, const mesh_addr *addr) {
    size_t len = addr->family == 6 ? 16 : 4;
    at = store_be16(store_be8(at, addr->family), addr->port);
    memcpy(at, addr->ip, len);
    return at + len;
}

size_t mesh_record_alive(const mesh_alive *alive, const uint8_t cluster_id[MESH_ID_LEN],
                         const uint8_t secret[MESH_SIGN_SECRET_LEN], uint8_t *out) {
    uint8_t *at = put_about(out, MESH_RECORD_ALIVE, alive->host_id, alive->stamp);
    memcpy(at, alive->boot_public, sizeof alive->boot_public);
    at += sizeof alive->boot_public;
    memcpy(at, alive->cert_hash, MESH_CERT_HASH_LEN);
    at = store_be16(at + MESH_CERT_HASH_LEN, alive->minor_min);
    at = store_be16(at, alive->minor_max);
    at = store_be64(at, alive->features);
    at = store_be64(at, alive->payload.registry_version);
    at = store_be32(at, alive->payload.load);
    at = store_be16(at, alive->payload.node_count);
    size_t zone_len = strlen(alive->zone);
    at = store_be8(at, (uint32_t)zone_len);
    memcpy(at, alive->zone, zone_len);
    at = store_be8(at + zone_len, (uint32_t)alive->addr_count);
    for (size_t i = 0; i < alive->addr_count; i++)
        at = put_addr(at, &alive->addrs[i]);
    size_t len = (size_t)(at - out);
    sign(cluster_id, (mesh_bytes){out, len}, secret, at);
    return len + MESH_SIGNATURE_LEN;
}

size_t mesh_record_left(const uint8_t host_id[MESH_ID_LEN], mesh_stamp stamp,
                        const uint8_t cluster_id[MESH_ID_LEN],
                        const uint8_t secret[MESH_SIGN_SECRET_LEN], uint8_t *out) {
    uint8_t *at = put_about(out, MESH_RECORD_LEFT, host_id, stamp);
    sign(cluster_id, (mesh_bytes){out, ABOUT_LEN}, secret, at);
    return ABOUT_LEN + MESH_SIGNATURE_LEN;
}

static void put_suspect(const uint8_t host_id[MESH_ID_LEN], mesh_stamp stamp,
                        const uint8_t accuser[MESH_ID_LEN], uint8_t out[SUSPECT_LEN]) {
    memcpy(put_about(out, MESH_RECORD_SUSPECT, host_id, stamp), accuser, MESH_ID_LEN);
}

void mesh_record_accuse(const uint8_t host_id[MESH_ID_LEN], mesh_stamp stamp,
                        const uint8_t accuser[MESH_ID_LEN], const uint8_t cluster_id[MESH_ID_LEN],
                        const uint8_t secret[MESH_SIGN_SECRET_LEN], mesh_witness *out) {
    uint8_t text[SUSPECT_LEN];
    put_suspect(host_id, stamp, accuser, text);
    memcpy(out->accuser, accuser, MESH_ID_LEN);
    sign(cluster_id, (mesh_bytes){text, sizeof text}, secret, out->signature);
}

size_t mesh_record_suspect(const uint8_t host_id[MESH_ID_LEN], mesh_stamp stamp,
                           const mesh_witness *witness, uint8_t *out) {
    put_suspect(host_id, stamp, witness->accuser, out);
    memcpy(out + SUSPECT_LEN, witness->signature, MESH_SIGNATURE_LEN);
    return SUSPECT_LEN + MESH_SIGNATURE_LEN;
}

size_t mesh_record_dead(const uint8_t host_id[MESH_ID_LEN], mesh_stamp stamp,
                        const mesh_witness *witnesses, size_t count, uint8_t *out) {
    CHECK(count >= 1 && count <= MESH_WITNESSES_MAX);
    uint8_t *at = store_be8(put_about(out, MESH_RECORD_DEAD, host_id, stamp), (uint32_t)count);
    for (size_t i = 0; i < count; i++, at += WITNESS_LEN) {
        memcpy(at, witnesses[i].accuser, MESH_ID_LEN);
        memcpy(at + MESH_ID_LEN, witnesses[i].signature, MESH_SIGNATURE_LEN);
    }
    return (size_t)(at - out);
}

// ---- reading

static bool take(mesh_bytes *from, void *to, size_t len) {
    if (from->len < len) return false;
    memcpy(to, from->data, len);
    *from = mesh_bytes_skip(*from, len);
    return true;
}

static bool take_addr(mesh_bytes *from, mesh_addr *out) {
    if (from->len < 3) return false;
    *out = (mesh_addr){.family = from->data[0], .port = load_be16(from->data + 1)};
    if ((out->family != 4 && out->family != 6) || out->port == 0) return false;
    *from = mesh_bytes_skip(*from, 3);
    return take(from, out->ip, out->family == 6 ? 16 : 4);
}

static bool take_zone(mesh_bytes *from, mesh_alive *out) {
    uint8_t len;
    if (!take(from, &len, 1) || len > MESH_ZONE_LEN_MAX || !take(from, out->zone, len))
        return false;
    for (size_t i = 0; i < len; i++) // it is printed on terminals
        if (out->zone[i] <= ' ' || out->zone[i] > '~') return false;
    return true;
}

static bool take_alive(mesh_bytes from, mesh_alive *out) {
    if (from.len < ALIVE_FIXED_LEN) return false;
    const uint8_t *at = from.data;
    memcpy(out->boot_public, at, sizeof out->boot_public);
    at += sizeof out->boot_public;
    memcpy(out->cert_hash, at, MESH_CERT_HASH_LEN);
    at += MESH_CERT_HASH_LEN;
    out->minor_min = load_be16(at);
    out->minor_max = load_be16(at + 2);
    out->features = load_be64(at + 4);
    out->payload.registry_version = load_be64(at + 12);
    out->payload.load = load_be32(at + 20);
    out->payload.node_count = load_be16(at + 24);
    from = mesh_bytes_skip(from, ALIVE_FIXED_LEN);
    uint8_t count;
    if (!take_zone(&from, out) || !take(&from, &count, 1)) return false;
    if (count < 1 || count > MESH_HOST_ADDRS_MAX) return false;
    out->addr_count = count;
    for (size_t i = 0; i < count; i++)
        if (!take_addr(&from, &out->addrs[i])) return false;
    return true;
}

// ALIVE and LEFT: the signature ends them.
static int parse_owned(mesh_bytes bytes, mesh_bytes rest, mesh_record *out) {
    if (rest.len < MESH_SIGNATURE_LEN) return MESH_EPROTO;
    rest.len -= MESH_SIGNATURE_LEN;
    out->text = (mesh_bytes){bytes.data, bytes.len - MESH_SIGNATURE_LEN};
    out->signature = bytes.data + out->text.len;
    if (out->kind == MESH_RECORD_LEFT) return rest.len == 0 ? 0 : MESH_EPROTO;
    memcpy(out->alive.host_id, out->host_id, MESH_ID_LEN);
    out->alive.stamp = out->stamp;
    return take_alive(rest, &out->alive) ? 0 : MESH_EPROTO;
}

static bool has_twice(const mesh_record *record) {
    for (size_t i = 1; i < record->witness_count; i++)
        for (size_t j = 0; j < i; j++)
            if (memcmp(record->witnesses[i].accuser, record->witnesses[j].accuser, MESH_ID_LEN) ==
                0)
                return true;
    return false;
}

static int parse_accusing(mesh_bytes rest, mesh_record *out) {
    uint8_t count = 1;
    if (out->kind == MESH_RECORD_DEAD && !take(&rest, &count, 1)) return MESH_EPROTO;
    if (count < 1 || count > MESH_WITNESSES_MAX || rest.len != (size_t)count * WITNESS_LEN)
        return MESH_EPROTO;
    out->witness_count = count;
    for (size_t i = 0; i < count; i++) {
        (void)take(&rest, out->witnesses[i].accuser, MESH_ID_LEN);
        (void)take(&rest, out->witnesses[i].signature, MESH_SIGNATURE_LEN);
    }
    return has_twice(out) ? MESH_EPROTO : 0;
}

int mesh_record_parse(mesh_bytes bytes, mesh_record *out) {
    if (bytes.len < ABOUT_LEN || bytes.len > MESH_RECORD_SIGNED_MAX) return MESH_EPROTO;
    mesh_record record = {.kind = (mesh_record_kind)bytes.data[0]};
    memcpy(record.host_id, bytes.data + 1, MESH_ID_LEN);
    record.stamp = (mesh_stamp){.generation = load_be64(bytes.data + 1 + MESH_ID_LEN),
                                .incarnation = load_be32(bytes.data + 9 + MESH_ID_LEN)};
    if (record.stamp.incarnation > MESH_INCARNATION_MAX) return MESH_EPROTO;
    mesh_bytes rest = mesh_bytes_skip(bytes, ABOUT_LEN);
    int err = MESH_EPROTO;
    switch (record.kind) {
    case MESH_RECORD_ALIVE:
    case MESH_RECORD_LEFT: err = parse_owned(bytes, rest, &record); break;
    case MESH_RECORD_SUSPECT:
    case MESH_RECORD_DEAD: err = parse_accusing(rest, &record); break;
    }
    if (err == 0) *out = record;
    return err;
}

bool mesh_record_verify(const mesh_record *record, const uint8_t key[MESH_SIGN_KEY_LEN],
                        const mesh_verifier *verifier) {
    return is_signed(record->text, record->signature, key, verifier);
}

bool mesh_record_verify_witness(const uint8_t host_id[MESH_ID_LEN], mesh_stamp stamp,
                                const mesh_witness *witness, const uint8_t key[MESH_SIGN_KEY_LEN],
                                const mesh_verifier *verifier) {
    uint8_t text[SUSPECT_LEN];
    put_suspect(host_id, stamp, witness->accuser, text);
    return is_signed((mesh_bytes){text, sizeof text}, witness->signature, key, verifier);
}
