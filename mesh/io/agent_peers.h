// The links of an agent to agents of other hosts: a sealed pipe of messages to each, with signs of
// life. Sealed links of core/link.h with AGENT as their only message (wire.md). One per host: of
// two that were dialled at once, that of the smaller host id stays.
#pragma once

#include <uv.h>

#include "cluster/addr.h"
#include "io/greeting.h"

typedef struct mesh_agent_peers mesh_agent_peers;

// Callbacks come from the loop. They may call dial, send, hang_up and find.
typedef struct mesh_agent_peers_events {
    // Its certificate is good, and it has said READY. `peer` is borrowed while it is up.
    void (*on_up)(const mesh_identity *peer, void *user);
    void (*on_message)(const mesh_identity *peer, mesh_bytes message, void *user); // borrowed
    // Once for each on_up; `why` is a sentence. The peer may have restarted: another on_up follows
    // then.
    void (*on_down)(const mesh_identity *peer, const char *why, void *user);
    // Of all dials to this address that came to nothing, or whose link was not needed: MESH_EEXIST
    // (there is one to that host, up or coming up, or it is this host itself). MESH_EWRONGPEER:
    // another host is there than was looked for (it may be up, if it was also a seed). Else -errno
    // or as mesh_greeting_cb.
    void (*on_dial_failed)(const mesh_addr *to, int err, void *user);
} mesh_agent_peers_events;

// `self` is the agent's (node_id 0, boot_id its generation), borrowed; it may be renewed in place.
mesh_agent_peers *mesh_agent_peers_open(uv_loop_t *loop, const mesh_credentials *self,
                                        const uint8_t host_id[MESH_ID_LEN],
                                        const mesh_agent_peers_events *events, void *user);
void mesh_agent_peers_close(mesh_agent_peers *peers); // no callback any more; NULL is fine

// host_id NULL: whoever is there, of our cluster. Dials to one address become one, which ends for
// each of them, except when two hosts are looked for there. True: on_up of that host or
// on_dial_failed follows. False: there is a link to that host, which is up, coming up or at its
// end; nothing is dialled, and nothing more is said about this dial.
bool mesh_agent_peers_dial(mesh_agent_peers *peers, const mesh_addr *to, const uint8_t *host_id);
void mesh_agent_peers_accept(mesh_agent_peers *peers, int fd); // takes fd: knocked, of kind AGENT

// Copies. MESH_ENOTFOUND: no link is up to that host; MESH_ETOOBIG: over MESH_AGENT_MESSAGE_MAX;
// MESH_EQUOTA: too much waits for it, its link is closed (on_down follows from the loop).
int mesh_agent_peers_send(mesh_agent_peers *peers, const uint8_t host_id[MESH_ID_LEN],
                          mesh_bytes message);
// Bytes that were sent to it and are not on their way yet.
size_t mesh_agent_peers_queued(const mesh_agent_peers *peers, const uint8_t host_id[MESH_ID_LEN]);
// After all that was sent. on_down follows.
void mesh_agent_peers_hang_up(mesh_agent_peers *peers, const uint8_t host_id[MESH_ID_LEN]);
const mesh_identity *mesh_agent_peers_find(const mesh_agent_peers *peers,
                                           const uint8_t host_id[MESH_ID_LEN]); // NULL: not up
