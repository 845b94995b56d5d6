#include "agent/identity.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include <sodium.h>

#include "agent/identity_file.h"
#include "core/control.h"
#include "core/error.h"
#include "core/mem.h"

static mesh_moment moment(uint64_t now_s) {
    mesh_moment at = {.now_s = now_s};
    randombytes_buf(at.serial, sizeof at.serial);
    return at;
}

// ---- loading

static void fill_credentials(agent_identity *id) {
    mesh_credentials *c = &id->credentials;
    for (size_t i = 0; i < 2; i++)
        id->chain[i] = (mesh_bytes){id->certs[i].bytes, id->certs[i].len};
    c->chain = id->chain;
    c->chain_count = 2;
    c->minor_min = mesh_minors_spoken().min;
    c->minor_max = mesh_minors_spoken().max;
    memcpy(c->cluster_id, id->host.cert.cluster_id, MESH_ID_LEN);
    mesh_key_derive(id->secret, MESH_KEY_LINK, c->link_psk);
    mesh_key_derive(id->secret, MESH_KEY_KNOCK, c->knock_key);
    mesh_key_derive(id->secret, MESH_KEY_GOSSIP, id->gossip_key);
    mesh_key_derive(id->secret, MESH_KEY_MULTICAST, id->multicast_key);
}

static int load(agent_identity *id, char text[AGENT_VAULT_TEXT_MAX]) {
    int err = agent_vault_check(id->vault, text);
    if (err == 0) err = agent_cluster_config_read(id->vault, &id->config, text);
    if (err == 0) err = identity_file_read_host(id, text);
    if (err == 0) err = identity_file_read_issuer(id, text);
    if (err == 0) err = identity_file_read_peers(id, text);
    // Not used before the start, but the time to say that it is damaged is now.
    uint64_t generation;
    if (err == 0) err = identity_file_read_generation(id, &generation, text);
    if (err == 0) fill_credentials(id);
    return err;
}

int agent_identity_load(const char *state, agent_identity **out, char text[AGENT_VAULT_TEXT_MAX]) {
    agent_identity *id = mem_alloc(sizeof *id);
    agent_vault_path(state, id->vault);
    int err = load(id, text);
    // A file that is missing is no host without a cluster: callers go on by this number alone.
    if (err == -ENOENT && text[0] != '\0') err = -EBADMSG;
    if (err == 0)
        *out = id;
    else
        agent_identity_free(id);
    return err;
}

void agent_identity_free(agent_identity *id) {
    if (id == NULL) return;
    sodium_memzero(id, sizeof *id);
    free(id);
}

// ---- certificates

static void put_day(uint64_t at_s, char out[32]) {
    struct tm parts;
    time_t seconds = (time_t)at_s;
    gmtime_r(&seconds, &parts);
    (void)strftime(out, 32, "%Y-%m-%d %H:%M UTC", &parts);
}

static int expired(const char *whose, const mesh_cert *cert, const char *advice,
                   char text[AGENT_VAULT_TEXT_MAX]) {
    char from[32], until[32];
    put_day(cert->not_before_s, from);
    put_day(cert->not_after_s, until);
    (void)snprintf(text, AGENT_VAULT_TEXT_MAX,
                   "the certificate of this %s is valid from %s to %s, and not now: %s", whose,
                   from, until, advice);
    return MESH_ECERTTIME;
}

static int keep_chain(agent_identity *id, const mesh_signed chain[2], const mesh_cert *host,
                      char text[AGENT_VAULT_TEXT_MAX]) {
    mesh_signed before[2];
    memcpy(before, id->certs, sizeof before);
    memcpy(id->certs, chain, sizeof id->certs);
    int err = identity_file_write_host(id, text);
    if (err != 0)
        memcpy(id->certs, before, sizeof before);
    else
        id->host.cert = *host;
    fill_credentials(id);
    return err;
}

static bool is_ours(const agent_identity *id, const mesh_chain *chain) {
    const mesh_cert *now = &id->host.cert, *next = &chain->host;
    return next->role == MESH_ROLE_HOST && !chain->is_node &&
           memcmp(now->cluster_id, next->cluster_id, MESH_ID_LEN) == 0 &&
           memcmp(now->ed25519, next->ed25519, MESH_SIGN_KEY_LEN) == 0 &&
           memcmp(now->x25519, next->x25519, MESH_LINK_KEY_LEN) == 0;
}

