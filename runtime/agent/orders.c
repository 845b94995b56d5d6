#include "agent/orders.h"

#include <stdio.h>

#include "agent/orders_state.h"
#include "agent/reload.h"
#include "agent/say.h"
#include "core/error.h"
#include "core/mem.h"
#include "io/steady.h"

enum { LAPSE_LOOK_MS = 1000 };

uint64_t orders_now_ms(const agent_orders *orders) {
    return uv_now(orders->options.loop);
}

static uint64_t earlier(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static bool is_deployed(const agent_service *service, const char *project) {
    const Warren__Agent__Run *run = service->program->run;
    return run->release != 0 && strcmp(run->project, project) == 0;
}

agent_service *orders_service(const ordered *o) {
    agent_service *service = agent_service_find_name(o->orders->options.services, o->service);
    return service != NULL && is_deployed(service, o->project) ? service : NULL;
}

agent_order_wanted orders_wanted(const ordered *o, uint32_t instance) {
    agent_order_wanted out = {0};
    if (instance >= orders_count(o)) return out;
    const order_instance *in = &o->instances[instance];
    out.release = in->release;
    out.attempt = in->attempt;
    out.since = in->since;
    out.is_here = orders_have(o, in->release);
    out.has_failed = in->failed.release != 0 && in->failed.release == in->release &&
                     in->failed.attempt >= in->attempt &&
                     orders_now_ms(o->orders) < in->failed.again_at_ms;
    return out;
}

// ---- what did not work

static void note_failure(ordered *o, uint32_t instance, uint64_t release, uint32_t attempt,
                         const char *why) {
    order_try *t = &o->instances[instance].failed;
    orders_try_clear(t);
    t->release = release;
    t->attempt = attempt;
    t->again_at_ms = UINT64_MAX;
    (void)snprintf(t->why, sizeof t->why, "%s", why);
}

// It could not even be begun: a secret is not there, or the like. That may change.
static void note_refusal(ordered *o, uint32_t instance, const char *why) {
    const order_instance *in = &o->instances[instance];
    note_failure(o, instance, in->release, in->attempt, why);
    o->instances[instance].failed.again_at_ms = orders_now_ms(o->orders) + AGENT_ORDERS_AGAIN_MS;
}

// ---- bringing another release to an instance that runs

static void drop_bring(order_bring *b) {
    order_bring **at = &b->ordered->brings;
    while (*at != b)
        at = &(*at)->next;
    *at = b->next;
    free(b);
}

static void on_brought(const agent_reload_outcome *outcome, void *user) {
    order_bring *b = user;
    ordered *o = b->ordered;
    // Who was stopped, or could not take the place of one that was just starting, has not failed.
    bool is_failure = outcome->is_failed && !b->is_cancelled && !outcome->is_stopped &&
                      !outcome->is_refused && b->instance < o->instance_cap;
    if (is_failure) {
        note_failure(o, b->instance, b->release, b->attempt, outcome->why);
        agent_last_lines_push(&o->instances[b->instance].failed.words, outcome->last_stderr);
        if (o->order != NULL) orders_file_keep(o);
    }
    drop_bring(b);
    orders_work_soon(o->orders);
}

static void bring(ordered *o, agent_service *service, uint32_t instance) {
    const order_instance *in = &o->instances[instance];
    agent_refusal refusal;
    order_bring *b = mem_alloc(sizeof *b);
    *b = (order_bring){.ordered = o,
                       .instance = instance,
                       .release = in->release,
                       .attempt = in->attempt,
                       .next = o->brings};
    agent_reload_request request = {.service_id = service->id,
                                    .instance = instance,
                                    .drain_ms = o->drain_ms,
                                    .run = orders_have_run(o, in->release),
                                    .attempt = in->attempt};
    agent_reload_watch watch = {.on_over = on_brought, .user = b};
    if (agent_services_reload(o->orders->options.services, &request, &watch, &refusal) != 0) {
        free(b);
        note_refusal(o, instance, refusal.text);
        return;
    }
    o->brings = b;
}

static void cancel(ordered *o, agent_service *service, uint32_t instance) {
    for (order_bring *b = o->brings; b != NULL; b = b->next)
        if (b->instance == instance) b->is_cancelled = true;
    agent_instance_cancel(service, instance);
}

// ---- the service

static void start(ordered *o, agent_service *service, uint32_t instance) {
    const order_instance *in = &o->instances[instance];
    agent_refusal refusal;
    if (agent_instance_start(service, instance, orders_have_run(o, in->release), in->attempt,
                             &refusal) != 0)
        note_refusal(o, instance, refusal.text);
}

// Instances that have just been added run what is wanted of them, or nothing.
static void arrange(ordered *o, agent_service *service, uint32_t from) {
    agent_refusal refusal;
    for (uint32_t i = from; i < service->instances; i++) {
        agent_order_wanted wanted = orders_wanted(o, i);
        bool is_meant = wanted.release != 0 && wanted.is_here && !wanted.has_failed;
        if (is_meant && agent_instance_set(service, i, orders_have_run(o, wanted.release),
                                           wanted.attempt, &refusal) == 0)
            continue;
        if (is_meant) note_refusal(o, i, refusal.text);
        agent_instance_retire(service, i, o->drain_ms);
    }
}

// There is none, or it has ended: it begins, when there is something to begin with.
static void begin(ordered *o) {
    agent_orders *orders = o->orders;
    agent_refusal refusal;
    uint32_t first = 0, count = orders_count(o), service_id;
    for (; first < count; first++) {
        agent_order_wanted wanted = orders_wanted(o, first);
        if (wanted.release != 0 && wanted.is_here && !wanted.has_failed) break;
    }
    if (first == count) return;
    Warren__Agent__Run *run = orders_have_run(o, o->instances[first].release);
    run->instances = count;
    if (agent_services_run(orders->options.services, run, -1, &service_id, &refusal) != 0) {
        note_refusal(o, first, refusal.text);
        return;
    }
    arrange(o, agent_service_find(orders->options.services, service_id), 0);
}

static void resize(ordered *o, agent_service *service) {
    uint32_t count = orders_count(o), before = service->instances;
    if (count == 0 || count == before) return; // of none each is retired
    for (uint32_t i = count; i < before; i++)
        cancel(o, service, i);
    agent_service_want(service, count, o->drain_ms);
    arrange(o, service, before);
    agent_services_carry_out_soon(service->services);
}

static void act(ordered *o, agent_service *service, uint32_t instance) {
    agent_order_wanted wanted = orders_wanted(o, instance);
    agent_instance present = agent_instance_look(service, instance);
    switch (agent_order_next(&wanted, &present)) {
    case AGENT_ORDER_REST:
    case AGENT_ORDER_WAIT: return;
    case AGENT_ORDER_START: start(o, service, instance); return;
    case AGENT_ORDER_BRING: bring(o, service, instance); return;
    case AGENT_ORDER_CANCEL: cancel(o, service, instance); return;
    case AGENT_ORDER_RETIRE: agent_instance_retire(service, instance, o->drain_ms); return;
    }
}

// One that was deployed by another project, or by nobody's order any more.
static void end_other(agent_service *service, uint32_t drain_ms) {
    for (uint32_t i = 0; i < service->instances; i++) {
        agent_instance present = agent_instance_look(service, i);
        if (agent_order_next(&(agent_order_wanted){0}, &present) == AGENT_ORDER_RETIRE)
            agent_instance_retire(service, i, drain_ms);
    }
}

// Whether something runs that has its name and is not its own.
static bool is_kept_out(ordered *o) {
    agent_service *service = agent_service_find_name(o->orders->options.services, o->service);
    o->is_foreign = false;
    if (service == NULL || service->is_over || is_deployed(service, o->project)) return false;
    if (service->program->run->release != 0)
        end_other(service, o->drain_ms);
    else
        o->is_foreign = true;
    return true;
}

static void step(ordered *o) {
    if (is_kept_out(o)) return;
    agent_service *service = orders_service(o);
    // More instances than it had cannot be added to one that is over.
    bool is_again = service == NULL || (service->is_over && orders_count(o) != service->instances);
    if (is_again) {
        begin(o);
        return;
    }
    if (!service->is_over) resize(o, service);
    for (uint32_t i = 0; i < service->instances; i++)
        act(o, service, i);
}

// ---- the end of an order

static bool is_ended(const ordered *o) {
    const agent_service *service = orders_service(o);
    return o->order == NULL && o->brings == NULL && (service == NULL || service->is_over);
}

static void end(ordered *o) {
    agent_orders *orders = o->orders;
    agent_service *service = orders_service(o);
    char name[AGENT_SERVICE_NAME_LEN_MAX];
    (void)snprintf(name, sizeof name, "%s", o->service);
    if (service != NULL) agent_service_remove(orders->options.services, service);
    orders_file_drop(o);
    orders_remove(o);
    orders->options.on_report(orders->options.user, name, NULL);
}

// ---- the store is away

// When it has to be stopped for that; UINT64_MAX: never.
static uint64_t lapses_at_ms(const ordered *o) {
    const agent_orders *orders = o->orders;
    uint64_t since_ms = orders->cut_off_at_ms;
    if (!orders->is_cut_off || o->order == NULL || o->order->stop_after_ms == 0 || o->is_lapsed)
        return UINT64_MAX;
    if (o->heard_at_ms > since_ms) since_ms = o->heard_at_ms;
    return since_ms + o->order->stop_after_ms;
}

// Others begin elsewhere what runs here, and know when: there is no draining.
static void lapse_if_due(ordered *o) {
    if (mesh_steady_ms() < lapses_at_ms(o)) return;
    agent_service *service = orders_service(o);
    o->is_lapsed = true;
    if (service == NULL || service->is_over) return;
    for (uint32_t i = 0; i < service->slot_cap; i++)
        agent_instance_stop(service, i);
    agent_say_event("%s is stopped: the store could not be heard for %llu s", o->service,
                    (unsigned long long)o->order->stop_after_ms / 1000);
}

// Timers stand still while the machine sleeps, and that counts.
static uint64_t lapse_look_at_ms(const ordered *o) {
    uint64_t boot_ms = mesh_steady_ms(), at_ms = lapses_at_ms(o);
    uint64_t left_ms = at_ms > boot_ms ? at_ms - boot_ms : 0;
    return orders_now_ms(o->orders) + (left_ms < LAPSE_LOOK_MS ? left_ms : LAPSE_LOOK_MS);
}

// ---- all of it

static uint64_t retries_at_ms(const ordered *o) {
    uint64_t at_ms = UINT64_MAX, now_ms = orders_now_ms(o->orders);
    for (uint32_t i = 0; i < orders_count(o); i++) {
        const order_try *t = &o->instances[i].failed;
        if (t->release != 0 && t->again_at_ms > now_ms) at_ms = earlier(at_ms, t->again_at_ms);
    }
    return at_ms;
}

static uint64_t work_on(ordered *o) {
    lapse_if_due(o);
    uint64_t at_ms = orders_have_ask(o);
    step(o);
    if (is_ended(o)) {
        end(o);
        return UINT64_MAX;
    }
    orders_have_forget(o, false);
    if (lapses_at_ms(o) != UINT64_MAX) at_ms = earlier(at_ms, lapse_look_at_ms(o));
    at_ms = earlier(at_ms, retries_at_ms(o));
    return earlier(at_ms, orders_report(o));
}

static void on_timer(uv_timer_t *timer) {
    agent_orders *orders = timer->data;
    uint64_t at_ms = UINT64_MAX, now_ms = orders_now_ms(orders);
    if (orders->options.services->is_closed) return; // the agent is stopping: that is no news
    uv_timer_stop(timer);
    for (ordered *o = orders->first, *next; o != NULL; o = next) {
        next = o->next;
        at_ms = earlier(at_ms, work_on(o));
    }
    if (at_ms == UINT64_MAX || uv_is_active((uv_handle_t *)timer)) return; // it is soon anyway
    uv_timer_start(timer, on_timer, at_ms > now_ms ? at_ms - now_ms : 1, 0);
}

void orders_work_soon(agent_orders *orders) {
    uv_timer_start(&orders->timer, on_timer, 0, 0);
}

static void on_event(agent_watch *watch, const agent_event *event) {
    agent_orders *orders = (agent_orders *)((char *)watch - offsetof(agent_orders, watch));
    (void)event;
    orders_work_soon(orders);
}

// ---- the face

int agent_orders_take(agent_orders *orders, const char *service,
                      const Warren__Deploy__Order *order) {
    ordered *o = orders_find(orders, service);
    orders_work_soon(orders);
    if (order == NULL) {
        if (o == NULL || o->order == NULL) return 0;
        warren__deploy__order__free_unpacked(o->order, NULL);
        o->order = NULL;
        return 0;
    }
    size_t len = warren__deploy__order__get_packed_size(order);
    uint8_t *bytes = mem_alloc(len);
    warren__deploy__order__pack(order, bytes);
    Warren__Deploy__Order *copy = warren__deploy__order__unpack(NULL, len, bytes);
    free(bytes);
    CHECK(copy != NULL);
    bool is_new = o == NULL;
    if (is_new) o = orders_add(orders, service);
    if (o == NULL) {
        warren__deploy__order__free_unpacked(copy, NULL);
        return MESH_EINVAL;
    }
    if (!orders_set(o, copy)) {
        if (is_new) orders_remove(o);
        return MESH_EINVAL;
    }
    o->heard_at_ms = mesh_steady_ms();
    o->is_lapsed = false;
    orders_have_again(o);
    orders_file_keep(o);
    return 0;
}

static bool is_among(const char *name, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}

void agent_orders_only(agent_orders *orders, const char *const *services, size_t count) {
    for (ordered *o = orders->first; o != NULL; o = o->next)
        if (!is_among(o->service, services, count))
            (void)agent_orders_take(orders, o->service, NULL);
    // What an order of long ago has left: its file is lost.
    for (const agent_service *service = orders->options.services->first; service != NULL;
         service = service->next) {
        const Warren__Agent__Run *run = service->program->run;
        if (run->release == 0 || orders_find(orders, service->name) != NULL) continue;
        ordered *o = orders_add(orders, service->name);
        if (o == NULL) continue;
        (void)snprintf(o->project, sizeof o->project, "%s", run->project);
        o->drain_ms = AGENT_RELOAD_DRAIN_MS;
    }
    orders_work_soon(orders);
}

void agent_orders_cut_off(agent_orders *orders, bool is_cut_off) {
    if (is_cut_off && !orders->is_cut_off) orders->cut_off_at_ms = mesh_steady_ms();
    if (is_cut_off != orders->is_cut_off)
        orders_file_keep_cut_off(orders, is_cut_off ? orders->cut_off_at_ms : UINT64_MAX);
    for (ordered *o = orders->first; o != NULL && orders->is_cut_off && !is_cut_off; o = o->next) {
        free(o->told);
        o->told = NULL;
    }
    orders->is_cut_off = is_cut_off;
    orders_work_soon(orders);
}

agent_orders *agent_orders_create(const agent_orders_options *options) {
    static const agent_watch_events events = {.on_event = on_event};
    agent_orders *orders = mem_alloc(sizeof *orders);
    orders->options = *options;
    orders->is_cut_off = true;
    orders->file = orders_file_open(options->loop, options->dir);
    uv_timer_init(options->loop, &orders->timer);
    orders->timer.data = orders;
    orders->cut_off_at_ms = orders_file_cut_off(orders);
    orders_file_keep_cut_off(orders, orders->cut_off_at_ms);
    orders_file_read(orders);
    for (ordered *o = orders->first; o != NULL; o = o->next) {
        const agent_service *service = orders_service(o);
        // Who knows for how long nobody has heard: another host may stand in for this one.
        o->is_lapsed = o->order->stop_after_ms != 0 && (service == NULL || service->is_over);
    }
    orders->watch = (agent_watch){.instance = AGENT_INSTANCE_ALL, .events = &events};
    agent_services_watch(options->services, &orders->watch);
    orders_work_soon(orders);
    return orders;
}

static void on_closed(uv_handle_t *timer) {
    free(timer->data);
}

void agent_orders_destroy(agent_orders *orders) {
    if (orders == NULL) return;
    agent_services_unwatch(orders->options.services, &orders->watch);
    orders_file_close(orders->file);
    while (orders->first != NULL)
        orders_free(orders->first);
    orders_have_free(orders);
    uv_close((uv_handle_t *)&orders->timer, on_closed);
}
