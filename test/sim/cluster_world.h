// Many hosts in one thread: real mesh_swim cores, a network of datagrams and connections between
// them in virtual time, and what can go wrong with both. One seed decides everything, so any run
// replays. The simulator (cluster.h) and the unit tests use it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cluster/swim.h"
#include "core/deadline.h"
#include "core/mem.h"
#include "core/rng.h"

enum { WORLD_PORT = 7400, WORLD_NOW_S = 1000000000, WORLD_HOSTS_MAX = 4096 };

typedef struct machine { // one host: its disk and clock survive its agent
    uint32_t index;
    uint8_t public[MESH_SIGN_KEY_LEN], secret[MESH_SIGN_SECRET_LEN], host_id[MESH_ID_LEN];
    uint8_t certs[2][MESH_CERT_LEN_MAX];
    size_t cert_lens[2];
    mesh_addr addr;
    uint64_t generation; // of the last start; on disk
    mesh_swim *swim;     // NULL: its agent does not run
    bool is_liar, has_left, is_cloned;
    bool misses_ticks, is_mute, misses_pages; // bugs of its driver
    uint64_t started_ms, paused_until_ms;
    int64_t clock_s; // by which its wall clock is wrong
    uint32_t group;  // of a partition: only the same group is reached
} machine;

typedef struct world_faults { // per mille, ms
    uint32_t mtu;             // longer packets do not arrive; 0: all do
    uint32_t loss, duplicate, replay, corrupt, latency_ms, jitter_ms, tail;
    bool has_no_tcp; // connections fail, datagrams may pass
} world_faults;

typedef struct world_event world_event;

typedef struct world {
    mesh_rng rng;
    uint64_t now_ms;
    bool is_verbose, has_real_crypto, is_calm;
    bool has_no_disk, has_no_random; // bugs: generations are forgotten, nonces are not random
    bool misses_dials;               // a bug: who has joined dials nobody
    mesh_verify verify;              // a bug in place of the right one, or NULL
    world_faults faults;
    machine *machines;
    uint32_t machine_count;
    uint32_t cut_from, cut_to; // one way: nothing from..to arrives; UINT32_MAX: none
    world_event *events;
    size_t event_count, event_cap;
    uint64_t event_seq;
    mesh_deadlines wakes; // ids are machines
    uint64_t hash;        // of everything that happened
    uint64_t datagrams, bytes;
    uint64_t origins;  // datagrams that were sent, each counted once
    uint8_t *accepted; // of each: whether it was taken
    size_t accepted_cap;
    uint64_t accepted_twice;
    // Called for each HOST, FORGOTTEN, CLONED and GENERATION; may be NULL.
    void (*on_output)(void *user, machine *m, const mesh_swim_output *output);
    // May change or refuse (false) a datagram on its way; may be NULL.
    bool (*on_datagram)(void *user, machine *from, machine *to, uint8_t *bytes, size_t *len);
    void *user;
    mesh_swim_parameters parameters;
    uint8_t *old[64]; // datagrams that may come again
    size_t old_len[64];
    uint32_t old_to[64], old_from[64];
    uint64_t old_origin[64];
} world;

void world_init(world *w, uint64_t seed, uint32_t machine_count);
void world_deinit(world *w);

// Starts the agent of a machine in a new generation. A founder needs no seed.
void world_start(world *w, uint32_t index, bool is_founder);
// It knows the address of another.
void world_seed(world *w, uint32_t index, uint32_t seed);
void world_kill(world *w, uint32_t index); // as by SIGKILL
void world_leave(world *w, uint32_t index);
void world_pause(world *w, uint32_t index, uint64_t ms); // as by SIGSTOP
void world_run(world *w, uint64_t ms);                   // lets time pass
// Runs until `is_done` or for `ms`; whether it was done.
bool world_run_until(world *w, uint64_t ms, bool (*is_done)(world *w, void *user), void *user);

void world_carry_out(world *w, machine *m); // polls and does what the core wants
// What `index` thinks of `other`; MESH_HOST_LEFT + 1: it does not know it.
mesh_host_state world_state(const world *w, uint32_t index, uint32_t other);
mesh_host_state world_view(const world *w, uint32_t index, uint32_t other, mesh_swim_host *out);
machine *world_find(world *w, const uint8_t host_id[MESH_ID_LEN]);
machine *world_at(world *w, const mesh_addr *addr);
bool world_reaches(const world *w, const machine *from, const machine *to);
void world_send(world *w, machine *from, const mesh_addr *to, mesh_bytes bytes);
void world_note(world *w, const void *what, size_t len); // into the hash

// cluster_crypto.c: the same answers as libsodium gives, computed once
mesh_swim_crypto world_crypto(void);
void world_crypto_deinit(void);
