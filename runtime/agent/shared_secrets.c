#include "agent/shared_secrets.h"

#include <stdio.h>

#include <sodium.h>

#include "agent/shared_secrets_state.h"
#include "core/mem.h"
#include "io/wall.h"

enum {
    TICK_MS = 1000,
    LOOK_TICKS = 10, // time alone changes what is to be done, slowly
    PAUSE_MS = 500,  // at most, before what others may do as well
    WRITTEN_TICKS = 10,
    SOON_S = 2 * 86400, // before a certificate ends
};

uint64_t shared_now_s(void) {
    return mesh_wall_ms() / 1000;
}

// ---- what is next

static bool is_sealed_for_all(const agent_shared_secrets *s, const agent_sealed_secret *is) {
    if (is->is_removed) return true;
    for (size_t i = 0; i < s->host_count; i++)
        if (!agent_sealed_is_for(is, s->hosts[i].key)) return false;
    return true;
}

// Whether somebody who joins from now on would be given it and believe it.
static bool is_well(const agent_shared_secrets *s, const shared_entry *e, uint64_t now_s) {
    bool is_ending =
        e->is.signer.until_s < now_s + SOON_S && s->self->until_s > e->is.signer.until_s;
    return !e->has_to_put && !is_ending && !shared_is_revoked(s, e->is.signer.host_id) &&
           (s->is_crowded || is_sealed_for_all(s, &e->is));
}

static void on_pause(uv_timer_t *timer) {
    agent_shared_secrets *s = timer->data;
    s->is_paused = false;
    s->puts_left = s->count;
    shared_look(s);
}

// All hosts see at the same time that something has to be put: whoever is first does it.
static bool put_again(agent_shared_secrets *s, uint64_t now_s) {
    for (size_t i = 0; i < s->count; i++) {
        shared_entry *e = s->entries[i];
        bool can_put = e->text != NULL || e->is.is_removed;
        if (!can_put || is_well(s, e, now_s)) continue;
        if (s->puts_left > 0) {
            s->puts_left--;
            if (shared_put_again(s, e)) return true;
            continue;
        }
        // Each once, and then a pause again: a store that forgets is no reason to be busy.
        if (!s->is_paused) uv_timer_start(&s->pause, on_pause, randombytes_uniform(PAUSE_MS), 0);
        s->is_paused = true;
        return true;
    }
    s->puts_left = 0;
    return false;
}

void shared_look(agent_shared_secrets *s) {
    if (s->self == NULL || s->mirror == NULL || !agent_mirror_is_whole(s->mirror)) return;
    // What this host has written itself is not there yet: that would look like an older store.
    if (agent_mirror_revision(s->mirror) < s->written) return;
    uint64_t now_s = shared_now_s();
    shared_hosts_read(s, now_s);
    shared_values_read(s, now_s);
    if (s->is_open || shared_change_next(s) || s->has_to_wait) return;
    if (s->self->until_s <= now_s) return; // nobody would believe it
    if (shared_is_revoked(s, s->self->host_id)) return;
    if (!shared_put_self(s) && !shared_put_revoked(s)) (void)put_again(s, now_s);
}

// ---- its life

static void on_settled(void *user) {
    shared_look(user);
}

static void open_mirror(agent_shared_secrets *s) {
    s->mirror = agent_mirror_create(&(agent_mirror_options){.loop = s->options.loop,
                                                            .db = agent_store_get(s->options.store),
                                                            .prefix = "sealed/",
                                                            .on_settled = on_settled,
                                                            .user = s});
}

static void on_tick(uv_timer_t *timer) {
    agent_shared_secrets *s = timer->data;
    bool was_waiting = s->has_to_wait;
    shared_self_update(s);
    if (s->self != NULL && s->mirror == NULL) open_mirror(s);
    shared_changes_tick(s);
    s->has_to_wait = false;
    if (++s->written_ticks >= WRITTEN_TICKS) s->written = 0; // the store is an older one now
    if (was_waiting || ++s->tick_count % LOOK_TICKS == 0) shared_look(s);
}

agent_shared_secrets *agent_shared_secrets_create(const agent_shared_secrets_options *options) {
    agent_shared_secrets *s = mem_alloc(sizeof *s);
    s->options = *options;
    agent_vault_path(options->dir, s->vault);
    (void)snprintf(s->copies, sizeof s->copies, "%.*s/secrets", AGENT_VAULT_PATH_MAX - 16,
                   s->vault);
    uv_timer_init(options->loop, &s->tick);
    uv_timer_init(options->loop, &s->pause);
    s->tick.data = s->pause.data = s;
    if (!agent_store_is_shared(options->store)) return s;
    shared_self_load(s);
    uv_timer_start(&s->tick, on_tick, 0, TICK_MS);
    return s;
}

