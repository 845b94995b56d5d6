#include "cluster_world.h"

#include <sodium.h>

#include "cluster/dgram.h"
#include "pki.h"

typedef enum event_kind { EVENT_DATAGRAM, EVENT_DIAL, EVENT_PAGE, EVENT_PROBED } event_kind;

struct world_event {
    uint64_t at_ms, seq;
    event_kind kind;
    uint32_t from, to;
    uint64_t generation; // of the life of `to` it is for; 0: any
    uint8_t *bytes;
    size_t len;
    uint64_t origin; // of a datagram: the same for all its copies
    bool has_answered;
};

enum { IP_HEAD_LEN = 28, OLD_MAX = 64, TAIL_MS = 5000, TCP_MS = 3, AGES_S = 100000000 };

// ---- chance

static uint32_t pick(world *w, uint32_t bound) {
    return bound > 0 ? mesh_rng_below(&w->rng, bound) : 0;
}

static bool chance(world *w, uint32_t per_mille) {
    return per_mille > 0 && pick(w, 1000) < per_mille;
}

void world_note(world *w, const void *what, size_t len) {
    const uint8_t *at = what;
    for (size_t i = 0; i < len; i++)
        w->hash = (w->hash ^ at[i]) * UINT64_C(0x100000001b3);
}

// ---- events: a heap by time, then by order of making

static bool is_before(const world_event *a, const world_event *b) {
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->seq < b->seq;
}

static void push_event(world *w, world_event event) {
    event.seq = w->event_seq++;
    w->events = mem_grow(w->events, sizeof event, w->event_count + 1, &w->event_cap);
    size_t at = w->event_count++;
    for (; at > 0 && is_before(&event, &w->events[(at - 1) / 2]); at = (at - 1) / 2)
        w->events[at] = w->events[(at - 1) / 2];
    w->events[at] = event;
}

static world_event pop_event(world *w) {
    world_event first = w->events[0], last = w->events[--w->event_count];
    size_t at = 0, child;
    while ((child = 2 * at + 1) < w->event_count) {
        if (child + 1 < w->event_count && is_before(&w->events[child + 1], &w->events[child]))
            child++;
        if (!is_before(&w->events[child], &last)) break;
        w->events[at] = w->events[child];
        at = child;
    }
    if (w->event_count > 0) w->events[at] = last;
    return first;
}

// ---- machines

static void fill_random(void *user, uint8_t *out, size_t len) {
    world *w = user;
    if (w->has_no_random && len == MESH_DGRAM_SALT_LEN) {
        memset(out, 0, len);
        return;
    }
    for (size_t i = 0; i < len; i += 8) {
        uint64_t value = mesh_rng_next(&w->rng);
        memcpy(out + i, &value, len - i < 8 ? len - i : 8);
    }
}

static void make_machine(world *w, uint32_t index, const mesh_cert *issuer) {
    machine *m = &w->machines[index];
    uint8_t seed[crypto_sign_SEEDBYTES] = {77}, issuer_public[32], issuer_secret[64];
    memcpy(seed + 1, &index, sizeof index);
    *m = (machine){.index = index, .addr = {.family = 4, .port = WORLD_PORT, .ip = {10}}};
    m->addr.ip[1] = (uint8_t)(index >> 16);
    m->addr.ip[2] = (uint8_t)(index >> 8);
    m->addr.ip[3] = (uint8_t)index;
    (void)crypto_sign_seed_keypair(m->public, m->secret, seed);
    mesh_cert cert = pki_cert(MESH_ROLE_HOST, PKI_ISSUER, 9);
    cert.not_before_s = WORLD_NOW_S - AGES_S;
    cert.not_after_s = WORLD_NOW_S + AGES_S;
    memcpy(cert.ed25519, m->public, sizeof cert.ed25519);
    mesh_host_id_of(cert.ed25519, cert.host_id);
    memcpy(m->host_id, cert.host_id, MESH_ID_LEN);
    (void)snprintf(cert.name, sizeof cert.name, "h%u", index);
    pki_sign_key(PKI_ISSUER, issuer_public, issuer_secret);
    m->cert_lens[0] = pki_issue(issuer, PKI_ROOT, m->certs[0]).len;
    CHECK(mesh_cert_issue(&cert, issuer_secret, m->certs[1], &m->cert_lens[1]) == 0);
}

