#include "agent/links.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "agent/descriptors.h"
#include "agent/members_state.h"
#include "agent/say.h"
#include "core/error.h"
#include "core/limits.h"
#include "core/mem.h"
#include "io/tcp.h"

enum { DIALS_MAX = 1024, REFUSAL_LEN = 160 };

typedef struct dial { // for a member, which may be gone when it is over
    struct dial *next;
    agent_links *links;
    mesh_dial *socket;
    uint64_t member_id, node_id;
    agent_route route;
} dial;

struct agent_links {
    agent_links_options options;
    agent_links_events events;
    void *user;
    mesh_gate *gate;
    mesh_agent_peers *peers;
    uint16_t port;
    mesh_ticket_keys ticket; // of the knock at hand
    dial *dials;
    uint32_t dial_count;
};

// ---- who comes

static const uint8_t *on_preamble(const mesh_preamble *preamble, void *user) {
    agent_links *links = user;
    const mesh_credentials *self = links->options.self;
    const uint8_t *knock_key = preamble->psk_id == self->psk_id ? self->knock_key : NULL;
    switch (preamble->kind) {
    case MESH_KIND_AGENT: return preamble->target == 0 ? knock_key : NULL;
    case MESH_KIND_NODE: return preamble->target != 0 ? knock_key : NULL;
    case MESH_KIND_ENROL: {
        if (links->events.on_ticket == NULL) return NULL;
        const mesh_ticket_keys *ticket = links->events.on_ticket(preamble->target, links->user);
        if (ticket == NULL) return NULL;
        links->ticket = *ticket;
        return links->ticket.knock_key;
    }
    default: return NULL;
    }
}

static void give_to_member(agent_links *links, int fd, uint64_t node_id) {
    agent_members *members = links->options.members;
    agent_member *member = members != NULL ? agent_members_find(members, node_id) : NULL;
    // One that does not read: its links wait here, and each holds a descriptor.
    bool is_fit = member != NULL && agent_member_is_joined(member) && agent_descriptors_left(1);
    if (is_fit) agent_member_give_link(member, 0, NULL, fd);
    close(fd);
}

static void on_guest(int fd, const mesh_preamble *preamble, void *user) {
    agent_links *links = user;
    switch (preamble->kind) {
    case MESH_KIND_AGENT: mesh_agent_peers_accept(links->peers, fd); break;
    case MESH_KIND_ENROL: links->events.on_enrol(fd, &links->ticket, links->user); break;
    default: give_to_member(links, fd, preamble->target); break;
    }
}

// ---- who goes

static void refuse(agent_member *member, const dial *d, int err) {
    char address[MESH_ADDR_TEXT_MAX], text[REFUSAL_LEN];
    (void)snprintf(text, sizeof text, "its host at %s cannot be reached: %s",
                   mesh_addr_text(&d->route.address, address), uv_strerror(err));
    agent_member_refuse_link(member, d->node_id, text);
}

static void forget(dial *d) {
    agent_links *links = d->links;
    dial **at = &links->dials;
    while (*at != d)
        at = &(*at)->next;
    *at = d->next;
    links->dial_count--;
    free(d);
}

static void on_dialled(int err, int fd, void *user) {
    dial *d = user;
    agent_member *member = agent_members_find(d->links->options.members, d->member_id);
    if (member != NULL && err == 0)
        agent_member_give_link(member, d->node_id, d->route.host_id, fd);
    else if (member != NULL)
        refuse(member, d, err);
    if (fd >= 0) close(fd);
    forget(d);
}

