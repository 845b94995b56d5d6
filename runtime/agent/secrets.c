#include "agent/secrets.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "agent/say.h"
#include "agent/shared_secrets.h"
#include "agent/vault.h"
#include "core/mem.h"

enum {
    LOAD_MS = 5000,
    VERSION = 1,
    NONCE_LEN = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    TAG_LEN = crypto_aead_xchacha20poly1305_ietf_ABYTES,
    KEY_LEN = crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
    SEALED_MAX = 1 + NONCE_LEN + AGENT_SECRET_LEN_MAX + TAG_LEN,
};

static const char prefix[] = "secrets/";

typedef struct secret {
    char name[AGENT_SECRET_NAME_MAX];
    char *text; // "NAME=value", in guarded pages
} secret;

typedef struct change { // that somebody waits for
    agent_secrets *secrets;
    char name[AGENT_SECRET_NAME_MAX];
    char *text; // NULL: it is to be removed
    agent_secrets_cb cb;
    void *user; // NULL: nobody waits any more
    struct change *next;
} change;

typedef enum phase { CLOSED, LOADING, READY } phase;

struct agent_secrets {
    uv_loop_t *loop;
    char dir[AGENT_VAULT_PATH_MAX];
    phase phase;
    agent_store *store;
    agent_shared_secrets *shared;
    uint8_t *key; // guarded
    secret list[AGENT_SECRETS_MAX];
    size_t count;
    char trouble[AGENT_SECRETS_TEXT_MAX];
    change *waiting, *sent; // until the store is read; until it has answered
};

bool agent_secrets_is_name(const char *name) {
    size_t len = strlen(name);
    if (len == 0 || len >= AGENT_SECRET_NAME_MAX || isdigit((unsigned char)name[0])) return false;
    if (strncmp(name, "NODE_", 5) == 0 || strncmp(name, "WARREN_", 7) == 0) return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)name[i]) && name[i] != '_') return false;
    return true;
}

// ---- in memory

static secret *find(const agent_secrets *s, const char *name) {
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->list[i].name, name) == 0) return (secret *)(uintptr_t)&s->list[i];
    return NULL;
}

const char *agent_secrets_find(const agent_secrets *s, const char *name) {
    if (s == NULL) return NULL;
    const secret *found = find(s, name);
    return found != NULL ? found->text : agent_shared_secrets_find(s->shared, name);
}

bool agent_secrets_has_own(const agent_secrets *s, const char *name) {
    return find(s, name) != NULL;
}

void agent_secrets_missing(const agent_secrets *s, const char *name,
                           char out[AGENT_SECRETS_TEXT_MAX]) {
    out[0] = '\0';
    if (s != NULL) agent_shared_secrets_missing(s->shared, name, out);
    if (out[0] == '\0')
        (void)snprintf(out, AGENT_SECRETS_TEXT_MAX, "which is not set: `warren secret set %.64s`",
                       name);
}

agent_shared_secrets *agent_secrets_shared(const agent_secrets *s) {
    return s->shared;
}

const char *agent_secrets_trouble(const agent_secrets *s) {
    return s != NULL ? s->trouble : "";
}

void agent_secrets_each(const agent_secrets *s, agent_secrets_name_cb each, void *user) {
    for (size_t i = 0; i < s->count; i++)
        each(s->list[i].name, user);
}

// "NAME=value"; its end is in it.
static char *make_text(const char *name, mesh_bytes value) {
    size_t name_len = strlen(name);
    char *text = mem_check(sodium_malloc(name_len + value.len + 2));
    memcpy(text, name, name_len);
    text[name_len] = '=';
    if (value.len > 0) memcpy(text + name_len + 1, value.data, value.len);
    text[name_len + 1 + value.len] = '\0';
    return text;
}

static void put(agent_secrets *s, const char *name, char *text) { // takes text
    secret *found = find(s, name);
    if (found == NULL) {
        found = &s->list[s->count++];
        (void)snprintf(found->name, sizeof found->name, "%s", name);
        found->text = NULL;
    }
    sodium_free(found->text);
    found->text = text;
}

static void drop(agent_secrets *s, const char *name) {
    secret *found = find(s, name);
    if (found == NULL) return;
    sodium_free(found->text);
    *found = s->list[--s->count];
}

// ---- sealed

static size_t seal(const agent_secrets *s, const change *c, uint8_t out[SEALED_MAX]) {
    size_t name_len = strlen(c->name);
    const char *value = c->text + name_len + 1;
    unsigned long long len;
    out[0] = VERSION;
    randombytes_buf(out + 1, NONCE_LEN);
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(
        out + 1 + NONCE_LEN, &len, (const uint8_t *)value, strlen(value), (const uint8_t *)c->name,
        name_len, NULL, out + 1, s->key);
    return 1 + NONCE_LEN + (size_t)len;
}