void world_init(world *w, uint64_t seed, uint32_t machine_count) {
    *w = (world){.now_ms = 1000, .cut_from = UINT32_MAX, .machine_count = machine_count};
    mesh_rng_init(&w->rng, seed);
    mesh_deadlines_init(&w->wakes);
    w->faults.latency_ms = 1;
    w->machines = mem_alloc(machine_count * sizeof *w->machines);
    mesh_cert issuer = pki_cert(MESH_ROLE_ISSUER, PKI_ISSUER, 0);
    issuer.not_before_s = WORLD_NOW_S - AGES_S;
    issuer.not_after_s = WORLD_NOW_S + AGES_S;
    for (uint32_t i = 0; i < machine_count; i++)
        make_machine(w, i, &issuer);
}

void world_deinit(world *w) {
    for (uint32_t i = 0; i < w->machine_count; i++)
        mesh_swim_destroy(w->machines[i].swim);
    for (size_t i = 0; i < w->event_count; i++)
        free(w->events[i].bytes);
    for (size_t i = 0; i < OLD_MAX; i++)
        free(w->old[i]);
    mesh_deadlines_deinit(&w->wakes);
    free(w->accepted);
    free(w->events);
    free(w->machines);
}

machine *world_find(world *w, const uint8_t host_id[MESH_ID_LEN]) {
    for (uint32_t i = 0; i < w->machine_count; i++)
        if (memcmp(w->machines[i].host_id, host_id, MESH_ID_LEN) == 0) return &w->machines[i];
    return NULL;
}

machine *world_at(world *w, const mesh_addr *addr) {
    uint32_t index = (uint32_t)addr->ip[1] << 16 | (uint32_t)addr->ip[2] << 8 | addr->ip[3];
    return index < w->machine_count && mesh_addr_equal(&w->machines[index].addr, addr)
               ? &w->machines[index]
               : NULL;
}

bool world_reaches(const world *w, const machine *from, const machine *to) {
    return from->group == to->group && !(from->index == w->cut_from && to->index == w->cut_to);
}

static uint64_t now_s(const world *w, const machine *m) {
    return (uint64_t)(WORLD_NOW_S + (int64_t)(w->now_ms / 1000) + m->clock_s);
}

static void set_wake(world *w, machine *m) {
    if (m->swim == NULL || m->misses_ticks) {
        mesh_deadlines_clear(&w->wakes, m->index);
        return;
    }
    uint64_t at_ms = mesh_swim_wake_at_ms(m->swim);
    if (at_ms < m->paused_until_ms) at_ms = m->paused_until_ms;
    if (at_ms == UINT64_MAX)
        mesh_deadlines_clear(&w->wakes, m->index);
    else
        mesh_deadlines_set(&w->wakes, m->index, at_ms > w->now_ms ? at_ms : w->now_ms);
}

