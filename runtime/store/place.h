// Where a store is: "sqlite:PATH", "etcd://HOST:2379,HOST:2379/prefix?login=/FILE",
// "etcds://HOST/prefix?ca=/FILE&cert=/FILE&key=/FILE&login=/FILE", "host:NAME". Pure.
#pragma once

#include "discovery/endpoint.h"
#include "store/limits.h"

enum { STORE_PLACE_TEXT_LEN_MAX = 4096, STORE_PREFIX_LEN_MAX = 128, STORE_HOST_LEN_MAX = 63 };

typedef enum store_place_type { STORE_SQLITE, STORE_ETCD, STORE_HOST } store_place_type;

typedef struct store_place {
    store_place_type type;
    char path[STORE_PATH_LEN_MAX + 1]; // SQLITE
    char host[STORE_HOST_LEN_MAX + 1]; // HOST: its name in the cluster, whose store it is
    bool is_tls;                       // all below: ETCD
    mesh_endpoint endpoints[STORE_ENDPOINTS_MAX];
    size_t endpoint_count;
    char prefix[STORE_PREFIX_LEN_MAX + 1]; // of all keys, without a slash at its end
    // Files; "": the system's certificates, none, none, none.
    char ca_path[STORE_PATH_LEN_MAX + 1];
    char cert_path[STORE_PATH_LEN_MAX + 1], key_path[STORE_PATH_LEN_MAX + 1];
    char login_path[STORE_PATH_LEN_MAX + 1]; // one line, NAME:PASSWORD
} store_place;

// On MESH_EINVAL the sentence says what is wrong and what to write instead; `out` stays untouched.
int store_place_parse(const char *text, store_place *out,
                      char out_sentence[STORE_SENTENCE_LEN_MAX + 1]);