// False: it was sealed under another key or name, or damaged.
static bool open_sealed(agent_secrets *s, const char *name, mesh_bytes sealed) {
    bool is_whole = sealed.len >= 1 + NONCE_LEN + TAG_LEN && sealed.len <= SEALED_MAX &&
                    sealed.data[0] == VERSION;
    if (!is_whole) return false;
    unsigned long long len;
    uint8_t *value = mem_check(sodium_malloc(sealed.len));
    int err = crypto_aead_xchacha20poly1305_ietf_decrypt(
        value, &len, NULL, sealed.data + 1 + NONCE_LEN, sealed.len - 1 - NONCE_LEN,
        (const uint8_t *)name, strlen(name), sealed.data + 1, s->key);
    if (err == 0) put(s, name, make_text(name, (mesh_bytes){value, (size_t)len}));
    sodium_free(value);
    return err == 0;
}

// ---- the key

static int read_key(agent_secrets *s) {
    mesh_bytes bytes;
    int err = agent_vault_read(s->dir, AGENT_VAULT_SECRETS, &bytes, s->trouble);
    if (err != 0) return err;
    if (bytes.len == KEY_LEN) memcpy(s->key, bytes.data, KEY_LEN);
    bool is_whole = bytes.len == KEY_LEN;
    agent_vault_free(bytes);
    return is_whole ? 0
                    : agent_vault_damaged(s->dir, AGENT_VAULT_SECRETS, "it is no key", s->trouble);
}

static int take_key(agent_secrets *s, bool has_secrets) {
    if (has_secrets || agent_vault_has(s->dir, AGENT_VAULT_SECRETS)) return read_key(s);
    randombytes_buf(s->key, KEY_LEN);
    return agent_vault_write(s->dir, AGENT_VAULT_SECRETS, (mesh_bytes){s->key, KEY_LEN},
                             s->trouble);
}

// ---- changes

static void finish(change *c, const char *sentence) {
    if (c->cb != NULL) c->cb(sentence, c->user);
    sodium_free(c->text);
    free(c);
}

static change *unlink_sent(change *c) {
    for (change **at = &c->secrets->sent; *at != NULL; at = &(*at)->next) {
        if (*at != c) continue;
        *at = c->next;
        break;
    }
    return c;
}

static void on_committed(const store_answer *answer, void *user) {
    change *c = unlink_sent(user);
    agent_secrets *s = c->secrets;
    if (answer->error == 0 && c->text == NULL) drop(s, c->name);
    if (answer->error == 0 && c->text != NULL) {
        put(s, c->name, c->text);
        c->text = NULL;
    }
    finish(c, answer->sentence);
}

static void commit(agent_secrets *s, change *c) {
    char key[sizeof prefix + AGENT_SECRET_NAME_MAX], text[AGENT_SECRETS_TEXT_MAX];
    static uint8_t sealed[SEALED_MAX];
    if (c->text == NULL && find(s, c->name) == NULL) {
        (void)snprintf(text, sizeof text, "there is no secret %s (`warren secret list`)", c->name);
        finish(c, text);
        return;
    }
    if (c->text != NULL && find(s, c->name) == NULL && s->count == AGENT_SECRETS_MAX) {
        (void)snprintf(text, sizeof text, "there are %d secrets, and no more are possible",
                       AGENT_SECRETS_MAX);
        finish(c, text);
        return;
    }
    (void)snprintf(key, sizeof key, "%s%s", prefix, c->name);
    store_op op = {.kind = c->text != NULL ? STORE_PUT : STORE_DELETE, .key = mesh_bytes_text(key)};
    if (c->text != NULL) op.value = (mesh_bytes){sealed, seal(s, c, sealed)};
    c->next = s->sent;
    s->sent = c;
    store_commit(agent_store_local(s->store), &(store_transaction){.ops = &op, .op_count = 1},
                 on_committed, c);
}

static void carry_on(agent_secrets *s) {
    change *c = s->waiting;
    s->waiting = NULL;
    while (c != NULL) {
        change *next = c->next;
        if (s->phase == READY && s->trouble[0] == '\0')
            commit(s, c);
        else
            finish(c, s->trouble);
        c = next;
    }
}

// ---- reading the store

static void on_listed(const store_answer *answer, void *user);

static void list(agent_secrets *s, mesh_bytes after) {
    store_range range = {.prefix = mesh_bytes_text(prefix), .after = after};
    store_list(agent_store_local(s->store), &range, on_listed, s);
}

