// Where instances are: the plan of the placement, and what becomes of it.
#include "deploy/conductor_state.h"

#include <stdio.h>

#include "core/mem.h"

enum {
    SLOT_LEN = 32,
    PLACED_LEN_MAX = DEPLOY_VALUE_LEN_MAX - 1024,
    ALL_PLACED_MAX = 2 * DEPLOY_INSTANCES_MAX
};

// ---- the world, as the placement sees it

typedef struct world { // all that it borrows
    deploy_world is;
    deploy_host *hosts;
    deploy_service *services;
    deploy_placed *placed;
    deploy_label *labels;
    conductor_service **of;        // the service of each of `services`
    conductor_project **prospects; // which prepares it; NULL: none
    size_t label_count, label_cap, placed_cap, budget;
    uint64_t hash;
} world;

static void mix(world *w, uint64_t value) {
    w->hash = (w->hash ^ value) * 1099511628211ULL;
    w->hash ^= w->hash >> 29;
}

static size_t count_labels(const conductor_view *v) {
    size_t count = 0;
    for (size_t i = 0; i < v->host_count; i++)
        if (v->hosts[i].record != NULL)
            count += ((const Warren__Deploy__Host *)v->hosts[i].record->message)->n_labels;
    return count + v->service_count * DEPLOY_LABELS_MAX;
}

static const deploy_label *add_labels(world *w, Warren__Deploy__Label *const *labels,
                                      size_t count) {
    const deploy_label *first = &w->labels[w->label_count];
    for (size_t i = 0; i < count; i++)
        w->labels[w->label_count++] = (deploy_label){labels[i]->key, labels[i]->value};
    return first;
}

static deploy_host_state state_of(const conductor_host *host) {
    // Drained and down: it is left, but for what may still run there and must not run twice.
    if (host->is_drained && (host->record != NULL || !host->has_single)) return DEPLOY_DRAINING;
    return host->record != NULL ? DEPLOY_UP : DEPLOY_DOWN;
}

static void add_host(world *w, const conductor_host *host) {
    if (w->is.host_count >= DEPLOY_HOSTS_MAX) return;
    deploy_host *to = &w->hosts[w->is.host_count++];
    *to = (deploy_host){.name = host->name,
                        .state = state_of(host),
                        .since_ms = host->has_single ? host->down_at_ms : host->lost_at_ms};
    mix(w, to->state);
    mix(w, to->since_ms);
    mix(w, host->record != NULL ? (uint64_t)host->record->revision : 0);
    if (host->record == NULL) return;
    const Warren__Deploy__Host *is = (const Warren__Deploy__Host *)host->record->message;
    to->labels = add_labels(w, is->labels, is->n_labels);
    to->label_count = is->n_labels;
    to->cpu_milli = is->cpu_milli;
    to->memory = is->memory;
}

// As many as their record can hold, and all together.
static uint32_t bound_count(world *w, const conductor_view *v, const Warren__Deploy__Spec *spec,
                            uint32_t count) {
    size_t most = PLACED_LEN_MAX / (v->name_len_max + SLOT_LEN);
    bool is_each = spec->kind != WARREN__DEPLOY__SPEC__COUNT__COUNT;
    size_t hosts = is_each && w->is.host_count > 0 ? w->is.host_count : 1;
    if (most > DEPLOY_COUNT_MAX) most = DEPLOY_COUNT_MAX;
    if (!is_each && count > most) count = (uint32_t)most;
    if (count * hosts > w->budget) count = (uint32_t)(w->budget / hosts);
    w->budget -= count * hosts;
    return count;
}

