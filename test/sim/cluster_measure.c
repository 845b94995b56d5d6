// How fast, how sure and how dear membership is with many hosts.
#include <string.h>

#include "cluster.h"
#include "cluster/swim_state.h"

enum {
    JOIN_EVERY_MS = 10,
    SETTLE_MS = 90000,
    REST_MS = 60000,
    ROUND_MS = 60000,
    SHORT_MS = 5000,
    LONG_MS = 10000,
    HEAD_LEN = 28, // of IP and UDP
    ROUNDS_MAX = 1000,
};

typedef struct samples {
    uint64_t ms[ROUNDS_MAX];
    size_t count;
} samples;

typedef struct measure {
    world world;
    machine *victim;
    uint64_t begin_ms, first_ms, most_ms; // most: 99.9 % know
    uint32_t knowing, needed;
    mesh_stamp stamp; // that is waited for; generation 0: a death is
    bool is_dead_seen;
} measure;

static void on_output(void *user, machine *m, const mesh_swim_output *output) {
    measure *at = user;
    (void)m;
    if (at->victim == NULL || output->kind != MESH_SWIM_HOST || output->host.is_self) return;
    if (memcmp(output->host.host_id, at->victim->host_id, MESH_ID_LEN) != 0) return;
    bool is_dead = output->host.state == MESH_HOST_DOWN;
    at->is_dead_seen |= is_dead;
    bool is_it = at->stamp.generation == 0 ? is_dead
                                           : mesh_stamp_compare(output->host.stamp, at->stamp) == 0;
    if (!is_it) return;
    if (at->knowing++ == 0) at->first_ms = at->world.now_ms - at->begin_ms;
    if (at->knowing == at->needed) at->most_ms = at->world.now_ms - at->begin_ms;
}

static void wait_for(measure *m, machine *victim, mesh_stamp stamp, uint64_t ms) {
    m->victim = victim;
    m->stamp = stamp;
    m->begin_ms = m->world.now_ms;
    m->knowing = 0;
    m->first_ms = m->most_ms = 0;
    m->is_dead_seen = false;
    world_run(&m->world, ms);
    m->victim = NULL;
}

static void add(samples *s, uint64_t ms) {
    if (ms > 0 && s->count < ROUNDS_MAX) s->ms[s->count++] = ms;
}

static int compare(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static double percentile(samples *s, uint32_t percent) {
    if (s->count == 0) return 0;
    qsort(s->ms, s->count, sizeof *s->ms, compare);
    size_t at = (s->count - 1) * percent / 100;
    return (double)s->ms[at] / 1000;
}

static machine *choose(measure *m) {
    return &m->world.machines[1 + mesh_rng_below(&m->world.rng, m->world.machine_count - 1)];
}

static void form(measure *m, uint32_t count) {
    world_init(&m->world, 1, count);
    m->world.user = m;
    m->world.on_output = on_output;
    m->world.faults = (world_faults){.latency_ms = 1, .jitter_ms = 4};
    m->needed = (uint32_t)(((uint64_t)(count - 1) * 999 + 999) / 1000);
    for (uint32_t i = 0; i < count; i++) {
        world_start(&m->world, i, i == 0);
        if (i > 0) world_seed(&m->world, i, 0);
        world_run(&m->world, JOIN_EVERY_MS);
    }
    world_run(&m->world, SETTLE_MS);
}

static void spread(measure *m, samples *out) {
    machine *owner = choose(m);
    mesh_stamp stamp = owner->swim->self->stamp;
    stamp.incarnation++;
    mesh_swim_belief_issue(owner->swim, true);
    world_carry_out(&m->world, owner);
    wait_for(m, owner, stamp, ROUND_MS);
    add(out, m->most_ms);
}

static void die(measure *m, samples *out_first, samples *out_most) {
    machine *victim = choose(m);
    uint32_t needed = m->needed;
    m->needed = (uint32_t)(((uint64_t)(m->world.machine_count - 2) * 999 + 999) / 1000);
    if (m->needed == 0) m->needed = 1;
    world_kill(&m->world, victim->index);
    wait_for(m, victim, (mesh_stamp){.generation = 0}, ROUND_MS);
    m->needed = needed;
    add(out_first, m->first_ms);
    add(out_most, m->most_ms);
    world_start(&m->world, victim->index, false);
    world_seed(&m->world, victim->index, 0);
    world_run(&m->world, ROUND_MS / 2);
}

static bool is_killed_by_stop(measure *m, uint64_t ms) {
    machine *victim = choose(m);
    world_pause(&m->world, victim->index, ms);
    wait_for(m, victim, (mesh_stamp){.generation = 0}, ROUND_MS);
    return m->is_dead_seen;
}

void cluster_measure(uint32_t count, uint32_t loss, uint32_t rounds) {
    measure *m = mem_alloc(sizeof *m);
    samples *s = mem_alloc(3 * sizeof *s);
    uint32_t short_kills = 0, long_kills = 0;
    form(m, count);
    m->world.faults.loss = loss;
    world_run(&m->world, REST_MS);
    uint64_t datagrams = m->world.datagrams, bytes = m->world.bytes;
    world_run(&m->world, REST_MS);
    datagrams = m->world.datagrams - datagrams;
    bytes = m->world.bytes - bytes + HEAD_LEN * datagrams;
    for (uint32_t i = 0; i < rounds; i++) {
        spread(m, &s[0]);
        die(m, &s[1], &s[2]);
        short_kills += is_killed_by_stop(m, SHORT_MS);
        long_kills += is_killed_by_stop(m, LONG_MS);
    }
    (void)printf("| %u | %.1f %% | %.1f / %.1f s | %.1f / %.1f s | %u/%u | %u/%u | %.2f / %.2f s | "
                 "%.0f B/s |\n",
                 count, loss / 10.0, percentile(&s[1], 50), percentile(&s[1], 95),
                 percentile(&s[2], 50), percentile(&s[2], 95), short_kills, rounds, long_kills,
                 rounds, percentile(&s[0], 50), percentile(&s[0], 95),
                 (double)bytes * 1000 / REST_MS / count);
    world_deinit(&m->world);
    free(s);
    free(m);
}
