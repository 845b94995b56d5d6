#include "agent/supervisor.h"

#include <signal.h>

#include "core/error.h"
#include "core/mem.h"

typedef enum phase {
    LAUNCHING, // decided; the driver has not answered yet
    RUNNING,
    BACKING_OFF, // until due_at_ms
    OVER,
} phase;

typedef struct instance {
    phase phase;
    bool has_lived;   // a first life was launched and has ended
    bool is_stopping; // no more lives; SIGKILL at due_at_ms
    bool is_killed;
    uint64_t started_at_ms;
    uint64_t due_at_ms; // BACKING_OFF: of the launch; is_stopping: of SIGKILL; else UINT64_MAX
    uint32_t backoff_ms;
    uint64_t restarts_at_ms[AGENT_RESTARTS_MAX]; // the latest ones, oldest first
    uint32_t restart_count;
    agent_exit how; // the last life ended so
} instance;

typedef struct service {
    agent_supervised spec;
    uint32_t over_count;
    instance *instances;
} service;

struct agent_supervisor {
    uint64_t random;
    service *services[AGENT_SERVICES_MAX];
    uint32_t service_count;
    agent_decision *decisions; // a queue: [head, count)
    size_t head, count, cap;
};

agent_supervisor *agent_supervisor_create(uint64_t seed) {
    agent_supervisor *s = mem_alloc(sizeof *s);
    s->random = seed;
    return s;
}

static void free_service(service *svc) {
    free(svc->instances);
    free(svc);
}

void agent_supervisor_destroy(agent_supervisor *s) {
    if (s == NULL) return;
    for (uint32_t i = 0; i < s->service_count; i++)
        free_service(s->services[i]);
    free(s->decisions);
    free(s);
}

int agent_exit_code(agent_exit how) {
    if (how.signal != 0) return 128 + how.signal;
    return how.code >= 0 ? how.code : 1;
}

// splitmix64: good enough to spread restarts, and the same for every seed.
static uint64_t next_random(agent_supervisor *s) {
    uint64_t x = s->random += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static service *find(const agent_supervisor *s, uint32_t service_id) {
    for (uint32_t i = 0; i < s->service_count; i++)
        if (s->services[i]->spec.service_id == service_id) return s->services[i];
    return NULL;
}

static instance *find_instance(const agent_supervisor *s, uint32_t service_id, uint32_t index,
                               service **out_service) {
    service *svc = find(s, service_id);
    if (svc == NULL || index >= svc->spec.instances) return NULL;
    *out_service = svc;
    return &svc->instances[index];
}

static agent_decision *decide(agent_supervisor *s, agent_decision_kind kind, const service *svc,
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

static void launch(agent_supervisor *s, service *svc, uint32_t index) {
    instance *in = &svc->instances[index];
    in->phase = LAUNCHING;
    in->due_at_ms = UINT64_MAX;
    decide(s, AGENT_LAUNCH, svc, index);
}

int agent_supervisor_add(agent_supervisor *s, const agent_supervised *spec) {
    if (spec->instances == 0 || spec->instances > AGENT_INSTANCES_MAX) return MESH_EINVAL;
    if (spec->grace_ms > AGENT_GRACE_MAX_MS) return MESH_EINVAL;
    if (find(s, spec->service_id) != NULL) return MESH_EEXIST;
    if (s->service_count == AGENT_SERVICES_MAX) return MESH_EQUOTA;

    service *svc = mem_alloc(sizeof *svc);
    svc->spec = *spec;
    svc->instances = mem_alloc(spec->instances * sizeof *svc->instances);
    s->services[s->service_count++] = svc;
    for (uint32_t i = 0; i < spec->instances; i++) {
        svc->instances[i].backoff_ms = AGENT_BACKOFF_MIN_MS;
        launch(s, svc, i);
    }
    return 0;
}

void agent_supervisor_remove(agent_supervisor *s, uint32_t service_id) {
    for (uint32_t i = 0; i < s->service_count; i++) {
        service *svc = s->services[i];
        if (svc->spec.service_id != service_id) continue;
        if (svc->over_count < svc->spec.instances) return;
        s->services[i] = s->services[--s->service_count];
        free_service(svc);
        return;
    }
}

static int exit_code_of(const service *svc) {
    for (uint32_t i = 0; i < svc->spec.instances; i++) {
        int code = agent_exit_code(svc->instances[i].how);
        if (code != 0) return code;
    }
    return 0;
}

static void finish(agent_supervisor *s, service *svc, uint32_t index, agent_decision_kind kind,
                   agent_failure reason) {
    instance *in = &svc->instances[index];
    in->phase = OVER;
    in->due_at_ms = UINT64_MAX;
    agent_decision *decision = decide(s, kind, svc, index);
    decision->how = in->how;
    decision->reason = reason;
    if (++svc->over_count == svc->spec.instances)
        decide(s, AGENT_ENDED, svc, 0)->exit_code = exit_code_of(svc);
}

// True when one more restart is within the budget; then it is booked.
static bool book_restart(instance *in, uint64_t now_ms) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < in->restart_count; i++)
        if (now_ms - in->restarts_at_ms[i] < AGENT_RESTARTS_WINDOW_MS)
            in->restarts_at_ms[kept++] = in->restarts_at_ms[i];
    in->restart_count = kept;
    if (kept == AGENT_RESTARTS_MAX) return false;
    in->restarts_at_ms[in->restart_count++] = now_ms;
    return true;
}

