// Where instances are: the plan of the placement, and what becomes of it.
#include "deploy/conductor_state.h"

#include <stdio.h>

#include "core/mem.h"

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
static const deploy_plan *make(conductor_view *v, const conductor_world *w,
                               conductor_cache *cache) {
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
    a->len += strlen(slot->host) + CONDUCTOR_SLOT_LEN;
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
    bool has_room = slot.index < DEPLOY_AT_HOST_MAX &&
                    a->len + strlen(slot.host) + CONDUCTOR_SLOT_LEN <= CONDUCTOR_PLACED_LEN_MAX;
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
    conductor_world w;
    size_t at = 0, said = 0;
    conductor_world_init(&w, v, false);
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
    conductor_world_deinit(&w);
}

// Where the instances of what is being prepared will be.
static void look_ahead(conductor_view *v) {
    conductor_world w;
    conductor_world_init(&w, v, true);
    const deploy_plan *plan = make(v, &w, &v->c->prospect_cache);
    uint32_t *counts = mem_alloc(w.is.service_count * sizeof *counts);
    for (size_t i = 0; i < plan->placed_count; i++) {
        const deploy_placed *placed = &plan->placed[i];
        conductor_service *s = w.of[placed->service];
        counts[placed->service]++;
        const conductor_project *p = w.prospects[placed->service];
        if (placed->is_lost || p == NULL || p->phase != CONDUCTOR_PREPARING) continue;
        const conductor_host *host = conductor_host_find(v, placed->host);
        conductor_order_find(v, s, host->name, true)->prospect = p;
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
    conductor_world_deinit(&w);
}

void conductor_plan(conductor_view *v) {
    bool has_prospect = false;
    for (size_t i = 0; i < v->project_count; i++)
        has_prospect |= v->projects[i].is_prospect;
    if (has_prospect) look_ahead(v);
    adopt_all(v);
}
