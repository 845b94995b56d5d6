#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "agent/say.h"
#include "agent/shared_secrets_state.h"
#include "core/error.h"
#include "core/mem.h"

enum { FILE_ID_LEN = 16, FILE_NAME_MAX = 2 * FILE_ID_LEN + 1 };

// ---- in memory

shared_entry *shared_find(const agent_shared_secrets *s, const char *name) {
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->entries[i]->name, name) == 0) return s->entries[i];
    return NULL;
}

static void free_entry(shared_entry *e) {
    sodium_free(e->text);
    free(e->bytes);
    free(e);
}

void shared_table_drop(agent_shared_secrets *s) {
    for (size_t i = 0; i < s->count; i++)
        free_entry(s->entries[i]);
    s->count = 0;
}

// In the order of their names. NULL: there are too many.
static shared_entry *add(agent_shared_secrets *s, const char *name) {
    if (s->count == AGENT_SHARED_SECRETS_MAX) return NULL;
    shared_entry *e = mem_alloc(sizeof *e);
    (void)snprintf(e->name, sizeof e->name, "%s", name);
    size_t at = s->count++;
    for (; at > 0 && strcmp(s->entries[at - 1]->name, name) > 0; at--)
        s->entries[at] = s->entries[at - 1];
    return s->entries[at] = e;
}

// "NAME=value". NULL: it is not for this host.
static char *text_of(const agent_sealer *self, const char *name, mesh_bytes bytes) {
    size_t len = 0;
    char *value = agent_sealed_open(self, bytes, &len);
    if (value == NULL) return NULL;
    size_t cap = strlen(name) + len + 2;
    char *text = mem_check(sodium_malloc(cap));
    (void)snprintf(text, cap, "%s=%s", name, value);
    sodium_free(value);
    return text;
}

static void put(const agent_shared_secrets *s, shared_entry *e, const agent_sealed_secret *is,
                mesh_bytes bytes) {
    char *text = text_of(s->self, e->name, bytes);
    uint8_t *copy = mem_copy(bytes.data, bytes.len);
    sodium_free(e->text);
    free(e->bytes);
    e->text = text;
    e->bytes = copy;
    e->len = bytes.len;
    e->is = *is;
}

// ---- on disk: the same bytes, under a hash of the name

static void file_name(const char *name, char out[FILE_NAME_MAX]) {
    uint8_t id[FILE_ID_LEN];
    (void)crypto_generichash(id, sizeof id, (const uint8_t *)name, strlen(name), NULL, 0);
    (void)sodium_bin2hex(out, FILE_NAME_MAX, id, sizeof id);
}

static bool keep(agent_shared_secrets *s, const char *name, mesh_bytes bytes) {
    char file[FILE_NAME_MAX];
    file_name(name, file);
    if (mkdir(s->copies, 0700) != 0 && errno != EEXIST) {
        (void)snprintf(s->trouble, sizeof s->trouble, "cannot make %s: %s", s->copies,
                       strerror(errno));
        return false;
    }
    return agent_vault_write(s->copies, file, bytes, s->trouble) == 0;
}

static void load_copy(agent_shared_secrets *s, const char *file) {
    char name[AGENT_SECRET_NAME_MAX], expected[FILE_NAME_MAX], text[AGENT_VAULT_TEXT_MAX];
    static agent_sealed_secret is;
    mesh_bytes bytes;
    int err = agent_vault_read(s->copies, file, &bytes, text);
    if (err != 0) { // the store has it as well
        agent_say("a copy of a secret of the cluster is left out: %s", text);
        return;
    }
    if (agent_sealed_name(bytes, name)) {
        file_name(name, expected);
        shared_entry *e = NULL;
        if (strcmp(expected, file) == 0 && shared_find(s, name) == NULL &&
            agent_sealed_read(s->self, name, bytes, 0, &is) == 0)
            e = add(s, name);
        if (e != NULL) put(s, e, &is, bytes);
    }
    agent_vault_free(bytes);
}

void shared_table_load(agent_shared_secrets *s) {
    DIR *dir = opendir(s->copies);
    const struct dirent *item;
    if (dir == NULL) return; // nothing was kept yet
    while ((item = readdir(dir)) != NULL)
        if (strlen(item->d_name) == FILE_NAME_MAX - 1) load_copy(s, item->d_name);
    (void)closedir(dir);
}

// ---- what the store has

// Which of two was set later. Versions alone can be the same when somebody set one without having
// seen the other: a store that was put back to an older state.
static int compare(const agent_sealed_secret *a, const agent_sealed_secret *b) {
    if (a->version != b->version) return a->version < b->version ? -1 : 1;
    if (a->at_ms != b->at_ms) return a->at_ms < b->at_ms ? -1 : 1;
    return memcmp(a->digest, b->digest, sizeof a->digest);
}

