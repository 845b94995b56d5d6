#include "agent/reloading.h"

#include <stdio.h>
#include <stdlib.h>

#include "agent/reloading_state.h"
#include "agent/say.h"
#include "core/error.h"
#include "core/mem.h"

agent_reloading *reloading_find(const agent_service *service, uint32_t instance) {
    agent_reloading *r = service->reloadings;
    while (r != NULL && !reloading_is_about(r, instance))
        r = r->next_one;
    return r;
}

agent_program *reloading_program(const agent_reloading *r, uint32_t instance) {
    if (r->is_rolling_back) return r->service->program;
    return r->next != NULL ? r->next : r->service->slots[instance].program;
}

uint32_t reloading_attempt(const agent_reloading *r, uint32_t instance) {
    return r->next != NULL ? r->attempt : r->service->slots[instance].ordered_attempt;
}

// ---- its end

typedef bool (*is_meant_cb)(const agent_service *service, uint32_t instance);
static void begin(agent_reloading *r, uint32_t parallel, is_meant_cb is_meant);

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
    reloading_carry_out_soon(r);
    return true;
}

// What the lives beside ran is needed no more.
static void forget_beside(agent_reloading *r) {
    for (uint32_t i = 0; i < r->count; i++) {
        slot *sl = reloading_beside(r, r->first + i);
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
                                    .after_ms = reloading_now_ms(r) - r->began_at_ms};
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

static void on_timer(uv_timer_t *timer);

// Last in a callback: it may free the reloading.
static void carry_out(agent_reloading *r) {
    agent_reload_decision decision;
    if (r->is_carrying_out) return; // the outer call goes on
    r->is_carrying_out = true;
    while (agent_reload_poll(r->core, &decision))
        reloading_carry_out_one(r, &decision);
    r->is_carrying_out = false;
    if (r->is_over) {
        finish(r);
        return;
    }
    uint64_t wake_at_ms = agent_reload_wake_at_ms(r->core), now = reloading_now_ms(r);
    if (wake_at_ms == UINT64_MAX)
        uv_timer_stop(&r->timer);
    else
        uv_timer_start(&r->timer, on_timer, wake_at_ms > now ? wake_at_ms - now : 0, 0);
}

static void on_timer(uv_timer_t *timer) {
    agent_reloading *r = timer->data;
    agent_reload_tick(r->core, reloading_now_ms(r));
    carry_out(r);
}

void reloading_carry_out_soon(agent_reloading *r) {
    uv_timer_start(&r->timer, on_timer, 0, 0);
}

// ---- its beginning, and what stops it

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
                                          : reloading_find(service, instance) != NULL;
}

bool agent_reloading_is_to_come(const agent_service *service, uint32_t instance,
                                const agent_program **out_program, uint32_t *out_attempt) {
    const agent_reloading *r = reloading_find(service, instance);
    if (r == NULL || !agent_reload_is_to_come(r->core, reloading_core_index(r, instance)))
        return false;
    *out_program = reloading_program(r, instance);
    *out_attempt = reloading_attempt(r, instance);
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
    reloading_carry_out_soon(r);
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
        agent_reload_stop(r->core, reloading_now_ms(r), is_kill);
    else
        agent_reload_stop_one(r->core, reloading_now_ms(r), reloading_core_index(r, instance),
                              is_kill);
    reloading_carry_out_soon(r);
}

void agent_reloading_stop_all(agent_services *s, uint32_t service_id, uint32_t instance,
                              bool is_kill) {
    for (agent_service *service = s->first; service != NULL; service = service->next) {
        if (service_id != 0 && service->id != service_id) continue;
        for (agent_reloading *r = service->reloadings; r != NULL; r = r->next_one)
            if (service_id == 0 || instance == AGENT_INSTANCE_ALL)
                stop(r, AGENT_INSTANCE_ALL, is_kill);
            else if (reloading_is_about(r, instance))
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
        agent_reload_stop(r->core, reloading_now_ms(r), false);
        reloading_carry_out_soon(r);
    }
}

void agent_reloading_destroy_all(agent_service *service) {
    for (agent_reloading *r; (r = service->reloadings) != NULL;) {
        leave(r);
        close_one(r);
    }
}
