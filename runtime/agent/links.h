// Links between this host and others: the public port, what comes through it, dials for members,
// and the certificates that members need for them. Sockets of members are handed to them: what is
// said on those, the agent never sees. Links between agents are mesh_agent_peers
// (io/agent_peers.h).
#pragma once

#include "agent/members.h"
#include "io/agent_peers.h"
#include "io/gate.h"
#include "secure/issue.h"

typedef struct agent_links agent_links;

typedef struct agent_route { // where a node of another host is
    uint8_t host_id[MESH_ID_LEN];
    mesh_addr address; // of its agent's port
} agent_route;

typedef struct agent_links_events {
    bool (*on_route)(uint64_t node_id, agent_route *out,
                     void *user); // false: there is no such node
    // Signs a certificate for a node of this host; 0 or an error. `name` is fit for it.
    int (*on_sign)(uint64_t number, const char *name, const uint8_t link_key[MESH_LINK_KEY_LEN],
                   mesh_signed *out, void *user);
    // Of an issuer, else NULL: the keys of a ticket (borrowed until the next call; NULL: there is
    // none), and somebody who has them. Takes fd; its first bytes are unread (mesh_enrol_listen).
    const mesh_ticket_keys *(*on_ticket)(uint64_t ticket_id, void *user);
    void (*on_enrol)(int fd, const mesh_ticket_keys *ticket, void *user);
    mesh_agent_peers_events peers;
} agent_links_events;

typedef struct agent_links_options {
    uv_loop_t *loop;
    agent_members *members;
    const mesh_credentials *self; // the agent's (node_id 0, boot_id its generation); borrowed, may
                                  // be renewed in place
    uint8_t host_id[MESH_ID_LEN];
    const mesh_addr *listen;
} agent_links_options;

// 0 or -errno: the port is taken. The events' `user` is for all of them, those of `peers` too.
int agent_links_open(const agent_links_options *options, const agent_links_events *events,
                     void *user, agent_links **out);
// For when the members go first: their dials are refused, and what others dial for them is closed.
void agent_links_forget_members(agent_links *links);
void agent_links_close(agent_links *links); // forgets the members, too; NULL is fine

// For agent_members_abroad: its on_connect and on_credentials.
bool agent_links_connect(agent_links *links, agent_member *member, uint64_t node_id);
void agent_links_credentials(agent_links *links, agent_member *member,
                             const uint8_t link_key[MESH_LINK_KEY_LEN]);

mesh_agent_peers *agent_links_peers(agent_links *links);
mesh_gate_stats agent_links_stats(const agent_links *links);
uint16_t agent_links_port(const agent_links *links); // that it listens on

// Whether the certificate of a host lets its nodes have this entry: what is not allowed is ignored
// by those who hear of it.
bool agent_links_allows(const mesh_cert *host, const Warren__Node__Entry *entry);
