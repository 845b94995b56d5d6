// Carries out what the supervisor decides, and tells of it.
#include <signal.h>
#include <stdio.h>

#include "agent/kept.h"
#include "agent/reloading.h"
#include "agent/say.h"
#include "agent/service.h"
#include "core/mem.h"

static const char *wanted_sign(Warren__Agent__Run__Ready ready) {
    switch (ready) {
    case WARREN__AGENT__RUN__READY__MESH: return "mesh.ready() was not called";
    case WARREN__AGENT__RUN__READY__LISTEN: return "it listened on no shared port";
    default: return "there was no process.send('ready')";
    }
}

// The end of a life.
static void describe(const slot *sl, agent_exit how, char out[128]) {
    if (sl->trouble[0] != '\0') {
        (void)snprintf(out, 128, "could not be started: %.105s", sl->trouble);
    } else if (sl->late_after_ms != 0) {
        (void)snprintf(out, 128, "not ready within %u ms%s%.80s", sl->late_after_ms,
                       sl->checking.why[0] != '\0' ? ": " : "", sl->checking.why);
    } else if (sl->checking.unhealthy[0] != '\0') {
        (void)snprintf(out, 128, "unhealthy: %.110s", sl->checking.unhealthy);
    } else if (sl->heartbeat.end_text[0] != '\0') {
        (void)snprintf(out, 128, "%s", sl->heartbeat.end_text);
    } else if (sl->oom_text[0] != '\0') {
        (void)snprintf(out, 128, "%s", sl->oom_text);
    } else if (how.signal != 0) {
        const char *name = sigabbrev_np(how.signal);
        (void)snprintf(out, 128, "signal %s%s", name != NULL ? "SIG" : "",
                       name != NULL ? name : "unknown");
    } else if (how.code > 0 && sl->port_text[0] != '\0') {
        (void)snprintf(out, 128, "exit code %d: %.100s", how.code, sl->port_text);
    } else if (how.code >= 0) {
        (void)snprintf(out, 128, "exit code %d", how.code);
    } else {
        (void)snprintf(out, 128, "exit code unknown");
    }
}

static void describe_failure(slot *sl, const agent_decision *d, const char *name, char text[512]) {
    char how[128];
    describe(sl, d->how, how);
    if (d->reason == AGENT_FAILURE_BUDGET) {
        (void)snprintf(sl->reason, sizeof sl->reason, "%s after %u %s within %u s", how,
                       d->budget.restarts, d->budget.restarts == 1 ? "restart" : "restarts",
                       d->budget.window_ms / 1000);
        (void)snprintf(text, 512, "%s failed (%s): not restarted any more", name, sl->reason);
    } else if (d->reason == AGENT_FAILURE_GROUP) {
        (void)snprintf(sl->reason, sizeof sl->reason,
                       "another service of its group has failed for good");
        (void)snprintf(text, 512, "%s is given up: %s", name, sl->reason);
    } else if (sl->starts == 0) { // the reason was set when the launch failed
        (void)snprintf(text, 512, "%s could not be started: %s", name, sl->reason);
    } else {
        (void)snprintf(sl->reason, sizeof sl->reason, "%s within %d s of its first start", how,
                       AGENT_START_MS / 1000);
        (void)snprintf(text, 512, "%s failed (%s): not restarted", name, sl->reason);
    }
}

// Sets the slot's state and reason, and writes the sentence for people; empty when all is well.
static void describe_decision(slot *sl, const agent_decision *d, const char *name, char text[512]) {
    char how[128];
    describe(sl, d->how, how);
    bool is_clean = d->how.code == 0 && d->how.signal == 0;
    text[0] = '\0';
    sl->state = "down";
    if (d->kind != AGENT_FAILED || d->reason != AGENT_FAILURE_GROUP)
        (void)snprintf(sl->report.reason, sizeof sl->report.reason, "%s", how);
    switch (d->kind) {
    case AGENT_HELD:
        (void)snprintf(text, 512, "%s ended (%s), as its group is restarted", name, how);
        (void)snprintf(sl->reason, sizeof sl->reason, "%s, waits for its group", how);
        return;
    case AGENT_AGAIN:
        (void)snprintf(sl->reason, sizeof sl->reason, "%s, restarted by hand", how);
        return;
    case AGENT_BACKOFF:
        (void)snprintf(text, 512, "%s %s (%s), restarting in %u ms", name,
                       is_clean ? "ended" : "crashed", how, d->delay_ms);
        (void)snprintf(sl->reason, sizeof sl->reason, "%s, restarting in %u ms", how, d->delay_ms);
        return;
    case AGENT_OVER:
        if (!is_clean) (void)snprintf(text, 512, "%s ended (%s)", name, how);
        (void)snprintf(sl->reason, sizeof sl->reason, "%s", how);
        return;
    default: sl->state = "failed"; describe_failure(sl, d, name, text);
    }
}

static const char *event_type(const agent_decision *d) {
    bool is_clean = d->how.code == 0 && d->how.signal == 0;
    if (d->kind == AGENT_FAILED) return "failed";
    return d->kind == AGENT_BACKOFF && !is_clean ? "crashed" : "ended";
}

static void tell_decision(agent_service *service, const agent_decision *d) {
    slot *sl = &service->slots[d->instance];
    char name[AGENT_NODE_NAME_LEN_MAX], text[512];
    agent_service_node_name(service, d->instance, name);
    describe_decision(sl, d, name, text);
    if (text[0] != '\0')
        agent_services_record(service, name, event_type(d), 0, text);
    else
        agent_say_event("%s ended", name);
    agent_services_tell(service, d->instance, &(agent_event){name, sl->state, text, d->how, false});
    agent_kept_life(service, d->instance);
}

