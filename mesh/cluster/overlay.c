#include "cluster/overlay.h"

#include <string.h>

#include "core/mem.h"
#include "core/rng.h"

typedef enum link_state { LINK_NONE, LINK_DIALLING, LINK_LINKED, LINK_CLOSING } link_state;

typedef struct host {
    uint8_t id[MESH_ID_LEN];
    bool is_wanted;
    link_state link;
    uint32_t retry_ms;    // after the next failure; 0: the last dial went well
    uint64_t retry_at_ms; // while it is dialled: when that counts as failed
} host;

struct mesh_overlay {
    uint8_t self[MESH_ID_LEN];
    mesh_rng rng;
    host **hosts; // by id, ascending: the ring
    size_t count, cap;
    size_t wanted_count, busy_count; // busy: dialling or linked
    bool is_stale;                   // something changed since the last look
    uint64_t retry_at_ms;            // of the earliest dial that waits, or is under way
    mesh_overlay_output *outs;
    size_t out_head, out_count, out_cap;
};

mesh_overlay *mesh_overlay_create(const uint8_t self[MESH_ID_LEN], uint64_t seed) {
    mesh_overlay *o = mem_alloc(sizeof *o);
    memcpy(o->self, self, MESH_ID_LEN);
    mesh_rng_init(&o->rng, seed);
    o->retry_at_ms = UINT64_MAX;
    return o;
}

void mesh_overlay_destroy(mesh_overlay *o) {
    if (o == NULL) return;
    for (size_t i = 0; i < o->count; i++)
        free(o->hosts[i]);
    free(o->hosts);
    free(o->outs);
    free(o);
}

// ---- hosts