static void add_service(world *w, const conductor_view *v, conductor_service *s,
                        const conductor_record *record, const uint32_t *scaled) {
    const Warren__Deploy__Spec *spec = (const Warren__Deploy__Spec *)record->message;
    uint32_t count = scaled != NULL ? *scaled : spec->count;
    deploy_service *to = &w->services[w->is.service_count++];
    *to = (deploy_service){
        .name = s->name,
        .kind = (deploy_count)spec->kind,
        .count = bound_count(w, v, spec, count),
        .requires = add_labels(w, spec->requires, spec->n_requires),
        .require_count = spec->n_requires,
        .is_spread = spec->is_spread,
        .spread_label = spec->spread_label[0] != '\0' ? spec->spread_label : NULL,
        .apart = (const char *const *)spec->apart,
        .apart_count = spec->n_apart,
        .cpu_milli = spec->cpu_milli,
        .memory = spec->memory,
        .disconnect = (deploy_disconnect)spec->disconnect,
        .disconnect_ms = spec->disconnect_ms,
        .reconcile = (deploy_reconcile)spec->reconcile,
    };
    if (to->disconnect == DEPLOY_STOP_AFTER && s->is_single) to->disconnect_ms = s->stop_after_ms;
    if (to->count < count) {
        s->unplaced = count - to->count;
        s->why_unplaced = "there are more instances than can be recorded";
    }
    mix(w, (uint64_t)record->revision);
    mix(w, to->disconnect_ms);
    mix(w, record->key.number);
    mix(w, to->count);
}

static void add_placed(world *w, const conductor_service *s) {
    for (size_t i = 0; i < s->slot_count && w->is.placed_count < ALL_PLACED_MAX; i++) {
        const conductor_slot *slot = &s->slots[i];
        w->placed = mem_grow(w->placed, sizeof *w->placed, w->is.placed_count + 1, &w->placed_cap);
        w->placed[w->is.placed_count++] = (deploy_placed){
            .service = (uint32_t)w->is.service_count,
            .slot = slot->slot,
            .host = slot->host,
            .since_ms = slot->since_ms,
            .is_lost = slot->lost_at_ms > 0,
            .is_stand_in = slot->is_stand_in,
        };
    }
    mix(w, s->slot_count);
    mix(w, s->placed_record != NULL ? (uint64_t)s->placed_record->revision : 0);
}

static conductor_project *prospect_of(const conductor_view *v, const conductor_service *s) {
    for (size_t i = 0; i < v->project_count; i++) {
        conductor_project *p = &v->projects[i];
        if (p->is_prospect && (s->project == NULL || s->project == p) &&
            conductor_spec(v->c, p->name, p->to, s->name) != NULL)
            return p;
    }
    return NULL;
}

static void add_one(world *w, const conductor_view *v, conductor_service *s, bool is_prospect) {
    if (s->is_frozen || w->is.service_count >= DEPLOY_SERVICES_MAX) return;
    conductor_project *p = is_prospect ? prospect_of(v, s) : NULL;
    if (p == NULL && s->spec == NULL) return;
    const conductor_record *spec =
        conductor_find(v->c, DEPLOY_RECORD_SPEC, p != NULL ? p->name : s->project_name,
                       p != NULL ? p->to : s->release, s->name);
    const uint32_t *scaled = s->has_scaled ? &s->scaled : NULL;
    if (p != NULL) scaled = conductor_scaled_to(p, s->name);
    w->of[w->is.service_count] = s;
    w->prospects[w->is.service_count] = p;
    add_placed(w, s);
    add_service(w, v, s, spec, scaled);
}

static void begin(world *w, conductor_view *v, bool is_prospect) {
    *w = (world){.hash = 14695981039346656037ULL, .budget = DEPLOY_INSTANCES_MAX};
    w->hosts = mem_alloc(v->host_count * sizeof *w->hosts);
    w->services = mem_alloc(v->service_count * sizeof *w->services);
    w->of = mem_alloc(v->service_count * sizeof(conductor_service *));
    w->prospects = mem_alloc(v->service_count * sizeof(conductor_project *));
    w->labels = mem_alloc(count_labels(v) * sizeof *w->labels);
    // Where something is that may still run comes first.
    for (size_t i = 0; i < v->host_count; i++)
        if (v->hosts[i].record == NULL) add_host(w, &v->hosts[i]);
    for (size_t i = 0; i < v->host_count; i++)
        if (v->hosts[i].record != NULL) add_host(w, &v->hosts[i]);
    for (size_t i = 0; i < v->service_count; i++)
        add_one(w, v, &v->services[i], is_prospect);
    w->is.hosts = w->hosts;
    w->is.services = w->services;
    w->is.placed = w->placed;
    w->is.now_ms = v->now_ms;
}

