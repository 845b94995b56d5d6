#include "deploy/conductor_state.h"

#include "core/mem.h"

// ---- looking up

conductor_service *conductor_service_find(const conductor_view *v, const char *name) {
    size_t from = 0, until = v->service_count;
    while (from < until) {
        size_t middle = (from + until) / 2;
        int order = strcmp(name, v->services[middle].name);
        if (order == 0) return &v->services[middle];
        if (order < 0)
            until = middle;
        else
            from = middle + 1;
    }
    return NULL;
}

conductor_host *conductor_host_find(const conductor_view *v, const char *name) {
    size_t from = 0, until = v->host_count;
    while (from < until) {
        size_t middle = (from + until) / 2;
        int order = strcmp(name, v->hosts[middle].name);
        if (order == 0) return &v->hosts[middle];
        if (order < 0)
            until = middle;
        else
            from = middle + 1;
    }
    return NULL;
}

bool conductor_host_is_up(const conductor_view *v, const char *name) {
    const conductor_host *host = conductor_host_find(v, name);
    return host != NULL && host->record != NULL;
}

void conductor_wake_at(conductor_view *v, uint64_t at_ms) {
    if (at_ms < v->wake_at_ms) v->wake_at_ms = at_ms;
}

bool conductor_phase_is_final(conductor_phase phase) {
    return phase >= CONDUCTOR_DONE;
}

const Warren__Deploy__Spec *conductor_spec(const deploy_conductor *c, const char *project,
                                           uint64_t release, const char *service) {
    if (release == 0) return NULL;
    return conductor_message(c, DEPLOY_RECORD_SPEC, project, release, service);
}

// As bytes, without what a placement alone has to do with. Gives them.
static mesh_bytes pack_run(const Warren__Deploy__Spec *spec) {
    Warren__Agent__Run run = *spec->run;
    run.instances = 0;
    uint8_t *data = mem_alloc(warren__agent__run__get_packed_size(&run));
    return (mesh_bytes){data, warren__agent__run__pack(&run, data)};
}

static bool compare_programs(conductor_view *v, const conductor_service *s, uint64_t a,
                             uint64_t b) {
    const Warren__Deploy__Release *x = conductor_message(v->c, DEPLOY_RECORD_RELEASE,
                                                         s->project_name, a, ""),
                                  *y = conductor_message(v->c, DEPLOY_RECORD_RELEASE,
                                                         s->project_name, b, "");
    const Warren__Deploy__Spec *of_x = conductor_spec(v->c, s->project_name, a, s->name),
                               *of_y = conductor_spec(v->c, s->project_name, b, s->name);
    if (x == NULL || y == NULL || of_x == NULL || of_y == NULL) return false;
    if (memcmp(x->manifest_hash.data, y->manifest_hash.data, x->manifest_hash.len) != 0)
        return false;
    mesh_bytes run_x = pack_run(of_x), run_y = pack_run(of_y);
    bool is_same = run_x.len == run_y.len && memcmp(run_x.data, run_y.data, run_x.len) == 0;
    free((void *)(uintptr_t)run_x.data);
    free((void *)(uintptr_t)run_y.data);
    return is_same;
}

bool conductor_is_same(conductor_view *v, conductor_service *s, uint64_t a, uint64_t b) {
    if (a == b) return true;
    if (a == 0 || b == 0 || s->project_name == NULL) return false;
    if (s->same_a != a || s->same_b != b) {
        s->is_same = compare_programs(v, s, a, b);
        s->same_a = a;
        s->same_b = b;
    }
    return s->is_same;
}

static uint64_t grace_ms(const Warren__Deploy__Spec *spec) {
    return spec != NULL && spec->run->grace_ms > 0 ? spec->run->grace_ms : CONDUCTOR_GRACE_MS;
}

static void set_single(conductor_service *s, uint64_t stop_after_ms) {
    // The host begins to end it then, and may need its grace.
    uint64_t until_ms = stop_after_ms + grace_ms(s->spec);
    s->is_single = true;
    if (s->stop_after_ms < until_ms) s->stop_after_ms = until_ms;
}

void conductor_set_release(conductor_view *v, conductor_service *s, uint64_t release) {
    s->release = release;
    s->spec = conductor_spec(v->c, s->project_name, release, s->name);
    if (s->spec != NULL && s->spec->disconnect == WARREN__DEPLOY__SPEC__DISCONNECT__STOP_AFTER)
        set_single(s, s->spec->disconnect_ms > 0 ? s->spec->disconnect_ms : 1);
}

// ---- orders and reports

conductor_wanted conductor_told(const conductor_order *o, uint32_t index) {
    if (o == NULL || o->stored == NULL || index >= o->stored->n_instances)
        return (conductor_wanted){0};
    const Warren__Deploy__Wanted *wanted = o->stored->instances[index];
    return (conductor_wanted){.release = wanted->release, .attempt = wanted->attempt};
}

