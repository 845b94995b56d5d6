// The inside of agent_cluster: cluster_open.c, cluster.c (life and time), cluster_hosts.c (what
// membership says), cluster_datagrams.c, cluster_links.c (links
// to other agents), cluster_fetch.c and cluster_store.c (what uses these), cluster_enrol.c (letting
// hosts in), cluster_registry.c (members here and there).
#pragma once

#include "agent/cluster.h"
#include "agent/links.h"
#include "agent/tickets.h"
#include "cluster/overlay.h"
#include "cluster/replica.h"
#include "cluster/swim.h"
#include "core/map.h"
#include "discovery/discovery.h"
#include "discovery/resolver.h"

typedef struct cluster_dial cluster_dial;
typedef struct cluster_enrol cluster_enrol;
typedef struct cluster_host cluster_host;
typedef struct cluster_spared cluster_spared;

enum { CLUSTER_ENROLMENTS_MAX = 8 };

struct agent_cluster {
    agent_cluster_options options;
    agent_identity *identity;
    mesh_swim *swim;
    mesh_replica *replica;
    mesh_overlay *overlay;
    uv_udp_t udp;     // datagrams of membership
    uv_timer_t timer; // the next time one of the three has work
    uint8_t host_id[MESH_ID_LEN];
    mesh_addr addrs[MESH_HOST_ADDRS_MAX]; // where others reach it
    size_t addr_count;
    mesh_resolver *resolver;   // while a name is looked up, before all below
    char *asking;              // the answer came at once: its sentence goes here
    agent_links *links;        // the port of this host, and all that goes over it
    agent_ticket_keys tickets; // that strangers may knock with
    mesh_discovery *discovery; // NULL: there are no sources
    cluster_dial *dials;
    cluster_enrol *enrolments;
    uint32_t enrolment_count;
    cluster_spared *spared; // links that end once no chunk goes over them
    uint64_t spared_at_ms;  // when they are looked at
    bool is_fetching, is_storing;
    uint32_t handles; // libuv's, still open, and work on its threads
    bool is_working, is_closing;
    bool is_lost;           // not open yet, or nothing is done any more: it waits to be closed
    bool are_hosts_changed; // said at the end of this turn
    bool are_peers_unsaved, is_saving;
    bool is_searching;    // discovery is in a hurry
    uint64_t saved_at_ms; // when the addresses of the others were kept last
    uint64_t close_at_ms, certificate_at_ms, said_clock_at_ms, said_expired_at_ms;
    uint64_t said_version; // of our registry, in our Alive
    mesh_map kept;         // cluster_host, by id
};

static inline uint64_t cluster_now_ms(const agent_cluster *c) {
    return uv_now(c->options.loop);
}
uint64_t cluster_now_s(void); // wall clock
static inline bool cluster_is_same(const uint8_t *a, const uint8_t *b) {
    return memcmp(a, b, MESH_ID_LEN) == 0;
}

// ---- cluster.c
// After anything was given to one of the cores: carries out what they want, sets the timer.
void cluster_work(agent_cluster *c);
void cluster_wake(agent_cluster *c);          // the same, by the timer: cheap when much is given
void cluster_handle_closed(agent_cluster *c); // one of c->handles; the last frees all

// ---- cluster_hosts.c
void cluster_hosts_take(agent_cluster *c, const mesh_swim_host *host); // it is new, or has changed
// Its certificate, or NULL: it is not valid now. Borrowed until the host changes.
const mesh_cert *cluster_hosts_cert(agent_cluster *c, const uint8_t host_id[MESH_ID_LEN]);
// Whether it asks seldom enough for another one.
bool cluster_hosts_may_renew(agent_cluster *c, const uint8_t host_id[MESH_ID_LEN]);
void cluster_hosts_forget(agent_cluster *c, const uint8_t host_id[MESH_ID_LEN]);
void cluster_hosts_close(agent_cluster *c);
// The addresses of the others, for the next start of this agent.
void cluster_hosts_save(agent_cluster *c);
// The name of a host for people; "?" for one that is not known.
void cluster_name_of(const agent_cluster *c, const uint8_t host_id[MESH_ID_LEN],
                     char out[MESH_CERT_NAME_LEN_MAX + 1]);