void world_start(world *w, uint32_t index, bool is_founder) {
    machine *m = &w->machines[index];
    CHECK(m->swim == NULL);
    mesh_swim_options options = {
        .chain = {{m->certs[0], m->cert_lens[0]}, {m->certs[1], m->cert_lens[1]}},
        .trust = pki_trust(),
        .addrs = {m->addr},
        .addr_count = 1,
        .minor_min = 1,
        .minor_max = 1,
        .gossip_key = {5},
        .is_founder = is_founder,
        .seed = mesh_rng_next(&w->rng),
        .random = fill_random,
        .random_user = w,
        .now_ms = w->now_ms,
        .now_s = now_s(w, m),
        .parameters = w->parameters};
    // As an agent does it: never below the wall clock, and higher than the one on its disk.
    uint64_t wall_ms = options.now_s * 1000;
    if (!w->has_no_disk || m->generation == 0)
        m->generation = m->generation >= wall_ms ? m->generation + 1 : wall_ms;
    options.generation = m->generation;
    memcpy(options.sign_secret, m->secret, sizeof options.sign_secret);
    fill_random(w, options.boot_secret, sizeof options.boot_secret);
    if (!w->has_real_crypto) options.crypto = world_crypto();
    if (w->verify != NULL) options.crypto.verify = w->verify;
    CHECK(mesh_swim_create(&options, &m->swim) == 0);
    m->has_left = m->is_cloned = false;
    m->started_ms = w->now_ms;
    if (w->is_verbose) (void)printf("%8llu h%u starts\n", (unsigned long long)w->now_ms, index);
    world_carry_out(w, m);
}

void world_seed(world *w, uint32_t index, uint32_t seed) {
    mesh_swim_add_candidate(w->machines[index].swim, &w->machines[seed].addr);
    set_wake(w, &w->machines[index]);
}

void world_kill(world *w, uint32_t index) {
    machine *m = &w->machines[index];
    if (w->is_verbose) (void)printf("%8llu h%u dies\n", (unsigned long long)w->now_ms, index);
    mesh_swim_destroy(m->swim);
    m->swim = NULL;
    set_wake(w, m);
}

void world_leave(world *w, uint32_t index) {
    machine *m = &w->machines[index];
    if (w->is_verbose) (void)printf("%8llu h%u leaves\n", (unsigned long long)w->now_ms, index);
    mesh_swim_leave(m->swim, w->now_ms);
    m->has_left = true;
    world_carry_out(w, m);
}

void world_pause(world *w, uint32_t index, uint64_t ms) {
    machine *m = &w->machines[index];
    if (w->is_verbose)
        (void)printf("%8llu h%u is stopped for %llu ms\n", (unsigned long long)w->now_ms, index,
                     (unsigned long long)ms);
    m->paused_until_ms = w->now_ms + ms;
    if (m->swim != NULL) set_wake(w, m);
}

// ---- the network

static uint64_t latency(world *w) {
    const world_faults *f = &w->faults;
    uint64_t ms = f->latency_ms + pick(w, f->jitter_ms + 1);
    if (chance(w, f->tail)) ms += pick(w, TAIL_MS);
    return ms;
}

static void corrupt(world *w, uint8_t *bytes, size_t *len) {
    switch (pick(w, 3)) {
    case 0: bytes[pick(w, (uint32_t)*len)] ^= (uint8_t)(1U << pick(w, 8)); return;
    case 1: *len = pick(w, (uint32_t)*len); return;
    default: // the rest of another one
        for (size_t i = pick(w, (uint32_t)*len), at = pick(w, OLD_MAX); i < *len; i++)
            if (w->old[at] != NULL && i < w->old_len[at]) bytes[i] = w->old[at][i];
    }
}

static void post(world *w, uint32_t from, uint32_t to, mesh_bytes bytes, uint64_t origin) {
    push_event(w, (world_event){.at_ms = w->now_ms + latency(w),
                                .kind = EVENT_DATAGRAM,
                                .from = from,
                                .to = to,
                                .bytes = mem_copy(bytes.data, bytes.len),
                                .len = bytes.len,
                                .origin = origin});
}

static void keep_old(world *w, uint32_t from, uint32_t to, mesh_bytes bytes, uint64_t origin) {
    uint32_t at = pick(w, OLD_MAX);
    free(w->old[at]);
    w->old[at] = mem_copy(bytes.data, bytes.len);
    w->old_len[at] = bytes.len;
    w->old_from[at] = from;
    w->old_to[at] = to;
    w->old_origin[at] = origin;
}

