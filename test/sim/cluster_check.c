// What must hold whatever happens.
#include <stdarg.h>
#include <string.h>

#include "cluster/dgram.h"
#include "cluster_run.h"
#include "core/be.h"

void check_fail(run *r, const char *format, ...) {
    if (r->result.violation[0] != '\0') return;
    va_list args;
    va_start(args, format);
    int len = snprintf(r->result.violation, sizeof r->result.violation,
                       "at %llu ms: ", (unsigned long long)r->world.now_ms);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it was started
    (void)vsnprintf(r->result.violation + len, sizeof r->result.violation - (size_t)len, format,
                    args);
    va_end(args);
}

static sighting *sighting_of(run *r, uint32_t viewer, uint32_t subject) {
    return &r->sightings[(size_t)viewer * r->world.machine_count + subject];
}

void check_start(run *r, uint32_t index) {
    memset(sighting_of(r, index, 0), 0, r->world.machine_count * sizeof(sighting));
}

// ---- states

static bool is_end(mesh_host_state state) {
    return state == MESH_HOST_DOWN || state == MESH_HOST_LEFT;
}

static void check_stamp(run *r, const machine *viewer, const machine *subject,
                        const mesh_swim_host *seen) {
    const sighting *before = sighting_of(r, viewer->index, subject->index);
    unsigned v = viewer->index, s = subject->index;
    if (mesh_stamp_compare(seen->stamp, r->stamps[s]) > 0)
        check_fail(r, "h%u has a stamp of h%u that h%u never had", v, s, s);
    if (!before->is_known) return;
    int order = mesh_stamp_compare(seen->stamp, before->stamp);
    if (order < 0) check_fail(r, "the stamp of h%u fell for h%u", s, v);
    if (before->state == MESH_HOST_DOWN && !is_end(seen->state) && order <= 0)
        check_fail(r, "h%u came back from the dead for h%u without a word of its own", s, v);
}

// A host that lives and is connected is not declared dead, whatever one other says.
static void check_death(run *r, const machine *viewer, const machine *subject,
                        const mesh_swim_host *seen) {
    if (!r->result.is_gentle || seen->state != MESH_HOST_DOWN) return;
    bool is_alive = subject->swim != NULL && !subject->has_left && !subject->is_cloned;
    bool is_this_life = seen->stamp.generation == r->stamps[subject->index].generation;
    if (is_alive && is_this_life && !viewer->is_liar)
        check_fail(r, "h%u, which lives, is down for h%u", subject->index, viewer->index);
}

static void check_departure(run *r, const machine *viewer, const machine *subject,
                            const mesh_swim_host *seen) {
    bool is_this_life = seen->stamp.generation == r->stamps[subject->index].generation;
    if (seen->state == MESH_HOST_LEFT && is_this_life && subject->swim != NULL &&
        !subject->has_left)
        check_fail(r, "h%u, which has not left, has left for h%u", subject->index, viewer->index);
}

void check_output(void *user, machine *m, const mesh_swim_output *output) {
    run *r = user;
    machine *subject = world_find(&r->world, output->host.host_id);
    if (bug_eats(r, m, output) || subject == NULL) return;
    const mesh_swim_host *seen = &output->host;
    sighting *mirror = sighting_of(r, m->index, subject->index);
    if (output->kind == MESH_SWIM_CLONED && !m->is_liar)
        check_fail(r, "h%u was told that it is a clone", m->index);
    if (output->kind == MESH_SWIM_FORGOTTEN)
        check_fail(r, "h%u was forgotten by h%u", subject->index, m->index);
    if (output->kind != MESH_SWIM_HOST) return;
    if (r->world.is_verbose && (!mirror->is_known || mirror->state != seen->state))
        (void)printf("%8llu h%u: h%u is %s @%u\n", (unsigned long long)r->world.now_ms, m->index,
                     subject->index, mesh_host_state_text(seen->state), seen->stamp.incarnation);
    if (seen->is_self && mesh_stamp_compare(seen->stamp, r->stamps[m->index]) > 0)
        r->stamps[m->index] = seen->stamp;
    check_stamp(r, m, subject, seen);
    check_death(r, m, subject, seen);
    check_departure(r, m, subject, seen);
    *mirror = (sighting){true, seen->state, seen->stamp};
}

// ---- datagrams: no nonce twice under one key

static bool add_nonce(nonces *n, uint64_t key);

static void grow(nonces *n) {
    nonces old = *n;
    *n = (nonces){.cap = old.cap > 0 ? old.cap * 2 : 1 << 12};
    n->cells = mem_alloc(n->cap * sizeof *n->cells);
    for (size_t i = 0; i < old.cap; i++)
        if (old.cells[i] != 0) (void)add_nonce(n, old.cells[i]);
    free(old.cells);
}

