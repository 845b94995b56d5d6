#include "agent/reloading.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "agent/changing.h"
#include "agent/kept.h"
#include "agent/say.h"
#include "core/error.h"
#include "core/mem.h"

struct agent_reloading {
    agent_service *service;
    uint32_t first, count; // of its instances
    agent_reload *core;    // counts from `first`
    agent_reloading *next_one;
    uint32_t attempt; // of the lives that it brings
    uint32_t drain_ms;
    agent_reload_watch watch;
    uv_timer_t timer;
    uint64_t began_at_ms;
    char why[AGENT_RELOAD_TEXT_MAX];     // it fails: of the first instance; or ""
    agent_last_lines words;              // of that one
    char failure[AGENT_RELOAD_TEXT_MAX]; // the same, of the way back when a change is rolled back
    const char *stopped;                 // what else ended it; or NULL
    bool is_stopped;                     // with the whole service
    bool is_refused;                     // one could not take the place of another
    bool is_carrying_out, is_over;
    agent_program *next;  // that it brings; NULL: each its own
    bool is_whole;        // to all of the service, which is trying it
    bool is_rolling_back; // from there
    pid_t by;             // who asked for it
};

static agent_services *services_of(const agent_reloading *r) {
    return r->service->services;
}

static uint64_t now_ms(const agent_reloading *r) {
    return uv_now(services_of(r)->loop);
}

// Which one the core means.
static uint32_t core_of(const agent_reloading *r, uint32_t instance) {
    return instance - r->first;
}

static bool is_about(const agent_reloading *r, uint32_t instance) {
    return instance >= r->first && instance - r->first < r->count;
}

static agent_reloading *find(const agent_service *service, uint32_t instance) {
    agent_reloading *r = service->reloadings;
    while (r != NULL && !is_about(r, instance))
        r = r->next_one;
    return r;
}

// Of the life that is in the second half of the slots, at this place.
static agent_reloading *find_at(const agent_service *service, uint32_t at, uint32_t *out_instance) {
    *out_instance = at % service->slot_cap;
    return find(service, *out_instance);
}

static slot *beside(const agent_reloading *r, uint32_t instance) {
    return &r->service->slots[r->service->slot_cap + instance];
}

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
                                      .after_ms = now_ms(r) - r->began_at_ms};
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

typedef bool (*is_meant_cb)(const agent_service *service, uint32_t instance);
static void begin(agent_reloading *r, uint32_t parallel, is_meant_cb is_meant);
static void carry_out_soon(agent_reloading *r);

// Not one that is over, or on its way there: somebody has stopped it meanwhile.
static bool is_next(const agent_service *service, uint32_t instance) {
    agent_life life;
    return service->slots[instance].runs == service->trying &&
           agent_supervisor_look(service->services->supervisor, service->id, instance, &life) &&
           !life.is_stopped;
}

// True: those that run the new program are being replaced again.
static bool roll_back(agent_reloading *r) {
    agent_service *service = r->service;
    uint32_t count = 0;
    if (service->program == service->trying) return false;
    for (uint32_t i = 0; i < service->instances; i++)
        count += is_next(service, i);
    if (count == 0 || service->has_ended || service->services->is_closed) return false;
    agent_say_event("%s: %u of them run again what they ran before", service->name, count);
    agent_reload_destroy(r->core);
    r->is_over = false;
    r->is_rolling_back = true;
    begin(r, 0, is_next);
    carry_out_soon(r);
    return true;
}

// What the lives beside ran is needed no more.
static void forget_beside(agent_reloading *r) {
    for (uint32_t i = 0; i < r->count; i++) {
        slot *sl = beside(r, r->first + i);
        if (sl->node != NULL) continue;
        agent_program_set(&sl->runs, NULL);
        agent_program_set(&sl->program, NULL);
    }
}

static void leave(agent_reloading *r) {
    agent_reloading **at = &r->service->reloadings;
    while (*at != r)
        at = &(*at)->next_one;
    *at = r->next_one;
}