static void end(world *w) {
    free(w->hosts);
    free(w->services);
    free(w->of);
    free(w->prospects);
    free(w->labels);
    free(w->placed);
}

// They outlive the records that the world has them from.
static void keep_names(conductor_cache *cache) {
    deploy_plan *plan = &cache->plan;
    cache->names = mem_resize(cache->names, plan->placed_count * DEPLOY_NAME_MAX);
    for (size_t i = 0; i < plan->placed_count; i++) {
        memcpy(cache->names[i], plan->placed[i].host, strlen(plan->placed[i].host) + 1);
        plan->placed[i].host = cache->names[i];
    }
}

// The plan of a world that has not changed is the same plan.
static const deploy_plan *make(conductor_view *v, const world *w, conductor_cache *cache) {
    if (!cache->is_good || cache->hash != w->hash || cache->plan.again_at_ms <= v->now_ms) {
        deploy_plan_deinit(&cache->plan);
        deploy_plan_make(&w->is, &cache->plan);
        keep_names(cache);
        cache->is_good = true;
        cache->hash = w->hash;
    }
    conductor_wake_at(v, cache->plan.again_at_ms);
    return &cache->plan;
}

// ---- adopted

static conductor_slot *find_slot(const conductor_service *s, uint32_t slot, const char *host) {
    size_t from = 0, until = s->slot_count;
    while (from < until) {
        size_t middle = (from + until) / 2;
        if (s->slots[middle].slot < slot)
            from = middle + 1;
        else
            until = middle;
    }
    for (; from < s->slot_count && s->slots[from].slot == slot; from++)
        if (strcmp(s->slots[from].host, host) == 0) return &s->slots[from];
    return NULL;
}

static conductor_slot *find_any(const conductor_service *s, uint32_t slot) {
    conductor_slot *found = NULL;
    for (size_t i = 0; i < s->slot_count; i++)
        if (s->slots[i].slot == slot) found = &s->slots[i];
    return found;
}

// Of a slot that is new where it is.
static uint64_t before_of(const conductor_service *s, const conductor_slot *was) {
    if (s->is_begun) return 0;
    if (was != NULL && was->before != 0) return was->before;
    bool goes_back = s->rollout != NULL && s->rollout->phase != DEPLOY_FORWARD &&
                     s->rollout->phase != DEPLOY_CANARY && s->rollout->phase != DEPLOY_DONE;
    return goes_back ? s->before : 0;
}

// What a new instance there is to run at once; 0: nothing yet.
static uint64_t first_release(const conductor_service *s, const conductor_slot *slot) {
    if (slot->before != 0) return slot->before;
    if (s->rollout == NULL) return s->is_begun ? 0 : s->release;
    return s->rollout->phase == DEPLOY_DONE ? s->release : 0;
}

// The smallest number that no other has there. Whoever runs what it should, and was about to leave,
// stays. DEPLOY_AT_HOST_MAX: there is none.
static uint32_t find_index(conductor_view *v, conductor_service *s, const conductor_slot *slot) {
    bool is_taken[DEPLOY_AT_HOST_MAX] = {false};
    uint32_t free_one = DEPLOY_AT_HOST_MAX;
    uint64_t release = first_release(s, slot);
    const conductor_order *o = conductor_order_find(v, s, slot->host, false);
    for (size_t i = 0; i < s->slot_count; i++)
        if (strcmp(s->slots[i].host, slot->host) == 0) is_taken[s->slots[i].index] = true;
    for (uint32_t i = 0; i < DEPLOY_AT_HOST_MAX; i++) {
        uint64_t runs = conductor_told(o, i).release;
        if (is_taken[i]) continue;
        if (release != 0 && conductor_is_same(v, s, runs, release) && conductor_is_ready(o, i))
            return i;
        if (runs == 0 && free_one == DEPLOY_AT_HOST_MAX) free_one = i;
    }
    return free_one;
}

// As long as it does not come back before the transaction is done.
static bool take_for_gone(conductor_view *v, conductor_host *host) {
    deploy_conductor *c = v->c;
    deploy_key key = {.kind = DEPLOY_RECORD_HOST};
    if (host->is_taken_for_gone) return true;
    if (c->absent_count >= DEPLOY_ABSENT_MAX) return false;
    (void)snprintf(key.owner, sizeof key.owner, "%s", host->name);
    deploy_key_write(&key, c->absent_keys[c->absent_count++]);
    host->is_taken_for_gone = true;
    return true;
}

