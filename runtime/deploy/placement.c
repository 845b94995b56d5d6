#include "deploy/placement.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "deploy/placement_state.h"

enum { SLOTS_MAX = 4 * DEPLOY_INSTANCES_MAX, ROUNDS_MAX = 64 };

// ---- tables

static int compare_hosts(const void *a, const void *b, void *world) {
    const deploy_host *hosts = ((const deploy_world *)world)->hosts;
    return strcmp(hosts[*(const uint32_t *)a].name, hosts[*(const uint32_t *)b].name);
}

static uint32_t find_host(const placing *p, const char *name) {
    size_t from = 0, until = p->world->host_count;
    while (from < until) {
        size_t middle = (from + until) / 2;
        int order = strcmp(name, p->world->hosts[p->by_name[middle]].name);
        if (order == 0) return p->by_name[middle];
        if (order < 0)
            until = middle;
        else
            from = middle + 1;
    }
    return DEPLOY_NOWHERE;
}

static void set_apart(placing *p, uint32_t service) {
    const deploy_service *s = &p->world->services[service];
    size_t count = p->world->service_count;
    for (size_t i = 0; i < s->apart_count; i++)
        for (uint32_t other = 0; other < count; other++)
            if (other != service && strcmp(s->apart[i], p->world->services[other].name) == 0)
                p->apart[service * count + other] = p->apart[other * count + service] =
                    p->has_apart[service] = p->has_apart[other] = 1;
}

static void begin(placing *p, const deploy_world *world, deploy_plan *plan) {
    CHECK(world->host_count <= DEPLOY_HOSTS_MAX && world->service_count <= DEPLOY_SERVICES_MAX &&
          world->placed_count <= 2UL * DEPLOY_INSTANCES_MAX);
    *plan = (deploy_plan){.again_at_ms = UINT64_MAX};
    *p = (placing){.world = world, .plan = plan, .domains_of = DEPLOY_NOWHERE};
    p->by_name = mem_alloc(world->host_count * sizeof *p->by_name);
    for (uint32_t i = 0; i < world->host_count; i++)
        p->by_name[i] = i;
    if (world->host_count > 0)
        qsort_r(p->by_name, world->host_count, sizeof *p->by_name, compare_hosts,
                (void *)(uintptr_t)world);
    p->cpu_milli = mem_alloc(world->host_count * sizeof *p->cpu_milli);
    p->memory = mem_alloc(world->host_count * sizeof *p->memory);
    p->counts = mem_alloc(world->host_count * world->service_count * sizeof *p->counts);
    p->apart = mem_alloc(world->service_count * world->service_count);
    p->domain_ids = mem_alloc(world->host_count * sizeof *p->domain_ids);
    p->domain_counts = mem_alloc(world->host_count * sizeof *p->domain_counts);
    p->has_apart = mem_alloc(world->service_count);
    for (uint32_t s = 0; s < world->service_count; s++)
        set_apart(p, s);
}

static void end(placing *p) {
    free(p->by_name);
    free(p->host_of);
    free(p->cpu_milli);
    free(p->memory);
    free(p->counts);
    free(p->apart);
    free(p->has_apart);
    free(p->domain_ids);
    free(p->domain_counts);
}

static void add(placing *p, const deploy_placed *placed, uint32_t host) {
    size_t n = p->plan->placed_count;
    p->plan->placed = mem_grow(p->plan->placed, sizeof *placed, n + 1, &p->placed_cap);
    p->host_of = mem_grow(p->host_of, sizeof *p->host_of, n + 1, &p->host_of_cap);
    p->plan->placed[n] = *placed;
    p->plan->placed[n].host = p->world->hosts[host].name;
    p->host_of[n] = host;
    p->plan->placed_count++;
    deploy_take(p, host, placed->service, 1);
}

static void drop(placing *p, size_t i) {
    deploy_take(p, p->host_of[i], p->plan->placed[i].service, -1);
    p->host_of[i] = DEPLOY_NOWHERE;
}

// ---- what stays

static void wake_at(placing *p, uint64_t at_ms) {
    if (at_ms < p->plan->again_at_ms) p->plan->again_at_ms = at_ms;
}

