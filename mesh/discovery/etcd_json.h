// What is said to etcd's JSON gateway, and what it answers (proto/wire.md, "Addresses in etcd").
// Pure.
#pragma once

#include "discovery/spec.h"

enum {
    MESH_LEASE_LEN_MAX = 20,
    MESH_ETCD_TOKEN_LEN_MAX = 2047,
    MESH_ETCD_KEY_LEN_MAX = MESH_ETCD_PREFIX_LEN_MAX + 8 + 64, // PREFIX/hosts/ID
};

// Bodies of requests: give a text, free().
char *mesh_etcd_write_authenticate(const char *name, const char *password); // wipe it
char *mesh_etcd_write_grant(uint32_t lease_s);
char *mesh_etcd_write_keep_alive(const char *lease);
char *mesh_etcd_write_put(const char *key, const char *value, const char *lease);
char *mesh_etcd_write_range(const char *prefix);

// MESH_EPROTO: it is no such answer; the outputs stay untouched.
// What proves the login from then on, fit for a header.
int mesh_etcd_parse_token(mesh_bytes body, char out_token[MESH_ETCD_TOKEN_LEN_MAX + 1]);
int mesh_etcd_parse_grant(mesh_bytes body, char out_lease[MESH_LEASE_LEN_MAX + 1]);
// `out_is_there` false: the lease has ended, or the store never knew it.
int mesh_etcd_parse_keep_alive(mesh_bytes body, bool *out_is_there);

typedef struct mesh_etcd_hosts {
    mesh_endpoint *endpoints; // room for MESH_ENDPOINTS_MAX, by the caller
    size_t count;
    size_t wrong_count; // values that are not host:port: others may write there
    bool has_own;       // own_key has own_value
} mesh_etcd_hosts;

// own_key and own_value may be NULL.
int mesh_etcd_parse_range(mesh_bytes body, const char *own_key, const char *own_value,
                          mesh_etcd_hosts *out);
