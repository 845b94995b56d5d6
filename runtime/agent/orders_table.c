// The table of orders: what each says, within its limits.
#include <stdio.h>

#include "agent/orders_state.h"
#include "agent/reload.h"
#include "agent/target.h"
#include "core/mem.h"

enum { STOP_AFTER_MAX_MS = 86400000 * 7 };

ordered *orders_find(const agent_orders *orders, const char *service) {
    for (ordered *o = orders->first; o != NULL; o = o->next)
        if (strcmp(o->service, service) == 0) return o;
    return NULL;
}

ordered *orders_add(agent_orders *orders, const char *service) {
    uint32_t count = 0;
    if (agent_target_check_name(service) != 0) return NULL;
    for (const ordered *o = orders->first; o != NULL; o = o->next)
        count++;
    if (count == ORDERS_SERVICES_MAX) return NULL;
    ordered *o = mem_alloc(sizeof *o);
    o->orders = orders;
    (void)snprintf(o->service, sizeof o->service, "%s", service);
    o->next = orders->first;
    orders->first = o;
    return o;
}

void orders_try_clear(order_try *t) {
    agent_last_lines_clear(&t->words);
    *t = (order_try){0};
}

void orders_free(ordered *o) {
    ordered **at = &o->orders->first;
    while (*at != o)
        at = &(*at)->next;
    *at = o->next;
    for (order_bring *b; (b = o->brings) != NULL;) {
        agent_services_reload_forget(o->orders->options.services, b);
        o->brings = b->next;
        free(b);
    }
    for (order_spec *s; (s = o->specs) != NULL;) {
        o->specs = s->next;
        if (s->spec != NULL) warren__deploy__spec__free_unpacked(s->spec, NULL);
        free(s);
    }
    for (uint32_t i = 0; i < o->instance_cap; i++)
        orders_try_clear(&o->instances[i].failed);
    if (o->order != NULL) warren__deploy__order__free_unpacked(o->order, NULL);
    free(o->instances);
    free(o->told);
    free(o);
}

void orders_remove(ordered *o) {
    orders_have_forget(o, true);
    orders_free(o);
}

static bool is_possible(const Warren__Deploy__Order *order) {
    for (size_t i = 0; i < order->n_prepare; i++)
        if (order->prepare[i] == 0) return false;
    return agent_target_check_name(order->project) == 0 &&
           order->n_instances <= AGENT_ORDERS_INSTANCES_MAX &&
           order->n_prepare <= AGENT_ORDERS_PREPARE_MAX && order->drain_ms <= AGENT_DRAIN_MAX_MS &&
           order->stop_after_ms <= STOP_AFTER_MAX_MS;
}

static void set_instance(order_instance *in, uint64_t release, uint32_t attempt) {
    in->since = agent_order_since(in->release, in->attempt, in->since, release, attempt);
    if (in->failed.release != release || in->failed.attempt < attempt)
        orders_try_clear(&in->failed);
    in->release = release;
    in->attempt = attempt;
}

bool orders_set(ordered *o, Warren__Deploy__Order *order) {
    if (!is_possible(order)) {
        warren__deploy__order__free_unpacked(order, NULL);
        return false;
    }
    uint32_t count = (uint32_t)order->n_instances;
    if (strcmp(o->project, order->project) != 0) { // nothing of the other one's is known here
        for (uint32_t i = 0; i < o->instance_cap; i++)
            set_instance(&o->instances[i], 0, 0);
        orders_have_forget(o, true);
    }
    if (count > o->instance_cap) {
        o->instances = mem_resize(o->instances, count * sizeof *o->instances);
        memset(o->instances + o->instance_cap, 0, (count - o->instance_cap) * sizeof *o->instances);
        o->instance_cap = count;
    }
    for (uint32_t i = 0; i < o->instance_cap; i++)
        if (i < count)
            set_instance(&o->instances[i], order->instances[i]->release,
                         order->instances[i]->attempt);
        else
            set_instance(&o->instances[i], 0, 0);
    if (o->order != NULL) warren__deploy__order__free_unpacked(o->order, NULL);
    o->order = order;
    o->drain_ms = order->drain_ms != 0 ? order->drain_ms : AGENT_RELOAD_DRAIN_MS;
    (void)snprintf(o->project, sizeof o->project, "%s", order->project);
    return true;
}
