// The lives of instances in a reload: what its core has decided is done to them, and what happens
// to them is told to the core.
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "agent/kept.h"
#include "agent/reloading_state.h"
#include "agent/say.h"
#include "core/mem.h"

// ---- telling

static void name_of(const agent_reloading *r, uint32_t instance,
                    char out[AGENT_NODE_NAME_LEN_MAX]) {
    agent_service_node_name(r->service, instance, out);
}

static void tell_step(agent_reloading *r, uint32_t instance, const char *step, const char *text) {
    char name[AGENT_NODE_NAME_LEN_MAX];
    name_of(r, instance, name);
    const slot *now = &r->service->slots[instance];
    agent_reload_progress progress = {.node = name,
                                      .step = step,
                                      .text = text,
                                      .pid = now->node != NULL ? (uint32_t)agent_node_pid(now->node)
                                                               : 0,
                                      .after_ms = reloading_now_ms(r) - r->began_at_ms};
    if (r->watch.on_progress != NULL) r->watch.on_progress(&progress, r->watch.user);
}

// `words`: what it wrote last; may be NULL.
static void note_failure(agent_reloading *r, uint32_t instance, const char *what,
                         const agent_last_lines *words) {
    char name[AGENT_NODE_NAME_LEN_MAX];
    name_of(r, instance, name);
    (void)snprintf(r->failure, sizeof r->failure, "the new %s %.400s", name, what);
    agent_say_event("%s", r->failure);
    if (r->why[0] != '\0') return;
    memcpy(r->why, r->failure, sizeof r->why);
    if (words != NULL) agent_last_lines_push(&r->words, agent_last_lines_text(words));
}

// ---- what the core has decided

static void launch(agent_reloading *r, uint32_t instance) {
    slot *new = reloading_beside(r, instance);
    agent_program_set(&new->program, reloading_program(r, instance));
    agent_reload_grace(r->core, reloading_core_index(r, instance), new->program->run->grace_ms);
    new->state = "starting";
    new->starts = new->attempts = 0;
    new->ordered_attempt = reloading_attempt(r, instance);
    new->is_draining = false;
    new->reason[0] = '\0';
    agent_launcher_add(reloading_services(r), r->service->id, r->service->slot_cap + instance);
    agent_services_carry_out_soon(reloading_services(r));
    tell_step(r, instance, "starting", "");
}

// The old one, which is beside the new one now.
static void drain(agent_reloading *r, uint32_t instance) {
    slot *old = reloading_beside(r, instance);
    old->is_draining = true;
    if (old->node == NULL)
        agent_reload_gone(r->core, reloading_now_ms(r),
                          reloading_core_index(r, instance)); // it had ended
    else if (old->member == NULL || !agent_member_drain(old->member, r->drain_ms))
        agent_reload_drained(r->core, reloading_now_ms(r), reloading_core_index(r, instance));
}

static void replace(agent_reloading *r, uint32_t instance) {
    agent_service *service = r->service;
    slot *new = reloading_beside(r, instance), *old = &service->slots[instance], before = *old;
    char name[AGENT_NODE_NAME_LEN_MAX], text[256];
    if (!agent_supervisor_replace(reloading_services(r)->supervisor, reloading_now_ms(r),
                                  service->id, instance)) {
        r->is_refused = true;
        if (!agent_reload_is_failed(r->core))
            note_failure(r, instance,
                         "cannot take its place: the present one is stopped or started", NULL);
        agent_reload_refused(r->core, reloading_now_ms(r), reloading_core_index(r, instance));
        return;
    }
    *old = *new;
    *new = before;
    agent_rules rules = agent_program_rules(old->runs);
    (void)agent_supervisor_change(reloading_services(r)->supervisor, reloading_now_ms(r),
                                  service->id, instance, &rules);
    agent_reload_grace(r->core, reloading_core_index(r, instance),
                       agent_slot_runs(new)->run->grace_ms);
    new->report = old->report; // how the last life ended is the instance's
    old->report = before.report;
    old->state = "up";
    old->was_ready = true;
    agent_checks_end(service, instance);
    agent_services_carry_out_soon(reloading_services(r)); // it is asked again later
    agent_kept_life(service, instance);
    name_of(r, instance, name);
    (void)snprintf(text, sizeof text, "%s is replaced (pid %d)", name,
                   (int)agent_node_pid(old->node));
    agent_say_event("%s", text);
    agent_services_tell(service, instance, &(agent_event){name, "up", text, {0}, false});
    tell_step(r, instance, "ready", text);
    drain(r, instance);
}