const Warren__Deploy__Present *conductor_heard(const conductor_order *o, uint32_t index) {
    if (o == NULL || o->report == NULL || index >= o->report->n_instances) return NULL;
    const Warren__Deploy__Present *present = o->report->instances[index];
    conductor_wanted told = conductor_told(o, index);
    bool is_of_that =
        told.release != 0 && present->release == told.release && present->attempt == told.attempt;
    return is_of_that ? present : NULL;
}

bool conductor_is_ready(const conductor_order *o, uint32_t index) {
    const Warren__Deploy__Present *present = conductor_heard(o, index);
    return present != NULL && o->is_up && present->state == WARREN__DEPLOY__PRESENT__STATE__READY;
}

bool conductor_has_ended(const conductor_order *o, uint32_t index) {
    if (o == NULL || o->stored == NULL) return true;
    if (conductor_told(o, index).release != 0) return false;
    if (o->report == NULL || o->report->version < o->stored->version) return false;
    if (index >= o->report->n_instances) return true;
    const Warren__Deploy__Present *present = o->report->instances[index];
    return present->state == WARREN__DEPLOY__PRESENT__STATE__NONE && present->pid == 0;
}

static conductor_order *add_order(conductor_service *s, size_t at, const char *host) {
    s->orders = mem_grow(s->orders, sizeof *s->orders, s->order_count + 1, &s->order_cap);
    memmove(&s->orders[at + 1], &s->orders[at], (s->order_count - at) * sizeof *s->orders);
    s->order_count++;
    s->orders[at] = (conductor_order){.host = host};
    return &s->orders[at];
}

static void set_version(const conductor_view *v, conductor_order *o) {
    // No number is used twice, also when the order was deleted meanwhile: attempts are told apart
    // by it.
    uint64_t first = v->now_ms / 1000 > 0 ? v->now_ms / 1000 : 1;
    o->version = o->stored != NULL ? o->stored->version + 1 : first;
    if (o->report != NULL && o->report->version >= o->version && o->stored == NULL)
        o->version = o->report->version + 1;
}

conductor_order *conductor_order_find(conductor_view *v, conductor_service *s, const char *host,
                                      bool make) {
    size_t from = 0, until = s->order_count;
    while (from < until) {
        size_t middle = (from + until) / 2;
        int order = strcmp(host, s->orders[middle].host);
        if (order == 0) return &s->orders[middle];
        if (order < 0)
            until = middle;
        else
            from = middle + 1;
    }
    if (!make) return NULL;
    conductor_order *o = add_order(s, from, host);
    o->is_up = conductor_host_is_up(v, host);
    o->report = conductor_message(v->c, DEPLOY_RECORD_REPORT, host, 0, s->name);
    set_version(v, o);
    return o;
}

static void load_order(conductor_view *v, const conductor_record *record) {
    conductor_service *s = conductor_service_find(v, record->key.service);
    conductor_order *o = add_order(s, s->order_count, record->key.owner);
    o->stored = (const Warren__Deploy__Order *)record->message;
    o->report = conductor_message(v->c, DEPLOY_RECORD_REPORT, o->host, 0, s->name);
    o->count = o->stored->n_instances;
    o->cap = o->count;
    o->instances = mem_alloc(o->count * sizeof *o->instances);
    for (size_t i = 0; i < o->count; i++)
        o->instances[i] = conductor_told(o, (uint32_t)i);
    set_version(v, o);
    if (o->stored->stop_after_ms > 0) set_single(s, o->stored->stop_after_ms);
}

// ---- services

static int compare_services(const void *a, const void *b) {
    return strcmp(((const conductor_service *)a)->name, ((const conductor_service *)b)->name);
}

static void add_service(conductor_view *v, const char *name) {
    v->services = mem_grow(v->services, sizeof *v->services, v->service_count + 1, &v->service_cap);
    v->services[v->service_count++] = (conductor_service){.name = name};
}

static void sort_services(conductor_view *v) {
    size_t kept = 0;
    if (v->service_count > 0)
        qsort(v->services, v->service_count, sizeof *v->services, compare_services);
    for (size_t i = 0; i < v->service_count; i++)
        if (kept == 0 || strcmp(v->services[kept - 1].name, v->services[i].name) != 0)
            v->services[kept++] = v->services[i];
    v->service_count = kept;
}

static void add_services_of(conductor_view *v, const Warren__Deploy__Release *release) {
    for (size_t i = 0; release != NULL && i < release->n_services; i++)
        add_service(v, release->services[i]);
}

