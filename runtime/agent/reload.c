#include "agent/reload.h"

#include <string.h>

#include "core/mem.h"

typedef enum phase {
    SKIPPED,
    WAITING,
    LAUNCHING,
    STARTING,  // until due_at_ms
    DRAINING,  // replaced; until due_at_ms
    STOPPING,  // replaced; SIGKILL at due_at_ms
    GIVING_UP, // the new life is stopped; SIGKILL at due_at_ms
    DONE,
    FAILED,
} phase;

typedef struct instance {
    phase phase;
    uint64_t due_at_ms;
    uint64_t begun_at_ms; // the new life
    agent_health_rules rules;
    uint32_t start_timeout_ms;
    agent_health health;
    uint32_t grace_ms; // of the life beside
    bool is_ready_then, is_killed;
    bool is_signed;  // it has given its sign, or needs none, and must still answer that it is well
    bool is_cause;   // why the reload fails
    bool is_stopped; // somebody stopped it before it was replaced
} instance;

struct agent_reload {
    agent_reload_options options;
    instance *instances;
    uint32_t next; // no instance before it is WAITING
    uint32_t starting, open, wanted, replaced;
    bool is_failed, is_begun, is_over_told;
    agent_reload_decision *decisions; // a queue: [head, count)
    size_t head, count, cap;
};

agent_reload *agent_reload_create(const agent_reload_options *options) {
    agent_reload *r = mem_alloc(sizeof *r);
    r->options = *options;
    if (r->options.parallel == 0) r->options.parallel = options->instances;
    r->instances = mem_alloc(options->instances * sizeof *r->instances);
    r->open = r->wanted = options->instances;
    for (uint32_t i = 0; i < options->instances; i++)
        r->instances[i] =
            (instance){.phase = WAITING, .due_at_ms = UINT64_MAX, .health = agent_health_none(0)};
    return r;
}

void agent_reload_destroy(agent_reload *r) {
    if (r == NULL) return;
    free(r->instances);
    free(r->decisions);
    free(r);
}

static void decide(agent_reload *r, agent_reload_kind kind, uint32_t index) {
    r->decisions = mem_grow(r->decisions, sizeof *r->decisions, r->count + 1, &r->cap);
    r->decisions[r->count++] =
        (agent_reload_decision){kind, index, r->instances[index].health.number};
}

bool agent_reload_poll(agent_reload *r, agent_reload_decision *out) {
    if (r->head == r->count) {
        r->head = r->count = 0;
        return false;
    }
    *out = r->decisions[r->head++];
    return true;
}

agent_reload_result agent_reload_result_get(const agent_reload *r) {
    return (agent_reload_result){r->wanted, r->replaced, r->is_failed};
}

void agent_reload_skip(agent_reload *r, uint32_t index) {
    if (r->instances[index].phase != WAITING) return;
    r->instances[index].phase = SKIPPED;
    r->open--;
    r->wanted--;
}

static instance *find(const agent_reload *r, uint32_t index) {
    return index < r->options.instances ? &r->instances[index] : NULL;
}

static bool is_in(const instance *in, phase wanted) {
    return in != NULL && in->phase == wanted;
}

// ---- one instance

static void close_one(agent_reload *r, uint32_t index, phase last) {
    r->instances[index].phase = last;
    r->instances[index].due_at_ms = UINT64_MAX;
    r->open--;
}

static void kill_beside(agent_reload *r, uint32_t index) {
    instance *in = &r->instances[index];
    in->due_at_ms = UINT64_MAX;
    if (in->is_killed) return;
    in->is_killed = true;
    decide(r, AGENT_RELOAD_KILL, index);
}

static void terminate_beside(agent_reload *r, uint64_t now_ms, uint32_t index, phase next) {
    instance *in = &r->instances[index];
    in->phase = next;
    in->due_at_ms = now_ms + in->grace_ms;
    decide(r, AGENT_RELOAD_TERMINATE, index);
}

// No further life is begun, and none that is starting will be needed.
static void give_up(agent_reload *r, uint64_t now_ms) {
    r->is_failed = true;
    for (uint32_t i = 0; i < r->options.instances; i++) {
        if (r->instances[i].phase == WAITING) close_one(r, i, FAILED);
        if (r->instances[i].phase != STARTING) continue;
        r->starting--;
        terminate_beside(r, now_ms, i, GIVING_UP);
    }
}

// Begins what may be, and ends.
static void go_on(agent_reload *r) {
    while (!r->is_failed && r->starting < r->options.parallel && r->next < r->options.instances) {
        uint32_t index = r->next++;
        if (r->instances[index].phase != WAITING) continue;
        r->instances[index].phase = LAUNCHING;
        r->starting++;
        decide(r, AGENT_RELOAD_LAUNCH, index);
    }
    if (r->open > 0 || r->is_over_told) return;
    r->is_over_told = true;
    decide(r, AGENT_RELOAD_OVER, 0);
}

