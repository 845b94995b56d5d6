// The beginning of a cluster in its agent: where others reach this host, who it is, and its parts.
#include <errno.h>
#include <stdio.h>

#include <sodium.h>

#include "agent/cluster_state.h"
#include "agent/say.h"
#include "core/control.h"
#include "core/error.h"
#include "core/mem.h"
#include "discovery/endpoint.h"
#include "io/wall.h"

// ---- where others reach this host

// The addresses of its network cards, or the one that it listens on.
static int find_addresses(agent_cluster *c, char text[AGENT_VAULT_TEXT_MAX]) {
    char addresses[MESH_TOKEN_ADDRESSES_MAX][MESH_ADDRESS_LEN_MAX + 1];
    size_t count = agent_cluster_addresses(&c->identity->config, addresses);
    for (size_t i = 0; i < count && c->addr_count < MESH_HOST_ADDRS_MAX; i++)
        c->addr_count += mesh_addr_parse(addresses[i], &c->addrs[c->addr_count]) == 0;
    if (c->addr_count > 0) return 0;
    (void)snprintf(text, AGENT_VAULT_TEXT_MAX,
                   "this host has no address that others could reach: it has no network, or "
                   "`advertise` in %.150s/config.json must name one",
                   c->identity->vault);
    return -EADDRNOTAVAIL;
}

// ---- its parts

static void random_bytes(void *user, uint8_t *out, size_t len) {
    (void)user;
    randombytes_buf(out, len);
}

static int open_membership(agent_cluster *c, char text[AGENT_VAULT_TEXT_MAX]) {
    const agent_identity *id = c->identity;
    mesh_swim_options options = {.chain = {id->chain[0], id->chain[1]},
                                 .trust = id->credentials.trust,
                                 .psk_id = id->credentials.psk_id,
                                 .generation = id->generation,
                                 .minor_min = mesh_minors_spoken().min,
                                 .minor_max = mesh_minors_spoken().max,
                                 .is_founder = id->is_issuer,
                                 .random = random_bytes,
                                 .now_ms = cluster_now_ms(c),
                                 .now_s = cluster_now_s()};
    memcpy(options.addrs, c->addrs, sizeof options.addrs);
    options.addr_count = c->addr_count;
    memcpy(options.sign_secret, id->host.secret, sizeof options.sign_secret);
    memcpy(options.gossip_key, id->gossip_key, sizeof options.gossip_key);
    randombytes_buf(options.boot_secret, sizeof options.boot_secret);
    randombytes_buf(&options.seed, sizeof options.seed);
    int err = mesh_swim_create(&options, &c->swim);
    sodium_memzero(&options, sizeof options);
    if (err != 0)
        (void)snprintf(text, AGENT_VAULT_TEXT_MAX, "cannot take part in the cluster: %s",
                       mesh_error_text(err));
    return err;
}

static const uint8_t *key_of(const uint8_t host_id[MESH_ID_LEN], void *user) {
    return mesh_swim_key_of(((agent_cluster *)user)->swim, host_id);
}

static size_t queued(const uint8_t neighbour[MESH_ID_LEN], void *user) {
    const agent_cluster *c = user;
    return mesh_agent_peers_queued(agent_links_peers(c->links), neighbour);
}

static void open_registry(agent_cluster *c) {
    mesh_replica_options options = {
        .generation = c->identity->generation, .key_of = key_of, .queued = queued, .user = c};
    uint64_t seed;
    memcpy(options.host_id, c->host_id, MESH_ID_LEN);
    memcpy(options.secret, c->identity->host.secret, sizeof options.secret);
    randombytes_buf(&options.seed, sizeof options.seed);
    randombytes_buf(&seed, sizeof seed);
    c->replica = mesh_replica_create(&options);
    sodium_memzero(&options, sizeof options);
    c->overlay = mesh_overlay_create(c->host_id, seed);
    cluster_registry_open(c);
}

static int open_all(agent_cluster *c, char text[AGENT_VAULT_TEXT_MAX]) {
    mesh_addr listen;
    CHECK(mesh_addr_parse(c->identity->config.listen, &listen) == 0); // it was read as one
    int err = agent_identity_start(c->identity, mesh_wall_ms(), text);
    if (err == 0) err = cluster_datagrams_open(c, &listen, text);
    if (err == 0) err = open_membership(c, text);
    if (err != 0) return err;
    err = cluster_links_open(c, &listen, text);
    if (err == 0) open_registry(c);
    if (err == 0) err = cluster_discovery_open(c, text);
    if (err != 0) return err;
    c->is_lost = false;
    cluster_fetch_open(c);
    cluster_store_open(c);
    agent_say("this host is %s in its cluster, generation %llu", c->identity->host.cert.name,
              (unsigned long long)c->identity->generation);
    cluster_work(c);
    return 0;
}