static void back_off(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index) {
    instance *in = &svc->instances[index];
    // Instances that failed together (a database went away) must not come back together.
    uint32_t delay_ms = in->backoff_ms + (uint32_t)(next_random(s) % (in->backoff_ms / 5));
    if (delay_ms > AGENT_BACKOFF_MAX_MS) delay_ms = AGENT_BACKOFF_MAX_MS;
    in->backoff_ms =
        in->backoff_ms * 2 < AGENT_BACKOFF_MAX_MS ? in->backoff_ms * 2 : AGENT_BACKOFF_MAX_MS;
    in->phase = BACKING_OFF;
    in->due_at_ms = now_ms + delay_ms;
    agent_decision *decision = decide(s, AGENT_BACKOFF, svc, index);
    decision->how = in->how;
    decision->delay_ms = delay_ms;
}

static void end_life(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index,
                     uint64_t life_ms) {
    instance *in = &svc->instances[index];
    const agent_restart policy = svc->spec.restart;
    bool is_first = !in->has_lived, is_clean = in->how.code == 0 && in->how.signal == 0;
    in->has_lived = true;
    if (in->is_stopping || policy == AGENT_RESTART_NEVER ||
        (is_clean && policy != AGENT_RESTART_ALWAYS)) {
        finish(s, svc, index, AGENT_OVER, 0);
        return;
    }
    bool is_bad_start =
        is_first && in->how.code > 0 && in->how.signal == 0 && life_ms < AGENT_START_MS;
    if (is_bad_start && policy != AGENT_RESTART_ALWAYS) {
        finish(s, svc, index, AGENT_FAILED, AGENT_FAILURE_START);
        return;
    }
    if (life_ms >= AGENT_BACKOFF_MAX_MS) in->backoff_ms = AGENT_BACKOFF_MIN_MS;
    // Only failures use up the budget; a program that should run again and again is no failure.
    if (!is_clean && !book_restart(in, now_ms)) {
        finish(s, svc, index, AGENT_FAILED, AGENT_FAILURE_BUDGET);
        return;
    }
    back_off(s, now_ms, svc, index);
}

static void kill_now(agent_supervisor *s, service *svc, uint32_t index) {
    instance *in = &svc->instances[index];
    if (in->is_killed) return;
    in->is_killed = true;
    in->due_at_ms = UINT64_MAX;
    decide(s, AGENT_SIGNAL, svc, index)->signal = SIGKILL;
}

static void terminate(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index) {
    instance *in = &svc->instances[index];
    in->due_at_ms = now_ms + svc->spec.grace_ms;
    decide(s, AGENT_SIGNAL, svc, index)->signal = SIGTERM;
}

