// What the text of a source says: "seeds:h1:7400,h2", "dns:NAME:PORT", "srv:_warren._tcp.example",
// "etcd:http://HOST:2379/prefix", "etcd:https://HOST/prefix?ca=/FILE&login=/FILE", "file:/path".
// Pure.
#pragma once

#include <stddef.h>

#include "discovery/endpoint.h"

enum {
    MESH_SOURCE_TEXT_LEN_MAX = 4096,
    MESH_SENTENCE_LEN_MAX = 255,
    MESH_ETCD_PREFIX_LEN_MAX = 128,
    MESH_PATH_LEN_MAX = 1024,
};

typedef enum mesh_source_type {
    MESH_SOURCE_SEEDS,
    MESH_SOURCE_DNS,
    MESH_SOURCE_SRV,
    MESH_SOURCE_ETCD,
    MESH_SOURCE_FILE,
} mesh_source_type;

typedef struct mesh_source_spec {
    mesh_source_type type;
    mesh_endpoint *endpoints; // SEEDS: those listed; DNS: the one name; ETCD: the store
    size_t endpoint_count;
    bool is_https; // ETCD
    // ETCD over https: files; "": the system's certificates, no login.
    char ca_path[MESH_PATH_LEN_MAX + 1], login_path[MESH_PATH_LEN_MAX + 1];
    char prefix[MESH_ETCD_PREFIX_LEN_MAX + 1]; // ETCD: of the keys; without a slash at its end
    char name[MESH_HOST_LEN_MAX + 1];          // SRV
    char path[MESH_PATH_LEN_MAX + 1];          // FILE
} mesh_source_spec;

// On MESH_EINVAL the sentence says what is wrong and what to write instead; `out` stays untouched.
// Gives `out`: mesh_source_spec_deinit.
int mesh_source_spec_parse(const char *text, mesh_source_spec *out,
                           char out_sentence[MESH_SENTENCE_LEN_MAX + 1]);
void mesh_source_spec_deinit(mesh_source_spec *spec);
