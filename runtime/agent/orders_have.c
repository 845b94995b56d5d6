// What orders need: releases on the disk, and what each says of a service.
#include <stdio.h>

#include "agent/orders_state.h"
#include "core/mem.h"

static order_release *find_release(const agent_orders *orders, const char *project,
                                   uint64_t number) {
    for (order_release *r = orders->releases; r != NULL; r = r->next)
        if (r->number == number && strcmp(r->project, project) == 0) return r;
    return NULL;
}

const order_release *orders_have_release(const agent_orders *orders, const char *project,
                                         uint64_t number) {
    return find_release(orders, project, number);
}

static order_release *release_of(agent_orders *orders, const char *project, uint64_t number) {
    order_release *r = find_release(orders, project, number);
    if (r != NULL) return r;
    r = mem_alloc(sizeof *r);
    (void)snprintf(r->project, sizeof r->project, "%s", project);
    r->number = number;
    r->next = orders->releases;
    orders->releases = r;
    return r;
}

static order_spec *find_spec(const ordered *o, uint64_t number) {
    for (order_spec *s = o->specs; s != NULL; s = s->next)
        if (s->number == number) return s;
    return NULL;
}

static order_spec *spec_of(ordered *o, uint64_t number) {
    order_spec *s = find_spec(o, number);
    if (s != NULL) return s;
    s = mem_alloc(sizeof *s);
    s->number = number;
    s->next = o->specs;
    o->specs = s;
    return s;
}

void orders_have_set(agent_orders *orders, const char *project, uint64_t number, const char *dir) {
    order_release *r = release_of(orders, project, number);
    free(r->dir);
    r->dir = mem_copy(dir, strlen(dir) + 1);
}

void orders_have_set_spec(ordered *o, uint64_t number, Warren__Deploy__Spec *spec) {
    order_spec *s = spec_of(o, number);
    if (s->spec != NULL) warren__deploy__spec__free_unpacked(s->spec, NULL);
    s->spec = spec;
}

// ---- asking