bool agent_links_connect(agent_links *links, agent_member *member, uint64_t node_id) {
    agent_route route;
    if (!links->events.on_route(node_id, &route, links->user)) return false;
    if (links->dial_count == DIALS_MAX) {
        agent_member_refuse_link(member, node_id, "too many links are being made");
        return true;
    }
    if (!agent_descriptors_left(2)) { // the socket, and its copy for a member that does not read
        agent_member_refuse_link(member, node_id, "the host is out of descriptors");
        return true;
    }
    dial *d = mem_alloc(sizeof *d);
    *d = (dial){.next = links->dials,
                .links = links,
                .member_id = agent_member_identity(member)->node_id,
                .node_id = node_id,
                .route = route};
    links->dials = d;
    links->dial_count++;
    int err = mesh_dial_open(links->options.loop, &d->route.address, MESH_DIAL_TIMEOUT_MS,
                             on_dialled, d, &d->socket);
    if (err == 0) return true;
    refuse(member, d, err);
    forget(d);
    return true;
}

// ---- certificates of members

// A certificate's name is shorter and plainer than a node's may be; it is for people to read.
static void write_name(const char *name, char out[MESH_CERT_NAME_LEN_MAX + 1]) {
    (void)snprintf(out, MESH_CERT_NAME_LEN_MAX + 1, "%s", name[0] != 0 ? name : "node");
    for (char *at = out; *at != 0; at++)
        if (strchr(MESH_NAME_LETTERS, *at) == NULL) *at = '-';
}

void agent_links_credentials(agent_links *links, agent_member *member,
                             const uint8_t link_key[MESH_LINK_KEY_LEN]) {
    const agent_member_info *who = agent_member_identity(member);
    char name[MESH_CERT_NAME_LEN_MAX + 1];
    mesh_signed cert;
    write_name(who->name, name);
    int err = links->events.on_sign(who->number, name, link_key, &cert, links->user);
    if (err != 0)
        agent_say("cannot sign a certificate for %s: %s", who->name, mesh_error_text(err));
    agent_member_give_credentials(member, links->options.self,
                                  err == 0 ? (mesh_bytes){cert.bytes, cert.len} : (mesh_bytes){0});
}

bool agent_links_allows(const mesh_cert *host, const Warren__Node__Entry *entry) {
    mesh_verb verb =
        entry->kind == WARREN__NODE__ENTRY__KIND__SERVICE ? MESH_VERB_SERVE : MESH_VERB_SUBSCRIBE;
    return mesh_scope_allows(host, verb, mesh_bytes_text(entry->name));
}

// ---- life

int agent_links_open(const agent_links_options *options, const agent_links_events *events,
                     void *user, agent_links **out) {
    static const mesh_gate_events gate_events = {on_preamble, on_guest};
    int fd, err = mesh_tcp_listen(options->listen, &fd);
    if (err != 0) return err;
    agent_links *links = mem_alloc(sizeof *links);
    links->options = *options;
    links->options.listen = NULL; // was borrowed
    links->events = *events;
    links->user = user;
    links->port = mesh_tcp_port(fd);
    err = mesh_gate_open(options->loop, fd, &gate_events, links, &links->gate);
    if (err != 0) {
        free(links);
        return err;
    }
    links->peers =
        mesh_agent_peers_open(options->loop, options->self, options->host_id, &events->peers, user);
    *out = links;
    return 0;
}

void agent_links_forget_members(agent_links *links) {
    for (dial *d = links->dials, *next; d != NULL; d = next) {
        next = d->next;
        agent_member *member = agent_members_find(links->options.members, d->member_id);
        if (member != NULL)
            agent_member_refuse_link(member, d->node_id, "this host leaves its cluster");
        mesh_dial_close(d->socket);
        forget(d);
    }
    links->options.members = NULL;
}

void agent_links_close(agent_links *links) {
    if (links == NULL) return;
    agent_links_forget_members(links);
    mesh_gate_close(links->gate);
    mesh_agent_peers_close(links->peers);
    sodium_memzero(links, sizeof *links); // a ticket's keys
    free(links);
}

mesh_agent_peers *agent_links_peers(agent_links *links) {
    return links->peers;
}

mesh_gate_stats agent_links_stats(const agent_links *links) {
    return mesh_gate_stats_get(links->gate);
}

uint16_t agent_links_port(const agent_links *links) {
    return links->port;
}
