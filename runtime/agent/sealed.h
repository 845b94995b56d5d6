// What the store of a cluster holds of its secrets (proto/sealed.proto), made and judged: values
// that the hosts of the cluster can open and the store cannot, signed by one of these hosts, so
// that nothing can be put under another name or number, or be made up. Pure: the time is an
// argument.
//
// All of it comes from outside: every function that reads takes any bytes.
#pragma once

#include "agent/secrets.h"
#include "secure/issue.h"
#include "store/limits.h"

enum {
    AGENT_SEALED_LEN_MAX = STORE_VALUE_LEN_MAX,
    AGENT_SEALED_HOSTS_MAX = 256, // that one secret is sealed for
    AGENT_SEALED_KEY_LEN = 32,
    AGENT_SEALED_KEY_ID_LEN = 16,
    AGENT_SEALED_DIGEST_LEN = 32,
};

// Who this host is. Keep it in memory that is not dumped, and wipe it.
typedef struct agent_sealer {
    mesh_trust trust;
    uint8_t cluster_id[MESH_ID_LEN], host_id[MESH_ID_LEN];
    char name[MESH_CERT_NAME_LEN_MAX + 1];
    uint8_t sign_secret[MESH_SIGN_SECRET_LEN];
    mesh_signed chain[2];
    uint64_t until_s; // of its certificate
    uint8_t key[AGENT_SEALED_KEY_LEN], key_secret[AGENT_SEALED_KEY_LEN];
} agent_sealer;

typedef struct agent_sealed_signer { // out of a certificate that was verified
    uint8_t host_id[MESH_ID_LEN];
    char name[MESH_CERT_NAME_LEN_MAX + 1];
    uint64_t until_s;
} agent_sealed_signer;

typedef struct agent_sealed_secret {
    agent_sealed_signer signer;
    uint64_t version, at_ms;
    bool is_removed;
    char by[MESH_CERT_NAME_LEN_MAX + 1];
    // Of what it says, but for whom it is sealed: the same after it was sealed again.
    uint8_t digest[AGENT_SEALED_DIGEST_LEN];
    uint8_t key_ids[AGENT_SEALED_HOSTS_MAX][AGENT_SEALED_KEY_ID_LEN];
    size_t key_count;
} agent_sealed_secret;

typedef struct agent_sealed_revoked { // a host for which nothing is sealed any more
    uint8_t host_id[MESH_ID_LEN];
    char name[MESH_CERT_NAME_LEN_MAX + 1];
} agent_sealed_revoked;

// Keys of hosts, AGENT_SEALED_KEY_LEN bytes each.
typedef struct agent_sealed_keys {
    uint8_t keys[AGENT_SEALED_HOSTS_MAX][AGENT_SEALED_KEY_LEN];
    size_t count;
} agent_sealed_keys;

// Whether there is an envelope for that key.
bool agent_sealed_is_for(const agent_sealed_secret *secret,
                         const uint8_t key[AGENT_SEALED_KEY_LEN]);

// All writers: to `out` of AGENT_SEALED_LEN_MAX bytes; return the length.

// A new version of a secret. `value` without data: it is removed. At most AGENT_SECRET_LEN_MAX.
typedef struct agent_sealed_wanted {
    const char *name;
    uint64_t version, at_ms;
    bool is_removed;
    mesh_bytes value;
    const agent_sealed_keys *keys; // of the hosts that can open it
} agent_sealed_wanted;
size_t agent_sealed_set(const agent_sealer *self, const agent_sealed_wanted *wanted, uint8_t *out);
// The same version for these hosts, signed by this one. 0: this host cannot open it.
size_t agent_sealed_again(const agent_sealer *self, mesh_bytes bytes, const agent_sealed_keys *keys,
                          uint8_t *out);
size_t agent_sealed_recipient(const agent_sealer *self, uint8_t *out);
size_t agent_sealed_revoke(const agent_sealer *self, const agent_sealed_revoked *host,
                           uint8_t *out);

// All readers: 0, or
//   MESH_EINVAL    it cannot be read, or breaks a bound
//   MESH_ECERT     no host of this cluster has signed this, or not under this name
//   MESH_ECERTTIME one has, but its certificate is not valid now
// `now_s` 0: whether it is valid now does not matter, for it was when these bytes were kept.

int agent_sealed_read(const agent_sealer *self, const char *name, mesh_bytes bytes, uint64_t now_s,
                      agent_sealed_secret *out);
int agent_sealed_read_recipient(const agent_sealer *self, mesh_bytes bytes, uint64_t now_s,
                                agent_sealed_signer *out, uint8_t out_key[AGENT_SEALED_KEY_LEN]);
int agent_sealed_read_revoked(const agent_sealer *self, mesh_bytes bytes, uint64_t now_s,
                              agent_sealed_signer *out, agent_sealed_revoked *out_revoked);

// Which name it says it has: nobody is believed yet.
bool agent_sealed_name(mesh_bytes bytes, char out[AGENT_SECRET_NAME_MAX]);

// The value of one that was read. Gives guarded memory (sodium_free) with a byte 0 behind it. NULL:
// it is not for this host.
char *agent_sealed_open(const agent_sealer *self, mesh_bytes bytes, size_t *out_len);