void world_send(world *w, machine *from, const mesh_addr *addr, mesh_bytes bytes) {
    uint8_t copy[MESH_DATAGRAM_LEN_MAX];
    machine *to = world_at(w, addr);
    if (from->is_mute) return;
    uint64_t origin = w->origins++;
    w->datagrams++;
    w->bytes += bytes.len;
    CHECK(bytes.len <= sizeof copy);
    if (to == NULL || !world_reaches(w, from, to) || chance(w, w->faults.loss)) return;
    if (w->faults.mtu > 0 && bytes.len + IP_HEAD_LEN > w->faults.mtu) return;
    memcpy(copy, bytes.data, bytes.len);
    size_t len = bytes.len;
    if (w->on_datagram != NULL && !w->on_datagram(w->user, from, to, copy, &len)) return;
    if (w->faults.replay > 0) keep_old(w, from->index, to->index, (mesh_bytes){copy, len}, origin);
    if (chance(w, w->faults.corrupt)) {
        corrupt(w, copy, &len);
        origin = w->origins++; // it may have become all of another one
    }
    post(w, from->index, to->index, (mesh_bytes){copy, len}, origin);
    if (chance(w, w->faults.duplicate))
        post(w, from->index, to->index, (mesh_bytes){copy, len}, origin);
    uint32_t at = pick(w, OLD_MAX);
    if (chance(w, w->faults.replay) && w->old[at] != NULL)
        post(w, w->old_from[at], w->old_to[at], (mesh_bytes){w->old[at], w->old_len[at]},
             w->old_origin[at]);
}

static bool is_running(const world *w, const machine *m) {
    return m->swim != NULL && m->paused_until_ms <= w->now_ms;
}

// ---- connections: they last for one exchange

static void send_pages(world *w, machine *from, machine *to) {
    uint8_t page[MESH_INTRO_LEN_MAX];
    uint32_t cursor = 0;
    uint64_t at_ms = w->now_ms + w->faults.latency_ms + TCP_MS;
    for (size_t len; (len = mesh_swim_intro(from->swim, &cursor, page)) > 0; at_ms++)
        push_event(w, (world_event){.at_ms = at_ms,
                                    .kind = EVENT_PAGE,
                                    .from = from->index,
                                    .to = to->index,
                                    .generation = to->generation,
                                    .bytes = mem_copy(page, len),
                                    .len = len});
}

static bool can_connect(const world *w, const machine *a, const machine *b) {
    return !w->faults.has_no_tcp && is_running(w, a) && is_running(w, b) && a != b &&
           world_reaches(w, a, b) && world_reaches(w, b, a);
}

static void meet(world *w, machine *a, machine *b) {
    if (!can_connect(w, a, b) || a->has_left || b->has_left) return;
    send_pages(w, a, b);
    send_pages(w, b, a);
}

static void plan(world *w, event_kind kind, uint32_t from, machine *to, bool has_answered) {
    push_event(w, (world_event){.at_ms = w->now_ms + 2 * (uint64_t)w->faults.latency_ms + TCP_MS,
                                .kind = kind,
                                .from = from,
                                .to = to->index,
                                .generation = to->generation,
                                .has_answered = has_answered});
}

// ---- carrying out

void world_carry_out(world *w, machine *m) {
    mesh_swim_output output;
    while (m->swim != NULL && mesh_swim_poll(m->swim, &output)) {
        world_note(w, &output.kind, sizeof output.kind);
        world_note(w, output.bytes.data, output.bytes.len);
        machine *other = NULL;
        switch (output.kind) {
        case MESH_SWIM_SEND: world_send(w, m, &output.addr, output.bytes); continue;
        case MESH_SWIM_DIAL:
            other = world_at(w, &output.addr);
            if (w->misses_dials && world_state(w, m->index, m->index) == MESH_HOST_UP) continue;
            if (other != NULL) plan(w, EVENT_DIAL, other->index, m, false);
            continue;
        case MESH_SWIM_PROBE:
            other = world_find(w, output.host.host_id);
            if (other != NULL) plan(w, EVENT_PROBED, other->index, m, can_connect(w, m, other));
            continue;
        case MESH_SWIM_CLONED: m->is_cloned = true; break;
        case MESH_SWIM_GENERATION: m->generation = output.host.stamp.generation; break;
        default: break;
        }
        if (w->on_output != NULL) w->on_output(w->user, m, &output);
    }
    if (m->is_cloned && m->swim != NULL) world_kill(w, m->index); // as its agent would
    set_wake(w, m);
}