// ---- a name that must be looked up first

// Of those that can be reached where this host listens: a name has addresses of both kinds.
static void take_addresses(agent_cluster *c, const mesh_answer *answer) {
    bool is_v6 = c->identity->config.listen[0] == '[';
    for (size_t i = 0; i < answer->count && c->addr_count < MESH_HOST_ADDRS_MAX; i++) {
        char text[MESH_ENDPOINT_LEN_MAX + 1];
        mesh_addr addr;
        mesh_endpoint_write(&answer->endpoints[i], text);
        if (mesh_addr_parse(text, &addr) == 0 && (is_v6 || addr.family == 4))
            c->addrs[c->addr_count++] = addr;
    }
}

static void on_name(const mesh_answer *answer, void *user) {
    agent_cluster *c = user;
    char later[AGENT_VAULT_TEXT_MAX] = "", *text = c->asking != NULL ? c->asking : later;
    take_addresses(c, answer);
    mesh_resolver_close(c->resolver);
    c->resolver = NULL;
    if (c->addr_count == 0)
        (void)snprintf(text, AGENT_VAULT_TEXT_MAX,
                       "cannot find the address of %.200s: %s (`advertise` in cluster/config.json "
                       "names it)",
                       c->identity->config.advertise,
                       answer->error != NULL ? answer->error : "it has none of IPv4");
    if (c->asking != NULL) return; // look_up goes on
    int err = c->addr_count > 0 ? open_all(c, text) : -EHOSTUNREACH;
    c->options.on_opened(c->options.user, err, text);
}

static int ask(agent_cluster *c, const mesh_endpoint *name, char text[AGENT_VAULT_TEXT_MAX]) {
    c->asking = text;
    mesh_resolver_addresses(c->resolver, name->host, name->port, on_name, c);
    c->asking = NULL;
    if (c->resolver == NULL) // it is in /etc/hosts, or no name server can be asked
        return c->addr_count > 0 ? 0 : -EHOSTUNREACH;
    (void)snprintf(text, AGENT_VAULT_TEXT_MAX, "the address of %.200s is being looked up",
                   name->host);
    return AGENT_CLUSTER_OPENING;
}

// 0, AGENT_CLUSTER_OPENING or an error. Nobody waits for a name server that is silent.
static int look_up(agent_cluster *c, char text[AGENT_VAULT_TEXT_MAX]) {
    const char *advertised = c->identity->config.advertise;
    mesh_endpoint name;
    mesh_addr numeric;
    if (advertised[0] == '\0' || mesh_addr_parse(advertised, &numeric) == 0)
        return find_addresses(c, text);
    int err = mesh_endpoint_parse(mesh_bytes_text(advertised), 0, &name);
    if (err == 0) err = mesh_resolver_open(c->options.loop, NULL, &c->resolver);
    if (err == 0) return ask(c, &name, text);
    (void)snprintf(text, AGENT_VAULT_TEXT_MAX, "cannot look up %.200s: %s", advertised,
                   err == MESH_EINVAL ? "it is no name" : uv_strerror(err));
    return err;
}

int agent_cluster_open(const agent_cluster_options *options, agent_cluster **out,
                       char text[AGENT_VAULT_TEXT_MAX]) {
    uint8_t key[MESH_MAP_KEY_LEN];
    agent_identity *identity;
    int err = agent_identity_load(options->dir, &identity, text);
    if (err != 0) return err;
    agent_cluster *c = mem_alloc(sizeof *c);
    c->options = *options;
    c->identity = identity;
    memcpy(c->host_id, identity->host.cert.host_id, MESH_ID_LEN);
    agent_members_set_host_id(options->members, c->host_id); // whatever goes wrong below
    randombytes_buf(key, sizeof key);
    mesh_map_init(&c->kept, key);
    (void)uv_timer_init(options->loop, &c->timer); // never fails
    (void)uv_udp_init(options->loop, &c->udp);     // nor this: its socket comes with bind
    c->timer.data = c->udp.data = c;
    c->handles = 2;
    c->is_searching = true; // as discovery begins
    c->is_lost = true;      // until it is open
    err = look_up(c, text);
    if (err == 0) err = open_all(c, text);
    if (err >= 0) {
        *out = c;
        return err;
    }
    c->options.on_closed = NULL; // nobody has heard of it
    agent_cluster_close(c);
    return err;
}