static void on_closed(uv_handle_t *timer) {
    agent_reloading *r = timer->data;
    agent_reload_destroy(r->core);
    agent_last_lines_clear(&r->words);
    agent_program_release(r->next);
    free(r);
}

static void close_one(agent_reloading *r) {
    uv_close((uv_handle_t *)&r->timer, on_closed);
}

static void finish(agent_reloading *r) {
    agent_service *service = r->service;
    agent_reload_result result = agent_reload_result_get(r->core);
    if (r->is_whole && !r->is_rolling_back && result.is_failed && roll_back(r)) return;
    if (r->is_rolling_back) // what is left of the change
        result = (agent_reload_result){.is_failed = true,
                                       .wanted = service->instances,
                                       .replaced = result.wanted - result.replaced};
    forget_beside(r);
    if (r->is_whole)
        agent_changing_end(service, !result.is_failed);
    else if (r->next != NULL)
        agent_changing_settle(service);
    const bool is_change = r->next != NULL;
    agent_reload_outcome outcome = {.is_change = is_change,
                                    .service = service->name,
                                    .wanted = result.wanted,
                                    .replaced = result.replaced,
                                    .is_failed = result.is_failed,
                                    .is_stopped = r->is_stopped,
                                    .is_refused = r->is_refused,
                                    .why = r->why[0] != '\0' || r->stopped == NULL ? r->why
                                                                                   : r->stopped,
                                    .last_stderr = agent_last_lines_text(&r->words),
                                    .after_ms = now_ms(r) - r->began_at_ms};
    char text[AGENT_RELOAD_TEXT_MAX + 128];
    if (result.is_failed)
        (void)snprintf(text, sizeof text, "%s: the %s has failed with %u of %u replaced: %s",
                       service->name, is_change ? "change" : "reload", result.replaced,
                       result.wanted, outcome.why);
    else
        (void)snprintf(text, sizeof text, "%s is %s: %u x in %u ms", service->name,
                       is_change ? "changed" : "reloaded", result.replaced,
                       (unsigned)outcome.after_ms);
    const char *good = is_change ? "changed" : "reloaded",
               *bad = is_change ? "change-failed" : "reload-failed";
    agent_services_record(service, NULL, result.is_failed ? bad : good, r->by, text);
    leave(r);
    if (r->watch.on_over != NULL) r->watch.on_over(&outcome, r->watch.user);
    close_one(r);
    if (service->has_ended && service->reloadings == NULL)
        agent_service_end(service->services, service, service->exit_code);
}

// ---- carrying out

static agent_program *program_for(const agent_reloading *r, uint32_t instance) {
    if (r->is_rolling_back) return r->service->program;
    return r->next != NULL ? r->next : r->service->slots[instance].program;
}

static uint32_t attempt_for(const agent_reloading *r, uint32_t instance) {
    return r->next != NULL ? r->attempt : r->service->slots[instance].ordered_attempt;
}

static void launch(agent_reloading *r, uint32_t instance) {
    slot *new = beside(r, instance);
    agent_program_set(&new->program, program_for(r, instance));
    agent_reload_grace(r->core, core_of(r, instance), new->program->run->grace_ms);
    new->state = "starting";
    new->starts = new->attempts = 0;
    new->ordered_attempt = attempt_for(r, instance);
    new->is_draining = false;
    new->reason[0] = '\0';
    agent_launcher_add(services_of(r), r->service->id, r->service->slot_cap + instance);
    agent_services_carry_out_soon(services_of(r));
    tell_step(r, instance, "starting", "");
}

// The old one, which is beside the new one now.
static void drain(agent_reloading *r, uint32_t instance) {
    slot *old = beside(r, instance);
    old->is_draining = true;
    if (old->node == NULL)
        agent_reload_gone(r->core, now_ms(r), core_of(r, instance)); // it had ended
    else if (old->member == NULL || !agent_member_drain(old->member, r->drain_ms))
        agent_reload_drained(r->core, now_ms(r), core_of(r, instance));
}