static void take_pair(agent_secrets *s, const store_pair *pair) {
    char name[AGENT_SECRET_NAME_MAX] = "";
    size_t prefix_len = sizeof prefix - 1, len = pair->key.len - prefix_len;
    if (len < sizeof name) memcpy(name, pair->key.data + prefix_len, len);
    bool is_good = agent_secrets_is_name(name) && s->count < AGENT_SECRETS_MAX &&
                   open_sealed(s, name, pair->value);
    if (!is_good && s->trouble[0] == '\0')
        (void)snprintf(
            s->trouble, sizeof s->trouble,
            "the secret %.64s cannot be read with the key in %s/%s: restore the key that "
            "belongs to %s, or remove both and set the secrets anew",
            name, s->dir, AGENT_VAULT_SECRETS, agent_store_local_path(s->store));
}

static void end_load(agent_secrets *s) {
    s->phase = READY;
    if (s->trouble[0] != '\0') agent_say("secrets cannot be read: %s", s->trouble);
    carry_on(s);
}

static void on_listed(const store_answer *answer, void *user) {
    agent_secrets *s = user;
    if (answer->error != 0) {
        (void)snprintf(s->trouble, sizeof s->trouble, "%s", answer->sentence);
        end_load(s);
        return;
    }
    bool is_first = s->count == 0;
    if (is_first && take_key(s, answer->pair_count > 0) != 0) {
        end_load(s);
        return;
    }
    for (size_t i = 0; i < answer->pair_count; i++)
        take_pair(s, &answer->pairs[i]);
    if (answer->has_more && s->trouble[0] == '\0')
        list(s, answer->pairs[answer->pair_count - 1].key);
    else
        end_load(s);
}

static void open_store(agent_secrets *s) {
    s->trouble[0] = '\0';
    s->count = 0;
    s->phase = LOADING;
    list(s, (mesh_bytes){0});
}

// ---- the face

agent_secrets *agent_secrets_create(uv_loop_t *loop, const char *dir, agent_store *store,
                                    agent_shared_secrets *shared) {
    agent_secrets *s = mem_alloc(sizeof *s);
    s->shared = shared;
    s->loop = loop;
    s->store = store;
    s->key = mem_check(sodium_malloc(KEY_LEN));
    (void)snprintf(s->dir, sizeof s->dir, "%s", dir);
    return s;
}

static void on_late(uv_timer_t *timer) {
    *(bool *)timer->data = true;
}

void agent_secrets_load(agent_secrets *s) {
    bool is_late = false;
    uv_timer_t timer;
    if (access(agent_store_local_path(s->store), F_OK) != 0) return; // the first secret makes it
    open_store(s);
    uv_timer_init(s->loop, &timer);
    timer.data = &is_late;
    uv_timer_start(&timer, on_late, LOAD_MS, 0);
    while (s->phase == LOADING && !is_late)
        uv_run(s->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(s->loop, UV_RUN_NOWAIT); // closes it
}

static void begin(agent_secrets *s, change *c) {
    c->secrets = s;
    c->next = s->waiting;
    s->waiting = c;
    bool is_again = s->phase == READY && s->trouble[0] != '\0'; // it may have been mended
    if (s->phase == CLOSED || is_again)
        open_store(s);
    else if (s->phase == READY)
        carry_on(s);
}

void agent_secrets_set(agent_secrets *s, const char *name, mesh_bytes value, agent_secrets_cb cb,
                       void *user) {
    change *c = mem_alloc(sizeof *c);
    (void)snprintf(c->name, sizeof c->name, "%s", name);
    c->text = make_text(name, value);
    c->cb = cb;
    c->user = user;
    begin(s, c);
}

void agent_secrets_remove(agent_secrets *s, const char *name, agent_secrets_cb cb, void *user) {
    change *c = mem_alloc(sizeof *c);
    (void)snprintf(c->name, sizeof c->name, "%s", name);
    c->cb = cb;
    c->user = user;
    begin(s, c);
}

static void forget_in(change *c, const void *user) {
    for (; c != NULL; c = c->next)
        if (c->user == user) c->cb = NULL;
}

void agent_secrets_forget(agent_secrets *s, const void *user) {
    if (s == NULL) return;
    forget_in(s->waiting, user);
    forget_in(s->sent, user);
    agent_shared_secrets_forget(s->shared, user);
}

static void free_changes(change *c) {
    while (c != NULL) {
        change *next = c->next;
        sodium_free(c->text);
        free(c);
        c = next;
    }
}

void agent_secrets_destroy(agent_secrets *s) {
    if (s == NULL) return;
    for (size_t i = 0; i < s->count; i++)
        sodium_free(s->list[i].text);
    free_changes(s->waiting);
    free_changes(s->sent);
    sodium_free(s->key);
    free(s);
}