uint32_t cluster_member_count(const agent_cluster *c); // of this host
void cluster_renewed(agent_cluster *c);                // the certificate of this host is a new one
bool cluster_is_renewal_due(const agent_cluster *c);
// Once a minute. An issuer renews its own; others ask all they have links to, and dial one more of
// the cluster each time, until one of them is an issuer.
void cluster_hosts_look_at_certificate(agent_cluster *c);
void cluster_say_clock(agent_cluster *c); // a link failed because of the time: at most once an hour

// ---- cluster_datagrams.c
int cluster_datagrams_open(agent_cluster *c, const mesh_addr *listen,
                           char text[AGENT_VAULT_TEXT_MAX]);
void cluster_datagrams_send(agent_cluster *c, const mesh_addr *to, mesh_bytes bytes);

// ---- cluster_discovery.c
int cluster_discovery_open(agent_cluster *c, char text[AGENT_VAULT_TEXT_MAX]);
void cluster_discovery_close(agent_cluster *c);
void cluster_discovery_look(agent_cluster *c); // hosts have changed: search, or no longer

// ---- cluster_links.c
int cluster_links_open(agent_cluster *c, const mesh_addr *listen, char text[AGENT_VAULT_TEXT_MAX]);
void cluster_links_forget_members(agent_cluster *c); // they go before the cluster does
void cluster_links_close(agent_cluster *c);
// A seed: whoever answers there, as long as it is of this cluster.
void cluster_links_dial_seed(agent_cluster *c, const mesh_addr *addr);
void cluster_links_dial(agent_cluster *c, const uint8_t host_id[MESH_ID_LEN]);
void cluster_links_hang_up(agent_cluster *c, const uint8_t host_id[MESH_ID_LEN]);
// Whether its agent answers; mesh_swim_probed follows if it does.
void cluster_links_probe(agent_cluster *c, const mesh_swim_host *host);
// For the replica of that neighbour; without a link it is lost, as the replica expects.
void cluster_links_send(agent_cluster *c, const uint8_t host_id[MESH_ID_LEN], mesh_bytes message);
// A message of fetch.h; false: there is no link.
bool cluster_links_send_fetch(agent_cluster *c, const uint8_t host_id[MESH_ID_LEN],
                              mesh_bytes message);
// Of store_links.h.
bool cluster_links_send_store(agent_cluster *c, const uint8_t host_id[MESH_ID_LEN],
                              mesh_bytes message);
bool cluster_links_has(const agent_cluster *c, const uint8_t host_id[MESH_ID_LEN]);
void cluster_links_ask_renewal(agent_cluster *c); // of our certificate, by whoever is an issuer

// ---- cluster_store.c
void cluster_store_open(agent_cluster *c);
void cluster_store_close(agent_cluster *c);
int cluster_store_take(agent_cluster *c, const uint8_t host_id[MESH_ID_LEN], mesh_bytes message);
void cluster_store_up(agent_cluster *c, const uint8_t host_id[MESH_ID_LEN]);
void cluster_store_down(agent_cluster *c, const uint8_t host_id[MESH_ID_LEN]); // or not dialled
bool cluster_store_is_busy(const agent_cluster *c, const uint8_t host_id[MESH_ID_LEN]);

// ---- cluster_fetch.c
agent_link_net cluster_fetch_net(agent_cluster *c); // for others, too: they send otherwise
void cluster_fetch_open(agent_cluster *c);
void cluster_fetch_close(agent_cluster *c);
int cluster_fetch_take(agent_cluster *c, const uint8_t host_id[MESH_ID_LEN], mesh_bytes message);
void cluster_fetch_up(agent_cluster *c, const uint8_t host_id[MESH_ID_LEN]);
void cluster_fetch_down(agent_cluster *c, const uint8_t host_id[MESH_ID_LEN]); // or not dialled
// Chunks go over this link: it is hung up when they have.
bool cluster_fetch_spares(agent_cluster *c, const uint8_t host_id[MESH_ID_LEN]);
void cluster_fetch_tick(agent_cluster *c);
uint64_t cluster_fetch_wake_at_ms(const agent_cluster *c);

// ---- cluster_enrol.c
void cluster_enrol_accept(agent_cluster *c, int fd, const mesh_ticket_keys *ticket); // takes fd
void cluster_enrol_close(agent_cluster *c);

// ---- cluster_registry.c
void cluster_registry_open(agent_cluster *c);
// All others are gone, for the members here; these are not touched any more.
void cluster_registry_close(agent_cluster *c);
void cluster_registry_work(agent_cluster *c); // what the replica wants said and told