static void send_signal(agent_service *service, const agent_decision *d) {
    slot *sl = &service->slots[d->instance];
    if (sl->node == NULL) return;
    sl->is_draining = true;
    agent_node_signal(sl->node, d->signal);
    agent_kept_state(service, d->instance);
}

static void drain(agent_service *service, const agent_decision *d) {
    slot *sl = &service->slots[d->instance];
    sl->is_draining = true;
    if (sl->member == NULL || !agent_member_drain(sl->member, d->delay_ms))
        agent_supervisor_drained(service->services->supervisor, uv_now(service->services->loop),
                                 service->id, d->instance);
    agent_kept_state(service, d->instance);
}

// For those who wait for it; people see it in lists.
static void tell_ready(agent_service *service, uint32_t instance) {
    char name[AGENT_NODE_NAME_LEN_MAX];
    agent_service_node_name(service, instance, name);
    agent_checks_end(service, instance);
    service->slots[instance].was_ready = true;
    agent_say_event("%s is ready", name);
    agent_services_tell(service, instance, &(agent_event){name, "up", "", {0}, false});
    agent_kept_state(service, instance);
}

static void tell_late(agent_service *service, const agent_decision *d) {
    char name[AGENT_NODE_NAME_LEN_MAX], text[512];
    agent_service_node_name(service, d->instance, name);
    service->slots[d->instance].late_after_ms = d->delay_ms;
    const char *why = agent_checks_miss(service, d->instance);
    (void)snprintf(
        text, sizeof text, "%s is killed: it was not ready within %u ms (%s)", name, d->delay_ms,
        why[0] != '\0' ? why
                       : wanted_sign(agent_slot_runs(&service->slots[d->instance])->run->ready));
    agent_services_record(service, name, "late", 0, text);
    agent_services_tell(service, d->instance,
                        &(agent_event){name, "starting", text, .is_late = true});
}

static void tell_unhealthy(agent_service *service, const agent_decision *d) {
    slot *sl = &service->slots[d->instance];
    char name[AGENT_NODE_NAME_LEN_MAX], text[512];
    agent_service_node_name(service, d->instance, name);
    (void)snprintf(sl->checking.unhealthy, sizeof sl->checking.unhealthy, "%s",
                   agent_checks_miss(service, d->instance));
    (void)snprintf(text, sizeof text, "%s is unhealthy: %s (%u in a row), and is told to end", name,
                   sl->checking.unhealthy, d->failures);
    if (sl->member != NULL) agent_member_set_unwell(sl->member, true);
    agent_services_record(service, name, "unhealthy", 0, text);
    agent_services_tell(service, d->instance, &(agent_event){name, "unhealthy", text, {0}, false});
}

static void carry_out_one(agent_services *s, const agent_decision *d) {
    agent_service *service = agent_service_find(s, d->service_id);
    CHECK(service != NULL);
    switch (d->kind) {
    case AGENT_LAUNCH:
        // Not of one that was adopted while this was being decided.
        if (agent_supervisor_wants(s->supervisor, d->service_id, d->instance))
            service->slots[d->instance].state = "starting";
        agent_launcher_add(s, d->service_id, d->instance);
        return;
    case AGENT_SIGNAL: send_signal(service, d); return;
    case AGENT_DRAIN: drain(service, d); return;
    case AGENT_NOW_READY: tell_ready(service, d->instance); return;
    case AGENT_CHECK: agent_checks_ask(service, d->instance, d->number, d->delay_ms); return;
    case AGENT_UNHEALTHY: tell_unhealthy(service, d); return;
    case AGENT_TOO_LATE: tell_late(service, d); return;
    case AGENT_BACKOFF:
    case AGENT_HELD:
    case AGENT_AGAIN: tell_decision(service, d); return;
    case AGENT_OVER:
    case AGENT_FAILED:
        tell_decision(service, d);
        // One who waits for this instance alone; the others are told with the service.
        for (agent_watch *w = s->watches, *next; w != NULL; w = next) {
            next = w->next;
            if (w->service_id == service->id && w->instance == d->instance)
                w->events->on_over(w, agent_exit_code(d->how));
        }
        return;
    case AGENT_ENDED: agent_reloading_end_service(service, d->exit_code); return;
    }
}

static void on_timer(uv_timer_t *timer) {
    agent_services *s = timer->data;
    agent_supervisor_tick(s->supervisor, uv_now(s->loop));
    agent_services_carry_out(s);
}

void agent_services_carry_out_soon(agent_services *s) {
    uv_timer_start(&s->timer, on_timer, 0, 0);
}

void agent_services_carry_out(agent_services *s) {
    agent_decision decision;
    if (s->is_carrying_out) return; // the outer call goes on with what this one would do
    s->is_carrying_out = true;
    do {
        while (agent_supervisor_poll(s->supervisor, &decision))
            carry_out_one(s, &decision);
        agent_launcher_pump(s); // a launch that fails at once is one more decision
    } while (agent_supervisor_has_decisions(s->supervisor));
    s->is_carrying_out = false;
    uint64_t wake_at_ms = agent_supervisor_wake_at_ms(s->supervisor), now_ms = uv_now(s->loop);
    if (wake_at_ms == UINT64_MAX)
        uv_timer_stop(&s->timer);
    else
        uv_timer_start(&s->timer, on_timer, wake_at_ms > now_ms ? wake_at_ms - now_ms : 0, 0);
}