void agent_reload_grace(agent_reload *r, uint32_t index, uint32_t grace_ms) {
    r->instances[index].grace_ms = grace_ms;
}

void agent_reload_begin(agent_reload *r) {
    r->is_begun = true;
    go_on(r);
}

bool agent_reload_fails_with(const agent_reload *r, uint32_t index) {
    const instance *in = find(r, index);
    return !r->is_failed && (is_in(in, LAUNCHING) || is_in(in, STARTING)) && !in->is_stopped;
}

bool agent_reload_is_to_come(const agent_reload *r, uint32_t index) {
    const instance *in = find(r, index);
    return is_in(in, WAITING) || is_in(in, LAUNCHING) || is_in(in, STARTING) ||
           is_in(in, GIVING_UP);
}

bool agent_reload_is_failed(const agent_reload *r) {
    return r->is_failed;
}

// ---- what happens

bool agent_reload_wants(const agent_reload *r, uint32_t index) {
    const instance *in = find(r, index);
    return is_in(in, LAUNCHING) && !r->is_failed && !in->is_stopped;
}

void agent_reload_health(agent_reload *r, uint32_t index, const agent_health_rules *rules,
                         uint32_t start_timeout_ms) {
    instance *in = find(r, index);
    if (in == NULL) return;
    in->rules = *rules;
    in->start_timeout_ms = start_timeout_ms;
}

void agent_reload_launched(agent_reload *r, uint64_t now_ms, uint32_t index, uint32_t patience_ms,
                           bool is_ready_then) {
    instance *in = find(r, index);
    if (!is_in(in, LAUNCHING)) return;
    if (r->is_failed || in->is_stopped) { // given up while it was being launched
        r->starting--;
        terminate_beside(r, now_ms, index, GIVING_UP);
        return;
    }
    in->phase = STARTING;
    in->begun_at_ms = now_ms;
    in->is_ready_then = is_ready_then;
    in->due_at_ms = now_ms + patience_ms;
}

// The new one serves from now on.
static void take_place(agent_reload *r, uint64_t now_ms, uint32_t index) {
    instance *in = &r->instances[index];
    in->phase = DRAINING;
    agent_health_stop(&in->health);
    in->due_at_ms = now_ms + r->options.drain_ms + AGENT_RELOAD_ANSWER_MS;
    r->starting--;
    r->replaced++;
    decide(r, AGENT_RELOAD_REPLACE, index);
    go_on(r);
}

static void take_news(agent_reload *r, uint64_t now_ms, uint32_t index, agent_health_news news) {
    if (news == AGENT_HEALTH_ASK) decide(r, AGENT_RELOAD_CHECK, index);
    if (news == AGENT_HEALTH_GOOD) take_place(r, now_ms, index);
}

static bool is_checking(const instance *in) {
    return is_in(in, STARTING) && in->is_signed;
}

static void check(agent_reload *r, uint64_t now_ms, uint32_t index) {
    instance *in = &r->instances[index];
    while (is_checking(in) && in->health.due_at_ms <= now_ms)
        take_news(r, now_ms, index, agent_health_tick(&in->health, &in->rules, now_ms, false));
}

void agent_reload_ready(agent_reload *r, uint64_t now_ms, uint32_t index) {
    instance *in = find(r, index);
    if (!is_in(in, STARTING) || in->is_signed) return;
    if (!in->rules.is_checked) {
        take_place(r, now_ms, index);
        return;
    }
    uint64_t late_at_ms = in->begun_at_ms + in->start_timeout_ms,
             answer_at_ms = now_ms + in->rules.timeout_ms;
    in->is_signed = true;
    in->due_at_ms = late_at_ms > answer_at_ms ? late_at_ms : answer_at_ms;
    agent_health_begin(&in->health, now_ms);
    check(r, now_ms, index);
}

void agent_reload_checked(agent_reload *r, uint64_t now_ms, uint32_t index, uint32_t number,
                          bool is_good) {
    instance *in = find(r, index);
    if (is_checking(in))
        take_news(r, now_ms, index,
                  agent_health_answer(&in->health, &in->rules, now_ms, false, number, is_good));
}

void agent_reload_refused(agent_reload *r, uint64_t now_ms, uint32_t index) {
    if (!is_in(find(r, index), DRAINING)) return;
    r->replaced--;
    r->instances[index].is_cause = !r->is_failed;
    terminate_beside(r, now_ms, index, GIVING_UP);
    give_up(r, now_ms);
}

