#include "deploy/conductor_state.h"

#include <stdio.h>

#include "core/mem.h"

// ---- tables

static int compare_keys(const deploy_key *a, const deploy_key *b) {
    int order = strcmp(a->owner, b->owner);
    if (order != 0) return order;
    if (a->number != b->number) return a->number < b->number ? -1 : 1;
    return strcmp(a->service, b->service);
}

// Where it is, or would be.
static size_t find_place(const conductor_table *table, const deploy_key *key, bool *is_there) {
    size_t from = 0, until = table->count;
    // A list comes in order: mostly it is behind all others.
    if (until > 0 && compare_keys(&table->items[until - 1]->key, key) < 0) from = until;
    *is_there = false;
    while (from < until) {
        size_t middle = (from + until) / 2;
        int order = compare_keys(key, &table->items[middle]->key);
        *is_there = order == 0;
        if (order == 0) return middle;
        if (order < 0)
            until = middle;
        else
            from = middle + 1;
    }
    return from;
}

const conductor_record *conductor_find(const deploy_conductor *c, deploy_record_kind kind,
                                       const char *owner, uint64_t number, const char *service) {
    bool is_there;
    deploy_key key = {.kind = kind, .number = number};
    (void)snprintf(key.owner, sizeof key.owner, "%s", owner);
    (void)snprintf(key.service, sizeof key.service, "%s", service);
    size_t at = find_place(&c->tables[kind], &key, &is_there);
    return is_there ? c->tables[kind].items[at] : NULL;
}

const void *conductor_message(const deploy_conductor *c, deploy_record_kind kind, const char *owner,
                              uint64_t number, const char *service) {
    const conductor_record *record = conductor_find(c, kind, owner, number, service);
    return record != NULL ? record->message : NULL;
}

static void free_record(conductor_record *record) {
    deploy_record_free(record->message);
    free(record->rollout);
    free(record->value);
    free(record);
}

static void remove_record(deploy_conductor *c, const deploy_key *key) {
    bool is_there;
    conductor_table *table = &c->tables[key->kind];
    size_t at = find_place(table, key, &is_there);
    if (!is_there) return;
    free_record(table->items[at]);
    table->count--;
    c->record_count--;
    memmove(&table->items[at], &table->items[at + 1],
            (table->count - at) * sizeof(conductor_record *));
}

static conductor_record *add_record(deploy_conductor *c, const deploy_key *key) {
    bool is_there;
    conductor_table *table = &c->tables[key->kind];
    size_t at = find_place(table, key, &is_there);
    CHECK(!is_there);
    conductor_record *record = mem_alloc(sizeof *record);
    record->key = *key;
    table->items =
        mem_grow(table->items, sizeof(conductor_record *), table->count + 1, &table->cap);
    memmove(&table->items[at + 1], &table->items[at],
            (table->count - at) * sizeof(conductor_record *));
    table->items[at] = record;
    table->count++;
    c->record_count++;
    return record;
}

// ---- what the store holds

static bool is_own(deploy_record_kind kind) { // that the leader alone writes
    return kind == DEPLOY_RECORD_STATE || kind == DEPLOY_RECORD_PLACED ||
           kind == DEPLOY_RECORD_ROLLOUT || kind == DEPLOY_RECORD_ORDER;
}

static bool is_old(const deploy_conductor *c, const deploy_key *key, int64_t revision) {
    if (is_own(key->kind)) return revision <= c->committed;
    const conductor_record *known =
        conductor_find(c, key->kind, key->owner, key->number, key->service);
    return known != NULL && revision < known->revision;
}

static const char *leave_out(deploy_conductor *c, mesh_bytes key, const char *why) {
    (void)snprintf(c->sentence, sizeof c->sentence, "the store has \"%.*s\", which is left out: %s",
                   (int)(key.len < DEPLOY_KEY_MAX ? key.len : DEPLOY_KEY_MAX),
                   (const char *)key.data, why);
    return c->sentence;
}

