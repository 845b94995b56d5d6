// The private face of a kind of source: a way to get a list of endpoints. What they have in common
// (when to look, names -> addresses, what was found last) is in discovery.c and look.c.
#pragma once

#include <uv.h>

#include "core/rng.h"
#include "discovery/answer.h"
#include "discovery/resolver.h"
#include "discovery/spec.h"

typedef struct mesh_source_options {
    uv_loop_t *loop;
    mesh_resolver *resolver;
    const mesh_source_spec *spec;     // outlives the source, as all of these do
    const char *own_id, *own_address; // see discovery.h
    uint32_t lease_s;
    mesh_rng *rng;
    mesh_answer_cb on_answer;
    void (*on_changed)(void *user); // look again now; NULL never
    void *user;
} mesh_source_options;

typedef struct mesh_source_kind {
    void *(*open)(const mesh_source_options *options);
    void (*look)(void *source);  // answers once, from the loop or from inside the call; then again
    void (*close)(void *source); // no answer after it; frees at once or later from the loop
} mesh_source_kind;

extern const mesh_source_kind mesh_source_seeds; // SEEDS and DNS
extern const mesh_source_kind mesh_source_srv;
extern const mesh_source_kind mesh_source_etcd;
extern const mesh_source_kind mesh_source_file;