void agent_reload_drained(agent_reload *r, uint64_t now_ms, uint32_t index) {
    if (is_in(find(r, index), DRAINING)) terminate_beside(r, now_ms, index, STOPPING);
}

void agent_reload_gone(agent_reload *r, uint64_t now_ms, uint32_t index) {
    instance *in = find(r, index);
    if (in == NULL) return;
    if (agent_reload_fails_with(r, index)) in->is_cause = true;
    switch (in->phase) {
    case DRAINING:
    case STOPPING:
        close_one(r, index, DONE);
        decide(r, AGENT_RELOAD_DONE, index);
        break;
    case LAUNCHING:
    case STARTING: r->starting--; // fall through
    case GIVING_UP:
        close_one(r, index, FAILED);
        decide(r, in->is_cause ? AGENT_RELOAD_FAILED : AGENT_RELOAD_GIVEN_UP, index);
        if (!in->is_stopped) give_up(r, now_ms);
        break;
    default: return;
    }
    go_on(r);
}

// Nothing is waited for any more.
static void hurry(agent_reload *r, uint64_t now_ms, uint32_t index, bool is_kill) {
    const instance *in = &r->instances[index];
    if (in->phase == DRAINING) terminate_beside(r, now_ms, index, STOPPING);
    if (is_kill && (in->phase == STOPPING || in->phase == GIVING_UP)) kill_beside(r, index);
}

void agent_reload_stop(agent_reload *r, uint64_t now_ms, bool is_kill) {
    give_up(r, now_ms);
    for (uint32_t i = 0; i < r->options.instances; i++)
        hurry(r, now_ms, i, is_kill);
    go_on(r);
}

// It was decided that it takes the place, and nobody has carried that out.
static void take_back(agent_reload *r, uint32_t index) {
    size_t at = r->head;
    while (at < r->count &&
           (r->decisions[at].kind != AGENT_RELOAD_REPLACE || r->decisions[at].instance != index))
        at++;
    if (at == r->count) return;
    r->count--;
    memmove(r->decisions + at, r->decisions + at + 1, (r->count - at) * sizeof *r->decisions);
    r->instances[index].phase = STARTING;
    r->starting++;
    r->replaced--;
}

static void leave_out(agent_reload *r, uint64_t now_ms, uint32_t index) {
    instance *in = &r->instances[index];
    in->is_stopped = true;
    r->wanted--;
    if (in->phase == WAITING) close_one(r, index, SKIPPED);
    if (in->phase == STARTING) {
        r->starting--;
        terminate_beside(r, now_ms, index, GIVING_UP);
    }
    if (r->wanted == 0) r->is_failed = true;
}

void agent_reload_stop_one(agent_reload *r, uint64_t now_ms, uint32_t index, bool is_kill) {
    const instance *in = find(r, index);
    if (in == NULL) return;
    take_back(r, index);
    bool is_to_come = is_in(in, WAITING) || is_in(in, LAUNCHING) || is_in(in, STARTING);
    if (is_to_come && !in->is_stopped) leave_out(r, now_ms, index);
    hurry(r, now_ms, index, is_kill);
    go_on(r);
}

// ---- time

static uint64_t earliest(uint64_t at_ms, const instance *in) {
    if (in->due_at_ms < at_ms) at_ms = in->due_at_ms;
    return is_checking(in) && in->health.due_at_ms < at_ms ? in->health.due_at_ms : at_ms;
}

uint64_t agent_reload_wake_at_ms(const agent_reload *r) {
    uint64_t wake_at_ms = UINT64_MAX;
    for (uint32_t i = 0; i < r->options.instances; i++)
        wake_at_ms = earliest(wake_at_ms, &r->instances[i]);
    return wake_at_ms;
}

static void miss(agent_reload *r, uint64_t now_ms, uint32_t index) {
    instance *in = &r->instances[index];
    if (in->is_ready_then && !in->is_signed) {
        agent_reload_ready(r, now_ms, index);
        return;
    }
    r->starting--;
    in->phase = GIVING_UP;
    in->is_cause = true;
    decide(r, AGENT_RELOAD_LATE, index);
    kill_beside(r, index);
    give_up(r, now_ms);
}

void agent_reload_tick(agent_reload *r, uint64_t now_ms) {
    for (uint32_t i = 0; i < r->options.instances; i++) {
        instance *in = &r->instances[i];
        check(r, now_ms, i);
        if (in->due_at_ms > now_ms) continue;
        switch (in->phase) {
        case STARTING: miss(r, now_ms, i); break;
        case DRAINING:
            decide(r, AGENT_RELOAD_DEAF, i);
            terminate_beside(r, now_ms, i, STOPPING);
            break;
        case STOPPING:
        case GIVING_UP: kill_beside(r, i); break;
        default: in->due_at_ms = UINT64_MAX;
        }
    }
}
