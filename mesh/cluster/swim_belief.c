// Records come in, and what is believed of hosts changes: only what a host signed itself tells
// where it is, and only a newer stamp of it undoes what was believed before.
#include <sodium.h>

#include "cluster/swim_state.h"
#include "core/error.h"

enum { REFUTE_EVERY_MS = 500, ASKED_MS = 300, SWEEP_MS = 60000 };

void mesh_swim_belief_want(mesh_swim *s, uint64_t short_id) {
    if (s->want_count == WANTS_MAX) return;
    for (size_t i = 0; i < ASKED_MAX; i++)
        if (s->asked[i].short_id == short_id && s->asked[i].at_ms != 0 &&
            mesh_swim_since(s, s->asked[i].at_ms) < ASKED_MS)
            return;
    s->asked[s->asked_next++ % ASKED_MAX] = (struct mesh_asked){short_id, s->now_ms};
    s->wants[s->want_count++] = short_id;
}

uint8_t mesh_swim_belief_rank(const mesh_host *host) {
    if (host->left != NULL) return 2;
    return host->state == MESH_HOST_DOWN ? 1 : 0;
}

// ---- keeping

static uint32_t hash_record(const mesh_swim *s, mesh_bytes record) {
    uint64_t hash;
    _Static_assert(MESH_ID_LEN == crypto_shorthash_KEYBYTES, "the cluster's id is the key");
    (void)crypto_shorthash((uint8_t *)&hash, record.data, record.len, s->cluster_id);
    return (uint32_t)hash;
}

static void keep_alive(mesh_swim *s, mesh_host *host, const mesh_alive *alive, mesh_bytes record) {
    bool is_other_life = alive->stamp.generation != host->stamp.generation;
    bool is_other_key = memcmp(alive->boot_public, host->alive.boot_public, 32) != 0;
    if (is_other_key && host->pair != NULL) {
        sodium_memzero(host->pair, sizeof *host->pair);
        free(host->pair);
        host->pair = NULL;
    }
    if (is_other_life) {
        host->heard_ms = 0;
        host->learned_ms = s->now_ms;
    }
    uint8_t *copy = mem_copy(record.data, record.len);
    free(host->record);
    host->record = copy;
    host->record_len = record.len;
    host->record_hash = hash_record(s, record);
    host->alive = *alive;
    host->stamp = alive->stamp;
}

static void adopt(mesh_swim *s, mesh_host *host, const mesh_alive *alive, mesh_bytes record) {
    bool was_live = host->record != NULL && host->left == NULL && host->state != MESH_HOST_DOWN;
    if (was_live && alive->stamp.generation != host->stamp.generation)
        mesh_swim_out_tell_former(s, host, record);
    mesh_swim_trial_drop(s, host);
    keep_alive(s, host, alive, record);
    free(host->left);
    host->left = NULL;
    host->is_expired = false;
    mesh_swim_hosts_set_state(s, host, MESH_HOST_UP);
    // What a newcomer learns, others know; it would only repeat it.
    if (s->is_joined) mesh_swim_out_tell(s, &host->news);
}

// ---- Alive

