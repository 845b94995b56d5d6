#include <stdio.h>

#include <sodium.h>

#include "agent/say.h"
#include "agent/shared_secrets_state.h"
#include "core/mem.h"

enum { REVOKED_LEN = sizeof(agent_sealed_revoked) };

// ---- who this host is

// Its key for secrets; made when there is none. A file that is damaged stays as it is.
static bool take_key(agent_shared_secrets *s, agent_sealer *self) {
    mesh_bytes bytes;
    if (!agent_vault_has(s->vault, AGENT_VAULT_SEAL)) {
        randombytes_buf(self->key_secret, sizeof self->key_secret);
        mesh_bytes made = {self->key_secret, sizeof self->key_secret};
        if (agent_vault_write(s->vault, AGENT_VAULT_SEAL, made, s->trouble) != 0) return false;
    } else {
        if (agent_vault_read(s->vault, AGENT_VAULT_SEAL, &bytes, s->trouble) != 0) return false;
        bool is_whole = bytes.len == sizeof self->key_secret;
        if (is_whole) memcpy(self->key_secret, bytes.data, bytes.len);
        agent_vault_free(bytes);
        if (!is_whole) {
            (void)agent_vault_damaged(s->vault, AGENT_VAULT_SEAL, "it is no key", s->trouble);
            return false;
        }
    }
    return crypto_scalarmult_base(self->key, self->key_secret) == 0;
}

static void take_chain(agent_sealer *self, const agent_identity *id) {
    for (size_t i = 0; i < 2; i++)
        self->chain[i] = id->certs[i];
    self->until_s = id->host.cert.not_after_s;
}

static void read_revoked_file(agent_shared_secrets *s) {
    mesh_bytes bytes;
    if (!agent_vault_has(s->vault, AGENT_VAULT_REVOKED)) return;
    if (agent_vault_read(s->vault, AGENT_VAULT_REVOKED, &bytes, s->trouble) != 0) {
        agent_say("hosts that get no secrets of the cluster are not known: %s", s->trouble);
        return;
    }
    size_t count = bytes.len / REVOKED_LEN;
    for (size_t i = 0; i < count && i < AGENT_SHARED_REVOKED_MAX; i++) {
        agent_sealed_revoked *r = &s->revoked[s->revoked_count++];
        memcpy(r, bytes.data + i * REVOKED_LEN, REVOKED_LEN);
        r->name[sizeof r->name - 1] = '\0';
    }
    agent_vault_free(bytes);
}

static void take_identity(agent_shared_secrets *s, const agent_identity *id) {
    agent_sealer *self = mem_check(sodium_malloc(sizeof *self));
    memset(self, 0, sizeof *self);
    self->trust = id->credentials.trust;
    memcpy(self->cluster_id, id->host.cert.cluster_id, MESH_ID_LEN);
    memcpy(self->host_id, id->host.cert.host_id, MESH_ID_LEN);
    memcpy(self->sign_secret, id->host.secret, sizeof self->sign_secret);
    (void)snprintf(self->name, sizeof self->name, "%s", id->host.cert.name);
    take_chain(self, id);
    if (!take_key(s, self)) {
        sodium_free(self);
        return;
    }
    s->self = self;
    s->trouble[0] = '\0';
    read_revoked_file(s);
    shared_table_load(s);
}

static void say_trouble(const agent_shared_secrets *s, const char *before) {
    if (s->trouble[0] != '\0' && strcmp(s->trouble, before) != 0)
        agent_say("this host has no secrets of its cluster: %s", s->trouble);
}

void shared_self_load(agent_shared_secrets *s) {
    agent_identity *id = NULL;
    char text[AGENT_VAULT_TEXT_MAX];
    // What is wrong with the files is said by the cluster, which reads them too.
    if (agent_identity_load(s->options.dir, &id, text) != 0) return;
    take_identity(s, id);
    say_trouble(s, "");
    agent_identity_free(id);
}

void shared_self_update(agent_shared_secrets *s) {
    const agent_cluster *cluster = s->options.cluster(s->options.user);
    if (cluster == NULL) return;
    const agent_identity *id = agent_cluster_identity(cluster);
    char before[AGENT_VAULT_TEXT_MAX];
    if (s->self != NULL && memcmp(s->self->host_id, id->host.cert.host_id, MESH_ID_LEN) == 0) {
        take_chain(s->self, id);
        return;
    }
    shared_self_drop(s);
    memcpy(before, s->trouble, sizeof before);
    take_identity(s, id);
    say_trouble(s, before);
}

void shared_self_drop(agent_shared_secrets *s) {
    shared_table_drop(s);
    s->host_count = s->revoked_count = 0;
    s->is_crowded = false;
    sodium_free(s->self);
    s->self = NULL;
}

// ---- the others

void shared_id_text(const uint8_t host_id[MESH_ID_LEN], char out[SHARED_ID_TEXT_MAX]) {
    (void)sodium_bin2hex(out, SHARED_ID_TEXT_MAX, host_id, MESH_ID_LEN);
}

bool shared_is_revoked(const agent_shared_secrets *s, const uint8_t host_id[MESH_ID_LEN]) {
    for (size_t i = 0; i < s->revoked_count; i++)
        if (memcmp(s->revoked[i].host_id, host_id, MESH_ID_LEN) == 0) return true;
    return false;
}