// On a host that is down. False: it has ended itself by now.
static bool is_kept_down(placing *p, const deploy_placed *placed, uint32_t host) {
    const deploy_service *s = &p->world->services[placed->service];
    uint64_t due_ms = p->world->hosts[host].since_ms + s->disconnect_ms;
    if (s->disconnect == DEPLOY_KEEP) return true;
    if (p->world->now_ms < due_ms) {
        wake_at(p, due_ms);
        return true;
    }
    return s->disconnect == DEPLOY_REPLACE;
}

static void keep(placing *p, const deploy_placed *placed) {
    uint32_t host = find_host(p, placed->host);
    if (placed->service >= p->world->service_count || host == DEPLOY_NOWHERE) return;
    // From a time when it was counted otherwise: each host has its own, and nobody's place is
    // taken.
    if (placed->is_stand_in && p->world->services[placed->service].kind != DEPLOY_COUNT) return;
    bool is_down = p->world->hosts[host].state == DEPLOY_DOWN;
    deploy_placed kept = *placed;
    if (is_down ? !is_kept_down(p, placed, host)
                : deploy_look(p, host, placed->service, true) != DEPLOY_FITS)
        return;
    kept.is_lost = is_down;
    add(p, &kept, host);
}

static bool is_older(const deploy_placed *a, const deploy_placed *b) {
    return a->since_ms <= b->since_ms;
}

// Whether the original stays when both it and who stands in for it are there.
static bool is_original_kept(const deploy_service *s, const deploy_placed *original,
                             const deploy_placed *stand_in) {
    switch (s->reconcile) {
    case DEPLOY_ORIGINAL: return true;
    case DEPLOY_STAND_IN: return false;
    case DEPLOY_LONGEST: return is_older(original, stand_in);
    }
    return true;
}

static int compare_placed(const void *a, const void *b) {
    const deploy_placed *x = a, *y = b;
    if (x->service != y->service) return x->service < y->service ? -1 : 1;
    if (x->slot != y->slot) return x->slot < y->slot ? -1 : 1;
    if (x->is_stand_in != y->is_stand_in) return x->is_stand_in ? 1 : -1;
    return strcmp(x->host, y->host);
}

static bool is_live(const placing *p, size_t i) {
    return p->host_of[i] != DEPLOY_NOWHERE && !p->plan->placed[i].is_lost;
}

// Those of one slot, [from, until): an original, and who was placed for it while its host was down.
static void reconcile_slot(placing *p, size_t from, size_t until) {
    deploy_placed *placed = p->plan->placed;
    bool has_original = !placed[from].is_stand_in;
    size_t stays = until; // of those that run
    for (size_t i = from + has_original; i < until; i++)
        if (is_live(p, i) && (stays == until || !is_older(&placed[stays], &placed[i]))) stays = i;
    if (has_original && is_live(p, from) &&
        (stays == until || is_original_kept(&p->world->services[placed[from].service],
                                            &placed[from], &placed[stays])))
        stays = from;
    bool is_original_lost = has_original && placed[from].is_lost;
    for (size_t i = from; i < until && stays != until; i++)
        if (i != stays && !(i == from && is_original_lost)) drop(p, i);
    // Nobody comes back whose place it could have taken.
    size_t heir = stays != until ? stays : from;
    if (!is_original_lost) placed[heir].is_stand_in = false;
}

static void reconcile(placing *p) {
    const deploy_placed *placed = p->plan->placed;
    if (placed == NULL || p->host_of == NULL) return; // nothing was kept
    for (size_t from = 0, until; from < p->plan->placed_count; from = until) {
        until = from + 1;
        while (until < p->plan->placed_count && placed[until].service == placed[from].service &&
               placed[until].slot == placed[from].slot)
            until++;
        reconcile_slot(p, from, until);
    }
}

static void keep_all(placing *p) {
    size_t count = p->world->placed_count;
    deploy_placed *sorted = mem_copy(p->world->placed, count * sizeof *sorted);
    if (count > 0) qsort(sorted, count, sizeof *sorted, compare_placed);
    for (size_t i = 0; i < count; i++)
        keep(p, &sorted[i]);
    free(sorted);
    reconcile(p);
}

