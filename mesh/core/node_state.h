// What the files of a node share. node.c composes; node_peers.c: members and their death;
// node_links.c: links; node_receive.c: what comes in; node_choose.c: who of several;
// node_calls.c: calls both ways; node_streams.c, node_inputs.c: answers and inputs
// that are streams;
// node_publish.c: publications.
#pragma once

#include "core/call.h"
#include "core/deadline.h"
#include "core/link.h"
#include "core/node.h"
#include "core/outbox.h"
#include "core/registry.h"
#include "core/rng.h"
#include "core/serve.h"
#include "core/shapes.h"

enum {
    MESH_NODE_SERVES_PER_LINK_MAX =
        16384,                      // a quarter of all, so that one peer cannot take every slot
    MESH_NODE_RESUME_MS = 10000,    // a link that broke may go on for so long
    MESH_NODE_RESUME_EOF_MS = 1000, // after an orderly end: most often its process has died
    MESH_NODE_REDIAL_MS = 250,      // after a connection that failed
    MESH_NODE_HOLD_MS = 10000, // the link of a dead peer that does not end is closed after this

    // Ids in the heap of deadlines: calls made, calls served, peers (dead ones held back, broken
    // links).
    MESH_NODE_DEADLINE_SERVE = MESH_CALLS_MAX,
    MESH_NODE_DEADLINE_HOLD = 2 * MESH_CALLS_MAX,
    MESH_NODE_PEER_INDEX_MASK = 0xffff,
    MESH_NODE_PEERS_MAX = 0xffff,
};

typedef struct mesh_peer {
    uint32_t handle;
    mesh_peer_info info; // its strings follow in the same block
    mesh_link *link;     // NULL: none, and none asked for
    mesh_cert *cert;     // of the other end of a link between hosts
    uint32_t epoch;      // counts its links
    size_t linked_index; // in node->linked
    bool is_dialler;     // this node asked for the link
    bool is_write_said, is_close_said;
    bool is_full[MESH_LANE_COUNT]; // much waits for it; `drain` waits until it does not
    bool is_monitored;
    bool is_stalled;          // the agent said so
    bool is_gone;             // the agent said so; the link has not ended yet
    uint64_t resume_until_ms; // of a link that broke; 0: none did
    char *reason;
    int exit_code, exit_signal;
    uint32_t in_flight;  // calls made to it
    uint32_t first_call; // list in node->calls
    uint32_t first_serve, serve_count;
    uint64_t held_cost[MESH_LANE_COUNT]; // publications of this link that the application holds
    // The same of earlier links: to be taken before credit is given.
    uint64_t debt[MESH_LANE_COUNT];
} mesh_peer;

struct mesh_node {
    mesh_node_options options;
    mesh_rng rng;
    uint64_t now_ms;
    bool is_closed;
    bool is_flush_asked; // FLUSHED is to be said
    mesh_peer **peers;   // by handle & mask; [0] is the node itself
    size_t peer_cap;
    mesh_peer self;
    uint32_t next_handle;
    mesh_map peers_by_id;
    mesh_peer **linked; // peers with a link
    size_t linked_count, linked_cap;
    mesh_registry *registry;
    mesh_shapes shapes;
    mesh_assemblies assemblies;
    mesh_calls calls;
    mesh_serves serves;
    mesh_deadlines deadlines;
    mesh_outbox outbox;
    uint64_t self_held[MESH_LANE_COUNT]; // bytes of own publications the application holds
    uint64_t self_called;                // of own requests that are not answered yet
    uint64_t self_answered;              // of own answers that were not polled yet
    uint32_t full_count[MESH_LANE_COUNT];
    mesh_node_stats stats;
    mesh_target *targets; // scratch of publish
    size_t target_cap;
    mesh_target *able; // scratch of choose
    size_t able_cap;
    uint32_t stalled_count;
};

// node_peers.c
mesh_peer *mesh_node_peers_get(mesh_node *node, uint32_t handle); // NULL: not (any more) there
void mesh_node_peers_put(mesh_node *node, mesh_peer *peer);       // at the place of its handle
mesh_peer *mesh_node_peers_find(mesh_node *node, uint64_t node_id);
void mesh_node_peers_finish(mesh_node *node, mesh_peer *peer); // tells the death and frees the peer
void mesh_node_peers_expire_hold(mesh_node *node, uint32_t index);
void mesh_node_peers_free(mesh_peer *peer);
void mesh_node_peers_say_service(mesh_node *node, const mesh_peer *peer, mesh_bytes name,
                                 bool is_up);
