// Hosts, services and where instances are, as the placement sees them.
#include "deploy/conductor_state.h"

#include "core/mem.h"

enum { ALL_PLACED_MAX = 2 * DEPLOY_INSTANCES_MAX };

static void mix(conductor_world *w, uint64_t value) {
    w->hash = (w->hash ^ value) * 1099511628211ULL;
    w->hash ^= w->hash >> 29;
}

static size_t count_labels(const conductor_view *v) {
    size_t count = 0;
    for (size_t i = 0; i < v->host_count; i++)
        if (v->hosts[i].record != NULL)
            count += ((const Warren__Deploy__Host *)v->hosts[i].record->message)->n_labels;
    return count + v->service_count * DEPLOY_LABELS_MAX;
}

static const deploy_label *add_labels(conductor_world *w, Warren__Deploy__Label *const *labels,
                                      size_t count) {
    const deploy_label *first = &w->labels[w->label_count];
    for (size_t i = 0; i < count; i++)
        w->labels[w->label_count++] = (deploy_label){labels[i]->key, labels[i]->value};
    return first;
}

static deploy_host_state state_of(const conductor_host *host) {
    // Drained and down: it is left, but for what may still run there and must not run twice.
    if (host->is_drained && (host->record != NULL || !host->has_single)) return DEPLOY_DRAINING;
    return host->record != NULL ? DEPLOY_UP : DEPLOY_DOWN;
}

static void add_host(conductor_world *w, const conductor_host *host) {
    if (w->is.host_count >= DEPLOY_HOSTS_MAX) return;
    deploy_host *to = &w->hosts[w->is.host_count++];
    *to = (deploy_host){.name = host->name,
                        .state = state_of(host),
                        .since_ms = host->has_single ? host->down_at_ms : host->lost_at_ms};
    mix(w, to->state);
    mix(w, to->since_ms);
    mix(w, host->record != NULL ? (uint64_t)host->record->revision : 0);
    if (host->record == NULL) return;
    const Warren__Deploy__Host *is = (const Warren__Deploy__Host *)host->record->message;
    to->labels = add_labels(w, is->labels, is->n_labels);
    to->label_count = is->n_labels;
    to->cpu_milli = is->cpu_milli;
    to->memory = is->memory;
}

static bool has_labels(const deploy_host *host, const Warren__Deploy__Spec *spec) {
    size_t found = 0;
    for (size_t i = 0; i < spec->n_requires; i++)
        for (size_t j = 0; j < host->label_count; j++)
            found += strcmp(spec->requires[i] -> key, host -> labels[j].key) == 0 &&
                     strcmp(spec->requires[i] -> value, host -> labels[j].value) == 0;
    return found >= spec->n_requires;
}

// On all hosts together.
static uint64_t count_wanted(const conductor_world *w, const Warren__Deploy__Spec *spec,
                             uint32_t count) {
    uint64_t sum = 0;
    if (spec->kind == WARREN__DEPLOY__SPEC__COUNT__COUNT) return count;
    for (size_t i = 0; i < w->is.host_count; i++) {
        if (!has_labels(&w->hosts[i], spec)) continue;
        bool is_max = spec->kind == WARREN__DEPLOY__SPEC__COUNT__MAX;
        sum += is_max ? w->hosts[i].cpu_milli / 1000 : count;
    }
    return sum;
}

// As many as their record can hold.
static uint32_t bound_count(const conductor_view *v, const Warren__Deploy__Spec *spec,
                            uint32_t count) {
    size_t most = CONDUCTOR_PLACED_LEN_MAX / (v->name_len_max + CONDUCTOR_SLOT_LEN);
    if (most > DEPLOY_COUNT_MAX) most = DEPLOY_COUNT_MAX;
    bool is_over = spec->kind == WARREN__DEPLOY__SPEC__COUNT__COUNT && count > most;
    return is_over ? (uint32_t)most : count;
}

static void add_service(conductor_world *w, const conductor_view *v, conductor_service *s,
                        const conductor_record *record, const uint32_t *scaled) {
    const Warren__Deploy__Spec *spec = (const Warren__Deploy__Spec *)record->message;
    uint32_t count = scaled != NULL ? *scaled : spec->count;
    deploy_service *to = &w->services[w->is.service_count++];
    *to = (deploy_service){
        .name = s->name,
        .kind = (deploy_count)spec->kind,
        .count = bound_count(v, spec, count),
        .requires = add_labels(w, spec->requires, spec->n_requires),
        .require_count = spec->n_requires,
        .is_spread = spec->is_spread,
        .spread_label = spec->spread_label[0] != '\0' ? spec->spread_label : NULL,
        .apart = (const char *const *)spec->apart,
        .apart_count = spec->n_apart,
        .cpu_milli = spec->cpu_milli,
        .memory = spec->memory,
        .disconnect = (deploy_disconnect)spec->disconnect,
        .disconnect_ms = spec->disconnect_ms,
        .reconcile = (deploy_reconcile)spec->reconcile,
    };
    if (to->disconnect == DEPLOY_STOP_AFTER && s->is_single) to->disconnect_ms = s->stop_after_ms;
    if (to->count < count) {
        s->unplaced = count - to->count;
        s->why_unplaced = "there are more instances than can be recorded";
    }
    mix(w, (uint64_t)record->revision);
    mix(w, to->disconnect_ms);
    mix(w, record->key.number);
    mix(w, to->count);
}