// ---- what goes and comes

typedef struct members { // of one service in the plan
    uint32_t *at;
    size_t count, cap;
} members;

static void find_members(const placing *p, uint32_t service, members *out) {
    out->count = 0;
    for (uint32_t i = 0; i < p->plan->placed_count; i++) {
        if (p->host_of[i] == DEPLOY_NOWHERE || p->plan->placed[i].service != service) continue;
        out->at = mem_grow(out->at, sizeof *out->at, out->count + 1, &out->cap);
        out->at[out->count++] = i;
    }
}

// Which of two rather goes when there are too many: what is lost, then from where there are most,
// then the newer.
static bool goes_first(placing *p, uint32_t a, uint32_t b) {
    const deploy_placed *x = &p->plan->placed[a], *y = &p->plan->placed[b];
    if (x->is_lost != y->is_lost) return x->is_lost;
    uint32_t in_x = deploy_domain_count(p, p->host_of[a], x->service),
             in_y = deploy_domain_count(p, p->host_of[b], y->service);
    if (in_x != in_y) return in_x > in_y;
    if (x->since_ms != y->since_ms) return x->since_ms > y->since_ms;
    return x->slot > y->slot;
}

static void drop_slot(placing *p, uint32_t service, uint32_t slot) {
    for (size_t i = 0; i < p->plan->placed_count; i++)
        if (p->host_of[i] != DEPLOY_NOWHERE && p->plan->placed[i].service == service &&
            p->plan->placed[i].slot == slot)
            drop(p, i);
}

// Who stands in has the slot of who is lost.
static size_t count_slots(const placing *p, const members *of) {
    size_t count = 0;
    for (size_t i = 0; i < of->count; i++)
        count += !p->plan->placed[of->at[i]].is_stand_in;
    return count;
}

// Those of one host, or of all (NOWHERE), down to `wanted`.
static void drop_surplus(placing *p, uint32_t service, uint32_t host, size_t wanted) {
    members of = {0};
    for (;;) {
        find_members(p, service, &of);
        size_t count = 0;
        for (size_t i = 0; i < of.count; i++)
            if (host == DEPLOY_NOWHERE || p->host_of[of.at[i]] == host) of.at[count++] = of.at[i];
        of.count = count;
        if (count_slots(p, &of) <= wanted) break;
        uint32_t worst = of.at[0];
        for (size_t i = 1; i < of.count; i++)
            if (goes_first(p, of.at[i], worst)) worst = of.at[i];
        drop_slot(p, service, p->plan->placed[worst].slot);
    }
    free(of.at);
}

// At one host, or in all (NOWHERE).
static uint32_t wanted_of(const placing *p, uint32_t service, uint32_t host) {
    const deploy_service *s = &p->world->services[service];
    uint32_t wanted = s->kind == DEPLOY_MAX ? p->world->hosts[host].cpu_milli / 1000 : s->count;
    return wanted < DEPLOY_INSTANCES_MAX ? wanted : DEPLOY_INSTANCES_MAX;
}

// Before anything is placed, for it makes room.
static void drop_all_surplus(placing *p) {
    for (uint32_t s = 0; s < p->world->service_count; s++) {
        if (p->world->services[s].kind == DEPLOY_COUNT) {
            drop_surplus(p, s, DEPLOY_NOWHERE, wanted_of(p, s, DEPLOY_NOWHERE));
            continue;
        }
        for (uint32_t h = 0; h < p->world->host_count; h++)
            drop_surplus(p, s, h, wanted_of(p, s, h));
    }
}

static void place(placing *p, uint32_t service, uint32_t slot, uint32_t host, bool is_stand_in) {
    add(p,
        &(deploy_placed){.service = service,
                         .slot = slot,
                         .since_ms = p->world->now_ms,
                         .is_stand_in = is_stand_in},
        host);
}

typedef struct slots { // of one service
    uint8_t *is_used;
    uint32_t next; // none before it is free
} slots;

