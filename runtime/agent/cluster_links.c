// Links to other agents: who comes through the gate, whom we dial, and what is said on the links.
#include <errno.h>
#include <stdio.h>

#include <sodium.h>

#include "agent/cluster_state.h"
#include "agent/say.h"
#include "agent/tickets.h"
#include "core/be.h"
#include "core/error.h"
#include "core/mem.h"
#include "io/tcp.h"

// The first byte of a message between agents (wire.md, Between agents).
enum {
    MESSAGE_INTRO = 1, // a page of membership
    MESSAGE_REGISTRY,  // of the replica
    MESSAGE_ECHO,      // answered by ECHOED: a sign of life of the agent itself
    MESSAGE_ECHOED,
    MESSAGE_RENEW,   // my certificate is old: an issuer answers with RENEWED
    MESSAGE_RENEWED, // two certificates, each u16 len | bytes
    MESSAGE_FETCH,   // chunks of releases
    MESSAGE_STORE,   // the store of one host
};

enum { CERT_COUNT = 2 };

struct cluster_dial { // of ours, under way, to a host that we know
    uint8_t host_id[MESH_ID_LEN];
    mesh_addr to;
    struct cluster_dial *next;
};

// ---- sending

static int send_message(agent_cluster *c, const uint8_t *host_id, uint8_t kind, mesh_bytes body) {
    uint8_t *message = mem_alloc(1 + body.len);
    message[0] = kind;
    if (body.len > 0) memcpy(message + 1, body.data, body.len);
    int err = mesh_agent_peers_send(agent_links_peers(c->links), host_id,
                                    (mesh_bytes){message, 1 + body.len});
    free(message);
    return err;
}

void cluster_links_send(agent_cluster *c, const uint8_t host_id[MESH_ID_LEN], mesh_bytes message) {
    (void)send_message(c, host_id, MESSAGE_REGISTRY,
                       message); // a link that ends is told by on_down
}

bool cluster_links_send_fetch(agent_cluster *c, const uint8_t host_id[MESH_ID_LEN],
                              mesh_bytes message) {
    return send_message(c, host_id, MESSAGE_FETCH, message) == 0;
}

bool cluster_links_send_store(agent_cluster *c, const uint8_t host_id[MESH_ID_LEN],
                              mesh_bytes message) {
    return send_message(c, host_id, MESSAGE_STORE, message) == 0;
}

bool cluster_links_has(const agent_cluster *c, const uint8_t host_id[MESH_ID_LEN]) {
    return mesh_agent_peers_find(agent_links_peers(c->links), host_id) != NULL;
}

static void send_intro(agent_cluster *c, const uint8_t *host_id) {
    uint8_t page[MESH_INTRO_LEN_MAX];
    uint32_t cursor = 0;
    for (size_t len; (len = mesh_swim_intro(c->swim, &cursor, page)) > 0;)
        if (send_message(c, host_id, MESSAGE_INTRO, (mesh_bytes){page, len}) != 0) return;
}

// ---- dialling

static void dial(agent_cluster *c, const uint8_t *host_id, const mesh_addr *addr) {
    if (!mesh_agent_peers_dial(agent_links_peers(c->links), addr, host_id)) {
        // It has dialled us, or is about to be gone. The overlay asks again unless it comes up.
        if (!cluster_links_has(c, host_id))
            mesh_overlay_unlinked(c->overlay, cluster_now_ms(c), host_id);
        return;
    }
    cluster_dial *d = mem_alloc(sizeof *d);
    memcpy(d->host_id, host_id, MESH_ID_LEN);
    d->to = *addr;
    d->next = c->dials;
    c->dials = d;
}

void cluster_links_dial_seed(agent_cluster *c, const mesh_addr *addr) {
    (void)mesh_agent_peers_dial(agent_links_peers(c->links), addr, NULL); // nobody waits for it
}

void cluster_links_dial(agent_cluster *c, const uint8_t host_id[MESH_ID_LEN]) {
    mesh_swim_host host;
    if (!mesh_swim_find(c->swim, host_id, &host) || host.addr_count == 0) {
        mesh_overlay_unlinked(c->overlay, cluster_now_ms(c), host_id);
        return;
    }
    // Any of its addresses: the next try may take another.
    dial(c, host_id, &host.addrs[randombytes_uniform((uint32_t)host.addr_count)]);
}

void cluster_links_hang_up(agent_cluster *c, const uint8_t host_id[MESH_ID_LEN]) {
    if (cluster_fetch_spares(c, host_id)) return;
    mesh_agent_peers_hang_up(agent_links_peers(c->links), host_id);
}

void cluster_links_probe(agent_cluster *c, const mesh_swim_host *host) {
    if (cluster_links_has(c, host->host_id))
        (void)send_message(c, host->host_id, MESSAGE_ECHO, (mesh_bytes){0});
    else if (host->addr_count > 0)
        dial(c, host->host_id, &host->addrs[0]);
}