// Whether one that the plan has no more is there no more.
static bool has_gone(conductor_view *v, conductor_service *s, const conductor_slot *slot) {
    conductor_host *host = conductor_host_find(v, slot->host);
    if (host->record != NULL)
        return conductor_has_ended(conductor_order_find(v, s, slot->host, false), slot->index);
    uint64_t due_ms = host->down_at_ms + s->stop_after_ms;
    if (v->now_ms < due_ms) conductor_wake_at(v, due_ms);
    return v->now_ms >= due_ms && take_for_gone(v, host);
}

static void keep_slot(const conductor_view *v, conductor_slot *slot, const deploy_placed *planned) {
    const conductor_host *host = conductor_host_find(v, slot->host);
    if (slot->lost_at_ms > 0 && host->record != NULL) {
        const Warren__Deploy__Host *is = (const Warren__Deploy__Host *)host->record->message;
        // Another life of the host: what runs there began with it.
        if (is->since_ms > slot->lost_at_ms) slot->since_ms = is->since_ms;
        slot->is_back = true;
    }
    slot->lost_at_ms = host->record == NULL ? host->lost_at_ms : 0;
    slot->is_stand_in = planned->is_stand_in;
}

typedef struct adoption {
    conductor_slot *slots;
    size_t count, cap, len;            // len: of the record
    bool is_blocked[DEPLOY_COUNT_MAX]; // slots whose one has to end before
} adoption;

static void take(adoption *a, const conductor_slot *slot) {
    a->slots = mem_grow(a->slots, sizeof *slot, a->count + 1, &a->cap);
    a->slots[a->count++] = *slot;
    a->len += strlen(slot->host) + SLOT_LEN;
}

static bool is_planned(const deploy_placed *planned, size_t count, const conductor_slot *slot) {
    size_t from = 0, until = count;
    while (from < until) {
        size_t middle = (from + until) / 2;
        if (planned[middle].slot < slot->slot)
            from = middle + 1;
        else
            until = middle;
    }
    for (; from < count && planned[from].slot == slot->slot; from++)
        if (strcmp(planned[from].host, slot->host) == 0) return true;
    return false;
}

// Never two at a time: whoever leaves ends before another one begins.
static void keep_stopping(conductor_view *v, conductor_service *s, adoption *a,
                          const deploy_placed *planned, size_t count) {
    for (size_t i = 0; i < s->slot_count; i++) {
        conductor_slot *slot = &s->slots[i];
        if (is_planned(planned, count, slot) || has_gone(v, s, slot)) continue;
        slot->is_stopping = true;
        a->is_blocked[slot->slot] = true;
        take(a, slot);
    }
}

static int compare_slots(const void *a, const void *b) {
    const conductor_slot *x = a, *y = b;
    if (x->slot != y->slot) return x->slot < y->slot ? -1 : 1;
    if (x->is_stand_in != y->is_stand_in) return x->is_stand_in ? 1 : -1;
    return strcmp(x->host, y->host);
}

static void take_new(conductor_view *v, conductor_service *s, adoption *a,
                     const deploy_placed *planned, const conductor_service *was) {
    // Names of hosts outlive the plan.
    conductor_slot slot = {
        .slot = planned->slot,
        .host = conductor_host_find(v, planned->host)->name,
        .since_ms = planned->since_ms,
        .is_stand_in = planned->is_stand_in,
        .is_new = true,
    };
    slot.before = before_of(s, find_any(was, planned->slot));
    conductor_service now = *s; // with those that were taken until now
    now.slots = a->slots;
    now.slot_count = a->count;
    slot.index = find_index(v, &now, &slot);
    bool has_room =
        slot.index < DEPLOY_AT_HOST_MAX && a->len + strlen(slot.host) + SLOT_LEN <= PLACED_LEN_MAX;
    if (has_room) {
        take(a, &slot);
        return;
    }
    s->unplaced++;
    if (s->why_unplaced == NULL) s->why_unplaced = "there are more instances than can be recorded";
}