static slots find_slots(const placing *p, uint32_t service) {
    slots found = {.is_used = mem_alloc(SLOTS_MAX)};
    for (size_t i = 0; i < p->plan->placed_count; i++) {
        const deploy_placed *placed = &p->plan->placed[i];
        if (p->host_of[i] != DEPLOY_NOWHERE && placed->service == service &&
            placed->slot < SLOTS_MAX)
            found.is_used[placed->slot] = 1;
    }
    return found;
}

static uint32_t take_slot(slots *of) {
    while (of->next < SLOTS_MAX && of->is_used[of->next])
        of->next++;
    return of->next++;
}

// Whether its host, and those of all who stood in for it, are down for long enough.
static bool is_due(const placing *p, const members *of, uint32_t slot) {
    for (size_t i = 0; i < of->count; i++) {
        const deploy_placed *placed = &p->plan->placed[of->at[i]];
        if (placed->slot != slot) continue;
        uint64_t down_ms = p->world->now_ms - p->world->hosts[p->host_of[of->at[i]]].since_ms;
        if (!placed->is_lost || down_ms < p->world->services[placed->service].disconnect_ms)
            return false;
    }
    return true;
}

// Those before are lost too: when they are back, the next one goes on.
static void drop_stand_ins(placing *p, const members *of, uint32_t slot) {
    for (size_t i = 0; i < of->count; i++)
        if (p->plan->placed[of->at[i]].is_stand_in && p->plan->placed[of->at[i]].slot == slot)
            drop(p, of->at[i]);
}

// Those whose hosts are down for long get somebody who stands in.
static uint32_t place_stand_ins(placing *p, uint32_t service) {
    members of = {0};
    uint32_t failed = 0;
    find_members(p, service, &of);
    size_t count = p->world->services[service].disconnect == DEPLOY_REPLACE ? of.count : 0;
    for (size_t i = 0; i < count; i++) {
        const deploy_placed original = p->plan->placed[of.at[i]];
        if (!original.is_lost || original.is_stand_in || !is_due(p, &of, original.slot)) continue;
        uint32_t host = deploy_best_host(p, service, NULL);
        if (host == DEPLOY_NOWHERE) {
            failed++;
            continue;
        }
        drop_stand_ins(p, &of, original.slot);
        place(p, service, original.slot, host, true);
    }
    free(of.at);
    return failed;
}

static void place_count(placing *p, uint32_t service) {
    members of = {0};
    uint32_t wanted = wanted_of(p, service, DEPLOY_NOWHERE);
    uint32_t failed = place_stand_ins(p, service);
    find_members(p, service, &of);
    slots free_ones = find_slots(p, service);
    for (size_t have = count_slots(p, &of); have < wanted; have++) {
        uint32_t host = deploy_best_host(p, service, NULL);
        if (host == DEPLOY_NOWHERE) {
            failed += (uint32_t)(wanted - have);
            break;
        }
        place(p, service, take_slot(&free_ones), host, false);
    }
    if (failed > 0) deploy_explain(p, service, failed, DEPLOY_NOWHERE);
    free(free_ones.is_used);
    free(of.at);
}

// Every host that may have it has its own; a host that is down keeps what it has.
static void place_on_each(placing *p, uint32_t service) {
    slots free_ones = find_slots(p, service);
    for (size_t i = 0; i < p->world->host_count; i++) {
        uint32_t host = p->by_name[i];
        const deploy_host *h = &p->world->hosts[host];
        uint32_t wanted = wanted_of(p, service, host);
        if (h->state != DEPLOY_UP || !deploy_may_have(p, host, service)) continue;
        while (*deploy_count_at(p, host, service) < wanted &&
               deploy_look(p, host, service, false) == DEPLOY_FITS)
            place(p, service, take_slot(&free_ones), host, false);
        uint32_t missing = wanted - *deploy_count_at(p, host, service);
        if (missing > 0) deploy_explain(p, service, missing, host);
    }
    free(free_ones.is_used);
}

// ---- evenly

