#include <stdio.h>

#include <sodium.h>

#include "agent/shared_secrets_state.h"
#include "core/mem.h"
#include "io/wall.h"

enum {
    TRIES_MAX = 8,
    TICKS_MAX = 6, // s: for the first answer of the store
    KEY_MAX = 128,
    OPS_MAX = 2,
};

static uint8_t made[AGENT_SEALED_LEN_MAX];

// ---- the end of one

static void finish(shared_change *c, int exit_code, const char *sentence) {
    if (c->cb != NULL) c->cb(exit_code, sentence, c->user);
    sodium_free(c->value);
    free(c);
}

static void finish_first(agent_shared_secrets *s, int exit_code, const char *sentence) {
    shared_change *c = s->changes;
    s->changes = c->next;
    finish(c, exit_code, sentence);
}

void shared_changes_fail(agent_shared_secrets *s, const char *sentence) {
    while (s->changes != NULL)
        finish_first(s, 1, sentence);
    s->open_change = NULL;
}

void shared_changes_tick(agent_shared_secrets *s) {
    shared_change *c = s->changes;
    if (c == NULL || s->is_open || ++c->ticks < TICKS_MAX) return;
    const char *why = s->mirror != NULL
                          ? store_status_get(agent_store_get(s->options.store))->sentence
                          : s->trouble;
    shared_changes_fail(s, why[0] != '\0' ? why : "the store does not answer: try again");
}

void shared_open_drop(agent_shared_secrets *s) {
    free(s->open_bytes);
    s->open_bytes = NULL;
    s->is_open = false;
    s->open_change = NULL;
}

// ---- transactions

// Whatever was written is known to be there when this is called.
static void take_written(agent_shared_secrets *s, char text[AGENT_SECRETS_TEXT_MAX]) {
    if (s->open_change != NULL && s->open_change->kind == SHARED_REVOKE)
        shared_revoked_add(s, &s->open_revoked);
    else if (s->open_name[0] != '\0' &&
             !shared_take_own(s, s->open_name, (mesh_bytes){s->open_bytes, s->open_len}))
        (void)snprintf(text, AGENT_SECRETS_TEXT_MAX,
                       "the store has it, but this host cannot keep it: %.900s", s->trouble);
}

static void on_committed(const store_answer *answer, void *user) {
    agent_shared_secrets *s = user;
    shared_change *c = s->open_change;
    char text[AGENT_SECRETS_TEXT_MAX];
    (void)snprintf(text, sizeof text, "%s", answer->sentence);
    if (answer->error == 0) {
        s->written = answer->revision;
        s->written_ticks = 0;
        if (s->self != NULL) take_written(s, text);
    }
    shared_open_drop(s);
    if (answer->error != 0) s->has_to_wait = true; // until the next tick: the mirror tells as well
    bool is_again = c != NULL && answer->error == STORE_ECONFLICT && ++c->tries < TRIES_MAX;
    if (is_again) {
        c->after_reading = agent_mirror_readings(s->mirror) + 1;
        agent_mirror_read_again(s->mirror);
    } else if (c != NULL) {
        finish_first(s, text[0] != '\0', text);
    }
    shared_look(s);
}

static void commit(agent_shared_secrets *s, const store_op *ops, size_t op_count,
                   const store_compare *compare) {
    s->is_open = true;
    store_commit(agent_store_get(s->options.store),
                 &(store_transaction){.compares = compare,
                                      .compare_count = compare != NULL,
                                      .ops = ops,
                                      .op_count = op_count},
                 on_committed, s);
}

// If nobody has changed it since this host has seen it.
static void commit_value(agent_shared_secrets *s, const char *name, size_t len) {
    char key[KEY_MAX];
    (void)snprintf(key, sizeof key, SHARED_VALUE "%s", name);
    const agent_mirror_pair *pair = agent_mirror_get(s->mirror, key);
    store_op op = {.kind = STORE_PUT, .key = mesh_bytes_text(key), .value = {made, len}};
    store_compare compare = {
        .key = op.key, .kind = STORE_CHANGED, .revision = pair != NULL ? pair->changed : 0};
    (void)snprintf(s->open_name, sizeof s->open_name, "%s", name);
    s->open_bytes = mem_copy(made, len);
    s->open_len = len;
    commit(s, &op, 1, &compare);
}