int agent_identity_take_chain(agent_identity *id, const mesh_signed made[2], uint64_t now_s,
                              char text[AGENT_VAULT_TEXT_MAX]) {
    const mesh_bytes certs[] = {{made[0].bytes, made[0].len}, {made[1].bytes, made[1].len}};
    mesh_chain chain;
    int err = mesh_chain_verify(&id->credentials.trust, certs, 2, now_s, &chain);
    if (err == 0 && !is_ours(id, &chain)) err = MESH_ECERT;
    if (err == 0) return keep_chain(id, made, &chain.host, text);
    (void)snprintf(text, AGENT_VAULT_TEXT_MAX, "cannot use the certificate that an issuer sent: %s",
                   mesh_error_text(err));
    return err;
}

int agent_identity_renew_host(const agent_identity *id, const mesh_cert *host, uint64_t now_s,
                              mesh_signed out[2]) {
    if (!id->is_issuer) return MESH_EINVAL;
    mesh_moment at = moment(now_s);
    int err = mesh_issue_host(&id->issuer, host, &at, &out[1]);
    if (err == 0) out[0] = id->issuer_cert;
    return err;
}

int agent_identity_renew_own(agent_identity *id, uint64_t now_s, char text[AGENT_VAULT_TEXT_MAX]) {
    mesh_signed made[2];
    if (!id->is_issuer || now_s < mesh_cert_renew_at_s(&id->host.cert)) return 0;
    int err = agent_identity_renew_host(id, &id->host.cert, now_s, made);
    if (err == 0) return agent_identity_take_chain(id, made, now_s, text);
    return expired("issuer", &id->issuer.cert,
                   "look at the clock; if that is right, `warren issuer renew` makes a new one",
                   text);
}

// What issues: the certificate that a host would see.
static int sign_issuer(agent_identity *id, const uint8_t root[MESH_SIGN_SECRET_LEN],
                       uint64_t now_s) {
    mesh_moment at = moment(now_s);
    int err = mesh_issue_issuer(root, id->issuer.cert.ed25519, id->issuer.cert.name, &at,
                                &id->issuer_cert);
    if (err != 0) return err;
    memcpy(id->issuer.cert.serial, at.serial, MESH_ID_LEN);
    id->issuer.cert.not_before_s = now_s;
    id->issuer.cert.not_after_s = now_s + MESH_ISSUER_LIFE_S;
    return 0;
}

int agent_identity_renew_issuer(agent_identity *id, const char *path, uint64_t now_s,
                                char text[AGENT_VAULT_TEXT_MAX]) {
    uint8_t root[MESH_SIGN_SECRET_LEN];
    char directory[AGENT_VAULT_PATH_MAX] = ".";
    mesh_signed chain[2];
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    if (!id->is_issuer) {
        (void)snprintf(text, AGENT_VAULT_TEXT_MAX, "this host has no issuer.key: it is no issuer");
        return MESH_ENOTFOUND;
    }
    if (strcmp(name, AGENT_VAULT_ROOT) != 0 || strlen(path) >= sizeof directory) {
        (void)snprintf(text, AGENT_VAULT_TEXT_MAX,
                       "the file with the root key is called " AGENT_VAULT_ROOT);
        return -EINVAL;
    }
    if (slash != NULL)
        (void)snprintf(directory, sizeof directory, "%.*s/", (int)(slash - path), path);
    int err = identity_file_read_root(directory, &id->credentials.trust, root, text);
    if (err != 0) return err;
    err = sign_issuer(id, root, now_s);
    sodium_memzero(root, sizeof root);
    CHECK(err == 0); // it is the certificate that is there, with other times
    err = identity_file_write_issuer(id, text);
    if (err != 0) return err;
    err = agent_identity_renew_host(id, &id->host.cert, now_s, chain);
    CHECK(err == 0);
    return agent_identity_take_chain(id, chain, now_s, text);
}

int agent_identity_issue_node(const agent_identity *id, uint64_t number, const char *name,
                              const uint8_t x25519[MESH_LINK_KEY_LEN], uint64_t now_s,
                              mesh_signed *out) {
    mesh_cert node = {.node_number = number};
    if (strlen(name) > MESH_CERT_NAME_LEN_MAX) return MESH_EINVAL;
    memcpy(node.name, name, strlen(name) + 1);
    memcpy(node.x25519, x25519, MESH_LINK_KEY_LEN);
    mesh_moment at = moment(now_s);
    return mesh_issue_node(&id->host, &node, &at, out);
}

// ---- a life

