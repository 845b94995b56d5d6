// What is told of an order: of each instance what it runs, or why it does not.
#include <stdio.h>

#include "agent/checks.h"
#include "agent/orders_state.h"
#include "core/mem.h"

enum { LOOK_MS = 1000 }; // at the answers of those who are not well yet

typedef struct telling {
    const ordered *o;
    const agent_service *service; // or NULL
    uint32_t failed_count, restarted_count;
    bool is_asked; // some are asked whether they are well, and are not yet
    Warren__Deploy__Present present[AGENT_ORDERS_INSTANCES_MAX];
    Warren__Deploy__Present *list[AGENT_ORDERS_INSTANCES_MAX];
    char why[ORDERS_FAILED_TOLD_MAX][ORDERS_WHY_MAX];
    char why_restarted[ORDERS_FAILED_TOLD_MAX][ORDERS_WHY_MAX];
    Warren__Deploy__Prepared prepared[AGENT_ORDERS_PREPARE_MAX];
    Warren__Deploy__Prepared *prepared_list[AGENT_ORDERS_PREPARE_MAX];
} telling;

// Whole lines, the last ones that fit.
static mesh_bytes end_of(mesh_bytes lines) {
    if (lines.len <= ORDERS_LINES_MAX) return lines;
    mesh_bytes end = mesh_bytes_skip(lines, lines.len - ORDERS_LINES_MAX);
    const uint8_t *next = memchr(end.data, '\n', end.len - 1);
    return next != NULL ? mesh_bytes_skip(end, (size_t)(next + 1 - end.data)) : end;
}

static void put_words(char *text, Warren__Deploy__Present *out, const char *why, mesh_bytes words) {
    (void)snprintf(text, ORDERS_WHY_MAX, "%s", why);
    mesh_bytes lines = end_of(words);
    out->why = text;
    out->last_lines = (ProtobufCBinaryData){lines.len, (uint8_t *)(uintptr_t)lines.data};
}

// The first few in words.
static void explain(telling *t, Warren__Deploy__Present *out, const char *why, mesh_bytes words) {
    if (t->failed_count == ORDERS_FAILED_TOLD_MAX) return;
    put_words(t->why[t->failed_count++], out, why, words);
}

// Its host has started it again: who waits for it to be well wants to know why, also when it is.
static void tell_restarts(telling *t, const agent_instance *now, const char *name,
                          Warren__Deploy__Present *out) {
    char why[ORDERS_WHY_MAX];
    // A life that was brought by an order of before has a past that is not this one's.
    if (now->restarts == 0 || now->attempt != out->attempt) return;
    out->restarts = now->restarts;
    bool is_told = out->why[0] != '\0' || t->restarted_count == ORDERS_FAILED_TOLD_MAX;
    if (is_told) return;
    (void)snprintf(why, sizeof why, "%.80s ended and was started again (%.150s)", name,
                   now->end_before);
    put_words(t->why_restarted[t->restarted_count++], out, why, now->last_stderr);
}

static void fail(telling *t, Warren__Deploy__Present *out, const char *why, mesh_bytes words) {
    out->state = WARREN__DEPLOY__PRESENT__STATE__FAILED;
    explain(t, out, why, words);
}

static void tell_starting(telling *t, const agent_instance *now, Warren__Deploy__Present *out) {
    out->state = WARREN__DEPLOY__PRESENT__STATE__STARTING;
    t->is_asked = t->is_asked || agent_checks_are_wanted(t->service->program->run);
    if (now->waits_for[0] != '\0' && out->why[0] == '\0')
        explain(t, out, now->waits_for, (mesh_bytes){0});
}

// One that runs what is wanted, or did.
static void tell_kept(telling *t, const agent_instance *now, uint32_t instance,
                      Warren__Deploy__Present *out) {
    char why[ORDERS_WHY_MAX], name[AGENT_NODE_NAME_LEN_MAX];
    agent_service_node_name(t->service, instance, name);
    (void)snprintf(why, sizeof why, "%s %s (%.200s)", name,
                   now->state == AGENT_INSTANCE_FAILED ? "has failed" : "has ended", now->reason);
    switch (now->state) {
    case AGENT_INSTANCE_NONE: // nobody starts it again
        if (!now->is_done)
            fail(t, out, why, now->last_stderr);
        else
            out->state = WARREN__DEPLOY__PRESENT__STATE__READY;
        break;
    case AGENT_INSTANCE_READY: out->state = WARREN__DEPLOY__PRESENT__STATE__READY; break;
    case AGENT_INSTANCE_STARTING:
        tell_restarts(t, now, name, out);
        tell_starting(t, now, out);
        return;
    case AGENT_INSTANCE_FAILED: fail(t, out, why, now->last_stderr); break;
    default: explain(t, out, why, (mesh_bytes){0});
    }
    tell_restarts(t, now, name, out);
}

