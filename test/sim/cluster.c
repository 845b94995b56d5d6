// Which thing happens when, from the seed alone.
#include "cluster.h"

#include "cluster_run.h"

enum {
    JOIN_MS = 30000,
    STEPS_MIN = 20,
    STEPS_MAX = 60,
    STEP_MS_MAX = 6000,
    CALM_MS = 60000,
    MERGE_MS = 90000,
    QUIET_MS = 20000,
    REST_MS = 15000, // between two stops of one host, where nobody may be thought dead
};

uint32_t run_pick(run *r, uint32_t bound) {
    return bound > 0 ? mesh_rng_below(&r->world.rng, bound) : 0;
}

bool run_chance(run *r, uint32_t per_mille) {
    return run_pick(r, 1000) < per_mille;
}

bool run_is_up(const run *r, const machine *m) {
    return m->swim != NULL && !m->has_left && !m->is_cloned &&
           world_state(&r->world, m->index, m->index) == MESH_HOST_UP;
}

static void start(run *r, uint32_t index) {
    check_start(r, index);
    world_start(&r->world, index, index == 0);
    for (uint32_t i = 0; i < r->world.machine_count; i++)
        if (i != index) world_seed(&r->world, index, i);
}

static void choose_faults(run *r) {
    world_faults *f = &r->world.faults;
    bool is_gentle = r->result.is_gentle;
    *f = (world_faults){.latency_ms = run_pick(r, is_gentle ? 20 : 50),
                        .jitter_ms = run_pick(r, is_gentle ? 80 : 200)};
    if (run_chance(r, 500)) f->loss = run_pick(r, is_gentle ? 100 : 300);
    if (run_chance(r, 200) && !is_gentle) f->loss = run_pick(r, 900);
    if (run_chance(r, 200) && !is_gentle) f->mtu = 576 + run_pick(r, 925);
    if (run_chance(r, 500)) f->duplicate = run_pick(r, 500);
    if (run_chance(r, 500)) f->replay = run_pick(r, 500);
    if (run_chance(r, 500)) f->corrupt = run_pick(r, is_gentle ? 10 : 50);
    if (run_chance(r, 500) && !is_gentle) f->tail = run_pick(r, 100);
}

static void begin(run *r, const cluster_options *options) {
    *r = (run){.options = *options};
    mesh_rng chooser;
    mesh_rng_init(&chooser, options->seed * 7919 + 1);
    uint32_t kind = mesh_rng_below(&chooser, 10);
    uint32_t count = 2 + mesh_rng_below(&chooser, kind < 6 ? 7 : kind < 9 ? 23 : 63);
    if (options->host_count > 0) count = options->host_count;
    world_init(&r->world, options->seed, count);
    r->world.is_verbose = options->is_verbose;
    r->world.user = r;
    r->world.on_output = check_output;
    r->world.on_datagram = check_datagram;
    r->result.hosts = count;
    r->result.is_gentle = mesh_rng_below(&chooser, 2) == 0;
    r->sightings = mem_alloc((size_t)count * count * sizeof *r->sightings);
    r->stamps = mem_alloc(count * sizeof *r->stamps);
    r->last_pause_ms = mem_alloc(count * sizeof *r->last_pause_ms);
    r->bug_at = mesh_rng_below(&chooser, count);
    if (count > 2 && mesh_rng_below(&chooser, 2) == 0)
        r->world.machines[mesh_rng_below(&chooser, count)].is_liar = true;
    choose_faults(r);
    bug_plant(r);
}

static void end(run *r) {
    world_deinit(&r->world);
    free(r->sightings);
    free(r->stamps);
    free(r->last_pause_ms);
    free(r->nonces.cells);
}

// ---- faults

static void partition(run *r) {
    world *w = &r->world;
    uint32_t kind = run_pick(r, 4);
    r->result.partitions++;
    if (w->is_verbose)
        (void)printf("%8llu partition of kind %u\n", (unsigned long long)w->now_ms, kind);
    if (kind == 0) { // one way
        w->cut_from = run_pick(r, w->machine_count);
        w->cut_to = run_pick(r, w->machine_count);
        return;
    }
    for (uint32_t i = 0; i < w->machine_count; i++)
        w->machines[i].group = kind == 1 ? i == 0 : run_pick(r, kind);
}

static void heal(run *r) {
    world *w = &r->world;
    w->cut_from = w->cut_to = UINT32_MAX;
    for (uint32_t i = 0; i < w->machine_count; i++)
        w->machines[i].group = 0;
    if (w->is_verbose) (void)printf("%8llu healed\n", (unsigned long long)w->now_ms);
}

static void stop_for_a_while(run *r, machine *m) {
    uint64_t now_ms = r->world.now_ms;
    bool is_gentle = r->result.is_gentle;
    if (is_gentle && r->last_pause_ms[m->index] + REST_MS > now_ms) return;
    r->last_pause_ms[m->index] = now_ms;
    r->result.pauses++;
    world_pause(&r->world, m->index, run_pick(r, is_gentle ? 5000 : 60000));
}

