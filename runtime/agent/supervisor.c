#include "agent/supervisor.h"

#include <signal.h>

#include "agent/supervisor_state.h"
#include "core/error.h"
#include "core/mem.h"

agent_supervisor *agent_supervisor_create(uint64_t seed) {
    agent_supervisor *s = mem_alloc(sizeof *s);
    s->random = seed;
    return s;
}

static void free_service(agent_supervisor *s, service *svc) {
    agent_group_part(s, svc);
    for (uint32_t i = 0; i < svc->spec.instances; i++)
        free(svc->instances[i].bookings.at_ms);
    free(svc->instances);
    free(svc);
}

void agent_supervisor_destroy(agent_supervisor *s) {
    if (s == NULL) return;
    for (uint32_t i = 0; i < s->service_count; i++)
        free_service(s, s->services[i]);
    free(s->decisions);
    free(s);
}

int agent_exit_code(agent_exit how) {
    if (how.signal != 0) return 128 + how.signal;
    return how.code >= 0 ? how.code : 1;
}

// splitmix64: good enough to spread restarts, and the same for every seed.
uint64_t agent_supervisor_random(agent_supervisor *s) {
    uint64_t x = s->random += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

service *agent_supervisor_find(const agent_supervisor *s, uint32_t service_id) {
    for (uint32_t i = 0; i < s->service_count; i++)
        if (s->services[i]->spec.service_id == service_id) return s->services[i];
    return NULL;
}

instance *agent_supervisor_find_instance(const agent_supervisor *s, uint32_t service_id,
                                         uint32_t index, service **out_service) {
    service *svc = agent_supervisor_find(s, service_id);
    if (svc == NULL || index >= svc->spec.instances) return NULL;
    *out_service = svc;
    return &svc->instances[index];
}

// ---- decisions

agent_decision *agent_decide(agent_supervisor *s, agent_decision_kind kind, const service *svc,
                             uint32_t index) {
    if (s->count == s->cap) {
        s->cap = s->cap == 0 ? 64 : 2 * s->cap;
        s->decisions = mem_resize(s->decisions, s->cap * sizeof *s->decisions);
    }
    agent_decision *decision = &s->decisions[s->count++];
    *decision =
        (agent_decision){.kind = kind, .service_id = svc->spec.service_id, .instance = index};
    return decision;
}

bool agent_supervisor_poll(agent_supervisor *s, agent_decision *out) {
    if (s->head == s->count) {
        s->head = s->count = 0;
        return false;
    }
    *out = s->decisions[s->head++];
    return true;
}

bool agent_supervisor_has_decisions(const agent_supervisor *s) {
    return s->head < s->count;
}

// ---- services

static bool is_health(const agent_health_rules *rules) {
    return rules->interval_ms >= AGENT_HEALTH_INTERVAL_MIN_MS &&
           rules->interval_ms <= AGENT_HEALTH_MS_MAX &&
           rules->timeout_ms >= AGENT_HEALTH_TIMEOUT_MIN_MS &&
           rules->timeout_ms <= AGENT_HEALTH_MS_MAX && rules->failures > 0 &&
           rules->failures <= AGENT_HEALTH_FAILURES_MAX;
}

static bool are_possible(const agent_rules *rules) {
    return rules->grace_ms <= AGENT_GRACE_MAX_MS && rules->start_timeout_ms <= AGENT_GRACE_MAX_MS &&
           (!rules->health.is_checked || is_health(&rules->health)) && rules->stop_signal >= 0 &&
           rules->stop_signal < NSIG && rules->budget.restarts <= AGENT_RESTARTS_MAX &&
           rules->budget.window_ms <= AGENT_RESTARTS_WINDOW_MAX_MS;
}

static agent_rules complete(const agent_rules *rules) {
    agent_rules all = *rules;
    if (!all.budget.is_set)
        all.budget = (agent_budget){false, AGENT_RESTARTS_DEFAULT, AGENT_RESTARTS_WINDOW_MS};
    return all;
}

// Up to so many; they do not run yet.
static void add_instances(service *svc, uint32_t count) {
    svc->instances = mem_resize(svc->instances, count * sizeof *svc->instances);
    for (uint32_t i = svc->spec.instances; i < count; i++)
        svc->instances[i] = (instance){.rules = svc->spec.rules,
                                       .phase = HELD,
                                       .backoff_ms = AGENT_BACKOFF_MIN_MS,
                                       .due_at_ms = UINT64_MAX,
                                       .ready_at_ms = UINT64_MAX,
                                       .health = agent_health_none(0)};
    svc->spec.instances = count;
}

int agent_supervisor_add(agent_supervisor *s, const agent_supervised *spec) {
    bool is_count = spec->instances > 0 && spec->instances <= AGENT_INSTANCES_MAX;
    if (!is_count || !are_possible(&spec->rules)) return MESH_EINVAL;
    if (agent_supervisor_find(s, spec->service_id) != NULL) return MESH_EEXIST;
    if (s->service_count == AGENT_SERVICES_MAX) return MESH_EQUOTA;

    service *svc = mem_alloc(sizeof *svc);
    svc->spec = *spec;
    svc->spec.rules = complete(&spec->rules);
    int err = agent_group_join(s, svc);
    if (err != 0) {
        free(svc);
        return err;
    }
    s->services[s->service_count++] = svc;
    svc->spec.instances = 0;
    add_instances(svc, spec->instances);
    for (uint32_t i = 0; i < spec->instances; i++)
        agent_life_join(s, svc, i);
    svc->wanted = spec->instances;
    return 0;
}

static void change_one(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index,
                       const agent_rules *rules) {
    const agent_rules before = svc->instances[index].rules;
    svc->instances[index].rules = complete(rules);
    if (before.health.is_checked != rules->health.is_checked)
        agent_life_change_check(s, svc, index);
    if (before.ready != rules->ready || before.start_timeout_ms != rules->start_timeout_ms)
        agent_life_change_ready(s, now_ms, svc, index);
}

int agent_supervisor_change(agent_supervisor *s, uint64_t now_ms, uint32_t service_id,
                            uint32_t index, const agent_rules *rules) {
    service *svc = agent_supervisor_find(s, service_id);
    bool is_all = index == AGENT_INSTANCE_ALL;
    if (svc == NULL || (!is_all && index >= svc->spec.instances)) return MESH_ENOTFOUND;
    if (!are_possible(rules)) return MESH_EINVAL;
    if (is_all) svc->spec.rules = complete(rules);
    for (uint32_t i = 0; i < svc->spec.instances; i++)
        if (is_all || index == i) change_one(s, now_ms, svc, i, rules);
    agent_group_advance(s, now_ms, svc->group);
    return 0;
}

int agent_supervisor_scale(agent_supervisor *s, uint64_t now_ms, uint32_t service_id,
                           uint32_t instances, uint32_t drain_ms) {
    service *svc = agent_supervisor_find(s, service_id);
    if (svc == NULL) return MESH_ENOTFOUND;
    if (instances == 0 || instances > AGENT_INSTANCES_MAX || drain_ms > AGENT_DRAIN_MAX_MS)
        return MESH_EINVAL;
    if (svc->over_count == svc->spec.instances && instances > svc->wanted) return MESH_ECLOSED;
    uint32_t before = svc->wanted;
    if (instances > svc->spec.instances) add_instances(svc, instances);
    svc->wanted = instances;
    for (uint32_t i = before; i < instances; i++)
        agent_life_join(s, svc, i);
    for (uint32_t i = instances; i < before; i++)
        agent_life_retire(s, now_ms, svc, i, drain_ms);
    agent_group_advance(s, now_ms, svc->group);
    return 0;
}

void agent_supervisor_retire(agent_supervisor *s, uint64_t now_ms, uint32_t service_id,
                             uint32_t index, uint32_t drain_ms) {
    service *svc;
    if (agent_supervisor_find_instance(s, service_id, index, &svc) == NULL) return;
    agent_life_retire(s, now_ms, svc, index, drain_ms);
    agent_group_advance(s, now_ms, svc->group);
}

void agent_supervisor_drained(agent_supervisor *s, uint64_t now_ms, uint32_t service_id,
                              uint32_t index) {
    service *svc;
    if (agent_supervisor_find_instance(s, service_id, index, &svc) != NULL)
        agent_life_drained(s, now_ms, svc, index);
}

void agent_supervisor_remove(agent_supervisor *s, uint32_t service_id) {
    for (uint32_t i = 0; i < s->service_count; i++) {
        service *svc = s->services[i];
        if (svc->spec.service_id != service_id) continue;
        if (svc->over_count < svc->spec.instances) return;
        s->services[i] = s->services[--s->service_count];
        free_service(s, svc);
        return;
    }
}

// ---- what happened

void agent_supervisor_launched(agent_supervisor *s, uint64_t now_ms, uint32_t service_id,
                               uint32_t index) {
    service *svc;
    const instance *in = agent_supervisor_find_instance(s, service_id, index, &svc);
    if (in == NULL || in->phase != LAUNCHING) return;
    agent_life_begin(s, now_ms, svc, index);
    agent_group_advance(s, now_ms, svc->group);
}

void agent_supervisor_not_launched(agent_supervisor *s, uint64_t now_ms, uint32_t service_id,
                                   uint32_t index) {
    service *svc;
    instance *in = agent_supervisor_find_instance(s, service_id, index, &svc);
    if (in == NULL || in->phase != LAUNCHING) return;
    // One that was stopped before it could start keeps the end of its life before, if any.
    if (in->leaving == STAYING) in->how = (agent_exit){.code = 1};
    agent_life_end(s, now_ms, svc, index, 0);
    agent_group_advance(s, now_ms, svc->group);
}

void agent_supervisor_exited(agent_supervisor *s, uint64_t now_ms, uint32_t service_id,
                             uint32_t index, agent_exit how) {
    service *svc;
    instance *in = agent_supervisor_find_instance(s, service_id, index, &svc);
    if (in == NULL || in->phase != RUNNING) return;
    in->how = how;
    agent_life_end(s, now_ms, svc, index, now_ms - in->started_at_ms);
    agent_group_advance(s, now_ms, svc->group);
}

void agent_supervisor_sign(agent_supervisor *s, uint64_t now_ms, uint32_t service_id,
                           uint32_t index, agent_sign sign) {
    service *svc;
    if (agent_supervisor_find_instance(s, service_id, index, &svc) == NULL) return;
    agent_life_sign(s, now_ms, svc, index, sign);
    agent_life_check(s, now_ms, svc, index);
    agent_group_advance(s, now_ms, svc->group);
}

void agent_supervisor_checked(agent_supervisor *s, uint64_t now_ms, uint32_t service_id,
                              uint32_t index, uint32_t number, bool is_good) {
    service *svc;
    if (agent_supervisor_find_instance(s, service_id, index, &svc) == NULL) return;
    agent_life_answer(s, now_ms, svc, index, number, is_good);
    agent_group_advance(s, now_ms, svc->group);
}

// ---- what is wanted

void agent_supervisor_stop(agent_supervisor *s, uint64_t now_ms, uint32_t service_id,
                           uint32_t index, bool is_kill) {
    service *svc = agent_supervisor_find(s, service_id);
    if (svc == NULL) return;
    for (uint32_t i = 0; i < svc->spec.instances; i++)
        if (index == AGENT_INSTANCE_ALL || index == i) agent_life_stop(s, now_ms, svc, i, is_kill);
    agent_group_advance(s, now_ms, svc->group);
}

void agent_supervisor_stop_all(agent_supervisor *s, uint64_t now_ms, bool is_kill) {
    for (uint32_t i = 0; i < s->service_count; i++)
        if (is_kill || s->services[i]->group == NULL)
            agent_supervisor_stop(s, now_ms, s->services[i]->spec.service_id, AGENT_INSTANCE_ALL,
                                  is_kill);
    for (uint32_t i = 0; i < s->group_count; i++) {
        agent_group_end(s->groups[i]);
        agent_group_advance(s, now_ms, s->groups[i]);
    }
}

void agent_supervisor_restart(agent_supervisor *s, uint64_t now_ms, uint32_t service_id,
                              uint32_t index) {
    service *svc = agent_supervisor_find(s, service_id);
    if (svc == NULL) return;
    for (uint32_t i = 0; i < svc->wanted; i++)
        if (index == AGENT_INSTANCE_ALL || index == i) agent_life_restart(s, now_ms, svc, i);
    agent_group_advance(s, now_ms, svc->group);
}

bool agent_supervisor_wants(const agent_supervisor *s, uint32_t service_id, uint32_t index) {
    service *svc;
    const instance *in = agent_supervisor_find_instance(s, service_id, index, &svc);
    return in != NULL && in->phase == LAUNCHING && in->leaving == STAYING;
}

bool agent_supervisor_is_over(const agent_supervisor *s, uint32_t service_id, uint32_t index) {
    const service *svc = agent_supervisor_find(s, service_id);
    if (svc == NULL) return true;
    if (index == AGENT_INSTANCE_ALL) return svc->over_count == svc->spec.instances;
    return index >= svc->spec.instances || svc->instances[index].phase == OVER;
}

bool agent_supervisor_is_ready(const agent_supervisor *s, uint32_t service_id, uint32_t index) {
    service *svc;
    const instance *in = agent_supervisor_find_instance(s, service_id, index, &svc);
    return in != NULL && in->phase == RUNNING && in->is_ready && in->leaving == STAYING;
}

bool agent_supervisor_is_awaited(const agent_supervisor *s, uint32_t service_id, uint32_t index) {
    service *svc;
    const instance *in = agent_supervisor_find_instance(s, service_id, index, &svc);
    return in != NULL && in->phase == RUNNING && !in->is_ready &&
           (!agent_life_is_automatic(&in->rules) || svc->known != AGENT_SIGN_NONE ||
            in->is_signed || in->rules.health.is_checked);
}

bool agent_supervisor_is_leaving(const agent_supervisor *s, uint32_t service_id, uint32_t index) {
    service *svc;
    const instance *in = agent_supervisor_find_instance(s, service_id, index, &svc);
    return in != NULL && in->phase == RUNNING && in->leaving != STAYING;
}

// ---- time

static uint64_t earlier(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

uint64_t agent_supervisor_wake_at_ms(const agent_supervisor *s) {
    uint64_t wake_at_ms = UINT64_MAX;
    for (uint32_t i = 0; i < s->service_count; i++)
        for (uint32_t k = 0; k < s->services[i]->spec.instances; k++) {
            const instance *in = &s->services[i]->instances[k];
            wake_at_ms = earlier(wake_at_ms, earlier(in->due_at_ms, in->ready_at_ms));
            wake_at_ms = earlier(wake_at_ms, in->health.due_at_ms);
        }
    for (uint32_t i = 0; i < s->group_count; i++)
        if (s->groups[i]->phase == WAITING)
            wake_at_ms = earlier(wake_at_ms, s->groups[i]->due_at_ms);
    return wake_at_ms;
}

void agent_supervisor_tick(agent_supervisor *s, uint64_t now_ms) {
    for (uint32_t i = 0; i < s->service_count; i++)
        for (uint32_t k = 0; k < s->services[i]->spec.instances; k++)
            agent_life_tick(s, now_ms, s->services[i], k);
    for (uint32_t i = 0; i < s->group_count; i++)
        agent_group_advance(s, now_ms, s->groups[i]);
}
