#include "supervisor_sim.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "supervisor_world.h"

uint32_t sim_below(sim_world *w, uint32_t bound) {
    return mesh_rng_below(&w->rng, bound);
}

static bool chance(sim_world *w, uint32_t percent) {
    return sim_below(w, 100) < percent;
}

void sim_violate(sim_world *w, const char *format, ...) {
    if (w->result.violation[0] != '\0') return; // the first one is the cause
    va_list args;
    char text[200];
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)snprintf(w->result.violation, sizeof w->result.violation, "%" PRIu64 " ms: %s", w->now_ms,
                   text);
}

// ---- decisions

static void hash(sim_world *w, uint64_t value) {
    w->result.hash = (w->result.hash ^ value) * 0x100000001b3u;
}

static void print(const sim_world *w, const agent_decision *d) {
    static const char *const names[] = {"launch", "signal", "drain",   "check", "unhealthy",
                                        "ready",  "late",   "backoff", "held",  "again",
                                        "over",   "failed", "ended"};
    if (w->options.is_verbose)
        (void)printf("%" PRIu64 " %u.%u %s signal %d delay %u how %d/%d\n", w->now_ms,
                     d->service_id, d->instance, names[d->kind], d->signal, d->delay_ms,
                     d->how.code, d->how.signal);
}

static sim_service *find(sim_world *w, uint32_t service_id) {
    for (uint32_t i = 0; i < SERVICES_MAX; i++)
        if (w->services[i].is_there && w->services[i].spec.service_id == service_id)
            return &w->services[i];
    return NULL;
}

// What a program does with the signal that asks it to end.
static void hear_stop(sim_world *w, sim_instance *in) {
    static const agent_exit ends[] = {{.code = 0}, {.code = 3}, {-1, SIGTERM}};
    if (chance(w, 20)) return; // it is deaf
    uint64_t at_ms = w->now_ms + sim_below(w, in->rules.grace_ms * 2 + 1);
    if (at_ms >= in->exit_at_ms) return;
    in->exit_at_ms = at_ms;
    in->end = ends[sim_below(w, 3)];
}

static void carry_out(sim_world *w, const agent_decision *d) {
    sim_service *svc = find(w, d->service_id);
    print(w, d);
    w->result.decisions++;
    hash(w, (uint64_t)d->kind << 32 | d->service_id << 8 | d->instance);
    hash(w, w->now_ms << 8 ^ (uint64_t)d->signal ^ d->delay_ms);
    if (svc == NULL) {
        sim_violate(w, "a decision about service %u, which is not there", d->service_id);
        return;
    }
    sim_check_decision(w, svc, d);
    sim_instance *in = &svc->instances[d->instance];
    if (d->kind == AGENT_LAUNCH) {
        in->life = LIFE_ASKED;
        in->asked_at_ms = w->now_ms;
        in->answer_at_ms = w->now_ms + sim_below(w, 50);
        w->result.launches++;
    } else if (d->kind == AGENT_SIGNAL && d->signal == SIGKILL) {
        in->exit_at_ms = w->now_ms + sim_below(w, 20);
        in->end = (agent_exit){-1, SIGKILL};
    } else if (d->kind == AGENT_DRAIN) {
        if (!chance(w, 20)) in->drained_at_ms = w->now_ms + sim_below(w, DRAIN_MS);
    } else if (d->kind == AGENT_CHECK) {
        sim_health_ask(w, in, d->number);
    } else if (d->kind == AGENT_SIGNAL) {
        hear_stop(w, in);
    }
}

static void take_all(sim_world *w) {
    agent_decision d;
    while (w->result.violation[0] == '\0' && agent_supervisor_poll(w->s, &d))
        for (uint32_t n = sim_bug_decision(w, &d); n > 0; n--)
            carry_out(w, &d);
}

// ---- processes

static void choose_end(sim_world *w, sim_instance *in) {
    static const agent_exit ends[] = {{.code = 0}, {.code = 1}, {-1, SIGSEGV}, {-1, 0}};
    in->exit_at_ms = NEVER;
    if (w->is_calm || chance(w, 30)) return;
    in->end = ends[sim_below(w, 4)];
    in->exit_at_ms = w->now_ms + sim_below(w, chance(w, 30) ? 1500 : 30000);
}