static void add_names(conductor_view *v) {
    const conductor_table *placed = &v->c->tables[DEPLOY_RECORD_PLACED],
                          *rollouts = &v->c->tables[DEPLOY_RECORD_ROLLOUT],
                          *orders = &v->c->tables[DEPLOY_RECORD_ORDER];
    for (size_t i = 0; i < placed->count; i++)
        add_service(v, placed->items[i]->key.owner);
    for (size_t i = 0; i < v->project_count; i++) {
        const conductor_project *p = &v->projects[i];
        CHECK(p->wanted != NULL);
        add_services_of(v, p->release);
        if (p->wanted->release > 0 && p->wanted->release != p->to)
            add_services_of(
                v, conductor_message(v->c, DEPLOY_RECORD_RELEASE, p->name, p->wanted->release, ""));
    }
    for (size_t i = 0; i < rollouts->count; i++)
        add_service(v, rollouts->items[i]->key.owner);
    sort_services(v);
    size_t known = v->service_count;
    for (size_t i = 0; i < orders->count; i++) {
        const char *name = orders->items[i]->key.service;
        conductor_view sorted = {.services = v->services, .service_count = known};
        if (conductor_service_find(&sorted, name) == NULL) add_service(v, name);
    }
    if (v->service_count > known) sort_services(v);
}

static void load_slots(conductor_service *s, const Warren__Deploy__Placed *placed) {
    s->slots = mem_alloc(placed->n_slots * sizeof *s->slots);
    s->slot_count = s->slot_cap = placed->n_slots;
    for (size_t i = 0; i < placed->n_slots; i++) {
        const Warren__Deploy__Slot *slot = placed->slots[i];
        s->slots[i] = (conductor_slot){
            .slot = slot->slot,
            .index = slot->index,
            .host = slot->host,
            .since_ms = slot->since_ms,
            .lost_at_ms = slot->lost_at_ms,
            .before = slot->before,
            .is_stand_in = slot->is_stand_in,
        };
    }
}

static conductor_project *find_project(const conductor_view *v, const char *name) {
    for (size_t i = 0; i < v->project_count; i++)
        if (strcmp(v->projects[i].name, name) == 0) return &v->projects[i];
    return NULL;
}

static void load_placed(conductor_view *v, conductor_service *s) {
    const Warren__Deploy__Placed *placed =
        (const Warren__Deploy__Placed *)s->placed_record->message;
    s->exists = true;
    if (placed == NULL) return;
    s->project_name = placed->project;
    s->project = find_project(v, placed->project);
    s->is_changed = placed->is_changed;
    s->before = placed->before;
    s->has_scaled = placed->scaled != NULL;
    s->scaled = s->has_scaled ? placed->scaled->instances : 0;
    s->has_scaled_before = placed->scaled_before != NULL;
    s->scaled_before = s->has_scaled_before ? placed->scaled_before->instances : 0;
    conductor_set_release(v, s, placed->release);
    load_slots(s, placed);
}

// The first time by the clock of this leader, then as it went on.
static void load_rollout(conductor_view *v, conductor_service *s) {
    conductor_record *record = (conductor_record *)(uintptr_t)s->rollout_record;
    if (record->rollout == NULL) {
        record->rollout = mem_alloc(sizeof *record->rollout);
        mesh_bytes text = {record->value, record->len};
        CHECK(deploy_rollout_read(text, v->now_ms, record->rollout) == 0);
    }
    s->rollout = mem_copy(record->rollout, sizeof *record->rollout);
}

static void load_service(conductor_view *v, conductor_service *s) {
    s->placed_record = conductor_find(v->c, DEPLOY_RECORD_PLACED, s->name, 0, "");
    s->rollout_record = conductor_find(v->c, DEPLOY_RECORD_ROLLOUT, s->name, 0, "");
    if (s->placed_record != NULL) load_placed(v, s);
    if (s->placed_record != NULL && s->rollout_record != NULL) load_rollout(v, s);
    s->is_frozen = s->placed_record != NULL &&
                   (s->placed_record->message == NULL || (s->release != 0 && s->spec == NULL));
}

// ---- hosts

static int compare_hosts(const void *a, const void *b) {
    return strcmp(((const conductor_host *)a)->name, ((const conductor_host *)b)->name);
}

static void add_host(conductor_view *v, const char *name, const conductor_record *record) {
    v->hosts = mem_grow(v->hosts, sizeof *v->hosts, v->host_count + 1, &v->host_cap);
    v->hosts[v->host_count++] = (conductor_host){
        .name = name,
        .record = record,
        .is_drained = conductor_find(v->c, DEPLOY_RECORD_DRAINED, name, 0, "") != NULL,
    };
    if (strlen(name) > v->name_len_max) v->name_len_max = strlen(name);
}

static void sort_hosts(conductor_view *v) {
    if (v->host_count > 0) qsort(v->hosts, v->host_count, sizeof *v->hosts, compare_hosts);
}