static size_t most_of(deploy_record_kind kind) {
    switch (kind) {
    case DEPLOY_RECORD_HOST: return DEPLOY_HOSTS_MAX;
    case DEPLOY_RECORD_PLACED: return DEPLOY_SERVICES_MAX;
    default: return CONDUCTOR_RECORDS_MAX;
    }
}

// Gives what is wrong, or NULL.
static const char *decode(const deploy_key *key, mesh_bytes value, ProtobufCMessage **out) {
    const char *why = NULL;
    *out = NULL;
    if (key->kind == DEPLOY_RECORD_ROLLOUT) {
        deploy_rollout *r = mem_alloc(sizeof *r);
        if (deploy_rollout_read(value, 0, r) != 0) why = "it is no rollout";
        free(r);
        return why;
    }
    *out = deploy_record_decode(key->kind, value, &why);
    if (*out == NULL) return why;
    const Warren__Deploy__Release *release = (const Warren__Deploy__Release *)*out;
    if (key->kind != DEPLOY_RECORD_RELEASE || release->number == key->number) return NULL;
    deploy_record_free(*out);
    *out = NULL;
    return "its number is another one than its key says";
}

// It is there, or was for a while.
static void forget_down(deploy_conductor *c, const char *host) {
    for (size_t i = 0; i < c->down_count; i++)
        if (strcmp(c->downs[i].name, host) == 0) c->downs[i--] = c->downs[--c->down_count];
}

const char *deploy_conductor_put(deploy_conductor *c, mesh_bytes text, mesh_bytes value,
                                 int64_t revision) {
    deploy_key key;
    ProtobufCMessage *message;
    if (!deploy_key_read(text, &key)) return leave_out(c, text, "no Warren knows this key");
    if (key.kind == DEPLOY_RECORD_LEADER || is_old(c, &key, revision)) return NULL;
    if (key.kind == DEPLOY_RECORD_HOST) forget_down(c, key.owner);
    c->is_dirty = true;
    remove_record(c, &key);
    const char *why = decode(&key, value, &message);
    // Where a service runs that cannot be read is not the same as that it runs nowhere.
    bool is_kept = why == NULL || key.kind == DEPLOY_RECORD_PLACED;
    if (is_kept && (c->record_count >= CONDUCTOR_RECORDS_MAX ||
                    c->tables[key.kind].count >= most_of(key.kind))) {
        deploy_record_free(message);
        return leave_out(c, text, "there are too many");
    }
    if (is_kept) {
        conductor_record *record = add_record(c, &key);
        record->value = mem_copy(value.data, value.len);
        record->len = value.len;
        record->revision = revision;
        record->message = message;
    }
    return why != NULL ? leave_out(c, text, why) : NULL;
}

void deploy_conductor_delete(deploy_conductor *c, mesh_bytes text, int64_t revision) {
    deploy_key key;
    if (!deploy_key_read(text, &key) || is_old(c, &key, revision)) return;
    remove_record(c, &key);
    c->is_dirty = true;
}

// ---- turns

deploy_conductor *deploy_conductor_create(void) {
    deploy_conductor *c = mem_alloc(sizeof *c);
    c->is_dirty = true;
    c->wake_at_ms = UINT64_MAX;
    return c;
}

static void drop_writes(deploy_conductor *c) {
    for (size_t i = 0; i < c->write_count; i++) {
        free(c->writes[i].value);
        free(c->writes[i].rollout);
    }
    c->write_count = c->write_len = c->absent_count = 0;
}

void deploy_conductor_destroy(deploy_conductor *c) {
    if (c == NULL) return;
    for (int kind = 0; kind < DEPLOY_RECORD_KINDS; kind++) {
        for (size_t i = 0; i < c->tables[kind].count; i++)
            free_record(c->tables[kind].items[i]);
        free(c->tables[kind].items);
    }
    drop_writes(c);
    free(c->downs);
    deploy_plan_deinit(&c->cache.plan);
    deploy_plan_deinit(&c->prospect_cache.plan);
    free(c->cache.names);
    free(c->prospect_cache.names);
    free(c);
}