static void choose_sign(sim_world *w, sim_instance *in) {
    static const agent_sign wanted[] = {
        [AGENT_READY_AUTO] = AGENT_SIGN_SERVES,    [AGENT_READY_MESH] = AGENT_SIGN_MESH,
        [AGENT_READY_LISTEN] = AGENT_SIGN_LISTENS, [AGENT_READY_MESSAGE] = AGENT_SIGN_MESSAGE,
        [AGENT_READY_STARTED] = AGENT_SIGN_SERVES,
    };
    in->sign = wanted[in->rules.ready];
    if (!w->is_calm && chance(w, 30)) in->sign = (agent_sign)(1 + sim_below(w, 4));
    in->sign_at_ms = w->now_ms + sim_below(w, w->is_calm ? 500 : 4000);
    if (!w->is_calm && chance(w, 20)) in->sign_at_ms = NEVER;
}

static agent_rules choose_rules(sim_world *w, uint32_t group_id) {
    agent_rules rules = {.restart = (agent_restart)(chance(w, 70) ? 0 : sim_below(w, 3)),
                         .grace_ms = sim_below(w, 3000),
                         .stop_signal = chance(w, 30) ? SIGINT : 0,
                         .ready = (agent_ready)sim_below(w, 5),
                         .start_timeout_ms = chance(w, 20) ? 0 : 1000 + sim_below(w, 4000),
                         .budget = w->groups[group_id].budget};
    if (group_id == 0 && chance(w, 50))
        rules.budget = (agent_budget){true, sim_below(w, 8), 1000 * (1 + sim_below(w, 60))};
    if (chance(w, 50))
        rules.health = (agent_health_rules){.is_checked = true,
                                            .interval_ms = 100 + sim_below(w, 3000),
                                            .timeout_ms = 50 + sim_below(w, 1500),
                                            .failures = 1 + sim_below(w, 4)};
    return rules;
}

static agent_rules complete(agent_rules rules) {
    if (!rules.budget.is_set) rules.budget = (agent_budget){false, 5, 60000};
    return rules;
}

// It runs another program from now on.
static void change(sim_world *w, const sim_service *svc, sim_instance *in) {
    agent_rules rules = choose_rules(w, svc->spec.group_id);
    uint32_t index = (uint32_t)(in - svc->instances);
    CHECK(agent_supervisor_change(w->s, w->now_ms, svc->spec.service_id, index, &rules) == 0);
    in->rules = complete(rules);
}

static void answer(sim_world *w, sim_service *svc, uint32_t index) {
    sim_instance *in = &svc->instances[index];
    uint32_t id = svc->spec.service_id;
    if (!w->is_calm && chance(w, 10)) change(w, svc, in);
    bool is_wanted = agent_supervisor_wants(w->s, id, index);
    in->answer_at_ms = NEVER;
    // What is under way already when it is stopped runs all the same.
    if ((!is_wanted && chance(w, 50)) || (!w->is_calm && chance(w, 5))) {
        in->life = LIFE_NONE;
        in->is_end_open = true;
        in->life_ms = 0;
        in->was_wanted = is_wanted;
        if (is_wanted) in->how = (agent_exit){.code = 1};
        agent_supervisor_not_launched(w->s, w->now_ms, id, index);
        return;
    }
    in->life = LIFE_RUNNING;
    in->began_at_ms = w->now_ms;
    in->given = 0;
    in->is_ready = in->is_late = in->is_killed = in->is_end_open = false;
    in->term_at_ms = in->drain_at_ms = in->drained_at_ms = NEVER;
    in->is_drain_told = in->is_drained = false;
    choose_end(w, in);
    choose_sign(w, in);
    sim_health_begin(w, in);
    agent_supervisor_launched(w->s, w->now_ms, id, index);
}