// Where id is, or would be.
static size_t place_of(const mesh_overlay *o, const uint8_t id[MESH_ID_LEN]) {
    size_t low = 0, high = o->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (memcmp(o->hosts[mid]->id, id, MESH_ID_LEN) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static host *find(const mesh_overlay *o, const uint8_t id[MESH_ID_LEN]) {
    size_t at = place_of(o, id);
    bool is_there = at < o->count && memcmp(o->hosts[at]->id, id, MESH_ID_LEN) == 0;
    return is_there ? o->hosts[at] : NULL;
}

static host *find_or_add(mesh_overlay *o, const uint8_t id[MESH_ID_LEN]) {
    host *known = find(o, id);
    if (known != NULL) return known;
    if (o->count == MESH_OVERLAY_HOSTS_MAX || memcmp(id, o->self, MESH_ID_LEN) == 0) return NULL;
    size_t at = place_of(o, id);
    o->hosts = mem_grow(o->hosts, sizeof(host *), o->count + 1, &o->cap);
    memmove(o->hosts + at + 1, o->hosts + at, (o->count - at) * sizeof(host *));
    host *h = o->hosts[at] = mem_alloc(sizeof *h);
    memcpy(h->id, id, MESH_ID_LEN);
    o->count++;
    return h;
}

static void forget(mesh_overlay *o, host *h) {
    if (h->is_wanted || h->link != LINK_NONE) return;
    size_t at = place_of(o, h->id);
    free(h);
    o->count--;
    memmove(o->hosts + at, o->hosts + at + 1, (o->count - at) * sizeof(host *));
}

static bool is_busy(const host *h) {
    return h->link == LINK_DIALLING || h->link == LINK_LINKED;
}

static void put(mesh_overlay *o, host *h, link_state state) {
    o->busy_count -= is_busy(h);
    h->link = state;
    o->busy_count += is_busy(h);
}

// ---- what happens

void mesh_overlay_host(mesh_overlay *o, const uint8_t host_id[MESH_ID_LEN], bool is_wanted) {
    host *h = is_wanted ? find_or_add(o, host_id) : find(o, host_id);
    if (h == NULL || h->is_wanted == is_wanted) return;
    h->is_wanted = is_wanted;
    h->retry_ms = 0; // it is another one now
    h->retry_at_ms = 0;
    if (is_wanted)
        o->wanted_count++;
    else
        o->wanted_count--;
    o->is_stale = true;
    forget(o, h);
}

void mesh_overlay_linked(mesh_overlay *o, uint64_t now_ms, const uint8_t host_id[MESH_ID_LEN]) {
    (void)now_ms;
    host *h = find_or_add(o, host_id);
    if (h == NULL) return;
    put(o, h, LINK_LINKED);
    h->retry_ms = 0;
    o->is_stale = true;
}

void mesh_overlay_unlinked(mesh_overlay *o, uint64_t now_ms, const uint8_t host_id[MESH_ID_LEN]) {
    host *h = find(o, host_id);
    if (h == NULL || h->link == LINK_NONE) return;
    put(o, h, LINK_NONE);
    h->retry_ms = h->retry_ms == 0 ? MESH_OVERLAY_RETRY_MIN_MS : h->retry_ms * 2;
    if (h->retry_ms > MESH_OVERLAY_RETRY_MAX_MS) h->retry_ms = MESH_OVERLAY_RETRY_MAX_MS;
    // Half of it to all of it, so that two do not dial each other at the same time for ever.
    h->retry_at_ms = now_ms + h->retry_ms / 2 + mesh_rng_below(&o->rng, h->retry_ms / 2 + 1);
    o->is_stale = true;
    forget(o, h);
}

// ---- what to do

static void say(mesh_overlay *o, mesh_overlay_output_kind kind, host *h) {
    o->outs = mem_grow(o->outs, sizeof *o->outs, o->out_head + o->out_count + 1, &o->out_cap);
    mesh_overlay_output *out = &o->outs[o->out_head + o->out_count++];
    out->kind = kind;
    memcpy(out->host_id, h->id, MESH_ID_LEN);
    put(o, h, kind == MESH_OVERLAY_DIAL ? LINK_DIALLING : LINK_CLOSING);
}

bool mesh_overlay_poll(mesh_overlay *o, mesh_overlay_output *out) {
    if (o->out_count == 0) {
        o->out_head = 0;
        return false;
    }
    *out = o->outs[o->out_head++];
    o->out_count--;
    return true;
}

static void dial(mesh_overlay *o, uint64_t now_ms, host *h) {
    if (h->link != LINK_NONE) return;
    if (now_ms >= h->retry_at_ms) {
        say(o, MESH_OVERLAY_DIAL, h);
        h->retry_at_ms = now_ms + MESH_OVERLAY_DIAL_MS;
    }
    if (h->retry_at_ms < o->retry_at_ms) o->retry_at_ms = h->retry_at_ms;
}

// The driver says what becomes of every dial, much earlier; one that it lost must not keep two
// hosts apart for ever.
static void end_lost_dials(mesh_overlay *o, uint64_t now_ms) {
    for (size_t i = o->count; i-- > 0;) { // from the end: what is forgotten leaves the array
        host *h = o->hosts[i];
        if (h->link != LINK_DIALLING) continue;
        if (now_ms >= h->retry_at_ms)
            mesh_overlay_unlinked(o, now_ms, h->id);
        else if (h->retry_at_ms < o->retry_at_ms)
            o->retry_at_ms = h->retry_at_ms;
    }
}

// The next wanted host on the ring, in either direction (step 1 or -1). NULL: there is none.
static host *ring_neighbour(const mesh_overlay *o, int step) {
    size_t at = place_of(o, o->self);
    if (step < 0) at += o->count - 1;
    for (size_t i = 0; i < o->count; i++) {
        host *h = o->hosts[(at + (step > 0 ? i : o->count - i)) % o->count];
        if (h->is_wanted) return h;
    }
    return NULL;
}

static bool is_dialable(const host *h, uint64_t now_ms) {
    return h->is_wanted && h->link == LINK_NONE && now_ms >= h->retry_at_ms;
}

// A random host that can be dialled now, or NULL.
static host *pick_dialable(mesh_overlay *o, uint64_t now_ms) {
    host *picked = NULL;
    uint32_t seen = 0;
    for (size_t i = 0; i < o->count; i++) {
        host *h = o->hosts[i];
        if (is_dialable(h, now_ms)) {
            if (mesh_rng_below(&o->rng, ++seen) == 0) picked = h;
        } else if (h->is_wanted && h->link == LINK_NONE && h->retry_at_ms < o->retry_at_ms) {
            o->retry_at_ms = h->retry_at_ms;
        }
    }
    return picked;
}

// A random link that can be spared: the two neighbours on the ring hold the overlay together.
static host *pick_spare(mesh_overlay *o, const host *next, const host *previous) {
    host *picked = NULL;
    uint32_t seen = 0;
    for (size_t i = 0; i < o->count; i++) {
        host *h = o->hosts[i];
        if (h->link != LINK_LINKED || h == next || h == previous) continue;
        if (mesh_rng_below(&o->rng, ++seen) == 0) picked = h;
    }
    return picked;
}

static void look(mesh_overlay *o, uint64_t now_ms) {
    host *next = ring_neighbour(o, 1), *previous = ring_neighbour(o, -1), *h;
    if (next != NULL) dial(o, now_ms, next);
    while (o->busy_count < MESH_OVERLAY_DEGREE && (h = pick_dialable(o, now_ms)) != NULL)
        dial(o, now_ms, h);
    while (o->busy_count > MESH_OVERLAY_LINKS_MAX && (h = pick_spare(o, next, previous)) != NULL)
        say(o, MESH_OVERLAY_HANG_UP, h);
}

void mesh_overlay_tick(mesh_overlay *o, uint64_t now_ms) {
    if (!o->is_stale && now_ms < o->retry_at_ms) return;
    o->retry_at_ms = UINT64_MAX;
    end_lost_dials(o, now_ms);
    o->is_stale = false;
    look(o, now_ms);
}

uint64_t mesh_overlay_wake_at_ms(const mesh_overlay *o) {
    return o->is_stale ? 0 : o->retry_at_ms;
}

size_t mesh_overlay_link_count(const mesh_overlay *o) {
    size_t count = 0;
    for (size_t i = 0; i < o->count; i++)
        count += o->hosts[i]->link == LINK_LINKED;
    return count;
}