static int raise_generation(agent_identity *id, uint64_t wall_ms, char text[AGENT_VAULT_TEXT_MAX]) {
    uint64_t last;
    int err = identity_file_read_generation(id, &last, text);
    if (err != 0) return err;
    if (last == UINT64_MAX)
        return agent_vault_damaged(id->vault, AGENT_VAULT_GENERATION, "there is no number after it",
                                   text);
    uint64_t next = last + 1 > wall_ms ? last + 1 : wall_ms;
    err = identity_file_write_generation(id->vault, next, text);
    if (err == 0) id->generation = id->credentials.boot_id = next;
    return err;
}

int agent_identity_keep_generation(agent_identity *id, uint64_t generation,
                                   char text[AGENT_VAULT_TEXT_MAX]) {
    if (generation <= id->generation) return 0; // it never falls
    int err = identity_file_write_generation(id->vault, generation, text);
    if (err == 0) id->generation = generation;
    return err;
}

int agent_identity_judge(const agent_identity *id, uint64_t now_s,
                         char text[AGENT_VAULT_TEXT_MAX]) {
    mesh_chain chain;
    if (mesh_chain_verify(&id->credentials.trust, id->chain, 2, now_s, &chain) == 0) return 0;
    return expired("host", &id->host.cert,
                   "look at the clock; if that is right, this host was off or cut off for too "
                   "long: `warren leave`, and join again with a new token",
                   text);
}

int agent_identity_start(agent_identity *id, uint64_t wall_ms, char text[AGENT_VAULT_TEXT_MAX]) {
    uint64_t now_s = wall_ms / 1000;
    int err = agent_identity_renew_own(id, now_s, text);
    if (err == 0) err = agent_identity_judge(id, now_s, text);
    if (err != 0) return err;
    return raise_generation(id, wall_ms, text);
}

int agent_identity_save_peers(const char *vault, const char *const *addresses, size_t count,
                              char text[AGENT_VAULT_TEXT_MAX]) {
    if (count > AGENT_PEERS_MAX) count = AGENT_PEERS_MAX;
    return identity_file_write_peers(vault, addresses, count, text);
}

// ---- beginnings

void agent_new_host_make(agent_new_host *out) {
    uint8_t sign_seed[AGENT_SEED_LEN], link_secret[MESH_LINK_KEY_LEN];
    randombytes_buf(sign_seed, sizeof sign_seed);
    randombytes_buf(link_secret, sizeof link_secret);
    agent_new_host_take(out, sign_seed, link_secret);
    sodium_memzero(sign_seed, sizeof sign_seed);
    sodium_memzero(link_secret, sizeof link_secret);
}

void agent_new_host_take(agent_new_host *out, const uint8_t sign_seed[AGENT_SEED_LEN],
                         const uint8_t link_secret[MESH_LINK_KEY_LEN]) {
    uint8_t public[MESH_SIGN_KEY_LEN];
    memcpy(out->sign_seed, sign_seed, AGENT_SEED_LEN);
    memcpy(out->link_secret, link_secret, MESH_LINK_KEY_LEN);
    (void)crypto_sign_seed_keypair(public, out->sign_secret, out->sign_seed);
}

void agent_new_host_id(const agent_new_host *keys, uint8_t out[MESH_ID_LEN]) {
    uint8_t public[MESH_SIGN_KEY_LEN];
    (void)crypto_sign_ed25519_sk_to_pk(public, keys->sign_secret);
    mesh_host_id_of(public, out);
}

static void take_keys(agent_identity *id, const agent_new_host *keys) {
    memcpy(id->host.secret, keys->sign_secret, MESH_SIGN_SECRET_LEN);
    memcpy(id->credentials.link_secret, keys->link_secret, MESH_LINK_KEY_LEN);
}

static int write_files(agent_identity *id, const char *const *peers, size_t peer_count,
                       char text[AGENT_VAULT_TEXT_MAX]) {
    int err = identity_file_write_host(id, text);
    if (err == 0 && id->is_issuer) err = identity_file_write_issuer(id, text);
    if (err == 0) err = agent_cluster_config_write(id->vault, &id->config, text);
    if (err == 0) err = identity_file_write_generation(id->vault, 0, text);
    if (err == 0) err = identity_file_write_peers(id->vault, peers, peer_count, text);
    return err;
}

static int refuse_second(const char *state, char text[AGENT_VAULT_TEXT_MAX]) {
    char vault[AGENT_VAULT_PATH_MAX];
    agent_vault_path(state, vault);
    int err = agent_vault_check(vault, text);
    if (err == -ENOENT) return 0;
    if (err != 0) return err;
    (void)snprintf(text, AGENT_VAULT_TEXT_MAX,
                   "this host is in a cluster already: its keys are in %s (`warren leave` %s)",
                   vault,
                   agent_vault_has(vault, AGENT_VAULT_ISSUER)
                       ? "puts them aside, but this is the host that lets others in: when it has "
                         "left, the cluster ends"
                       : "puts them aside");
    return -EEXIST;
}