static void give_sign(sim_world *w, sim_service *svc, uint32_t index) {
    sim_instance *in = &svc->instances[index];
    in->given |= 1u << in->sign;
    if (in->sign > svc->known) svc->known = in->sign;
    agent_sign sign = in->sign;
    in->sign_at_ms = NEVER;
    if (!w->is_calm && chance(w, 30)) { // it has more to say
        in->sign = (agent_sign)(1 + sim_below(w, 4));
        in->sign_at_ms = w->now_ms + 1 + sim_below(w, 3000);
    }
    agent_supervisor_sign(w->s, w->now_ms, svc->spec.service_id, index, sign);
}

static void end(sim_world *w, sim_service *svc, uint32_t index) {
    sim_instance *in = &svc->instances[index];
    in->life = LIFE_NONE;
    in->is_end_open = true;
    in->life_ms = w->now_ms - in->began_at_ms;
    in->was_wanted = sim_is_wanted(in);
    in->how = in->end;
    in->sign_at_ms = in->exit_at_ms = in->reply_at_ms = NEVER;
    agent_supervisor_exited(w->s, w->now_ms, svc->spec.service_id, index, in->end);
}

// ---- the operator

static void choose_spec(sim_world *w, agent_supervised *spec) {
    uint32_t group_id = sim_below(w, GROUPS_MAX + 1);
    *spec = (agent_supervised){.service_id = ++w->next_id,
                               .instances = 1 + sim_below(w, INSTANCES_MAX),
                               .rules = choose_rules(w, group_id),
                               .group_id = group_id,
                               .strategy = w->groups[group_id].strategy};
}

// Whoever has to run now and was not launched waits for its group.
static void note_held(sim_service *svc) {
    for (uint32_t i = 0; i < svc->spec.instances; i++) {
        sim_instance *in = &svc->instances[i];
        if (!sim_is_live(in) && !in->is_over && in->due_at_ms == NEVER) in->is_held = true;
    }
}

static void add(sim_world *w) {
    uint32_t at = 0;
    while (at < SERVICES_MAX && w->services[at].is_there)
        at++;
    if (at == SERVICES_MAX) return;
    sim_service *svc = &w->services[at];
    memset(svc, 0, sizeof *svc);
    choose_spec(w, &svc->spec);
    svc->is_there = true;
    svc->joined = w->next_id;
    svc->wanted = svc->spec.instances;
    for (uint32_t i = 0; i < INSTANCES_MAX; i++) {
        sim_instance *in = &svc->instances[i];
        in->answer_at_ms = in->sign_at_ms = in->exit_at_ms = in->term_at_ms = NEVER;
        in->drain_at_ms = in->drained_at_ms = NEVER;
        in->due_at_ms = in->reply_at_ms = in->answered_at_ms = NEVER;
        in->rules = complete(svc->spec.rules);
    }
    CHECK(agent_supervisor_add(w->s, &svc->spec) == 0);
    take_all(w);
    note_held(svc);
}

static void note_stop(sim_instance *in, bool is_kill) {
    if (in->is_over) return;
    in->drain_at_ms = NEVER; // no more time for that
    in->is_stopped = true;
    in->is_kill_asked |= is_kill;
    in->is_end_open |= !sim_is_live(in); // it is over at once
}

static void stop(sim_world *w, sim_service *svc) {
    bool is_kill = chance(w, 20);
    uint32_t index = chance(w, 50) ? AGENT_INSTANCE_ALL : sim_below(w, svc->spec.instances);
    for (uint32_t i = 0; i < svc->spec.instances; i++)
        if (index == AGENT_INSTANCE_ALL || index == i) note_stop(&svc->instances[i], is_kill);
    agent_supervisor_stop(w->s, w->now_ms, svc->spec.service_id, index, is_kill);
}

static void revive(sim_instance *in) {
    in->is_over = in->is_stopped = in->is_kill_asked = in->has_lived = false;
    in->is_revived = true;
    in->how = (agent_exit){0};
}

static void note_restart(sim_world *w, sim_service *svc, uint32_t index) {
    sim_instance *in = &svc->instances[index];
    if (in->is_stopped && !in->is_over) return; // the stop is stronger
    svc->restarts[index].count = 0;
    if (svc->spec.group_id != 0) w->groups[svc->spec.group_id].restarts.count = 0;
    if (in->is_over) {
        revive(in);
        svc->is_ended = false;
    }
    in->due_at_ms = NEVER; // no wait
    if (in->life == LIFE_RUNNING) in->is_recycled = true;
}