void shared_revoked_add(agent_shared_secrets *s, const agent_sealed_revoked *revoked) {
    char text[AGENT_VAULT_TEXT_MAX];
    if (shared_is_revoked(s, revoked->host_id) || s->self == NULL) return;
    if (s->revoked_count == AGENT_SHARED_REVOKED_MAX) return; // said by who revokes one more
    s->seen[s->revoked_count] = (shared_seen){.changed = 0};
    s->revoked[s->revoked_count++] = *revoked;
    mesh_bytes all = {(const uint8_t *)s->revoked, s->revoked_count * REVOKED_LEN};
    if (agent_vault_write(s->vault, AGENT_VAULT_REVOKED, all, text) != 0)
        agent_say("that the host %s gets no secrets is known until this agent ends: %s",
                  revoked->name, text);
    bool is_self = memcmp(revoked->host_id, s->self->host_id, MESH_ID_LEN) == 0;
    agent_say(is_self ? "this host (%s) gets no secrets of its cluster from now on: it was revoked"
                      : "the host %s gets no secrets of the cluster from now on: it was revoked",
              revoked->name);
}

typedef struct looking {
    agent_shared_secrets *s;
    uint64_t now_s;
    size_t seen;
    shared_host hosts[AGENT_SEALED_HOSTS_MAX];
    size_t count;
    bool is_crowded;
} looking;

static bool has_key_of(const agent_mirror_pair *pair, const char *prefix,
                       const uint8_t host_id[MESH_ID_LEN]) {
    char key[64], id[SHARED_ID_TEXT_MAX];
    shared_id_text(host_id, id);
    int len = snprintf(key, sizeof key, "%s%s", prefix, id);
    return pair->key.len == (size_t)len && memcmp(pair->key.data, key, (size_t)len) == 0;
}

// Its place in the list, or the list's end.
static size_t place_of(const agent_shared_secrets *s, const agent_mirror_pair *pair) {
    size_t i = 0;
    while (i < s->revoked_count && !has_key_of(pair, SHARED_REVOKED, s->revoked[i].host_id))
        i++;
    return i;
}

static void look_at_revoked(const agent_mirror_pair *pair, void *user) {
    looking *l = user;
    agent_shared_secrets *s = l->s;
    agent_sealed_signer signer;
    agent_sealed_revoked found;
    size_t at = place_of(s, pair);
    if (++l->seen > SHARED_LOOKED_AT_MAX) return;
    if (at < s->revoked_count && s->seen[at].changed == pair->changed) return;
    int err = agent_sealed_read_revoked(s->self, pair->value, l->now_s, &signer, &found);
    bool is_good = err == 0 && has_key_of(pair, SHARED_REVOKED, found.host_id) &&
                   !shared_is_revoked(s, signer.host_id);
    if (is_good) shared_revoked_add(s, &found);
    if (at < s->revoked_count)
        s->seen[at] = (shared_seen){pair->changed, is_good ? signer.until_s : 0};
}

static const shared_host *cached(const agent_shared_secrets *s, const agent_mirror_pair *pair) {
    for (size_t i = 0; i < s->host_count; i++)
        if (s->hosts[i].changed == pair->changed &&
            has_key_of(pair, SHARED_HOST, s->hosts[i].who.host_id))
            return &s->hosts[i];
    return NULL;
}

static void look_at_host(const agent_mirror_pair *pair, void *user) {
    looking *l = user;
    shared_host found = {.changed = pair->changed};
    if (++l->seen > SHARED_LOOKED_AT_MAX) return;
    const shared_host *known = cached(l->s, pair);
    if (known != NULL)
        found = *known;
    else if (agent_sealed_read_recipient(l->s->self, pair->value, l->now_s, &found.who,
                                         found.key) != 0)
        return;
    bool is_good = found.who.until_s > l->now_s && !shared_is_revoked(l->s, found.who.host_id) &&
                   has_key_of(pair, SHARED_HOST, found.who.host_id);
    if (!is_good) return;
    if (l->count == AGENT_SEALED_HOSTS_MAX)
        l->is_crowded = true;
    else
        l->hosts[l->count++] = found;
}

void shared_hosts_read(agent_shared_secrets *s, uint64_t now_s) {
    static looking l;
    l = (looking){.s = s, .now_s = now_s};
    agent_mirror_each(s->mirror, SHARED_REVOKED, look_at_revoked, &l);
    l.seen = 0;
    agent_mirror_each(s->mirror, SHARED_HOST, look_at_host, &l);
    if (l.is_crowded && !s->is_crowded)
        agent_say("secrets of the cluster are sealed for %d hosts at most: the others get none",
                  AGENT_SEALED_HOSTS_MAX);
    memcpy(s->hosts, l.hosts, l.count * sizeof l.hosts[0]);
    s->host_count = l.count;
    s->is_crowded = l.is_crowded;
}

void shared_keys(const agent_shared_secrets *s, agent_sealed_keys *out) {
    memcpy(out->keys[0], s->self->key, AGENT_SEALED_KEY_LEN);
    out->count = 1;
    for (size_t i = 0; i < s->host_count && out->count < AGENT_SEALED_HOSTS_MAX; i++)
        if (memcmp(s->hosts[i].who.host_id, s->self->host_id, MESH_ID_LEN) != 0)
            memcpy(out->keys[out->count++], s->hosts[i].key, AGENT_SEALED_KEY_LEN);
}

const shared_host *shared_host_find(const agent_shared_secrets *s, const char *name,
                                    size_t *out_count) {
    const shared_host *found = NULL;
    *out_count = 0;
    for (size_t i = 0; i < s->host_count; i++) {
        char id[SHARED_ID_TEXT_MAX];
        shared_id_text(s->hosts[i].who.host_id, id);
        if (strcmp(id, name) != 0 && strcmp(s->hosts[i].who.name, name) != 0) continue;
        found = &s->hosts[i];
        ++*out_count;
    }
    return found;
}