static void fault(run *r) {
    world *w = &r->world;
    uint32_t kind = run_pick(r, 100);
    machine *m = &w->machines[run_pick(r, w->machine_count)];
    bool is_up = m->swim != NULL && !m->has_left;
    if (kind < 15) {
        if (is_up) world_kill(w, m->index), r->result.deaths++;
    } else if (kind < 20) {
        if (is_up && run_is_up(r, m)) world_leave(w, m->index), r->result.leaves++;
    } else if (kind < 45) {
        if (m->has_left) {
            world_kill(w, m->index);
            m->has_left = false;
        }
        if (m->swim == NULL) start(r, m->index), r->result.restarts++;
    } else if (kind < 60) {
        if (is_up) stop_for_a_while(r, m);
    } else if (kind < 70) {
        m->clock_s = run_chance(r, 200) ? (int64_t)run_pick(r, 60000000) - 30000000
                                        : (int64_t)run_pick(r, 7200) - 3600;
    } else if (kind < 85) {
        if (!r->result.is_gentle) run_chance(r, 500) ? partition(r) : heal(r);
    } else if (kind < 90) {
        if (!r->result.is_gentle) w->faults.has_no_tcp = run_chance(r, 300);
    } else {
        choose_faults(r);
    }
}

static void step(run *r) {
    world *w = &r->world;
    if (run_chance(r, 600)) fault(r);
    for (uint32_t i = 0; i < w->machine_count; i++) {
        machine *m = &w->machines[i];
        bool can_lie = m->is_liar && m->swim != NULL && !m->has_left && !m->is_cloned;
        for (uint32_t n = can_lie ? run_pick(r, 4) : 0; n > 0; n--)
            liar_act(r, m);
    }
    bug_hurt(r);
    world_run(w, 1 + run_pick(r, STEP_MS_MAX));
}

// ---- a run

static void join_all(run *r) {
    for (uint32_t i = 0; i < r->world.machine_count; i++) {
        start(r, i);
        world_run(&r->world, run_pick(r, JOIN_MS / r->world.machine_count));
    }
}

static void calm_down(run *r) {
    world *w = &r->world;
    bool was_apart = r->result.partitions > 0 || w->faults.has_no_tcp;
    heal(r);
    w->is_calm = true;
    w->faults = (world_faults){.latency_ms = 1, .jitter_ms = 3};
    for (uint32_t i = 0; i < w->machine_count; i++) {
        machine *m = &w->machines[i];
        m->clock_s = 0;
        if (m->paused_until_ms > w->now_ms) world_pause(w, i, 1);
        if (m->has_left && m->swim != NULL) world_kill(w, i);
    }
    if (w->is_verbose) (void)printf("%8llu calm\n", (unsigned long long)w->now_ms);
    uint64_t begin_ms = w->now_ms, limit_ms = was_apart ? MERGE_MS : CALM_MS;
    bool has_agreed = false;
    while (!has_agreed && w->now_ms < begin_ms + limit_ms) {
        bug_hurt(r);
        world_run(w, 250);
        has_agreed = check_agrees(w, r);
    }
    r->result.agreed_ms = w->now_ms - begin_ms;
    world_run(w, QUIET_MS);
    bug_hurt(r);
    uint64_t before = w->datagrams;
    world_run(w, QUIET_MS);
    if (r->result.violation[0] == '\0') check_end(r);
    uint32_t up = 0;
    for (uint32_t i = 0; i < w->machine_count; i++)
        up += w->machines[i].swim != NULL;
    uint64_t each = up > 0 ? (w->datagrams - before) * 1000 / up / QUIET_MS : 0;
    if (each > 12)
        check_fail(r, "%llu datagrams per host and second at rest", (unsigned long long)each);
}

static void finish(run *r) {
    world *w = &r->world;
    for (uint32_t i = 0; i < w->machine_count; i++) {
        mesh_swim_stats stats;
        if (w->machines[i].swim == NULL) continue;
        mesh_swim_get_stats(w->machines[i].swim, &stats);
        r->result.refuted += stats.refuted;
    }
    r->result.hash = w->hash;
    r->result.datagrams = w->datagrams;
    r->result.bytes = w->bytes;
}

cluster_result cluster_run(const cluster_options *options) {
    run *r = mem_alloc(sizeof *r);
    begin(r, options);
    join_all(r);
    uint32_t steps = STEPS_MIN + run_pick(r, STEPS_MAX - STEPS_MIN);
    for (uint32_t i = 0; i < steps && r->result.violation[0] == '\0'; i++)
        step(r);
    if (r->result.violation[0] == '\0') calm_down(r);
    finish(r);
    cluster_result result = r->result;
    end(r);
    free(r);
    return result;
}