static void restart(sim_world *w, sim_service *svc) {
    uint32_t index = chance(w, 50) ? AGENT_INSTANCE_ALL : sim_below(w, svc->wanted);
    for (uint32_t i = 0; i < svc->wanted; i++)
        if (index == AGENT_INSTANCE_ALL || index == i) note_restart(w, svc, i);
    w->result.restarts++;
    agent_supervisor_restart(w->s, w->now_ms, svc->spec.service_id, index);
    take_all(w);
    note_held(svc);
}

static void note_join(sim_service *svc, uint32_t index) {
    sim_instance *in = &svc->instances[index];
    in->is_stopped = false;
    if (sim_is_live(in)) {
        in->is_recycled = true; // it is on its way out, and comes again
        return;
    }
    revive(in); // its group may be given up, and it with that
    svc->restarts[index].count = 0;
}

static void scale(sim_world *w, sim_service *svc) {
    uint32_t before = svc->wanted, count = 1 + sim_below(w, INSTANCES_MAX);
    if (svc->is_ended) return;
    for (uint32_t i = count; i < before; i++) {
        sim_instance *in = &svc->instances[i];
        // One that runs on undisturbed finishes what it has first.
        bool is_drained_first = in->life == LIFE_RUNNING && sim_is_wanted(in);
        note_stop(in, false);
        if (is_drained_first) in->drain_at_ms = w->now_ms;
    }
    for (uint32_t i = before; i < count; i++)
        note_join(svc, i);
    svc->wanted = count;
    if (count > svc->spec.instances) svc->spec.instances = count;
    CHECK(agent_supervisor_scale(w->s, w->now_ms, svc->spec.service_id, count, DRAIN_MS) == 0);
    take_all(w);
    note_held(svc);
}

static void forget(sim_world *w, sim_service *svc) {
    agent_supervisor_remove(w->s, svc->spec.service_id);
    if (!svc->is_ended) return;
    svc->is_there = false;
    for (uint32_t k = 0; k < SERVICES_MAX; k++)
        if (w->services[k].is_there && w->services[k].spec.group_id == svc->spec.group_id) return;
    w->groups[svc->spec.group_id].restarts.count = 0; // a group goes with its last service
}

static void act(sim_world *w) {
    w->action_at_ms = w->now_ms + sim_below(w, 4000);
    uint32_t dice = sim_below(w, 100);
    sim_service *svc = &w->services[sim_below(w, SERVICES_MAX)];
    if (dice < 40) {
        add(w);
    } else if (svc->is_there && dice < 55) {
        stop(w, svc);
    } else if (svc->is_there && dice < 75) {
        restart(w, svc);
    } else if (svc->is_there && dice < 85) {
        forget(w, svc);
    } else if (svc->is_there) {
        scale(w, svc);
    }
}

static void stop_all(sim_world *w) {
    bool is_kill = chance(w, 20);
    w->is_ending = true;
    for (uint32_t k = 0; k < SERVICES_MAX; k++) {
        sim_service *svc = &w->services[k];
        for (uint32_t i = 0; svc->is_there && i < svc->spec.instances; i++)
            if (is_kill || svc->spec.group_id == 0) note_stop(&svc->instances[i], is_kill);
    }
    agent_supervisor_stop_all(w->s, w->now_ms, is_kill);
}

// ---- time

static uint64_t next_of(const sim_instance *in) {
    uint64_t at_ms = in->life == LIFE_ASKED ? in->answer_at_ms : NEVER;
    if (in->life != LIFE_RUNNING) return at_ms;
    if (in->drained_at_ms < at_ms) at_ms = in->drained_at_ms;
    if (in->sign_at_ms < at_ms) at_ms = in->sign_at_ms;
    if (in->reply_at_ms < at_ms) at_ms = in->reply_at_ms;
    return in->exit_at_ms < at_ms ? in->exit_at_ms : at_ms;
}