static void replace(agent_reloading *r, uint32_t instance) {
    agent_service *service = r->service;
    slot *new = beside(r, instance), *old = &service->slots[instance], before = *old;
    char name[AGENT_NODE_NAME_LEN_MAX], text[256];
    if (!agent_supervisor_replace(services_of(r)->supervisor, now_ms(r), service->id, instance)) {
        r->is_refused = true;
        if (!agent_reload_is_failed(r->core))
            note_failure(r, instance,
                         "cannot take its place: the present one is stopped or started", NULL);
        agent_reload_refused(r->core, now_ms(r), core_of(r, instance));
        return;
    }
    *old = *new;
    *new = before;
    agent_rules rules = agent_program_rules(old->runs);
    (void)agent_supervisor_change(services_of(r)->supervisor, now_ms(r), service->id, instance,
                                  &rules);
    agent_reload_grace(r->core, core_of(r, instance), agent_slot_runs(new)->run->grace_ms);
    new->report = old->report; // how the last life ended is the instance's
    old->report = before.report;
    old->state = "up";
    agent_checks_end(service, instance);
    agent_services_carry_out_soon(services_of(r)); // it is asked again later
    agent_kept_life(service, instance);
    name_of(r, instance, name);
    (void)snprintf(text, sizeof text, "%s is replaced (pid %d)", name,
                   (int)agent_node_pid(old->node));
    agent_say_event("%s", text);
    agent_services_tell(service, instance, &(agent_event){name, "up", text, {0}});
    tell_step(r, instance, "ready", text);
    drain(r, instance);
}

static void terminate(agent_reloading *r, uint32_t instance, int number) {
    slot *sl = beside(r, instance);
    sl->is_draining = true;
    if (sl->node != NULL) agent_node_signal(sl->node, number);
}

// Of the new life.
static uint32_t patience(const agent_reloading *r, uint32_t instance, bool *out_is_ready_then) {
    agent_rules rules = agent_program_rules(agent_slot_runs(beside(r, instance)));
    return agent_supervisor_patience(services_of(r)->supervisor, r->service->id, &rules,
                                     out_is_ready_then);
}

static void check(agent_reloading *r, uint32_t instance, uint32_t number) {
    agent_rules rules = agent_program_rules(agent_slot_runs(beside(r, instance)));
    agent_checks_ask(r->service, r->service->slot_cap + instance, number, rules.health.timeout_ms);
}

static void tell_late(agent_reloading *r, uint32_t instance) {
    char what[256];
    bool is_ready_then;
    uint32_t patience_ms = patience(r, instance, &is_ready_then);
    agent_rules rules = agent_program_rules(agent_slot_runs(beside(r, instance)));
    const char *why = agent_checks_miss(r->service, r->service->slot_cap + instance);
    (void)snprintf(what, sizeof what, "was not ready within %u ms%s%s",
                   is_ready_then ? agent_supervisor_start_timeout_ms(&rules) : patience_ms,
                   why[0] != '\0' ? ": " : "", why);
    note_failure(r, instance, what, &beside(r, instance)->stderr_lines);
}

