// What each host is told: instances that are placed there, those that leave when others are ready
// elsewhere, and releases to have.
#include "deploy/conductor_state.h"

#include "core/mem.h"

static void set(conductor_order *o, uint32_t index, conductor_wanted wanted) {
    o->instances = mem_grow(o->instances, sizeof *o->instances, index + 1, &o->cap);
    while (o->count <= index)
        o->instances[o->count++] = (conductor_wanted){0};
    o->instances[index] = wanted;
}

static bool is_equal(conductor_wanted a, conductor_wanted b) {
    return a.release == b.release && a.attempt == b.attempt;
}

// ---- those that are placed

// Gives how many of them are not known to serve.
static size_t set_placed(conductor_view *v, conductor_service *s) {
    size_t missing = 0;
    for (size_t i = 0; i < s->slot_count; i++) {
        const conductor_slot *slot = &s->slots[i];
        conductor_order *o = conductor_order_find(v, s, slot->host, true);
        bool is_exact;
        conductor_wanted wanted = conductor_roll_wanted(v, s, slot, &is_exact);
        o->is_needed = true;
        conductor_add_release(o->runs, &o->run_count, CONDUCTOR_RUNS_MAX, slot->before);
        conductor_add_release(o->runs, &o->run_count, CONDUCTOR_RUNS_MAX,
                              conductor_told(o, slot->index).release);
        bool serves =
            is_equal(wanted, conductor_told(o, slot->index)) && conductor_is_ready(o, slot->index);
        if (o->is_up && !slot->is_stopping && !serves) missing++;
        wanted.is_placed = true;
        set(o, slot->index, wanted);
    }
    return missing;
}

// ---- those that leave

typedef struct leaver {
    conductor_order *order;
    uint32_t index;
    bool is_ready, is_held, is_drained;
} leaver;

typedef struct leavers {
    leaver *items;
    size_t count, cap;
} leavers;

// What it was until now; NULL: it left before this turn.
static const conductor_slot *find_left(const conductor_service *s, const conductor_order *o,
                                       uint32_t index) {
    for (size_t i = 0; i < s->left_count; i++)
        if (s->left[i].index == index && strcmp(s->left[i].host, o->host) == 0) return &s->left[i];
    return NULL;
}

// It was about to be something else or has failed in that, and what was there before is so still.
static bool is_held(const conductor_service *s, const conductor_order *o, uint32_t index) {
    const conductor_slot *slot = find_left(s, o, index);
    const Warren__Deploy__Present *present =
        o->report != NULL && index < o->report->n_instances ? o->report->instances[index] : NULL;
    bool is_there = present != NULL &&
                    (present->pid != 0 || present->state != WARREN__DEPLOY__PRESENT__STATE__NONE);
    bool is_turned =
        slot != NULL && slot->before != 0 && slot->before != conductor_told(o, index).release;
    bool has_failed =
        is_there && present->state == WARREN__DEPLOY__PRESENT__STATE__FAILED && present->pid != 0;
    return has_failed || (is_there && (is_turned || conductor_heard(o, index) == NULL));
}

// Who is not known to serve goes first, then those of hosts that are drained.
static int compare_leavers(const void *a, const void *b) {
    const leaver *x = a, *y = b;
    if (x->is_ready != y->is_ready) return x->is_ready ? 1 : -1;
    if (x->is_held != y->is_held) return x->is_held ? 1 : -1;
    if (x->is_drained != y->is_drained) return x->is_drained ? -1 : 1;
    int order = strcmp(x->order->host, y->order->host);
    if (order != 0) return order;
    return x->index > y->index ? -1 : 1;
}

static void add_leaver(const conductor_service *s, conductor_order *o, uint32_t index,
                       bool is_drained, leavers *all) {
    bool is_placed = index < o->count && o->instances[index].is_placed;
    if (conductor_told(o, index).release == 0 || is_placed) return;
    if (!o->is_up) { // it serves nobody
        set(o, index, (conductor_wanted){0});
        return;
    }
    all->items = mem_grow(all->items, sizeof *all->items, all->count + 1, &all->cap);
    all->items[all->count++] =
        (leaver){o, index, conductor_is_ready(o, index), is_held(s, o, index), is_drained};
}

// What was about to take the place of another one does not do so any more.
static void calm_leaver(conductor_service *s, const leaver *l) {
    const conductor_slot *slot = find_left(s, l->order, l->index);
    if (slot == NULL || l->is_ready || slot->before == 0 ||
        slot->before == conductor_told(l->order, l->index).release)
        return;
    set(l->order, l->index, conductor_fresh(s, slot->slot, l->order, slot->before));
}

// As many stay as there are others that do not serve yet.
static void set_leaving(conductor_view *v, conductor_service *s, size_t missing) {
    leavers all = {0};
    for (size_t i = 0; i < s->order_count; i++) {
        conductor_order *o = &s->orders[i];
        const conductor_host *host = conductor_host_find(v, o->host);
        bool is_drained = host != NULL && host->is_drained;
        for (uint32_t j = 0; o->stored != NULL && j < o->stored->n_instances; j++)
            add_leaver(s, o, j, is_drained, &all);
    }
    if (all.count > 0) qsort(all.items, all.count, sizeof *all.items, compare_leavers);
    for (size_t i = 0; i < all.count; i++) {
        if (i + missing < all.count)
            set(all.items[i].order, all.items[i].index, (conductor_wanted){0});
        else
            calm_leaver(s, &all.items[i]);
    }
    free(all.items);
}

// ---- the whole

// A report is about the instances of its order: they stay in it until they have ended.
static void trim(conductor_order *o) {
    while (o->count > 0 && o->instances[o->count - 1].release == 0 &&
           conductor_has_ended(o, (uint32_t)o->count - 1))
        o->count--;
}

void conductor_orders(conductor_view *v, conductor_service *s) {
    if (s->is_frozen) return;
    size_t missing = set_placed(v, s);
    set_leaving(v, s, missing);
    for (size_t i = 0; i < s->order_count; i++)
        trim(&s->orders[i]);
}
