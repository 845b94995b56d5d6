// Services that are restarted together: stopped one after the other, the last one first, and
// started in the order in which they joined, each when the one before it is ready.
#include "agent/supervisor_state.h"
#include "core/error.h"
#include "core/mem.h"

static group *find_group(const agent_supervisor *s, uint32_t id) {
    for (uint32_t i = 0; i < s->group_count; i++)
        if (s->groups[i]->id == id) return s->groups[i];
    return NULL;
}

int agent_group_join(agent_supervisor *s, service *svc) {
    if (svc->spec.group_id == 0) return 0;
    group *g = find_group(s, svc->spec.group_id);
    if (g != NULL && g->strategy != svc->spec.strategy) return MESH_EINVAL;
    if (g == NULL) {
        g = mem_alloc(sizeof *g);
        g->id = svc->spec.group_id;
        g->strategy = svc->spec.strategy;
        g->due_at_ms = UINT64_MAX;
        g->next_from = UINT32_MAX;
        s->groups[s->group_count++] = g;
    }
    g->members = mem_resize(g->members, (g->count + 1) * sizeof(service *));
    g->members[g->count++] = svc;
    svc->group = g;
    return 0;
}

static uint32_t index_of(const service *svc) {
    uint32_t i = 0;
    while (svc->group->members[i] != svc)
        i++;
    return i;
}

void agent_group_part(agent_supervisor *s, service *svc) {
    group *g = svc->group;
    if (g == NULL) return;
    uint32_t index = index_of(svc);
    for (uint32_t i = index + 1; i < g->count; i++)
        g->members[i - 1] = g->members[i];
    g->count--;
    if (g->from > index) g->from--;
    if (g->at > index) g->at--;
    if (g->next_from != UINT32_MAX && g->next_from > index) g->next_from--;
    svc->group = NULL;
    if (g->count > 0) return;
    uint32_t i = 0;
    while (s->groups[i] != g)
        i++;
    s->groups[i] = s->groups[--s->group_count];
    free(g->members);
    free(g->bookings.at_ms);
    free(g);
}

bool agent_group_holds(const service *svc) {
    const group *g = svc->group;
    if (g == NULL) return false;
    switch (g->phase) {
    case STEADY: return false;
    case STARTING: return index_of(svc) > g->at; // those before are started
    default: return index_of(svc) >= g->from;
    }
}

bool agent_group_is_given_up(const service *svc) {
    return svc->group != NULL && svc->group->phase == GIVING_UP &&
           index_of(svc) >= svc->group->from;
}

bool agent_group_restart(service *svc, uint64_t now_ms, uint32_t delay_ms) {
    group *g = svc->group;
    if (!agent_group_is_shared(svc)) return false;
    if (g->due_at_ms == UINT64_MAX || g->due_at_ms < now_ms + delay_ms)
        g->due_at_ms = now_ms + delay_ms;
    // Those that are being restarted are held and do not come here before they have been started
    // again: this one is before them, or was.
    uint32_t from = g->strategy == AGENT_ONE_FOR_ALL ? 0 : index_of(svc);
    if (g->phase == GIVING_UP) { // that of later services goes first
        if (from < g->next_from) g->next_from = from;
        return true;
    }
    g->from = from;
    g->phase = STOPPING;
    return true;
}

void agent_group_give_up(service *svc) {
    group *g = svc->group;
    if (!agent_group_is_shared(svc)) return;
    g->phase = GIVING_UP;
    g->from = g->strategy == AGENT_ONE_FOR_ALL ? 0 : index_of(svc);
}

void agent_group_end(group *g) {
    g->phase = ENDING;
    g->from = 0;
}

// ---- steps

static bool is_any_there(const service *svc) {
    for (uint32_t i = 0; i < svc->spec.instances; i++)
        if (agent_life_is_there(&svc->instances[i])) return true;
    return false;
}

// Tells the last service that has processes to end. True when none of them has one any more.
static bool stop_last(agent_supervisor *s, uint64_t now_ms, group *g, agent_leaving why) {
    for (uint32_t m = g->count; m-- > g->from;) {
        service *svc = g->members[m];
        if (!is_any_there(svc)) continue;
        for (uint32_t i = 0; i < svc->spec.instances; i++)
            if (agent_life_is_there(&svc->instances[i])) agent_life_leave(s, now_ms, svc, i, why);
        return false;
    }
    return true;
}

// Those that have no process do not wait for one any more.
static void hold_waiting(group *g) {
    for (uint32_t m = g->from; m < g->count; m++)
        for (uint32_t i = 0; i < g->members[m]->spec.instances; i++) {
            instance *in = &g->members[m]->instances[i];
            if (in->phase != BACKING_OFF) continue;
            in->phase = HELD;
            in->due_at_ms = UINT64_MAX;
        }
}

static void finish_waiting(agent_supervisor *s, group *g, agent_decision_kind kind) {
    for (uint32_t m = g->count; m-- > g->from;)
        for (uint32_t i = 0; i < g->members[m]->spec.instances; i++) {
            const instance *in = &g->members[m]->instances[i];
            if (in->phase == HELD || in->phase == BACKING_OFF)
                agent_life_finish(s, g->members[m], i, kind, AGENT_FAILURE_GROUP);
        }
}

static bool is_started(const service *svc) {
    for (uint32_t i = 0; i < svc->spec.instances; i++) {
        const instance *in = &svc->instances[i];
        bool is_done = in->phase == OVER || (in->phase == RUNNING && in->is_ready);
        if (!is_done) return false;
    }
    return true;
}

static void start_next(agent_supervisor *s, group *g) {
    for (; g->at < g->count; g->at++) {
        service *svc = g->members[g->at];
        for (uint32_t i = 0; i < svc->spec.instances; i++)
            if (svc->instances[i].phase == HELD) agent_life_launch(s, svc, i);
        if (!is_started(svc)) return;
    }
    g->phase = STEADY;
}

static void finish_giving_up(group *g) {
    g->phase = STEADY;
    if (g->next_from == UINT32_MAX) return;
    g->phase = STOPPING; // one of the services before it has failed meanwhile
    g->from = g->next_from;
    g->next_from = UINT32_MAX;
}

void agent_group_advance(agent_supervisor *s, uint64_t now_ms, group *g) {
    if (g == NULL) return;
    switch (g->phase) {
    case STEADY: return;
    case STOPPING:
        hold_waiting(g);
        if (!stop_last(s, now_ms, g, WITH_GROUP)) return;
        g->phase = WAITING;
        // fall through
    case WAITING:
        if (now_ms < g->due_at_ms) return;
        g->phase = STARTING;
        g->at = g->from;
        g->due_at_ms = UINT64_MAX;
        // fall through
    case STARTING: start_next(s, g); return;
    case GIVING_UP:
        finish_waiting(s, g, AGENT_FAILED);
        if (!stop_last(s, now_ms, g, WITH_GROUP)) return;
        finish_giving_up(g);
        agent_group_advance(s, now_ms, g);
        return;
    case ENDING:
        finish_waiting(s, g, AGENT_OVER);
        if (stop_last(s, now_ms, g, STOPPED)) g->phase = STEADY;
        return;
    }
}