static int compare_bytes(mesh_bytes a, mesh_bytes b) {
    int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    if (order != 0) return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

// A host that signs two different things with one stamp lies; all must still end with the same one.
static bool is_newer(const mesh_host *host, const mesh_record *record, mesh_bytes bytes) {
    if (host->left != NULL && record->stamp.generation <= host->stamp.generation) return false;
    int order = mesh_stamp_compare(record->stamp, host->stamp);
    if (order != 0) return order > 0;
    if (host->state == MESH_HOST_DOWN) return false;
    return compare_bytes(bytes, (mesh_bytes){host->record, host->record_len}) > 0;
}

static bool is_signed(mesh_swim *s, const mesh_record *record, const uint8_t *key) {
    mesh_verifier verifier = mesh_swim_verifier(s);
    if (mesh_record_verify(record, key, &verifier)) return true;
    s->stats.disbelieved++;
    return false;
}

// Somebody with our key says where we are. Of two that have it, the one with the higher generation
// goes on; with the same generation it is a copy of this process's state.
static void take_own(mesh_swim *s, const mesh_record *record, mesh_bytes bytes) {
    int order = mesh_stamp_compare(record->stamp, s->self->stamp);
    bool is_ours =
        order == 0 && compare_bytes(bytes, (mesh_bytes){s->self->record, s->self->record_len}) <= 0;
    if (order < 0 || is_ours || s->is_stopped || !is_signed(s, record, s->self->sign_key)) return;
    mesh_swim_out_say(s, MESH_SWIM_CLONED, s->self, NULL);
    s->is_stopped = true;
}

static bool has_expired(const mesh_swim *s, const mesh_host *host) {
    return s->now_s > host->not_after_s && s->now_s - host->not_after_s > MESH_CERT_TOLERANCE_S;
}

static void take_alive(mesh_swim *s, const mesh_record *record, mesh_bytes bytes) {
    mesh_host *host = mesh_swim_hosts_find(s, record->host_id);
    if (host != NULL && host == s->self) {
        take_own(s, record, bytes);
        return;
    }
    bool has_certs = host != NULL && memcmp(host->alive.cert_hash, record->alive.cert_hash,
                                            MESH_CERT_HASH_LEN) == 0;
    if (host != NULL && !is_newer(host, record, bytes)) return;
    if (!has_certs) {
        mesh_swim_belief_want(s, mesh_swim_hosts_short(record->host_id));
        return;
    }
    if (has_expired(s, host)) return; // only a new certificate brings it back
    if (is_signed(s, record, host->sign_key)) adopt(s, host, &record->alive, bytes);
}

// ---- with its certificates

void mesh_swim_belief_hash_certs(const mesh_bytes certs[2], uint8_t out[MESH_CERT_HASH_LEN]) {
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, MESH_CERT_HASH_LEN);
    for (size_t i = 0; i < 2; i++)
        (void)crypto_generichash_update(&state, certs[i].data, certs[i].len);
    (void)crypto_generichash_final(&state, out, MESH_CERT_HASH_LEN);
}

int mesh_swim_belief_take_chain(mesh_swim *s, const mesh_bytes certs[2], mesh_chain *out) {
    const mesh_swim_crypto *crypto = &s->options.crypto;
    int err = crypto->chain(crypto->user, &s->options.trust, certs, 2, s->now_s, out);
    if (err == 0 && out->host.role != MESH_ROLE_HOST) err = MESH_ECERT;
    return err;
}

void mesh_swim_belief_keep_chain(mesh_host *host, const mesh_bytes certs[2],
                                 const mesh_chain *chain) {
    uint8_t *both = mem_alloc(certs[0].len + certs[1].len);
    memcpy(both, certs[0].data, certs[0].len);
    memcpy(both + certs[0].len, certs[1].data, certs[1].len);
    free(host->certs);
    host->certs = both;
    for (size_t i = 0; i < 2; i++)
        host->cert_lens[i] = certs[i].len;
    memcpy(host->name, chain->host.name, sizeof host->name);
    memcpy(host->sign_key, chain->host.ed25519, sizeof host->sign_key);
    host->not_after_s = chain->issuer.not_after_s < chain->host.not_after_s
                            ? chain->issuer.not_after_s
                            : chain->host.not_after_s;
}

static int judge_chain(mesh_swim *s, const mesh_record *record, const mesh_bytes certs[2],
                       mesh_chain *out) {
    uint8_t hash[MESH_CERT_HASH_LEN];
    mesh_swim_belief_hash_certs(certs, hash);
    if (memcmp(hash, record->alive.cert_hash, sizeof hash) != 0) return MESH_ECERT;
    int err = mesh_swim_belief_take_chain(s, certs, out);
    if (err != 0) return err;
    if (!mesh_swim_same_id(out->host.host_id, record->host_id)) return MESH_ECERT;
    return is_signed(s, record, out->host.ed25519) ? 0 : MESH_ECERT;
}

int mesh_swim_belief_take_host(mesh_swim *s, mesh_host *from, const mesh_introduction *in) {
    mesh_record record;
    mesh_chain chain;
    if (mesh_record_parse(in->alive, &record) != 0 || record.kind != MESH_RECORD_ALIVE) {
        s->stats.malformed++;
        return MESH_EPROTO;
    }
    mesh_host *host = mesh_swim_hosts_find(s, record.host_id);
    bool has_certs = host != NULL &&
                     memcmp(host->alive.cert_hash, record.alive.cert_hash, MESH_CERT_HASH_LEN) == 0;
    if (host == s->self || has_certs) {
        mesh_swim_belief_take(s, from, in->alive);
        return 0;
    }
    if (host != NULL && !is_newer(host, &record, in->alive)) return 0;
    int err = judge_chain(s, &record, in->certs, &chain);
    if (err != 0) {
        s->stats.disbelieved++;
        return err;
    }
    if (host == NULL) host = mesh_swim_hosts_add(s, record.host_id);
    if (host == NULL) return MESH_EQUOTA;
    mesh_swim_belief_keep_chain(host, in->certs, &chain);
    adopt(s, host, &record.alive, in->alive);
    return 0;
}

