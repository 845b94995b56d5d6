// The inside of agent_peers: agent_peers.c has them all, and dials and accepts them;
// agent_peers_link.c carries one link.
#pragma once

#include "core/link.h"
#include "io/agent_peers.h"
#include "io/tcp.h"

typedef enum mesh_peer_stage {
    STAGE_DIALS,
    STAGE_GREETS,   // the handshake is under way
    STAGE_LINKED,   // it is over; up once the other end has said READY
    STAGE_REPLACED, // another link stays. The other end closes this one when it sees that: closed
                    // first, it could seem to be lost
    STAGE_FAILED,   // told from the loop
} mesh_peer_stage;

typedef struct mesh_agent_peer {
    struct mesh_agent_peer *next;
    mesh_agent_peers *peers;
    mesh_peer_stage stage;
    bool is_dialler, is_any_host;
    bool is_up;      // on_up was told
    bool is_hung_up; // we said goodbye: nothing more is sent, nor heard
    bool is_blocked;
    mesh_addr to; // where it was dialled
    // Once greeted, whose it is. Before that who is looked for, if anybody (is_awaited): a dial to
    // a seed may be joined by one to a host.
    uint8_t host_id[MESH_ID_LEN];
    bool is_awaited;
    int err;         // why a dial failed
    const char *why; // it is over, and this is what on_down says
    uint64_t heard_at_ms, pinged_at_ms, due_ms;
    mesh_dial *dial;
    mesh_greeting *greeting;
    mesh_identity identity;
    mesh_link *link;
    int fd;
    uv_poll_t poll;
    bool is_polled;
} mesh_agent_peer;

struct mesh_agent_peers {
    uv_loop_t *loop;
    uv_timer_t *sweep;
    const mesh_credentials *self;
    uint8_t host_id[MESH_ID_LEN];
    mesh_agent_peers_events events;
    void *user;
    mesh_agent_peer *first;
    // accepted: that others dialled and that are no links, those that are replaced included: one
    // host could make any number of them.
    uint32_t count, accepted_count;
    mesh_assemblies assemblies;
};

static inline uint64_t mesh_agent_peers_now(const mesh_agent_peers *peers) {
    return uv_now(peers->loop);
}

// ---- agent_peers.c
// Tells what there is to tell, and forgets it.
void mesh_agent_peer_end(mesh_agent_peer *p);

// ---- agent_peers_link.c
// The handshake is over; 0 or -errno.
int mesh_agent_peer_start(mesh_agent_peer *p, const mesh_greeted *greeted);
void mesh_agent_peer_flush(mesh_agent_peer *p);
// It ends from the loop, not in the middle of whatever found out.
void mesh_agent_peer_finish(mesh_agent_peer *p, const char *why);
// Once a second: whether it is alive, and what keeps it so.
void mesh_agent_peer_sweep(mesh_agent_peer *p);
