// What is said about a host, signed (wire.md, Records of membership): who is where (Alive, Left:
// signed by the host itself), and accusations (Suspect: signed by the accuser; Dead: several of
// them). Fixed layouts, read and written in place. Reading proves nothing: mesh_record_verify does.
// Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cluster/addr.h"
#include "core/bytes.h"
#include "core/limits.h"
#include "secure/cert.h"

enum {
    MESH_CERT_HASH_LEN = 16,
    MESH_INCARNATION_MAX = INT32_MAX, // then the owner begins a new generation
};

typedef enum mesh_record_kind {
    MESH_RECORD_ALIVE = 1,
    MESH_RECORD_LEFT,
    MESH_RECORD_SUSPECT,
    MESH_RECORD_DEAD,
} mesh_record_kind;

// One life of a host and its version of itself. Only the host raises them.
typedef struct mesh_stamp {
    uint64_t generation;  // of this life: never falls, not even over restarts
    uint32_t incarnation; // raised to answer an accusation, or to change what Alive says
} mesh_stamp;

// Below, at, above 0: a is older than, the same as, newer than b.
int mesh_stamp_compare(mesh_stamp a, mesh_stamp b);

typedef struct mesh_payload { // what a host says of its load; carried, never judged
    uint64_t registry_version;
    uint32_t load; // of its processors, in 1/1000
    uint16_t node_count;
} mesh_payload;

static inline bool mesh_payload_equal(const mesh_payload *a, const mesh_payload *b) {
    return a->registry_version == b->registry_version && a->load == b->load &&
           a->node_count == b->node_count;
}

typedef struct mesh_alive {
    uint8_t host_id[MESH_ID_LEN];
    mesh_stamp stamp;
    uint8_t boot_public[32]; // X25519: of its datagrams
    uint8_t cert_hash[MESH_CERT_HASH_LEN];
    uint16_t minor_min, minor_max;
    uint64_t features;
    mesh_payload payload;
    char zone[MESH_ZONE_LEN_MAX + 1];
    mesh_addr addrs[MESH_HOST_ADDRS_MAX]; // the same port for datagrams and connections
    size_t addr_count;
} mesh_alive;

typedef struct mesh_witness {
    uint8_t accuser[MESH_ID_LEN];
    uint8_t signature[MESH_SIGNATURE_LEN];
} mesh_witness;

typedef struct mesh_record { // any of them, read
    mesh_record_kind kind;
    uint8_t host_id[MESH_ID_LEN]; // whom it is about
    mesh_stamp stamp;
    mesh_alive alive;                           // ALIVE
    mesh_witness witnesses[MESH_WITNESSES_MAX]; // SUSPECT: one; DEAD
    size_t witness_count;
    mesh_bytes text; // borrowed: what is signed, and by ALIVE and LEFT
    const uint8_t *signature;
} mesh_record;

// MESH_EPROTO: it is none, or breaks a limit. Later versions may append to an Alive.
int mesh_record_parse(mesh_bytes bytes, mesh_record *out);

// Each writes to `out` of MESH_RECORD_SIGNED_MAX bytes and returns the length.
size_t mesh_record_alive(const mesh_alive *alive, const uint8_t cluster_id[MESH_ID_LEN],
                         const uint8_t secret[MESH_SIGN_SECRET_LEN], uint8_t *out);
size_t mesh_record_left(const uint8_t host_id[MESH_ID_LEN], mesh_stamp stamp,
                        const uint8_t cluster_id[MESH_ID_LEN],
                        const uint8_t secret[MESH_SIGN_SECRET_LEN], uint8_t *out);
void mesh_record_accuse(const uint8_t host_id[MESH_ID_LEN], mesh_stamp stamp,
                        const uint8_t accuser[MESH_ID_LEN], const uint8_t cluster_id[MESH_ID_LEN],
                        const uint8_t secret[MESH_SIGN_SECRET_LEN], mesh_witness *out);
size_t mesh_record_suspect(const uint8_t host_id[MESH_ID_LEN], mesh_stamp stamp,
                           const mesh_witness *witness, uint8_t *out);
size_t mesh_record_dead(const uint8_t host_id[MESH_ID_LEN], mesh_stamp stamp,
                        const mesh_witness *witnesses, size_t count, uint8_t *out);

// How signatures are checked: crypto_sign_verify_detached, or a simulator's shorter way.
typedef bool (*mesh_verify)(void *user, mesh_bytes text, const uint8_t *signature,
                            const uint8_t *key);
bool mesh_verify_signature(void *user, mesh_bytes text, const uint8_t *signature,
                           const uint8_t *key); // libsodium's
typedef struct mesh_verifier {
    const uint8_t *cluster_id;
    mesh_verify verify;
    void *user;
} mesh_verifier;

// ALIVE or LEFT was signed by the owner of `key`.
bool mesh_record_verify(const mesh_record *record, const uint8_t key[MESH_SIGN_KEY_LEN],
                        const mesh_verifier *verifier);
// The accusation was signed by the owner of `key`.
bool mesh_record_verify_witness(const uint8_t host_id[MESH_ID_LEN], mesh_stamp stamp,
                                const mesh_witness *witness, const uint8_t key[MESH_SIGN_KEY_LEN],
                                const mesh_verifier *verifier);