static uint64_t earlier(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static uint64_t ask_release(ordered *o, uint64_t number) {
    agent_orders *orders = o->orders;
    order_release *r = release_of(orders, o->project, number);
    if (r->dir != NULL || r->is_asked) return UINT64_MAX;
    if (orders_now_ms(orders) < r->again_at_ms) return r->again_at_ms;
    r->is_asked = true;
    r->again_at_ms = orders_now_ms(orders) + AGENT_ORDERS_AGAIN_MS;
    orders->options.prepare(orders->options.user, o->project, number);
    return r->again_at_ms; // r may be answered already
}

static uint64_t ask_spec(ordered *o, uint64_t number) {
    agent_orders *orders = o->orders;
    order_spec *s = spec_of(o, number);
    if (s->spec != NULL || s->is_asked) return UINT64_MAX;
    if (orders_now_ms(orders) < s->again_at_ms) return s->again_at_ms;
    s->is_asked = true;
    s->again_at_ms = orders_now_ms(orders) + AGENT_ORDERS_AGAIN_MS;
    orders->options.spec(orders->options.user, o->project, number, o->service);
    return s->again_at_ms;
}

uint64_t orders_have_ask(ordered *o) {
    uint64_t at_ms = UINT64_MAX, last = 0;
    for (uint32_t i = 0; i < orders_count(o); i++) {
        uint64_t number = o->instances[i].release;
        if (number == 0 || number == last) continue; // most have the one of their neighbour
        last = number;
        at_ms = earlier(at_ms, ask_release(o, number));
        at_ms = earlier(at_ms, ask_spec(o, number));
    }
    for (size_t i = 0; o->order != NULL && i < o->order->n_prepare; i++)
        at_ms = earlier(at_ms, ask_release(o, o->order->prepare[i]));
    return at_ms;
}

void agent_orders_prepared(agent_orders *orders, const char *project, uint64_t release,
                           const char *dir, const char *why) {
    order_release *r = find_release(orders, project, release);
    if (r == NULL) return;
    r->is_asked = false;
    if (dir != NULL) {
        orders_have_set(orders, project, release, dir);
        for (ordered *o = orders->first; o != NULL; o = o->next)
            if (strcmp(o->project, project) == 0) orders_file_keep_release(o, release);
    }
    (void)snprintf(r->why, sizeof r->why, "%s", dir == NULL && why != NULL ? why : "");
    orders_work_soon(orders);
}

void agent_orders_spec(agent_orders *orders, const char *project, uint64_t release,
                       const char *service, const Warren__Deploy__Spec *spec, const char *why) {
    ordered *o = orders_find(orders, service);
    if (o == NULL || strcmp(o->project, project) != 0) return;
    order_spec *s = spec_of(o, release);
    s->is_asked = false;
    if (spec != NULL && spec->run != NULL) {
        size_t len = warren__deploy__spec__get_packed_size(spec);
        uint8_t *bytes = mem_alloc(len);
        warren__deploy__spec__pack(spec, bytes);
        orders_have_set_spec(o, release, warren__deploy__spec__unpack(NULL, len, bytes));
        free(bytes);
        orders_file_keep_release(o, release);
    }
    (void)snprintf(s->why, sizeof s->why, "%s",
                   s->spec != NULL ? ""
                   : why != NULL   ? why
                                   : "it says nothing of this service");
    orders_work_soon(orders);
}

bool orders_have(const ordered *o, uint64_t release) {
    const order_release *r = find_release(o->orders, o->project, release);
    const order_spec *s = find_spec(o, release);
    return r != NULL && r->dir != NULL && s != NULL && s->spec != NULL;
}

const char *orders_have_why(const ordered *o, uint64_t release) {
    const order_release *r = find_release(o->orders, o->project, release);
    const order_spec *s = find_spec(o, release);
    if (r != NULL && r->dir == NULL && r->why[0] != '\0') return r->why;
    return s != NULL && s->spec == NULL ? s->why : "";
}

// ---- what it is on this host

// "./x" is in the release.
static void resolve(char **path, const char *dir) {
    if (strncmp(*path, "./", 2) != 0 && strcmp(*path, ".") != 0) return;
    const char *rest = *path + 1; // "" or "/x"
    size_t len = strlen(dir) + strlen(rest) + 1;
    char *out = mem_alloc(len);
    (void)snprintf(out, len, "%s%s", dir, rest);
    free(*path);
    *path = out;
}

static void set_text(char **place, const char *text) {
    if (*place != protobuf_c_empty_string) free(*place);
    *place = mem_copy(text, strlen(text) + 1);
}

static void add_variable(Warren__Agent__Run *run, const char *text) {
    run->env = mem_resize(run->env, (run->n_env + 1) * sizeof *run->env);
    run->env[run->n_env++] = mem_copy(text, strlen(text) + 1);
}

// No other value of it stands behind.
static void drop_variable(Warren__Agent__Run *run, const char *name) {
    size_t kept = 0, len = strlen(name);
    for (size_t i = 0; i < run->n_env; i++)
        if (strncmp(run->env[i], name, len) == 0 && run->env[i][len] == '=')
            free(run->env[i]);
        else
            run->env[kept++] = run->env[i];
    run->n_env = kept;
}

Warren__Agent__Run *orders_have_run(const ordered *o, uint64_t release) {
    char variable[64];
    if (!orders_have(o, release)) return NULL;
    const char *dir = find_release(o->orders, o->project, release)->dir;
    const Warren__Agent__Run *from = find_spec(o, release)->spec->run;
    size_t len = warren__agent__run__get_packed_size(from);
    uint8_t *bytes = mem_alloc(len);
    warren__agent__run__pack(from, bytes);
    Warren__Agent__Run *run = warren__agent__run__unpack(NULL, len, bytes);
    free(bytes);
    CHECK(run != NULL); // it was, once
    set_text(&run->name, o->service);
    set_text(&run->project, o->project);
    if (run->cwd[0] == '\0') set_text(&run->cwd, dir);
    resolve(&run->entry, dir);
    resolve(&run->cwd, dir);
    for (size_t i = 0; i < run->n_preload; i++)
        resolve(&run->preload[i], dir);
    drop_variable(run, "WARREN_RELEASE");
    (void)snprintf(variable, sizeof variable, "WARREN_RELEASE=%llu", (unsigned long long)release);
    add_variable(run, variable);
    run->release = release;
    run->detach = true;
    run->instances = 1; // how many there are the order says
    return run;
}

// ---- what is needed no more

static bool names(const ordered *o, uint64_t release) {
    const agent_service *service = orders_service(o);
    for (uint32_t i = 0; o->order != NULL && i < o->order->n_instances; i++)
        if (o->instances[i].release == release) return true;
    for (size_t i = 0; o->order != NULL && i < o->order->n_prepare; i++)
        if (o->order->prepare[i] == release) return true;
    for (uint32_t i = 0; service != NULL && i < agent_service_slot_count(service); i++) {
        const slot *sl = &service->slots[i];
        if (sl->node != NULL && sl->runs->run->release == release) return true;
        bool is_to_run = sl->program != NULL && sl->program->run->release == release;
        if (is_to_run && !sl->is_stopped_by_hand && !service->is_over) return true;
    }
    return false;
}

bool agent_orders_needs(const agent_orders *orders, const char *project, uint64_t release) {
    for (const ordered *o = orders->first; o != NULL; o = o->next)
        if (strcmp(o->project, project) == 0 && names(o, release)) return true;
    return false;
}

void orders_have_forget(ordered *o, bool is_all) {
    for (order_spec **at = &o->specs, *s; (s = *at) != NULL;) {
        if (!is_all && (s->is_asked || names(o, s->number))) {
            at = &s->next;
            continue;
        }
        orders_file_drop_release(o, s->number);
        *at = s->next;
        if (s->spec != NULL) warren__deploy__spec__free_unpacked(s->spec, NULL);
        free(s);
    }
    for (order_release **at = &o->orders->releases, *r; (r = *at) != NULL;) {
        if (r->is_asked || agent_orders_needs(o->orders, r->project, r->number)) {
            at = &r->next;
            continue;
        }
        *at = r->next;
        free(r->dir);
        free(r);
    }
}

void orders_have_again(ordered *o) {
    for (order_spec *s = o->specs; s != NULL; s = s->next) {
        s->again_at_ms = 0;
        s->why[0] = '\0';
    }
    for (order_release *r = o->orders->releases; r != NULL; r = r->next) {
        if (strcmp(r->project, o->project) != 0) continue;
        r->again_at_ms = 0;
        r->why[0] = '\0';
    }
}

void orders_have_free(agent_orders *orders) {
    for (order_release *r; (r = orders->releases) != NULL;) {
        orders->releases = r->next;
        free(r->dir);
        free(r);
    }
}