static uint64_t next_event(const sim_world *w) {
    uint64_t at_ms = agent_supervisor_wake_at_ms(w->s);
    if (w->action_at_ms < at_ms) at_ms = w->action_at_ms;
    for (uint32_t k = 0; k < SERVICES_MAX; k++)
        for (uint32_t i = 0; w->services[k].is_there && i < w->services[k].spec.instances; i++) {
            uint64_t one_ms = next_of(&w->services[k].instances[i]);
            if (one_ms < at_ms) at_ms = one_ms;
        }
    return at_ms;
}

static void finish_drain(sim_world *w, sim_service *svc, uint32_t index) {
    svc->instances[index].drained_at_ms = NEVER;
    svc->instances[index].is_drained = true;
    agent_supervisor_drained(w->s, w->now_ms, svc->spec.service_id, index);
}

static void let_happen(sim_world *w, sim_service *svc, uint32_t index) {
    sim_instance *in = &svc->instances[index];
    if (next_of(in) > w->now_ms) return;
    if (in->life == LIFE_ASKED)
        answer(w, svc, index);
    else if (in->exit_at_ms <= w->now_ms)
        end(w, svc, index);
    else if (in->drained_at_ms <= w->now_ms)
        finish_drain(w, svc, index);
    else if (in->reply_at_ms <= w->now_ms)
        sim_health_reply(w, svc, index);
    else
        give_sign(w, svc, index);
    take_all(w);
}

// One moment: what is due, then the supervisor's own.
static void step(sim_world *w) {
    for (uint32_t k = 0; k < SERVICES_MAX; k++)
        for (uint32_t i = 0; w->services[k].is_there && i < w->services[k].spec.instances; i++)
            let_happen(w, &w->services[k], i);
    if (w->action_at_ms <= w->now_ms) act(w);
    take_all(w);
    if (w->options.bug != SUPERVISOR_BUG_TICK_FORGOTTEN || mesh_rng_below(&w->bug_rng, 4) > 0)
        agent_supervisor_tick(w->s, w->now_ms);
    take_all(w);
    sim_check_all(w);
    sim_bug_hurt(w);
}

static void run_until(sim_world *w, uint64_t end_ms) {
    for (uint64_t at_ms; w->result.violation[0] == '\0' && (at_ms = next_event(w)) <= end_ms;) {
        if (at_ms > w->now_ms) w->now_ms = at_ms;
        step(w);
    }
    w->now_ms = end_ms;
}

// From now on every program does its work, and nobody meddles.
static void calm_down(sim_world *w) {
    w->is_calm = true;
    w->action_at_ms = NEVER;
    for (uint32_t k = 0; k < SERVICES_MAX; k++)
        for (uint32_t i = 0; w->services[k].is_there && i < w->services[k].spec.instances; i++) {
            sim_instance *in = &w->services[k].instances[i];
            if (in->life != LIFE_RUNNING || !sim_is_wanted(in)) continue;
            in->exit_at_ms = NEVER;
            choose_sign(w, in);
        }
}

supervisor_result supervisor_run(const supervisor_options *options) {
    static sim_world w; // large
    memset(&w, 0, sizeof w);
    w.options = *options;
    mesh_rng_init(&w.rng, options->seed);
    mesh_rng_init(&w.bug_rng, options->seed ^ 0xb06);
    for (uint32_t g = 1; g <= GROUPS_MAX; g++) {
        w.groups[g].strategy = (agent_strategy)sim_below(&w, 3);
        w.groups[g].budget = (agent_budget){true, sim_below(&w, 6), 60000};
    }
    w.s = agent_supervisor_create(options->seed);
    run_until(&w, CHAOS_MS);
    calm_down(&w);
    run_until(&w, CHAOS_MS + CALM_MS);
    sim_check_calm(&w);
    if (w.result.violation[0] == '\0') {
        stop_all(&w);
        step(&w);
        run_until(&w, CHAOS_MS + 2 * CALM_MS);
        sim_check_ended(&w);
    }
    w.result.virtual_ms = w.now_ms;
    agent_supervisor_destroy(w.s);
    return w.result;
}