static uint32_t least_domain_count(placing *p, uint32_t service) {
    uint32_t least = UINT32_MAX;
    for (uint32_t h = 0; h < p->world->host_count; h++) {
        uint32_t count = deploy_domain_count(p, h, service);
        if (count < least) least = count;
    }
    return least;
}

// One of the fullest domain that another one, with two fewer, can take. False: there is none.
static bool even_out(placing *p, uint32_t service, members *of) {
    find_members(p, service, of);
    uint32_t from = DEPLOY_NOWHERE, to = DEPLOY_NOWHERE, most = 0;
    // Mostly it is even, and then no host has to be searched for.
    uint32_t least = least_domain_count(p, service);
    for (size_t i = 0; i < of->count; i++) {
        uint32_t at = of->at[i], count = deploy_domain_count(p, p->host_of[at], service);
        if (p->plan->placed[at].is_lost || count < least + 2) continue;
        bool is_more =
            from == DEPLOY_NOWHERE || count > most || (count == most && goes_first(p, at, from));
        if (!is_more) continue;
        uint32_t host = deploy_best_host(p, service, deploy_domain(p, p->host_of[at], service));
        if (host == DEPLOY_NOWHERE || deploy_domain_count(p, host, service) + 2 > count) continue;
        from = at;
        to = host;
        most = count;
    }
    if (from == DEPLOY_NOWHERE) return false;
    deploy_placed moved = p->plan->placed[from];
    drop(p, from);
    place(p, service, moved.slot, to, moved.is_stand_in);
    return true;
}

static bool even_out_all(placing *p) {
    members of = {0};
    bool has_moved = false;
    for (uint32_t s = 0; s < p->world->service_count; s++)
        if (p->world->services[s].is_spread && p->world->services[s].kind == DEPLOY_COUNT)
            while (even_out(p, s, &of))
                has_moved = true;
    free(of.at);
    return has_moved;
}

// ---- the whole

typedef struct turn {
    uint32_t service, choices;
    const char *name;
} turn;

// Who has fewest choices goes first, or who has many would take them away.
static int compare_turns(const void *a, const void *b) {
    const turn *x = a, *y = b;
    if (x->choices != y->choices) return x->choices < y->choices ? -1 : 1;
    return strcmp(x->name, y->name);
}

static void place_all(placing *p) {
    size_t count = p->world->service_count;
    turn *turns = mem_alloc(count * sizeof *turns);
    for (uint32_t s = 0; s < count; s++) {
        turns[s] = (turn){.service = s, .name = p->world->services[s].name};
        for (uint32_t h = 0; h < p->world->host_count; h++)
            turns[s].choices += deploy_may_have(p, h, s);
    }
    if (count > 0) qsort(turns, count, sizeof *turns, compare_turns);
    for (size_t i = 0; i < count; i++) {
        if (p->world->services[turns[i].service].kind == DEPLOY_COUNT)
            place_count(p, turns[i].service);
        else
            place_on_each(p, turns[i].service);
    }
    free(turns);
}

static void remove_dropped(placing *p) {
    size_t kept = 0;
    for (size_t i = 0; p->host_of != NULL && i < p->plan->placed_count; i++)
        if (p->host_of[i] != DEPLOY_NOWHERE) p->plan->placed[kept++] = p->plan->placed[i];
    p->plan->placed_count = kept;
    if (kept > 0) qsort(p->plan->placed, kept, sizeof *p->plan->placed, compare_placed);
}

void deploy_plan_make(const deploy_world *world, deploy_plan *out) {
    placing p;
    begin(&p, world, out);
    keep_all(&p);
    drop_all_surplus(&p);
    place_all(&p);
    // What moves makes room where it was, for others and for what found none.
    for (int i = 0; even_out_all(&p) && i < ROUNDS_MAX; i++) {
        if (out->unplaced_count == 0) continue;
        out->unplaced_count = 0;
        place_all(&p);
    }
    remove_dropped(&p);
    end(&p);
}

void deploy_plan_deinit(deploy_plan *plan) {
    free(plan->placed);
    free(plan->unplaced);
    *plan = (deploy_plan){0};
}