static void terminate(agent_reloading *r, uint32_t instance, int number) {
    slot *sl = reloading_beside(r, instance);
    sl->is_draining = true;
    if (sl->node != NULL) agent_node_signal(sl->node, number);
}

// Of the new life.
static uint32_t patience(const agent_reloading *r, uint32_t instance, bool *out_is_ready_then) {
    agent_rules rules = agent_program_rules(agent_slot_runs(reloading_beside(r, instance)));
    return agent_supervisor_patience(reloading_services(r)->supervisor, r->service->id, &rules,
                                     out_is_ready_then);
}

static void check(agent_reloading *r, uint32_t instance, uint32_t number) {
    agent_rules rules = agent_program_rules(agent_slot_runs(reloading_beside(r, instance)));
    agent_checks_ask(r->service, r->service->slot_cap + instance, number, rules.health.timeout_ms);
}

static void tell_late(agent_reloading *r, uint32_t instance) {
    char what[256];
    bool is_ready_then;
    uint32_t patience_ms = patience(r, instance, &is_ready_then);
    agent_rules rules = agent_program_rules(agent_slot_runs(reloading_beside(r, instance)));
    const char *why = agent_checks_miss(r->service, r->service->slot_cap + instance);
    (void)snprintf(what, sizeof what, "was not ready within %u ms%s%s",
                   is_ready_then ? agent_supervisor_start_timeout_ms(&rules) : patience_ms,
                   why[0] != '\0' ? ": " : "", why);
    note_failure(r, instance, what, &reloading_beside(r, instance)->stderr_lines);
}

static void tell_deaf(agent_reloading *r, uint32_t instance) {
    const slot *old = reloading_beside(r, instance);
    char name[AGENT_NODE_NAME_LEN_MAX], text[256];
    if (old->node == NULL) return;
    name_of(r, instance, name);
    (void)snprintf(text, sizeof text,
                   "%s (pid %d): it has not answered within the time to drain (%u ms), and is told "
                   "to stop with what it has left: does its loop stand still?",
                   name, (int)agent_node_pid(old->node), r->drain_ms);
    agent_say_event("%s", text);
    tell_step(r, instance, "deaf", text);
}

void reloading_carry_out_one(agent_reloading *r, const agent_reload_decision *d) {
    const uint32_t instance = r->first + d->instance;
    switch (d->kind) {
    case AGENT_RELOAD_LAUNCH: launch(r, instance); return;
    case AGENT_RELOAD_CHECK: check(r, instance, d->number); return;
    case AGENT_RELOAD_REPLACE: replace(r, instance); return;
    case AGENT_RELOAD_TERMINATE:
        terminate(r, instance,
                  agent_program_stop_signal(agent_slot_runs(reloading_beside(r, instance))));
        return;
    case AGENT_RELOAD_KILL: terminate(r, instance, SIGKILL); return;
    case AGENT_RELOAD_DEAF: tell_deaf(r, instance); return;
    case AGENT_RELOAD_LATE: tell_late(r, instance); return;
    case AGENT_RELOAD_DONE: tell_step(r, instance, "replaced", ""); return;
    case AGENT_RELOAD_FAILED: tell_step(r, instance, "failed", r->failure); return;
    case AGENT_RELOAD_GIVEN_UP: tell_step(r, instance, "given-up", ""); return;
    case AGENT_RELOAD_OVER: r->is_over = true; return;
    }
}

// ---- what happens to the lives

// Of the life that is in the second half of the slots, at this place.
static agent_reloading *find_at(const agent_service *service, uint32_t at, uint32_t *out_instance) {
    *out_instance = at % service->slot_cap;
    return reloading_find(service, *out_instance);
}

bool agent_reloading_wants(const agent_service *service, uint32_t at) {
    uint32_t instance;
    const agent_reloading *r = find_at(service, at, &instance);
    return r != NULL && agent_reload_wants(r->core, reloading_core_index(r, instance));
}