int agent_identity_create_member(const char *state, const agent_new_host *keys,
                                 const mesh_trust *trust, const mesh_enrol_answer *answer,
                                 const agent_cluster_config *config,
                                 char text[AGENT_VAULT_TEXT_MAX]) {
    const char *seeds[MESH_ENROL_SEEDS_MAX];
    int err = refuse_second(state, text);
    if (err != 0) return err;
    agent_identity *id = mem_alloc(sizeof *id);
    take_keys(id, keys);
    id->config = *config;
    id->credentials.trust = *trust;
    id->credentials.psk_id = answer->psk_id;
    memcpy(id->certs, answer->chain, sizeof id->certs);
    memcpy(id->secret, answer->secret, MESH_SECRET_LEN);
    for (size_t i = 0; i < answer->seed_count; i++)
        seeds[i] = answer->seeds[i];
    err = agent_vault_begin(state, id->vault, text);
    if (err == 0) {
        err = write_files(id, seeds, answer->seed_count, text);
        if (err == 0) err = agent_vault_finish(state, id->vault, text);
        if (err != 0) agent_vault_abandon(id->vault);
    }
    agent_identity_free(id);
    return err;
}

typedef struct seeds { // of the keys above a host
    uint8_t root[32], issuer[32], root_secret[MESH_SIGN_SECRET_LEN];
} seeds;

// Root, issuer and first host sign each other down. False: the name is no host's name.
static bool sign_cluster(agent_identity *id, seeds *s, const char *name, uint64_t now_s) {
    mesh_cert host = {.scopes = {"*"}, .scope_count = 1};
    mesh_moment at = moment(now_s), later = moment(now_s);
    if (strlen(name) > MESH_CERT_NAME_LEN_MAX) return false;
    memcpy(host.name, name, strlen(name) + 1);
    (void)crypto_sign_ed25519_sk_to_pk(host.ed25519, id->host.secret);
    (void)crypto_scalarmult_base(host.x25519, id->credentials.link_secret);
    mesh_trust *trust = &id->credentials.trust;
    trust->root_count = 1;
    (void)crypto_sign_seed_keypair(trust->roots[0], s->root_secret, s->root);
    (void)crypto_sign_seed_keypair(id->issuer.cert.ed25519, id->issuer.secret, s->issuer);
    id->is_issuer = true;
    int err =
        mesh_issue_issuer(s->root_secret, id->issuer.cert.ed25519, "issuer", &at, &id->issuer_cert);
    CHECK(err == 0);
    id->issuer.cert.not_before_s = now_s;
    id->issuer.cert.not_after_s = now_s + MESH_ISSUER_LIFE_S;
    mesh_cluster_id_of(trust->roots[0], id->issuer.cert.cluster_id);
    id->certs[0] = id->issuer_cert;
    return mesh_issue_host(&id->issuer, &host, &later, &id->certs[1]) == 0;
}

int agent_identity_create_cluster(const char *state, const char *name, const agent_new_host *keys,
                                  const agent_cluster_config *config, uint64_t now_s,
                                  char text[AGENT_VAULT_TEXT_MAX]) {
    int err = refuse_second(state, text);
    if (err != 0) return err;
    agent_identity *id = mem_alloc(sizeof *id);
    seeds s;
    randombytes_buf(s.root, sizeof s.root);
    randombytes_buf(s.issuer, sizeof s.issuer);
    randombytes_buf(id->secret, sizeof id->secret);
    take_keys(id, keys);
    id->config = *config;
    id->credentials.psk_id = 1;
    if (!sign_cluster(id, &s, name, now_s)) {
        (void)snprintf(text, AGENT_VAULT_TEXT_MAX,
                       "a host's name is 1 to 63 letters, digits, '-', '_' and '.', not \"%.80s\"",
                       name);
        err = -EINVAL;
    }
    if (err == 0) err = agent_vault_begin(state, id->vault, text);
    if (err == 0) {
        err = identity_file_write_root(id->vault, s.root, text);
        if (err == 0) err = write_files(id, NULL, 0, text);
        if (err == 0) err = agent_vault_finish(state, id->vault, text);
        if (err != 0) agent_vault_abandon(id->vault);
    }
    sodium_memzero(&s, sizeof s);
    agent_identity_free(id);
    return err;
}