static void tell_deaf(agent_reloading *r, uint32_t instance) {
    const slot *old = beside(r, instance);
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

static void carry_out_one(agent_reloading *r, const agent_reload_decision *d) {
    const uint32_t instance = r->first + d->instance;
    switch (d->kind) {
    case AGENT_RELOAD_LAUNCH: launch(r, instance); return;
    case AGENT_RELOAD_CHECK: check(r, instance, d->number); return;
    case AGENT_RELOAD_REPLACE: replace(r, instance); return;
    case AGENT_RELOAD_TERMINATE:
        terminate(r, instance, agent_program_stop_signal(agent_slot_runs(beside(r, instance))));
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

static void on_timer(uv_timer_t *timer);

// Last in a callback: it may free the reloading.
static void carry_out(agent_reloading *r) {
    agent_reload_decision decision;
    if (r->is_carrying_out) return; // the outer call goes on
    r->is_carrying_out = true;
    while (agent_reload_poll(r->core, &decision))
        carry_out_one(r, &decision);
    r->is_carrying_out = false;
    if (r->is_over) {
        finish(r);
        return;
    }
    uint64_t wake_at_ms = agent_reload_wake_at_ms(r->core), now = now_ms(r);
    if (wake_at_ms == UINT64_MAX)
        uv_timer_stop(&r->timer);
    else
        uv_timer_start(&r->timer, on_timer, wake_at_ms > now ? wake_at_ms - now : 0, 0);
}

static void on_timer(uv_timer_t *timer) {
    agent_reloading *r = timer->data;
    agent_reload_tick(r->core, now_ms(r));
    carry_out(r);
}

// From inside of other modules' work: the rest in the loop's next turn.
static void carry_out_soon(agent_reloading *r) {
    uv_timer_start(&r->timer, on_timer, 0, 0);
}

// ---- what happens to the lives

bool agent_reloading_wants(const agent_service *service, uint32_t at) {
    uint32_t instance;
    const agent_reloading *r = find_at(service, at, &instance);
    return r != NULL && agent_reload_wants(r->core, core_of(r, instance));
}

void agent_reloading_launched(agent_service *service, uint32_t at) {
    bool is_ready_then;
    uint32_t instance;
    agent_reloading *r = find_at(service, at, &instance);
    if (r == NULL) return;
    uint32_t patience_ms = patience(r, instance, &is_ready_then);
    agent_rules rules = agent_program_rules(agent_slot_runs(beside(r, instance)));
    agent_reload_health(r->core, core_of(r, instance), &rules.health,
                        agent_supervisor_start_timeout_ms(&rules));
    agent_reload_launched(r->core, now_ms(r), core_of(r, instance), patience_ms, is_ready_then);
    carry_out_soon(r);
}

void agent_reloading_not_launched(agent_service *service, uint32_t at, const char *why) {
    char what[AGENT_RELOAD_TEXT_MAX];
    uint32_t instance;
    agent_reloading *r = find_at(service, at, &instance);
    if (r == NULL) return;
    (void)snprintf(what, sizeof what, "could not be started: %.300s", why);
    if (agent_reload_fails_with(r->core, core_of(r, instance)))
        note_failure(r, instance, what, NULL);
    agent_reload_gone(r->core, now_ms(r), core_of(r, instance));
    carry_out_soon(r);
}

static void tell_cut(agent_reloading *r, uint32_t instance, uint32_t connections) {
    char name[AGENT_NODE_NAME_LEN_MAX], text[256];
    name_of(r, instance, name);
    (void)snprintf(
        text, sizeof text,
        "%s (pid %d): %u %s not ended when the time to drain (%u ms) was over, and %s cut", name,
        (int)agent_node_pid(beside(r, instance)->node), connections,
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
    if (agent_reload_fails_with(r->core, core_of(r, instance))) {
        if (how.signal != 0)
            (void)snprintf(what, sizeof what, "ended before it was ready (signal SIG%s)",
                           sigabbrev_np(how.signal) != NULL ? sigabbrev_np(how.signal) : "?");
        else
            (void)snprintf(what, sizeof what, "ended before it was ready (exit code %d)", how.code);
        note_failure(r, instance, what, &beside(r, instance)->report.stderr_lines);
    }
    agent_reload_gone(r->core, now_ms(r), core_of(r, instance));
    carry_out_soon(r);
}

void agent_reloading_sign(agent_service *service, uint32_t at, agent_sign sign) {
    uint32_t instance;
    agent_reloading *r = find_at(service, at, &instance);
    if (r == NULL) return;
    agent_rules rules = agent_program_rules(agent_slot_runs(beside(r, instance)));
    if (!agent_supervisor_is_enough(services_of(r)->supervisor, r->service->id, &rules, sign))
        return;
    agent_reload_ready(r->core, now_ms(r), core_of(r, instance));
    carry_out_soon(r);
}

void agent_reloading_checked(agent_service *service, uint32_t at, uint32_t number,
                             bool is_healthy) {
    uint32_t instance;
    agent_reloading *r = find_at(service, at, &instance);
    if (r == NULL) return;
    agent_reload_checked(r->core, now_ms(r), core_of(r, instance), number, is_healthy);
    carry_out_soon(r);
}

void agent_reloading_drained(agent_service *service, uint32_t at, uint32_t connections) {
    uint32_t instance;
    agent_reloading *r = find_at(service, at, &instance);
    if (r == NULL) return;
    if (connections > 0) tell_cut(r, instance, connections);
    agent_reload_drained(r->core, now_ms(r), core_of(r, instance));
    carry_out_soon(r);
}

// ---- begin and end

// One that is over stays so, unless it has failed, or gets another program.
static int judge_instance(const agent_service *service, const agent_reload_request *request,
                          agent_refusal *refusal) {
    uint32_t instance = request->instance;
    if (instance == AGENT_INSTANCE_ALL || request->run != NULL ||
        agent_service_has_failed(service, instance) ||
        !agent_supervisor_is_over(service->services->supervisor, service->id, instance))
        return 0;
    char name[AGENT_NODE_NAME_LEN_MAX];
    agent_service_node_name(service, instance, name);
    (void)snprintf(refusal->text, sizeof refusal->text,
                   "%s does not run, so there is nothing to reload (`warren restart %s` starts it)",
                   name, name);
    return agent_refuse(refusal, 1, MESH_ENOTFOUND);
}

bool agent_reloading_is_on(const agent_service *service, uint32_t instance) {
    return instance == AGENT_INSTANCE_ALL ? service->reloadings != NULL
                                          : find(service, instance) != NULL;
}

bool agent_reloading_is_to_come(const agent_service *service, uint32_t instance,
                                const agent_program **out_program, uint32_t *out_attempt) {
    const agent_reloading *r = find(service, instance);
    if (r == NULL || !agent_reload_is_to_come(r->core, core_of(r, instance))) return false;
    *out_program = program_for(r, instance);
    *out_attempt = attempt_for(r, instance);
    return true;
}

static int judge(const agent_service *service, const agent_reload_request *request,
                 agent_refusal *refusal) {
    if (service->services->is_closed) {
        (void)snprintf(refusal->text, sizeof refusal->text, "the agent is stopping");
        return agent_refuse(refusal, 4, MESH_ECLOSED);
    }
    if (request->drain_ms > AGENT_RELOAD_DRAIN_MAX_MS) {
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "%u ms to drain are too many: an hour is the most", request->drain_ms);
        return agent_refuse(refusal, 2, MESH_EINVAL);
    }
    if (agent_reloading_is_on(service, request->instance)) {
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "%s is being reloaded already: wait until that is over (`warren ps` shows "
                       "what is draining)",
                       service->name);
        return agent_refuse(refusal, 1, MESH_EEXIST);
    }
    if (service->is_over ||
        agent_supervisor_is_over(service->services->supervisor, service->id, AGENT_INSTANCE_ALL)) {
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "%s does not run, so there is nothing to reload (`warren run` starts it)",
                       service->name);
        return agent_refuse(refusal, 1, MESH_ENOTFOUND);
    }
    return judge_instance(service, request, refusal);
}

// One that has done its work gets no other chance. Of another program, each that should run is
// started; of the same one, what was stopped by hand stays so.
static bool is_to_be_replaced(const agent_service *service, uint32_t instance) {
    const agent_program *trying = service->trying;
    if (trying != NULL ? agent_service_is_missing(service, instance)
                       : agent_service_has_failed(service, instance))
        return true;
    if (agent_supervisor_is_over(service->services->supervisor, service->id, instance))
        return false;
    // By other rules alone nothing is replaced.
    const agent_program *runs = agent_slot_runs(&service->slots[instance]);
    return trying == NULL || (runs != trying && !agent_program_is_same(runs->run, trying->run));
}

static void begin(agent_reloading *r, uint32_t parallel, is_meant_cb is_meant) {
    agent_reload_options options = {
        .instances = r->count, .parallel = parallel, .drain_ms = r->drain_ms};
    r->core = agent_reload_create(&options);
    for (uint32_t i = 0; i < r->count; i++)
        if (!is_meant(r->service, r->first + i)) agent_reload_skip(r->core, i);
    agent_reload_begin(r->core);
}

int agent_services_reload(agent_services *s, const agent_reload_request *request,
                          const agent_reload_watch *watch, agent_refusal *refusal) {
    agent_service *service = agent_service_find(s, request->service_id);
    CHECK(service != NULL); // its caller found it
    int err = judge(service, request, refusal);
    agent_program *next = NULL;
    if (err == 0 && request->run != NULL)
        err = agent_changing_begin(service, request->run, &next, refusal);
    else if (request->run != NULL)
        warren__agent__run__free_unpacked(request->run, NULL);
    if (err != 0) return err;
    agent_reloading *r = mem_alloc(sizeof *r);
    const bool is_all = request->instance == AGENT_INSTANCE_ALL;
    r->service = service;
    r->first = is_all ? 0 : request->instance;
    r->count = is_all ? service->instances : 1;
    r->attempt = request->attempt;
    r->watch = *watch;
    r->drain_ms = request->drain_ms != 0 ? request->drain_ms : AGENT_RELOAD_DRAIN_MS;
    r->began_at_ms = uv_now(s->loop);
    r->next = next;
    r->is_whole = next != NULL && is_all;
    if (r->is_whole) service->trying = agent_program_hold(next);
    r->by = request->by;
    uv_timer_init(s->loop, &r->timer);
    r->timer.data = r;
    r->next_one = service->reloadings;
    service->reloadings = r;
    agent_say_event("%s is being reloaded", service->name);
    begin(r, request->parallel, is_to_be_replaced);
    carry_out_soon(r);
    return 0;
}

void agent_services_reload_forget(agent_services *s, const void *user) {
    for (agent_service *service = s->first; service != NULL; service = service->next)
        for (agent_reloading *r = service->reloadings; r != NULL; r = r->next_one)
            if (r->watch.user == user) r->watch = (agent_reload_watch){0};
}

static void stop(agent_reloading *r, uint32_t instance, bool is_kill) {
    bool is_whole = instance == AGENT_INSTANCE_ALL;
    r->is_stopped |= is_whole;
    r->stopped = r->is_stopped ? "it was stopped meanwhile"
                               : "what was to be replaced was stopped meanwhile";
    if (is_whole)
        agent_reload_stop(r->core, now_ms(r), is_kill);
    else
        agent_reload_stop_one(r->core, now_ms(r), core_of(r, instance), is_kill);
    carry_out_soon(r);
}

void agent_reloading_stop_all(agent_services *s, uint32_t service_id, uint32_t instance,
                              bool is_kill) {
    for (agent_service *service = s->first; service != NULL; service = service->next) {
        if (service_id != 0 && service->id != service_id) continue;
        for (agent_reloading *r = service->reloadings; r != NULL; r = r->next_one)
            if (service_id == 0 || instance == AGENT_INSTANCE_ALL)
                stop(r, AGENT_INSTANCE_ALL, is_kill);
            else if (is_about(r, instance))
                stop(r, instance, is_kill);
    }
}

void agent_reloading_end_service(agent_service *service, int exit_code) {
    if (service->reloadings == NULL) {
        agent_service_end(service->services, service, exit_code);
        return;
    }
    service->has_ended = true;
    service->exit_code = exit_code;
    for (agent_reloading *r = service->reloadings; r != NULL; r = r->next_one) {
        if (r->stopped == NULL) r->stopped = "it has ended meanwhile";
        r->is_stopped = true;
        agent_reload_stop(r->core, now_ms(r), false);
        carry_out_soon(r);
    }
}

void agent_reloading_destroy_all(agent_service *service) {
    for (agent_reloading *r; (r = service->reloadings) != NULL;) {
        leave(r);
        close_one(r);
    }
}