bool mesh_node_peers_serves(mesh_node *node, const mesh_peer *peer, mesh_bytes name);

// node_links.c
// The peer's link; asks for one when there is none.
mesh_link *mesh_node_links_need(mesh_node *node, mesh_peer *peer);
mesh_link_place mesh_node_links_send(mesh_node *node, mesh_peer *peer,
                                     const mesh_link_send_options *send);
size_t mesh_node_links_unsent(const mesh_peer *peer);
// After anything that moved bytes: says WRITE, CLOSE, DRAIN and FLUSHED when they are due.
void mesh_node_links_settle(mesh_node *node, mesh_peer *peer);
// Above MESH_QUEUE_HIGH a peer is full until it is below MESH_QUEUE_LOW; when none is full any
// more: DRAIN.
void mesh_node_links_check_full(mesh_node *node, mesh_peer *peer);
void mesh_node_links_check_drain(mesh_node *node, mesh_peer *peer);
// What waits in a lane: for another node on the link, for this one in the application's hands.
size_t mesh_node_links_queued(const mesh_node *node, const mesh_peer *peer, mesh_lane lane);
static inline mesh_lane mesh_lane_of_flags(uint32_t flags) {
    return flags & MESH_IS_BULK ? MESH_LANE_BULK : MESH_LANE_NORMAL;
}
static inline uint32_t mesh_lane_flags(mesh_lane lane) {
    return lane == MESH_LANE_BULK ? MESH_IS_BULK : 0;
}
// So many publications to (`is_from`: from) the peer are lost: counted, and told by one GAP for
// those in a row.
void mesh_node_links_lose(mesh_node *node, const mesh_peer *peer, bool is_from, size_t count);
void mesh_node_links_end(mesh_node *node, mesh_peer *peer); // everything about the link is over
void mesh_node_links_ready(mesh_node *node, mesh_peer *peer, bool is_restart); // READY came
void mesh_node_links_expire(mesh_node *node, mesh_peer *peer); // time for a broken one

// node_receive.c
int mesh_node_receive(mesh_node *node, mesh_peer *peer, mesh_link_message *message);

// node_choose.c
bool mesh_node_pick_is_valid(const mesh_pick *pick);
// NULL: none of them. Borrowed until the next choice. `must_go`: rather one that is stalled than
// none.
const mesh_target *mesh_node_choose(mesh_node *node, const mesh_target *targets, size_t count,
                                    const mesh_pick *pick, bool must_go);

// node_calls.c
void mesh_node_calls_fail(mesh_node *node, uint32_t slot, uint32_t code, bool is_maybe);
void mesh_node_calls_complete(mesh_node *node, uint32_t slot, const mesh_reply *reply, void *owned);
bool mesh_node_calls_is_unsent(mesh_node *node, uint32_t slot); // an open call: it waits in a queue
void mesh_node_calls_fail_of(mesh_node *node, mesh_peer *peer, bool has_queue); // its link is gone
// Ends a call that was sent, for a reason on this side; its handler is told to stop.
void mesh_node_calls_give_up(mesh_node *node, uint32_t slot, uint32_t code);
void mesh_node_calls_expire(mesh_node *node, uint32_t slot);
void mesh_node_calls_close(mesh_node *node);
// node_streams.c
int mesh_node_streams_judge(const mesh_node *node, const mesh_peer *peer, size_t len);
void mesh_node_streams_send(mesh_node *node, mesh_peer *peer, uint8_t type, const mesh_reply *item);
int mesh_node_streams_take_item(mesh_node *node, const mesh_peer *peer, mesh_link_message *message);
int mesh_node_streams_take_grant(mesh_node *node, const mesh_peer *peer, mesh_bytes body);
// node_inputs.c
int mesh_node_inputs_take_item(mesh_node *node, mesh_peer *peer, mesh_link_message *message);
int mesh_node_inputs_take_take(mesh_node *node, const mesh_peer *peer, mesh_bytes body);

// Ends a call served before its answer: its handler is told, or it never runs when it was not
// polled yet.
void mesh_node_calls_abort(mesh_node *node, uint32_t serve_slot, uint32_t code);
void mesh_node_calls_stop(mesh_node *node, uint32_t serve_slot); // its deadline has passed
void mesh_node_calls_abort_of(mesh_node *node, mesh_peer *peer, uint32_t code);
// The same for a reason on this side, of which the caller is told.
void mesh_node_calls_break_off(mesh_node *node, uint32_t serve_slot, uint32_t code);
void mesh_node_calls_refuse(mesh_node *node, mesh_peer *peer, uint64_t call_id, uint32_t code);