void agent_reloading_launched(agent_service *service, uint32_t at) {
    bool is_ready_then;
    uint32_t instance;
    agent_reloading *r = find_at(service, at, &instance);
    if (r == NULL) return;
    uint32_t patience_ms = patience(r, instance, &is_ready_then);
    agent_rules rules = agent_program_rules(agent_slot_runs(reloading_beside(r, instance)));
    agent_reload_health(r->core, reloading_core_index(r, instance), &rules.health,
                        agent_supervisor_start_timeout_ms(&rules));
    agent_reload_launched(r->core, reloading_now_ms(r), reloading_core_index(r, instance),
                          patience_ms, is_ready_then);
    reloading_carry_out_soon(r);
}

void agent_reloading_not_launched(agent_service *service, uint32_t at, const char *why) {
    char what[AGENT_RELOAD_TEXT_MAX];
    uint32_t instance;
    agent_reloading *r = find_at(service, at, &instance);
    if (r == NULL) return;
    (void)snprintf(what, sizeof what, "could not be started: %.300s", why);
    if (agent_reload_fails_with(r->core, reloading_core_index(r, instance)))
        note_failure(r, instance, what, NULL);
    agent_reload_gone(r->core, reloading_now_ms(r), reloading_core_index(r, instance));
    reloading_carry_out_soon(r);
}

static void tell_cut(agent_reloading *r, uint32_t instance, uint32_t connections) {
    char name[AGENT_NODE_NAME_LEN_MAX], text[256];
    name_of(r, instance, name);
    (void)snprintf(
        text, sizeof text,
        "%s (pid %d): %u %s not ended when the time to drain (%u ms) was over, and %s cut", name,
        (int)agent_node_pid(reloading_beside(r, instance)->node), connections,
        connections == 1 ? "connection had" : "connections had", r->drain_ms,
        connections == 1 ? "is" : "are");
    agent_say_event("%s", text);
    tell_step(r, instance, "cut", text);
}

void agent_reloading_exited(agent_service *service, uint32_t at, agent_exit how) {
    char what[AGENT_RELOAD_TEXT_MAX];
    uint32_t instance;
    agent_reloading *r = find_at(service, at, &instance);
    if (r == NULL) return;
    if (agent_reload_fails_with(r->core, reloading_core_index(r, instance))) {
        if (how.signal != 0)
            (void)snprintf(what, sizeof what, "ended before it was ready (signal SIG%s)",
                           sigabbrev_np(how.signal) != NULL ? sigabbrev_np(how.signal) : "?");
        else
            (void)snprintf(what, sizeof what, "ended before it was ready (exit code %d)", how.code);
        note_failure(r, instance, what, &reloading_beside(r, instance)->report.stderr_lines);
    }
    agent_reload_gone(r->core, reloading_now_ms(r), reloading_core_index(r, instance));
    reloading_carry_out_soon(r);
}

void agent_reloading_sign(agent_service *service, uint32_t at, agent_sign sign) {
    uint32_t instance;
    agent_reloading *r = find_at(service, at, &instance);
    if (r == NULL) return;
    agent_rules rules = agent_program_rules(agent_slot_runs(reloading_beside(r, instance)));
    if (!agent_supervisor_is_enough(reloading_services(r)->supervisor, r->service->id, &rules,
                                    sign))
        return;
    agent_reload_ready(r->core, reloading_now_ms(r), reloading_core_index(r, instance));
    reloading_carry_out_soon(r);
}

void agent_reloading_checked(agent_service *service, uint32_t at, uint32_t number,
                             bool is_healthy) {
    uint32_t instance;
    agent_reloading *r = find_at(service, at, &instance);
    if (r == NULL) return;
    agent_reload_checked(r->core, reloading_now_ms(r), reloading_core_index(r, instance), number,
                         is_healthy);
    reloading_carry_out_soon(r);
}

void agent_reloading_drained(agent_service *service, uint32_t at, uint32_t connections) {
    uint32_t instance;
    agent_reloading *r = find_at(service, at, &instance);
    if (r == NULL) return;
    if (connections > 0) tell_cut(r, instance, connections);
    agent_reload_drained(r->core, reloading_now_ms(r), reloading_core_index(r, instance));
    reloading_carry_out_soon(r);
}