static void end_dial(agent_cluster *c, cluster_dial *d) {
    if (!cluster_links_has(c, d->host_id)) {
        mesh_overlay_unlinked(c->overlay, cluster_now_ms(c), d->host_id);
        cluster_fetch_down(c, d->host_id); // which may dial others
    }
    free(d);
}

// Those to this address are over; the overlay hears of hosts that were dialled in vain. A link that
// made the dial needless may end before it is up.
static void end_dials(agent_cluster *c, const mesh_addr *to) {
    cluster_dial *ended = NULL;
    for (cluster_dial **at = &c->dials; *at != NULL;) {
        cluster_dial *d = *at;
        if (!mesh_addr_equal(&d->to, to)) {
            at = &d->next;
            continue;
        }
        *at = d->next;
        d->next = ended;
        ended = d;
    }
    for (cluster_dial *d; (d = ended) != NULL;) {
        ended = d->next;
        end_dial(c, d);
    }
}

static void end_dials_to(agent_cluster *c, const uint8_t *host_id) {
    for (cluster_dial **at = &c->dials; *at != NULL;) {
        cluster_dial *d = *at;
        if (!cluster_is_same(d->host_id, host_id)) {
            at = &d->next;
            continue;
        }
        *at = d->next;
        free(d);
    }
}

// ---- what comes

static const uint8_t *id_of(const mesh_identity *peer) {
    return mesh_chain_leaf(&peer->chain)->host_id;
}

static void on_up(const mesh_identity *peer, void *user) {
    agent_cluster *c = user;
    uint64_t now_ms = cluster_now_ms(c);
    end_dials_to(c, id_of(peer));
    send_intro(c, id_of(peer));
    mesh_overlay_linked(c->overlay, now_ms, id_of(peer));
    mesh_replica_neighbour_up(c->replica, now_ms, id_of(peer));
    mesh_swim_probed(c->swim, now_ms, id_of(peer), true);
    cluster_fetch_up(c, id_of(peer));
    cluster_store_up(c, id_of(peer));
    if (cluster_is_renewal_due(c))
        (void)send_message(c, id_of(peer), MESSAGE_RENEW, (mesh_bytes){0});
    c->are_hosts_changed = true;
    cluster_work(c);
}

static void renew(agent_cluster *c, const mesh_identity *peer) {
    mesh_signed chain[CERT_COUNT];
    uint8_t body[CERT_COUNT * (2 + MESH_CERT_LEN_MAX)], *at = body;
    if (!c->identity->is_issuer || !cluster_hosts_may_renew(c, id_of(peer)) ||
        agent_identity_renew_host(c->identity, mesh_chain_leaf(&peer->chain), cluster_now_s(),
                                  chain) != 0)
        return; // it asks others, and us again
    for (size_t i = 0; i < CERT_COUNT; i++) {
        at = store_be16(at, (uint32_t)chain[i].len);
        memcpy(at, chain[i].bytes, chain[i].len);
        at += chain[i].len;
    }
    (void)send_message(c, id_of(peer), MESSAGE_RENEWED, (mesh_bytes){body, (size_t)(at - body)});
}

static int take_renewed(agent_cluster *c, mesh_bytes body) {
    mesh_signed chain[CERT_COUNT];
    char text[AGENT_VAULT_TEXT_MAX] = "";
    // Another issuer was faster, or nobody asked: each one taken is written to disk and told to
    // all.
    if (!cluster_is_renewal_due(c)) return 0;
    for (size_t i = 0; i < CERT_COUNT; i++) {
        if (body.len < 2) return MESH_EPROTO;
        chain[i].len = load_be16(body.data);
        body = mesh_bytes_skip(body, 2);
        if (chain[i].len > MESH_CERT_LEN_MAX || chain[i].len > body.len) return MESH_EPROTO;
        memcpy(chain[i].bytes, body.data, chain[i].len);
        body = mesh_bytes_skip(body, chain[i].len);
    }
    if (agent_identity_take_chain(c->identity, chain, cluster_now_s(), text) != 0)
        agent_say("a new certificate is not taken: %s", text);
    else
        cluster_renewed(c);
    return 0;
}

static int take_message(agent_cluster *c, const mesh_identity *peer, mesh_bytes message) {
    uint64_t now_ms = cluster_now_ms(c);
    if (message.len == 0) return MESH_EPROTO;
    mesh_bytes body = mesh_bytes_skip(message, 1);
    switch (message.data[0]) {
    case MESSAGE_INTRO: return mesh_swim_take_intro(c->swim, now_ms, cluster_now_s(), body);
    case MESSAGE_REGISTRY: return mesh_replica_receive(c->replica, now_ms, id_of(peer), body);
    case MESSAGE_ECHO: (void)send_message(c, id_of(peer), MESSAGE_ECHOED, body); return 0;
    case MESSAGE_ECHOED: mesh_swim_probed(c->swim, now_ms, id_of(peer), true); return 0;
    case MESSAGE_RENEW: renew(c, peer); return 0;
    case MESSAGE_RENEWED: return take_renewed(c, body);
    case MESSAGE_FETCH: return cluster_fetch_take(c, id_of(peer), body);
    case MESSAGE_STORE: return cluster_store_take(c, id_of(peer), body);
    default: return 0; // of a later minor
    }
}