static void leave(conductor_service *s, const conductor_slot *slot) {
    s->left = mem_grow(s->left, sizeof *slot, s->left_count + 1, &s->left_cap);
    s->left[s->left_count++] = *slot;
}

static void adopt(conductor_view *v, conductor_service *s, const deploy_placed *planned,
                  size_t count) {
    adoption *a = mem_alloc(sizeof *a);
    if (s->is_single) keep_stopping(v, s, a, planned, count);
    for (size_t i = 0; i < count; i++) {
        conductor_slot *slot = find_slot(s, planned[i].slot, planned[i].host);
        if (slot == NULL) continue;
        keep_slot(v, slot, &planned[i]);
        take(a, slot);
    }
    for (size_t i = 0; i < count; i++) {
        bool is_possible = planned[i].slot < DEPLOY_COUNT_MAX && !a->is_blocked[planned[i].slot];
        if (is_possible && find_slot(s, planned[i].slot, planned[i].host) == NULL)
            take_new(v, s, a, &planned[i], s);
    }
    if (a->count > 0) qsort(a->slots, a->count, sizeof *a->slots, compare_slots);
    for (size_t i = 0; i < s->slot_count; i++)
        if (!is_planned(planned, count, &s->slots[i]) && !s->slots[i].is_stopping)
            leave(s, &s->slots[i]);
    free(s->slots);
    s->slots = a->slots;
    s->slot_count = a->count;
    s->slot_cap = a->cap;
    free(a);
}

// ---- the whole

static void adopt_all(conductor_view *v) {
    world w;
    size_t at = 0, said = 0;
    begin(&w, v, false);
    const deploy_plan *plan = make(v, &w, &v->c->cache);
    for (uint32_t i = 0; i < w.is.service_count; i++) {
        size_t from = at;
        while (at < plan->placed_count && plan->placed[at].service == i)
            at++;
        for (said = 0; said < plan->unplaced_count; said++) {
            if (plan->unplaced[said].service != i) continue;
            w.of[i]->unplaced = plan->unplaced[said].count;
            w.of[i]->why_unplaced = plan->unplaced[said].sentence;
        }
        adopt(v, w.of[i], at > from ? &plan->placed[from] : NULL, at - from);
    }
    // What is to run nowhere any more.
    for (size_t i = 0; i < v->service_count; i++)
        if (v->services[i].exists && !v->services[i].is_frozen && v->services[i].release == 0)
            adopt(v, &v->services[i], NULL, 0);
    end(&w);
}

// Where the instances of what is being prepared will be.
static void look_ahead(conductor_view *v) {
    world w;
    begin(&w, v, true);
    const deploy_plan *plan = make(v, &w, &v->c->prospect_cache);
    uint32_t *counts = mem_alloc(w.is.service_count * sizeof *counts);
    for (size_t i = 0; i < plan->placed_count; i++) {
        const deploy_placed *placed = &plan->placed[i];
        conductor_service *s = w.of[placed->service];
        counts[placed->service]++;
        if (placed->is_lost || w.prospects[placed->service] == NULL) continue;
        const conductor_host *host = conductor_host_find(v, placed->host);
        conductor_order_find(v, s, host->name, true)->prospect = w.prospects[placed->service];
    }
    for (size_t i = 0; i < plan->unplaced_count; i++) {
        const deploy_unplaced *unplaced = &plan->unplaced[i];
        conductor_project *p = w.prospects[unplaced->service];
        if (p == NULL || counts[unplaced->service] > 0) continue;
        conductor_wake_at(v, p->began_at_ms + CONDUCTOR_UNPLACED_MS);
        if (v->now_ms >= p->began_at_ms + CONDUCTOR_UNPLACED_MS)
            conductor_project_end(p, CONDUCTOR_RETURNED, "%s", unplaced->sentence);
        else
            p->is_waiting = true;
    }
    free(counts);
    end(&w);
}

void conductor_plan(conductor_view *v) {
    bool has_prospect = false;
    for (size_t i = 0; i < v->project_count; i++)
        has_prospect |= v->projects[i].is_prospect;
    if (has_prospect) look_ahead(v);
    adopt_all(v);
}