static void tell_wanted(telling *t, uint32_t instance, Warren__Deploy__Present *out) {
    const ordered *o = t->o;
    const order_instance *in = &o->instances[instance];
    agent_order_wanted wanted = orders_wanted(o, instance);
    agent_instance now = {0};
    const char *missing = orders_have_why(o, in->release);
    char why[ORDERS_WHY_MAX];
    if (t->service != NULL && instance < t->service->instances)
        now = agent_instance_look(t->service, instance);
    out->release = in->release;
    out->attempt = in->attempt;
    out->pid = now.pid;
    out->state = WARREN__DEPLOY__PRESENT__STATE__STARTING;
    if (o->is_foreign) {
        (void)snprintf(why, sizeof why,
                       "a service called %s runs on this host that was not deployed with %s "
                       "(`warren stop %s` ends it)",
                       o->service, o->project, o->service);
        fail(t, out, why, (mesh_bytes){0});
    } else if (t->service != NULL && agent_order_is_kept(&wanted, &now)) {
        tell_kept(t, &now, instance, out);
    } else if (in->failed.release == in->release && in->failed.attempt >= in->attempt) {
        fail(t, out, in->failed.why, agent_last_lines_text(&in->failed.words));
    } else if (missing[0] != '\0') {
        fail(t, out, missing, (mesh_bytes){0});
    } else if (now.is_brought && now.brought_release == in->release) {
        tell_starting(t, &now, out);
    }
}

// NONE: with a process while that has not ended.
static void tell_unwanted(telling *t, uint32_t instance, Warren__Deploy__Present *out) {
    if (t->service == NULL || instance >= t->service->slot_cap) return;
    agent_instance now = agent_instance_look(t->service, instance);
    if (now.pid == 0) return;
    out->release = now.release;
    out->attempt = now.attempt;
    out->pid = now.pid;
}

// False: it is on its way.
static bool tell_prepared(const ordered *o, uint64_t release, Warren__Deploy__Prepared *out) {
    const order_release *r = orders_have_release(o->orders, o->project, release);
    if (r == NULL || (r->dir == NULL && r->why[0] == '\0')) return false;
    warren__deploy__prepared__init(out);
    out->release = release;
    if (r->dir == NULL) out->why = (char *)(uintptr_t)r->why;
    return true;
}

static void fill(telling *t, Warren__Deploy__Report *out) {
    const ordered *o = t->o;
    out->version = o->order->version;
    out->instances = t->list;
    out->n_instances = o->order->n_instances;
    for (uint32_t i = 0; i < out->n_instances; i++) {
        t->list[i] = &t->present[i];
        warren__deploy__present__init(t->list[i]);
        if (i < orders_count(o) && o->instances[i].release != 0)
            tell_wanted(t, i, t->list[i]);
        else
            tell_unwanted(t, i, t->list[i]);
    }
    out->prepared = t->prepared_list;
    for (size_t i = 0; i < o->order->n_prepare; i++) {
        Warren__Deploy__Prepared *one = &t->prepared[out->n_prepared];
        t->prepared_list[out->n_prepared] = one;
        out->n_prepared += tell_prepared(o, o->order->prepare[i], one);
    }
}

uint64_t orders_report(ordered *o) {
    agent_orders *orders = o->orders;
    uint64_t now_ms = orders_now_ms(orders);
    if (o->order == NULL) return UINT64_MAX;
    Warren__Deploy__Report report = WARREN__DEPLOY__REPORT__INIT;
    telling *t = mem_alloc(sizeof *t);
    t->o = o;
    t->service = orders_service(o);
    fill(t, &report);
    size_t len = warren__deploy__report__get_packed_size(&report);
    uint8_t *bytes = mem_alloc(len);
    warren__deploy__report__pack(&report, bytes);
    bool is_new = o->told == NULL || o->told_len != len || memcmp(o->told, bytes, len) != 0;
    bool is_due = o->told == NULL || now_ms >= o->told_at_ms + AGENT_ORDERS_REPORT_MS;
    if (is_new && is_due) {
        free(o->told);
        o->told = bytes;
        o->told_len = len;
        o->told_at_ms = now_ms;
        orders->options.on_report(orders->options.user, o->service, &report);
    } else {
        free(bytes);
    }
    // What health checks answer is no event.
    uint64_t again_ms = t->is_asked ? now_ms + LOOK_MS : UINT64_MAX;
    free(t);
    return is_new && !is_due ? o->told_at_ms + AGENT_ORDERS_REPORT_MS : again_ms;
}