// No datagram is taken twice, whatever the network does with it.
static void receive(world *w, machine *to, const machine *from, const world_event *event) {
    mesh_swim_stats before, after;
    mesh_swim_get_stats(to->swim, &before);
    mesh_swim_receive(to->swim, w->now_ms, now_s(w, to), &from->addr,
                      (mesh_bytes){event->bytes, event->len});
    mesh_swim_get_stats(to->swim, &after);
    if (after.received == before.received) return;
    size_t old_cap = w->accepted_cap;
    w->accepted = mem_grow(w->accepted, 1, event->origin + 1, &w->accepted_cap);
    memset(w->accepted + old_cap, 0, w->accepted_cap - old_cap);
    w->accepted_twice += w->accepted[event->origin];
    w->accepted[event->origin] = 1;
}

static void deliver(world *w, const world_event *event) {
    machine *to = &w->machines[event->to], *from = &w->machines[event->from];
    if (to->swim == NULL) return;
    if (event->generation != 0 && event->generation != to->generation) return;
    switch (event->kind) {
    case EVENT_DATAGRAM: receive(w, to, from, event); break;
    case EVENT_PAGE:
        if (to->misses_pages) return;
        (void)mesh_swim_take_intro(to->swim, w->now_ms, now_s(w, to),
                                   (mesh_bytes){event->bytes, event->len});
        break;
    case EVENT_PROBED:
        mesh_swim_probed(to->swim, w->now_ms, from->host_id, event->has_answered);
        break;
    case EVENT_DIAL: meet(w, to, from); break;
    }
    world_carry_out(w, to);
}

// A stopped process reads its socket when it goes on; the socket keeps what fits, here everything.
static void handle_event(world *w) {
    world_event event = pop_event(w);
    const machine *to = &w->machines[event.to];
    w->now_ms = event.at_ms;
    if (to->paused_until_ms > w->now_ms) {
        event.at_ms = to->paused_until_ms;
        push_event(w, event);
        return;
    }
    deliver(w, &event);
    free(event.bytes);
}

static void handle_wake(world *w, uint64_t at_ms) {
    uint32_t index;
    w->now_ms = at_ms;
    if (!mesh_deadlines_take(&w->wakes, at_ms, &index)) return;
    machine *m = &w->machines[index];
    mesh_swim_tick(m->swim, w->now_ms, now_s(w, m));
    world_carry_out(w, m);
}

bool world_run_until(world *w, uint64_t ms, bool (*is_done)(world *w, void *user), void *user) {
    uint64_t until_ms = w->now_ms + ms;
    for (;;) {
        if (is_done != NULL && is_done(w, user)) return true;
        uint64_t event_ms = w->event_count > 0 ? w->events[0].at_ms : UINT64_MAX;
        uint64_t wake_ms = mesh_deadlines_next_ms(&w->wakes);
        if (event_ms > until_ms && wake_ms > until_ms) break;
        if (wake_ms <= event_ms) // timers before sockets, as libuv has it
            handle_wake(w, wake_ms);
        else
            handle_event(w);
    }
    w->now_ms = until_ms;
    return false;
}

void world_run(world *w, uint64_t ms) {
    (void)world_run_until(w, ms, NULL, NULL);
}

// ---- looking

mesh_host_state world_view(const world *w, uint32_t index, uint32_t other, mesh_swim_host *out) {
    bool is_known = mesh_swim_find(w->machines[index].swim, w->machines[other].host_id, out);
    return is_known ? out->state : MESH_HOST_LEFT + 1;
}

mesh_host_state world_state(const world *w, uint32_t index, uint32_t other) {
    mesh_swim_host host;
    return world_view(w, index, other, &host);
}