// ---- what somebody asked for

// Above what this host has, and what the store says, whoever signed that.
static uint64_t next_version(const agent_shared_secrets *s, const char *name) {
    static agent_sealed_secret is;
    char key[KEY_MAX];
    const shared_entry *e = shared_find(s, name);
    uint64_t version = e != NULL ? e->is.version : 0;
    (void)snprintf(key, sizeof key, SHARED_VALUE "%s", name);
    const agent_mirror_pair *pair = agent_mirror_get(s->mirror, key);
    if (pair != NULL && agent_sealed_read(s->self, name, pair->value, 0, &is) == 0 &&
        is.version > version)
        version = is.version;
    return version + 1;
}

static bool set(agent_shared_secrets *s, const shared_change *c) {
    static agent_sealed_keys keys;
    char text[AGENT_SECRETS_TEXT_MAX];
    const shared_entry *e = shared_find(s, c->name);
    if (c->kind == SHARED_REMOVE && (e == NULL || e->is.is_removed)) {
        (void)snprintf(text, sizeof text, "the cluster has no secret %s (`warren secret list`)",
                       c->name);
        finish_first(s, 3, text);
        return false;
    }
    if (e == NULL && s->count == AGENT_SHARED_SECRETS_MAX) {
        (void)snprintf(text, sizeof text,
                       "the cluster has %d secrets, with those that were removed, and no more are "
                       "possible",
                       AGENT_SHARED_SECRETS_MAX);
        finish_first(s, 1, text);
        return false;
    }
    shared_keys(s, &keys);
    size_t len = agent_sealed_set(s->self,
                                  &(agent_sealed_wanted){.name = c->name,
                                                         .version = next_version(s, c->name),
                                                         .at_ms = mesh_wall_ms(),
                                                         .is_removed = c->kind == SHARED_REMOVE,
                                                         .value = {c->value, c->len},
                                                         .keys = &keys},
                                  made);
    commit_value(s, c->name, len);
    return true;
}

static void commit_revoked(agent_shared_secrets *s, const agent_sealed_revoked *revoked) {
    char key[KEY_MAX], host_key[KEY_MAX], id[SHARED_ID_TEXT_MAX];
    size_t len = agent_sealed_revoke(s->self, revoked, made);
    shared_id_text(revoked->host_id, id);
    (void)snprintf(key, sizeof key, SHARED_REVOKED "%s", id);
    (void)snprintf(host_key, sizeof host_key, SHARED_HOST "%s", id);
    const store_op ops[OPS_MAX] = {
        {.kind = STORE_PUT, .key = mesh_bytes_text(key), .value = {made, len}},
        {.kind = STORE_DELETE, .key = mesh_bytes_text(host_key)}};
    s->open_revoked = *revoked;
    s->open_name[0] = '\0';
    commit(s, ops, OPS_MAX, NULL);
}

static bool revoke_host(agent_shared_secrets *s, const shared_change *c) {
    char text[AGENT_SECRETS_TEXT_MAX] = "";
    size_t count;
    const shared_host *host = shared_host_find(s, c->name, &count);
    int exit_code = 1;
    if (count == 0) {
        exit_code = 3;
        (void)snprintf(text, sizeof text,
                       "no host %.64s gets secrets of the cluster (`warren secret list --json` has "
                       "those that do)",
                       c->name);
    } else if (count > 1) {
        (void)snprintf(text, sizeof text,
                       "%zu hosts are called %.64s: name one by its id (`warren hosts`)", count,
                       c->name);
    } else if (memcmp(host->who.host_id, s->self->host_id, MESH_ID_LEN) == 0) {
        (void)snprintf(text, sizeof text,
                       "this is the host %.64s itself: revoke it on another one, for whoever is "
                       "revoked is not believed",
                       c->name);
    } else if (s->revoked_count == AGENT_SHARED_REVOKED_MAX) {
        (void)snprintf(text, sizeof text, "%d hosts were revoked, and no more are possible",
                       AGENT_SHARED_REVOKED_MAX);
    }
    if (text[0] != '\0') {
        finish_first(s, exit_code, text);
        return false;
    }
    agent_sealed_revoked revoked = {.name = ""};
    memcpy(revoked.host_id, host->who.host_id, MESH_ID_LEN);
    (void)snprintf(revoked.name, sizeof revoked.name, "%s", host->who.name);
    commit_revoked(s, &revoked);
    return true;
}