// What comes first must not wait for what comes later: a transaction that is full ends there, and
// the next turn finds the rest.
static void decide(conductor_view *v) {
    for (size_t i = 0; i < v->project_count; i++)
        conductor_project_decide(v, &v->projects[i]);
    conductor_plan(v);
    for (size_t i = 0; i < v->project_count; i++)
        conductor_project_prepare(v, &v->projects[i]);
    for (size_t i = 0; i < v->service_count; i++)
        conductor_roll(v, &v->services[i]);
    for (size_t i = 0; i < v->service_count; i++)
        conductor_orders(v, &v->services[i]);
}

static void write_orders(conductor_view *v, conductor_service *s, bool is_up) {
    for (size_t i = 0; i < s->order_count; i++)
        if (s->orders[i].is_up == is_up && !s->orders[i].is_written)
            conductor_write_order(v, s, &s->orders[i]);
}

static void write(conductor_view *v) {
    // Of what never runs twice: who is away must not begin again, before anybody else does.
    for (size_t i = 0; i < v->service_count; i++)
        if (v->services[i].is_single) write_orders(v, &v->services[i], false);
    for (size_t i = 0; i < v->project_count; i++) {
        conductor_write_project(v, &v->projects[i]);
        // What a State tells of a rollout, and the rollout, in one transaction.
        for (size_t j = 0; j < v->service_count; j++)
            if (v->services[j].project == &v->projects[i] && v->services[j].rollout != NULL)
                conductor_write_service(v, &v->services[j]);
    }
    for (size_t i = 0; i < v->service_count; i++)
        if (v->services[i].project == NULL || v->services[i].rollout == NULL)
            conductor_write_service(v, &v->services[i]);
    for (size_t i = 0; i < v->service_count; i++)
        write_orders(v, &v->services[i], false);
    for (size_t i = 0; i < v->service_count; i++)
        write_orders(v, &v->services[i], true);
    conductor_clean(v);
}

bool deploy_conductor_turn(deploy_conductor *c, uint64_t now_ms, deploy_transaction *out) {
    conductor_view v;
    if (c->is_in_flight || (!c->is_dirty && now_ms < c->wake_at_ms)) return false;
    conductor_view_init(&v, c, now_ms);
    decide(&v);
    write(&v);
    c->wake_at_ms = v.wake_at_ms;
    conductor_view_deinit(&v);
    c->is_dirty = c->is_in_flight = c->write_count > 0;
    for (size_t i = 0; i < c->write_count; i++) {
        const conductor_write *w = &c->writes[i];
        c->ops[i] = (deploy_op){w->is_delete, mesh_bytes_text(w->text), {w->value, w->len}};
    }
    for (size_t i = 0; i < c->absent_count; i++)
        c->absent[i] = mesh_bytes_text(c->absent_keys[i]);
    if (c->is_in_flight)
        *out = (deploy_transaction){c->ops, c->write_count, c->absent, c->absent_count};
    else
        c->absent_count = 0;
    return c->is_in_flight;
}

// As the watch will say it.
static void apply(deploy_conductor *c, conductor_write *w, int64_t revision) {
    ProtobufCMessage *message = NULL;
    const conductor_record *known =
        conductor_find(c, w->key.kind, w->key.owner, w->key.number, w->key.service);
    if (known != NULL && known->revision > revision) return; // somebody else's, since
    remove_record(c, &w->key);
    if (w->is_delete) return;
    if (w->key.kind != DEPLOY_RECORD_ROLLOUT)
        CHECK(decode(&w->key, (mesh_bytes){w->value, w->len}, &message) == NULL);
    conductor_record *record = add_record(c, &w->key);
    record->value = w->value;
    record->len = w->len;
    record->revision = revision;
    record->message = message;
    record->rollout = w->rollout;
    w->value = NULL;
    w->rollout = NULL;
}

void deploy_conductor_committed(deploy_conductor *c, int64_t revision) {
    if (revision > 0) {
        for (size_t i = 0; i < c->write_count; i++)
            apply(c, &c->writes[i], revision);
        c->committed = revision;
    }
    drop_writes(c);
    c->is_in_flight = false;
}

uint64_t deploy_conductor_wake_at_ms(const deploy_conductor *c) {
    return c->wake_at_ms;
}