void agent_supervisor_launched(agent_supervisor *s, uint64_t now_ms, uint32_t service_id,
                               uint32_t index) {
    service *svc;
    instance *in = find_instance(s, service_id, index, &svc);
    if (in == NULL || in->phase != LAUNCHING) return;
    in->phase = RUNNING;
    in->started_at_ms = now_ms;
    if (!in->is_stopping) return;
    // It was stopped while it was being launched.
    bool is_kill = in->is_killed;
    in->is_killed = false;
    if (is_kill)
        kill_now(s, svc, index);
    else
        terminate(s, now_ms, svc, index);
}

void agent_supervisor_not_launched(agent_supervisor *s, uint64_t now_ms, uint32_t service_id,
                                   uint32_t index) {
    service *svc;
    instance *in = find_instance(s, service_id, index, &svc);
    if (in == NULL || in->phase != LAUNCHING) return;
    // One that was stopped before it could start keeps the end of its life before, if any.
    if (!in->is_stopping) in->how = (agent_exit){.code = 1};
    end_life(s, now_ms, svc, index, 0);
}

void agent_supervisor_exited(agent_supervisor *s, uint64_t now_ms, uint32_t service_id,
                             uint32_t index, agent_exit how) {
    service *svc;
    instance *in = find_instance(s, service_id, index, &svc);
    if (in == NULL || in->phase != RUNNING) return;
    in->how = how;
    end_life(s, now_ms, svc, index, now_ms - in->started_at_ms);
}

static void stop_one(agent_supervisor *s, uint64_t now_ms, service *svc, uint32_t index,
                     bool is_kill) {
    instance *in = &svc->instances[index];
    bool was_stopping = in->is_stopping;
    in->is_stopping = true;
    switch (in->phase) {
    case OVER: return;
    case BACKING_OFF: finish(s, svc, index, AGENT_OVER, 0); return;
    case LAUNCHING: in->is_killed |= is_kill; return; // carried out when it runs
    case RUNNING:
        if (is_kill)
            kill_now(s, svc, index);
        else if (!was_stopping)
            terminate(s, now_ms, svc, index);
    }
}

void agent_supervisor_stop(agent_supervisor *s, uint64_t now_ms, uint32_t service_id,
                           uint32_t index, bool is_kill) {
    service *svc = find(s, service_id);
    if (svc == NULL) return;
    for (uint32_t i = 0; i < svc->spec.instances; i++)
        if (index == AGENT_INSTANCE_ALL || index == i) stop_one(s, now_ms, svc, i, is_kill);
}

bool agent_supervisor_wants(const agent_supervisor *s, uint32_t service_id, uint32_t index) {
    service *svc;
    const instance *in = find_instance(s, service_id, index, &svc);
    return in != NULL && in->phase == LAUNCHING && !in->is_stopping;
}

bool agent_supervisor_is_over(const agent_supervisor *s, uint32_t service_id, uint32_t index) {
    const service *svc = find(s, service_id);
    if (svc == NULL) return true;
    if (index == AGENT_INSTANCE_ALL) return svc->over_count == svc->spec.instances;
    return index >= svc->spec.instances || svc->instances[index].phase == OVER;
}

uint64_t agent_supervisor_wake_at_ms(const agent_supervisor *s) {
    uint64_t wake_at_ms = UINT64_MAX;
    for (uint32_t i = 0; i < s->service_count; i++)
        for (uint32_t k = 0; k < s->services[i]->spec.instances; k++)
            if (s->services[i]->instances[k].due_at_ms < wake_at_ms)
                wake_at_ms = s->services[i]->instances[k].due_at_ms;
    return wake_at_ms;
}

void agent_supervisor_tick(agent_supervisor *s, uint64_t now_ms) {
    for (uint32_t i = 0; i < s->service_count; i++) {
        service *svc = s->services[i];
        for (uint32_t k = 0; k < svc->spec.instances; k++) {
            instance *in = &svc->instances[k];
            if (in->due_at_ms > now_ms) continue;
            if (in->phase == BACKING_OFF)
                launch(s, svc, k);
            else if (in->phase == RUNNING && in->is_stopping)
                kill_now(s, svc, k);
        }
    }
}