bool shared_change_next(agent_shared_secrets *s) {
    for (shared_change *c; (c = s->changes) != NULL;) {
        if (agent_mirror_readings(s->mirror) < c->after_reading) return false;
        s->open_change = c;
        if (c->kind == SHARED_REVOKE ? revoke_host(s, c) : set(s, c)) return true;
        s->open_change = NULL;
    }
    return false;
}

// ---- what nobody asked for

bool shared_put_self(agent_shared_secrets *s) {
    char key[KEY_MAX], id[SHARED_ID_TEXT_MAX];
    for (size_t i = 0; i < s->host_count; i++) {
        const shared_host *h = &s->hosts[i];
        if (memcmp(h->who.host_id, s->self->host_id, MESH_ID_LEN) == 0 &&
            memcmp(h->key, s->self->key, sizeof h->key) == 0 && h->who.until_s >= s->self->until_s)
            return false;
    }
    if (shared_is_revoked(s, s->self->host_id)) return false;
    shared_id_text(s->self->host_id, id);
    (void)snprintf(key, sizeof key, SHARED_HOST "%s", id);
    size_t len = agent_sealed_recipient(s->self, made);
    s->open_name[0] = '\0';
    commit(s, &(store_op){.kind = STORE_PUT, .key = mesh_bytes_text(key), .value = {made, len}}, 1,
           NULL);
    return true;
}

bool shared_put_revoked(agent_shared_secrets *s) {
    uint64_t now_s = shared_now_s();
    for (size_t i = 0; i < s->revoked_count; i++) {
        char key[KEY_MAX], id[SHARED_ID_TEXT_MAX];
        shared_id_text(s->revoked[i].host_id, id);
        (void)snprintf(key, sizeof key, SHARED_REVOKED "%s", id);
        const agent_mirror_pair *pair = agent_mirror_get(s->mirror, key);
        if (pair != NULL && s->seen[i].until_s > now_s) continue;
        commit_revoked(s, &s->revoked[i]);
        return true;
    }
    return false;
}

bool shared_put_again(agent_shared_secrets *s, shared_entry *e) {
    static agent_sealed_keys keys;
    shared_keys(s, &keys);
    size_t len = agent_sealed_again(s->self, (mesh_bytes){e->bytes, e->len}, &keys, made);
    if (len > 0) commit_value(s, e->name, len);
    return len > 0;
}

// ---- the face

static void begin(agent_shared_secrets *s, shared_change *c) {
    char text[AGENT_SECRETS_TEXT_MAX];
    agent_shared_secrets_judge(s, text);
    if (text[0] != '\0') {
        finish(c, 1, text);
        return;
    }
    shared_change **at = &s->changes;
    while (*at != NULL)
        at = &(*at)->next;
    *at = c;
    shared_look(s);
}

static shared_change *change_of(shared_change_kind kind, const char *name,
                                agent_shared_secrets_cb cb, void *user) {
    shared_change *c = mem_alloc(sizeof *c);
    c->kind = kind;
    (void)snprintf(c->name, sizeof c->name, "%s", name);
    c->cb = cb;
    c->user = user;
    return c;
}

void agent_shared_secrets_set(agent_shared_secrets *s, const char *name, mesh_bytes value,
                              agent_shared_secrets_cb cb, void *user) {
    shared_change *c = change_of(SHARED_SET, name, cb, user);
    c->value = mem_check(sodium_malloc(value.len + 1));
    c->len = value.len;
    if (value.len > 0) memcpy(c->value, value.data, value.len);
    begin(s, c);
}

void agent_shared_secrets_remove(agent_shared_secrets *s, const char *name,
                                 agent_shared_secrets_cb cb, void *user) {
    begin(s, change_of(SHARED_REMOVE, name, cb, user));
}

void agent_shared_secrets_revoke(agent_shared_secrets *s, const char *host,
                                 agent_shared_secrets_cb cb, void *user) {
    begin(s, change_of(SHARED_REVOKE, host, cb, user));
}

void agent_shared_secrets_forget(agent_shared_secrets *s, const void *user) {
    for (shared_change *c = s != NULL ? s->changes : NULL; c != NULL; c = c->next)
        if (c->user == user) c->cb = NULL;
}