static bool add_nonce(nonces *n, uint64_t key) {
    if ((n->count + 1) * 4 > n->cap * 3) grow(n);
    for (size_t at = key;; at++) {
        uint64_t *cell = &n->cells[at & (n->cap - 1)];
        if (*cell == key) return false;
        if (*cell != 0) continue;
        *cell = key;
        n->count++;
        return true;
    }
}

static uint64_t mix(uint64_t z, uint64_t more) {
    mesh_rng rng;
    mesh_rng_init(&rng, z ^ more);
    return mesh_rng_next(&rng);
}

bool check_datagram(void *user, machine *from, machine *to, uint8_t *bytes, size_t *len) {
    run *r = user;
    mesh_dgram_head head;
    (void)to;
    if (mesh_dgram_parse((mesh_bytes){bytes, *len}, &head) != 0) {
        check_fail(r, "h%u sent what is no datagram", from->index);
        return false;
    }
    // One that is passed on has another source, and was counted when it was made.
    if (head.source != load_be64(from->host_id)) return true;
    uint64_t key = mix(mix(head.source, head.target), from->generation);
    key = mix(mix(key, head.counter), load_be64(bytes + 28)) | 1;
    if (!add_nonce(&r->nonces, key)) check_fail(r, "h%u used a nonce twice", from->index);
    return true;
}

// ---- agreement

static size_t votes_of(size_t count) {
    if (count <= 4) return 1;
    return count <= 16 ? 2 : 3;
}

static size_t counted(run *r, uint32_t viewer) {
    uint32_t cursor = 0;
    size_t count = 0;
    mesh_swim_host host;
    while (mesh_swim_each(r->world.machines[viewer].swim, &cursor, &host))
        count += !is_end(host.state);
    return count;
}

static bool is_right(run *r, uint32_t viewer, uint32_t subject, uint32_t up) {
    const machine *m = &r->world.machines[subject];
    mesh_swim_host seen, own;
    mesh_host_state state = world_view(&r->world, viewer, subject, &seen);
    if (run_is_up(r, m)) {
        (void)world_view(&r->world, subject, subject, &own);
        return state == MESH_HOST_UP && mesh_stamp_compare(seen.stamp, own.stamp) == 0;
    }
    if (state == MESH_HOST_LEFT + 1 || is_end(state)) return true;
    // Too few are left to be sure.
    return state == MESH_HOST_UNREACHABLE && up < votes_of(counted(r, viewer));
}

bool check_agrees(world *w, void *user) {
    run *r = user;
    uint32_t up = 0;
    for (uint32_t i = 0; i < w->machine_count; i++)
        up += run_is_up(r, &w->machines[i]);
    for (uint32_t i = 0; i < w->machine_count; i++) {
        const machine *m = &w->machines[i];
        if (m->swim == NULL || m->has_left || m->is_cloned) continue;
        if (!run_is_up(r, m) && up > 0) return false;
        for (uint32_t j = 0; j < w->machine_count && run_is_up(r, m); j++)
            if (i != j && !is_right(r, i, j, up)) return false;
    }
    return true;
}

static void say_disagreement(run *r) {
    world *w = &r->world;
    uint32_t up = 0;
    for (uint32_t i = 0; i < w->machine_count; i++)
        up += run_is_up(r, &w->machines[i]);
    for (uint32_t i = 0; i < w->machine_count; i++) {
        const machine *m = &w->machines[i];
        if (m->swim == NULL || m->has_left || m->is_cloned) continue;
        if (!run_is_up(r, m)) check_fail(r, "h%u has not joined", i);
        for (uint32_t j = 0; j < w->machine_count; j++) {
            if (i == j || is_right(r, i, j, up)) continue;
            mesh_host_state state = world_state(w, i, j);
            check_fail(r, "h%u is %s for h%u, %s", j,
                       state > MESH_HOST_LEFT ? "unknown" : mesh_host_state_text(state), i,
                       run_is_up(r, &w->machines[j]) ? "and runs" : "and does not run");
        }
    }
}

// What the driver was told is what the core says when asked.
static void check_mirror(run *r, uint32_t viewer) {
    uint32_t cursor = 0;
    mesh_swim_host host;
    while (mesh_swim_each(r->world.machines[viewer].swim, &cursor, &host)) {
        const machine *subject = world_find(&r->world, host.host_id);
        if (subject == NULL) continue;
        const sighting *mirror = sighting_of(r, viewer, subject->index);
        bool is_same = mirror->is_known && mirror->state == host.state &&
                       mesh_stamp_compare(mirror->stamp, host.stamp) == 0;
        if (!is_same) check_fail(r, "h%u was not told about h%u", viewer, subject->index);
    }
}

void check_end(run *r) {
    if (r->world.accepted_twice > 0) check_fail(r, "a datagram was taken twice");
    if (!check_agrees(&r->world, r)) say_disagreement(r);
    for (uint32_t i = 0; i < r->world.machine_count; i++)
        if (r->world.machines[i].swim != NULL) check_mirror(r, i);
}