static void look_at_slot(conductor_view *v, const conductor_service *s,
                         const conductor_slot *slot) {
    conductor_host *host = conductor_host_find(v, slot->host);
    if (host == NULL) {
        add_host(v, slot->host, NULL);
        sort_hosts(v);
        host = conductor_host_find(v, slot->host);
    }
    host->has_single |= s->is_single;
    if (slot->lost_at_ms > 0 && (host->lost_at_ms == 0 || slot->lost_at_ms < host->lost_at_ms))
        host->lost_at_ms = slot->lost_at_ms;
}

// Since when this leader knows it. What the one before knew may be of another time: the host may
// have been there in between.
static uint64_t down_since_ms(conductor_view *v, const char *host) {
    deploy_conductor *c = v->c;
    for (size_t i = 0; i < c->down_count; i++)
        if (strcmp(c->downs[i].name, host) == 0) return c->downs[i].since_ms;
    c->downs = mem_grow(c->downs, sizeof *c->downs, c->down_count + 1, &c->down_cap);
    conductor_down *down = &c->downs[c->down_count++];
    memcpy(down->name, host, strlen(host) + 1);
    down->since_ms = v->now_ms;
    return v->now_ms;
}

// Those that are there, and those that had something and are not.
static void load_hosts(conductor_view *v) {
    const conductor_table *hosts = &v->c->tables[DEPLOY_RECORD_HOST];
    for (size_t i = 0; i < hosts->count; i++)
        add_host(v, hosts->items[i]->key.owner, hosts->items[i]);
    sort_hosts(v);
    for (size_t i = 0; i < v->service_count; i++)
        for (size_t j = 0; j < v->services[i].slot_count; j++)
            look_at_slot(v, &v->services[i], &v->services[i].slots[j]);
    for (size_t i = 0; i < v->host_count; i++) {
        conductor_host *host = &v->hosts[i];
        if (host->record != NULL) {
            host->lost_at_ms = 0;
            continue;
        }
        host->down_at_ms = down_since_ms(v, host->name);
        if (host->lost_at_ms == 0 || host->lost_at_ms > v->now_ms)
            host->lost_at_ms = host->down_at_ms;
    }
}

// ---- projects

static void load_project(conductor_view *v, const conductor_record *record) {
    conductor_project *p = &v->projects[v->project_count++];
    CHECK(record->message != NULL);
    *p = (conductor_project){
        .name = record->key.owner,
        .wanted = (const Warren__Deploy__Project *)record->message,
        .stored = conductor_find(v->c, DEPLOY_RECORD_STATE, record->key.owner, 0, ""),
    };
    uint64_t to = p->wanted->release;
    if (p->stored != NULL) {
        const Warren__Deploy__State *state = (const Warren__Deploy__State *)p->stored->message;
        p->deployment = state->deployment;
        p->phase = (conductor_phase)state->phase;
        p->from = state->from;
        p->to = to = state->to;
        p->began_at_ms = state->began_at_ms;
        memcpy(p->why, state->why, strlen(state->why) + 1);
        p->last_lines_len = state->last_lines.len;
        if (p->last_lines_len > 0) memcpy(p->last_lines, state->last_lines.data, p->last_lines_len);
    }
    if (to > 0) p->release = conductor_message(v->c, DEPLOY_RECORD_RELEASE, p->name, to, "");
}

void conductor_view_init(conductor_view *v, deploy_conductor *c, uint64_t now_ms) {
    const conductor_table *projects = &c->tables[DEPLOY_RECORD_PROJECT],
                          *orders = &c->tables[DEPLOY_RECORD_ORDER];
    *v = (conductor_view){.c = c, .now_ms = now_ms, .wake_at_ms = UINT64_MAX};
    v->projects = mem_alloc(projects->count * sizeof *v->projects);
    for (size_t i = 0; i < projects->count; i++)
        load_project(v, projects->items[i]);
    add_names(v);
    for (size_t i = 0; i < v->service_count; i++)
        load_service(v, &v->services[i]);
    for (size_t i = 0; i < orders->count; i++)
        load_order(v, orders->items[i]);
    load_hosts(v);
    for (size_t i = 0; i < v->service_count; i++)
        for (size_t j = 0; j < v->services[i].order_count; j++)
            v->services[i].orders[j].is_up = conductor_host_is_up(v, v->services[i].orders[j].host);
}

void conductor_view_deinit(conductor_view *v) {
    for (size_t i = 0; i < v->service_count; i++) {
        conductor_service *s = &v->services[i];
        for (size_t j = 0; j < s->order_count; j++)
            free(s->orders[j].instances);
        free(s->orders);
        free(s->slots);
        free(s->left);
        free(s->rollout);
    }
    free(v->services);
    free(v->projects);
    free(v->hosts);
}
