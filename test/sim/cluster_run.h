// The inside of one run, for cluster*.c alone.
#pragma once

#include "cluster.h"

typedef struct sighting { // what a driver was told of a host by its core
    bool is_known;
    mesh_host_state state;
    mesh_stamp stamp;
} sighting;

typedef struct nonces {
    uint64_t *cells;
    size_t cap, count;
} nonces;

typedef struct run {
    cluster_options options;
    cluster_result result;
    world world;
    sighting *sightings; // of viewer * count + subject
    mesh_stamp *stamps;  // the newest that each host gave itself
    uint64_t *last_pause_ms;
    nonces nonces;
    uint32_t bug_at; // the machine that has the bug, when only one has it
} run;

uint32_t run_pick(run *r, uint32_t bound);
bool run_chance(run *r, uint32_t per_mille);
bool run_is_up(const run *r, const machine *m); // runs, has joined, stays

// cluster_check.c
void check_output(void *user, machine *m, const mesh_swim_output *output);
bool check_datagram(void *user, machine *from, machine *to, uint8_t *bytes, size_t *len);
bool check_agrees(world *w, void *user); // all views are the same and right
void check_end(run *r);
void check_fail(run *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
void check_start(run *r, uint32_t index); // an agent starts: it knows nothing

// cluster_liar.c
void liar_act(run *r, machine *liar);

// cluster_bug.c
void bug_plant(run *r);                                                  // before the run
void bug_hurt(run *r);                                                   // from time to time
bool bug_eats(run *r, const machine *m, const mesh_swim_output *output); // the driver misses it