static void add_placed(conductor_world *w, const conductor_service *s) {
    for (size_t i = 0; i < s->slot_count && w->is.placed_count < ALL_PLACED_MAX; i++) {
        const conductor_slot *slot = &s->slots[i];
        w->placed = mem_grow(w->placed, sizeof *w->placed, w->is.placed_count + 1, &w->placed_cap);
        w->placed[w->is.placed_count++] = (deploy_placed){
            .service = (uint32_t)w->is.service_count,
            .slot = slot->slot,
            .host = slot->host,
            .since_ms = slot->since_ms,
            .is_lost = slot->lost_at_ms > 0,
            .is_stand_in = slot->is_stand_in,
        };
    }
    mix(w, s->slot_count);
    mix(w, s->placed_record != NULL ? (uint64_t)s->placed_record->revision : 0);
}

static conductor_project *prospect_of(const conductor_view *v, const conductor_service *s) {
    for (size_t i = 0; i < v->project_count; i++) {
        conductor_project *p = &v->projects[i];
        if (p->is_prospect && (s->project == NULL || s->project == p) &&
            conductor_spec(v->c, p->name, p->to, s->name) != NULL)
            return p;
    }
    return NULL;
}

// False: there would be more than anybody can plan for. What runs of it stays as it is.
static bool take_budget(conductor_world *w, conductor_service *s, conductor_project *p,
                        const conductor_record *record, const uint32_t *scaled) {
    const Warren__Deploy__Spec *spec = (const Warren__Deploy__Spec *)record->message;
    uint64_t wanted = count_wanted(w, spec, scaled != NULL ? *scaled : spec->count);
    if (wanted <= w->budget) {
        w->budget -= wanted;
        return true;
    }
    if (p != NULL)
        conductor_project_end(p, CONDUCTOR_RETURNED,
                              "with %s there would be more than %d instances of all services",
                              s->name, DEPLOY_INSTANCES_MAX);
    else
        s->is_frozen = true;
    return false;
}

static void add_one(conductor_world *w, const conductor_view *v, conductor_service *s,
                    bool is_prospect) {
    if (s->is_frozen || w->is.service_count >= DEPLOY_SERVICES_MAX) return;
    conductor_project *p = is_prospect ? prospect_of(v, s) : NULL;
    if (p == NULL && s->spec == NULL) return;
    const conductor_record *spec =
        conductor_find(v->c, DEPLOY_RECORD_SPEC, p != NULL ? p->name : s->project_name,
                       p != NULL ? p->to : s->release, s->name);
    const uint32_t *scaled = s->has_scaled ? &s->scaled : NULL;
    if (p != NULL) scaled = conductor_scaled_to(p, s->name);
    if (spec == NULL || !take_budget(w, s, p, spec, scaled)) return;
    w->of[w->is.service_count] = s;
    w->prospects[w->is.service_count] = p;
    add_placed(w, s);
    add_service(w, v, s, spec, scaled);
}

void conductor_world_init(conductor_world *w, conductor_view *v, bool is_prospect) {
    *w = (conductor_world){.hash = 14695981039346656037ULL, .budget = DEPLOY_INSTANCES_MAX};
    w->hosts = mem_alloc(v->host_count * sizeof *w->hosts);
    w->services = mem_alloc(v->service_count * sizeof *w->services);
    w->of = mem_alloc(v->service_count * sizeof(conductor_service *));
    w->prospects = mem_alloc(v->service_count * sizeof(conductor_project *));
    w->labels = mem_alloc(count_labels(v) * sizeof *w->labels);
    // Where something is that may still run comes first.
    for (size_t i = 0; i < v->host_count; i++)
        if (v->hosts[i].record == NULL) add_host(w, &v->hosts[i]);
    for (size_t i = 0; i < v->host_count; i++)
        if (v->hosts[i].record != NULL) add_host(w, &v->hosts[i]);
    for (size_t i = 0; i < v->service_count; i++)
        add_one(w, v, &v->services[i], is_prospect);
    w->is.hosts = w->hosts;
    w->is.services = w->services;
    w->is.placed = w->placed;
    w->is.now_ms = v->now_ms;
}

void conductor_world_deinit(conductor_world *w) {
    free(w->hosts);
    free(w->services);
    free(w->of);
    free(w->prospects);
    free(w->labels);
    free(w->placed);
}