// ---- Left

static void take_left(mesh_swim *s, const mesh_record *record, mesh_bytes bytes) {
    mesh_host *host = mesh_swim_hosts_find(s, record->host_id);
    if (host == NULL || host == s->self) return;
    if (record->stamp.generation < host->stamp.generation) return;
    if (host->left != NULL && record->stamp.generation == host->stamp.generation) return;
    if (!is_signed(s, record, host->sign_key)) return;
    mesh_swim_trial_drop(s, host);
    uint8_t *copy = mem_copy(bytes.data, bytes.len);
    free(host->left);
    host->left = copy;
    host->left_len = bytes.len;
    host->stamp = record->stamp;
    mesh_swim_hosts_set_state(s, host, MESH_HOST_LEFT);
    mesh_swim_out_tell(s, &host->news);
    mesh_swim_trial_review(s);
}

void mesh_swim_belief_take(mesh_swim *s, mesh_host *from, mesh_bytes bytes) {
    mesh_record record;
    if (mesh_record_parse(bytes, &record) != 0) {
        s->stats.malformed++;
        return;
    }
    switch (record.kind) {
    case MESH_RECORD_ALIVE: take_alive(s, &record, bytes); return;
    case MESH_RECORD_LEFT: take_left(s, &record, bytes); return;
    case MESH_RECORD_SUSPECT:
    case MESH_RECORD_DEAD: mesh_swim_trial_take(s, from, &record); return;
    }
}

// ---- about ourselves

static void raise(mesh_swim *s, mesh_alive *alive) {
    if (alive->stamp.incarnation < MESH_INCARNATION_MAX) {
        alive->stamp.incarnation++;
        return;
    }
    alive->stamp = (mesh_stamp){.generation = alive->stamp.generation + 1};
    s->self->stamp = alive->stamp;
    mesh_swim_out_say(s, MESH_SWIM_GENERATION, s->self, NULL);
}

void mesh_swim_belief_issue(mesh_swim *s, bool is_raised) {
    uint8_t record[MESH_RECORD_SIGNED_MAX];
    mesh_alive alive = s->self->alive;
    if (is_raised) raise(s, &alive);
    size_t len = mesh_record_alive(&alive, s->cluster_id, s->options.sign_secret, record);
    keep_alive(s, s->self, &alive, (mesh_bytes){record, len});
    s->refreshed_ms = s->now_ms;
    s->is_changed = false;
    mesh_swim_hosts_set_state(s, s->self, s->is_joined ? MESH_HOST_UP : MESH_HOST_JOINING);
    if (s->is_joined) mesh_swim_out_tell(s, &s->self->news);
}

void mesh_swim_belief_refute(mesh_swim *s) {
    if (s->is_leaving || s->is_stopped) return;
    if (s->refuted_ms != 0 && mesh_swim_since(s, s->refuted_ms) < REFUTE_EVERY_MS) {
        mesh_deadlines_set(&s->timers, TIMER_REFUTE, s->refuted_ms + REFUTE_EVERY_MS);
        return;
    }
    s->refuted_ms = s->now_ms;
    s->stats.refuted++;
    mesh_swim_probe_worse(s); // somebody did not hear us in time
    mesh_swim_belief_issue(s, true);
}

// ---- what only time changes

static void check_cert(mesh_swim *s, mesh_host *host) {
    bool is_expired = has_expired(s, host);
    if (is_expired == host->is_expired || host->left != NULL) return;
    host->is_expired = is_expired;
    if (host->state == MESH_HOST_DOWN) return; // and stays so; it is not listened to
    mesh_swim_trial_drop(s, host);
    mesh_swim_hosts_set_state(s, host, is_expired ? MESH_HOST_LEFT : MESH_HOST_UP);
    if (is_expired) mesh_swim_trial_review(s);
}

void mesh_swim_belief_sweep(mesh_swim *s) {
    mesh_deadlines_set(&s->timers, TIMER_SWEEP, s->now_ms + SWEEP_MS);
    for (size_t i = 1; i < s->host_cap; i++) {
        mesh_host *host = s->hosts[i];
        if (host == NULL) continue;
        check_cert(s, host);
        if (host->live_at != NOT_LIVE ||
            mesh_swim_since(s, host->since_ms) < s->options.parameters.tombstone_ms)
            continue;
        mesh_swim_out_say(s, MESH_SWIM_FORGOTTEN, host, NULL);
        mesh_swim_hosts_remove(s, host);
    }
}