static void on_message(const mesh_identity *peer, mesh_bytes message, void *user) {
    agent_cluster *c = user;
    if (c->is_lost) return;
    if (take_message(c, peer, message) != 0) {
        agent_say("the agent of host %s sent what cannot be read: its link is closed",
                  mesh_chain_leaf(&peer->chain)->name);
        mesh_agent_peers_hang_up(agent_links_peers(c->links), id_of(peer));
    }
    cluster_work(c);
}

static void on_down(const mesh_identity *peer, const char *why, void *user) {
    agent_cluster *c = user;
    (void)why; // that a host is gone is said by membership; a link comes again
    mesh_replica_neighbour_down(c->replica, id_of(peer));
    cluster_fetch_down(c, id_of(peer));
    cluster_store_down(c, id_of(peer));
    mesh_overlay_unlinked(c->overlay, cluster_now_ms(c), id_of(peer));
    c->are_hosts_changed = true;
    cluster_work(c);
}

static void on_dial_failed(const mesh_addr *to, int err, void *user) {
    agent_cluster *c = user;
    end_dials(c, to);
    if (err == MESH_ECERTTIME) cluster_say_clock(c);
    cluster_work(c);
}

// ---- for links of nodes, and hosts that want in

static bool on_route(uint64_t node_id, agent_route *out, void *user) {
    agent_cluster *c = user;
    const uint8_t *host_id = mesh_replica_host_of(c->replica, node_id);
    mesh_swim_host host;
    if (host_id == NULL || !mesh_swim_find(c->swim, host_id, &host) || host.addr_count == 0)
        return false;
    memcpy(out->host_id, host.host_id, MESH_ID_LEN);
    out->address = host.addrs[randombytes_uniform((uint32_t)host.addr_count)];
    return true;
}

static int on_sign(uint64_t number, const char *name, const uint8_t link_key[MESH_LINK_KEY_LEN],
                   mesh_signed *out, void *user) {
    agent_cluster *c = user;
    return agent_identity_issue_node(c->identity, number, name, link_key, cluster_now_s(), out);
}

static const mesh_ticket_keys *on_ticket(uint64_t ticket_id, void *user) {
    agent_cluster *c = user;
    char text[AGENT_VAULT_TEXT_MAX] = "";
    const mesh_ticket_keys *found;
    if (agent_tickets_find(c->identity, &c->tickets, ticket_id, &found, text) == 0) return found;
    if (text[0] != '\0') agent_say("%s", text);
    return NULL;
}

static void on_enrol(int fd, const mesh_ticket_keys *ticket, void *user) {
    cluster_enrol_accept(user, fd, ticket);
}

static const agent_links_events links_events = {
    on_route, on_sign, on_ticket, on_enrol, {on_up, on_message, on_down, on_dial_failed}};

int cluster_links_open(agent_cluster *c, const mesh_addr *listen, char text[AGENT_VAULT_TEXT_MAX]) {
    agent_links_options options = {.loop = c->options.loop,
                                   .members = c->options.members,
                                   .self = &c->identity->credentials,
                                   .listen = listen};
    memcpy(options.host_id, c->host_id, MESH_ID_LEN);
    int err = agent_links_open(&options, &links_events, c, &c->links);
    if (err == 0) return 0;
    (void)snprintf(text, AGENT_VAULT_TEXT_MAX,
                   "cannot listen for other hosts on %.200s: %s (`listen` in %.150s/config.json "
                   "chooses the address)",
                   c->identity->config.listen, strerror(-err), c->identity->vault);
    return err;
}

void cluster_links_forget_members(agent_cluster *c) {
    agent_links_forget_members(c->links);
}

void cluster_links_close(agent_cluster *c) {
    agent_links_close(c->links);
    c->links = NULL;
    for (cluster_dial *d; (d = c->dials) != NULL;) {
        c->dials = d->next;
        free(d);
    }
}

void cluster_links_ask_renewal(agent_cluster *c) {
    mesh_swim_host host, chosen;
    uint32_t unlinked = 0;
    for (uint32_t cursor = 0; mesh_swim_each(c->swim, &cursor, &host);) {
        if (host.is_self || host.state != MESH_HOST_UP || host.addr_count == 0) continue;
        if (send_message(c, host.host_id, MESSAGE_RENEW, (mesh_bytes){0}) == 0) continue;
        if (randombytes_uniform(++unlinked) == 0) chosen = host; // each is as likely
    }
    if (unlinked > 0) dial(c, chosen.host_id, &chosen.addrs[0]); // asked once the link is up
}