static bool take_in(agent_shared_secrets *s, shared_entry *e, const char *name,
                    const agent_sealed_secret *is, mesh_bytes bytes) {
    if (e == NULL) e = add(s, name);
    if (e == NULL) {
        (void)snprintf(s->trouble, sizeof s->trouble,
                       "the cluster has more than %d secrets, with those that were removed",
                       AGENT_SHARED_SECRETS_MAX);
        return false;
    }
    bool is_kept = keep(s, name, bytes);
    put(s, e, is, bytes);
    e->has_to_put = false;
    return is_kept;
}

// Of each change once.
static void say_refused(agent_shared_secrets *s, const agent_mirror_pair *pair, const char *name,
                        const char *why) {
    for (size_t i = 0; i < SHARED_TOLD_MAX; i++)
        if (s->told[i] == pair->changed) return;
    s->told[s->told_at++ % SHARED_TOLD_MAX] = pair->changed;
    agent_say("what the store has as the secret %s of the cluster is not used: %s", name, why);
}

static void refuse(agent_shared_secrets *s, const agent_mirror_pair *pair, const char *name,
                   int err) {
    say_refused(s, pair, name,
                err == MESH_ECERTTIME ? "the certificate of the host that signed it has ended (a "
                                        "host that can read it signs it again)"
                : err == MESH_ECERT   ? "no host of this cluster has signed that"
                                      : "it cannot be read (is it of a newer Warren?)");
}

// It was signed by a host, and is what this host has as well, but for whom it is sealed.
static void take_same(agent_shared_secrets *s, shared_entry *e, const agent_sealed_secret *is,
                      mesh_bytes bytes) {
    bool is_worse = e->text != NULL && !agent_sealed_is_for(is, s->self->key);
    e->has_to_put = is_worse;
    if (!is_worse && !take_in(s, e, e->name, is, bytes)) agent_say("%s", s->trouble);
}

static void take_value(agent_shared_secrets *s, const char *name, const agent_mirror_pair *pair,
                       uint64_t now_s) {
    static agent_sealed_secret is;
    shared_entry *e = shared_find(s, name);
    if (e != NULL) e->has_to_put = false;
    if (e != NULL && e->len == pair->value.len && memcmp(e->bytes, pair->value.data, e->len) == 0)
        return;
    int err = agent_sealed_read(s->self, name, pair->value, now_s, &is);
    bool is_late =
        err == MESH_ECERTTIME && agent_sealed_read(s->self, name, pair->value, 0, &is) == 0;
    if (err == 0 && shared_is_revoked(s, is.signer.host_id)) err = MESH_ECERT;
    int order = e != NULL && (err == 0 || is_late) ? compare(&is, &e->is) : 1;
    if (order < 0) {
        e->has_to_put = true;
        say_refused(s, pair, name, "this host has a newer one, and puts it back");
    } else if (err != 0) {
        if (order == 0)
            e->has_to_put = true; // the same, and nobody believes it any more
        else
            refuse(s, pair, name, err);
    } else if (order == 0) {
        take_same(s, e, &is, pair->value);
    } else if (!take_in(s, e, name, &is, pair->value)) {
        say_refused(s, pair, name, s->trouble);
    }
}

typedef struct looking {
    agent_shared_secrets *s;
    uint64_t now_s;
    size_t seen;
} looking;

static void look_at_value(const agent_mirror_pair *pair, void *user) {
    looking *l = user;
    char name[AGENT_SECRET_NAME_MAX] = "";
    size_t prefix_len = strlen(SHARED_VALUE), len = pair->key.len - prefix_len;
    if (++l->seen > SHARED_LOOKED_AT_MAX) return;
    if (len < sizeof name) memcpy(name, pair->key.data + prefix_len, len);
    if (agent_secrets_is_name(name)) take_value(l->s, name, pair, l->now_s);
}

void shared_values_read(agent_shared_secrets *s, uint64_t now_s) {
    looking l = {.s = s, .now_s = now_s};
    for (size_t i = 0; i < s->count; i++)
        s->entries[i]->has_to_put = true; // until it is seen
    agent_mirror_each(s->mirror, SHARED_VALUE, look_at_value, &l);
}

bool shared_take_own(agent_shared_secrets *s, const char *name, mesh_bytes bytes) {
    static agent_sealed_secret is;
    if (agent_sealed_read(s->self, name, bytes, 0, &is) != 0) return true;
    shared_entry *e = shared_find(s, name);
    if (e != NULL && compare(&is, &e->is) < 0) return true; // somebody was faster since
    return take_in(s, e, name, &is, bytes);
}