void agent_shared_secrets_leave(agent_shared_secrets *s) {
    char key[STORE_KEY_LEN_MAX], id[SHARED_ID_TEXT_MAX];
    if (s->self == NULL) return;
    shared_id_text(s->self->host_id, id);
    (void)snprintf(key, sizeof key, SHARED_HOST "%s", id);
    store_op op = {.kind = STORE_DELETE, .key = mesh_bytes_text(key)};
    store_commit(agent_store_get(s->options.store), &(store_transaction){.ops = &op, .op_count = 1},
                 NULL, NULL);
    shared_changes_fail(s, "this host leaves its cluster");
    shared_self_drop(s);
}

static void on_closed(uv_handle_t *handle) {
    agent_shared_secrets *s = handle->data;
    if (--s->closing == 0) free(s);
}

void agent_shared_secrets_destroy(agent_shared_secrets *s) {
    if (s == NULL) return;
    for (shared_change *c = s->changes; c != NULL; c = c->next)
        c->cb = NULL;
    shared_changes_fail(s, "");
    shared_open_drop(s);
    shared_self_drop(s);
    agent_mirror_destroy(s->mirror);
    s->closing = 2;
    uv_close((uv_handle_t *)&s->tick, on_closed);
    uv_close((uv_handle_t *)&s->pause, on_closed);
}

// ---- what there is

const char *agent_shared_secrets_find(const agent_shared_secrets *s, const char *name) {
    const shared_entry *e = s != NULL ? shared_find(s, name) : NULL;
    return e != NULL ? e->text : NULL;
}

void agent_shared_secrets_judge(const agent_shared_secrets *s, char out[AGENT_SECRETS_TEXT_MAX]) {
    out[0] = '\0';
    if (!agent_store_is_shared(s->options.store))
        (void)snprintf(out, AGENT_SECRETS_TEXT_MAX,
                       "secrets of the cluster are in a store that its hosts share, and this host "
                       "has %.300s for itself: start the agents with `--store host:NAME` or "
                       "`--store etcd://...` (docs/store.md)",
                       agent_store_text(s->options.store));
    else if (s->self == NULL && s->trouble[0] != '\0')
        (void)snprintf(out, AGENT_SECRETS_TEXT_MAX, "%.900s", s->trouble);
    else if (s->self == NULL)
        (void)snprintf(out, AGENT_SECRETS_TEXT_MAX,
                       "this host is in no cluster (`warren init`, `warren join`): without "
                       "--cluster a secret is for this host alone");
    else if (shared_is_revoked(s, s->self->host_id))
        (void)snprintf(out, AGENT_SECRETS_TEXT_MAX,
                       "this host was revoked: no host of the cluster takes a secret from it");
    else if (s->self->until_s <= shared_now_s())
        (void)snprintf(out, AGENT_SECRETS_TEXT_MAX,
                       "the certificate of this host has ended, so no other host would take what "
                       "it sets (`warren doctor`)");
}

void agent_shared_secrets_missing(const agent_shared_secrets *s, const char *name,
                                  char out[AGENT_SECRETS_TEXT_MAX]) {
    out[0] = '\0';
    if (s == NULL || s->self == NULL) return;
    const shared_entry *e = shared_find(s, name);
    if (e != NULL && !e->is.is_removed)
        (void)snprintf(out, AGENT_SECRETS_TEXT_MAX,
                       "which the cluster has, but which is not sealed for the host %s yet: a host "
                       "that can read it does that when it is up (`warren secret list`)",
                       s->self->name);
    else
        (void)snprintf(out, AGENT_SECRETS_TEXT_MAX,
                       "which is not set on the host %s: `warren secret set --cluster %s` sets it "
                       "for all hosts",
                       s->self->name, name);
}

void agent_shared_secrets_each(const agent_shared_secrets *s, agent_shared_secret_cb each,
                               void *user) {
    for (size_t i = 0; i < s->count; i++) {
        const shared_entry *e = s->entries[i];
        agent_shared_secret secret = {.name = e->name,
                                      .by = e->is.by,
                                      .version = e->is.version,
                                      .at_ms = e->is.at_ms,
                                      .is_readable = e->text != NULL};
        for (size_t h = 0; h < s->host_count; h++)
            secret.host_count += agent_sealed_is_for(&e->is, s->hosts[h].key);
        if (!e->is.is_removed) each(&secret, user);
    }
}

bool agent_shared_secrets_has_host(const agent_shared_secrets *s, const char *host) {
    size_t count;
    return shared_host_find(s, host, &count) != NULL && count == 1;
}

void agent_shared_secrets_each_host(const agent_shared_secrets *s, agent_shared_host_cb each,
                                    void *user) {
    for (size_t i = 0; i < s->host_count; i++)
        each(s->hosts[i].who.name, user);
}
