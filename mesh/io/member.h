// The driver: one member of the mesh on a libuv loop, for the binding of JavaScript and for
// include/warren.h.
//
// A `mesh_member` owns the connection to the host's agent and the links to other nodes. It speaks
// in mesh_output events (core/node.h): the callback gets them from the loop, one after the other,
// then one call with NULL when the batch is over. Inside the callback every function below may be
// called. Not thread-safe: everything happens on the loop's thread.
#pragma once

#include <uv.h>

#include "core/node.h"
#include "io/leases.h"

typedef struct mesh_member mesh_member;

typedef struct mesh_member_options {
    int control_fd;           // the inherited socket to the agent, or -1: connect to `agent_path`
    const char *agent_path;   // NULL: $WARREN_DIR/agent.sock (paths.h)
    const char *name;         // for lists, when connecting by path; NULL: "node-PID"
    const char *tags;         // of all it offers (core/tags.h); NULL: $WARREN_TAGS
    uint32_t max_message_len; // 0: the default
} mesh_member_options;

// Who this node is: known when mesh_member_open returns for an inherited socket.
typedef struct mesh_member_self {
    uint64_t node_id, incarnation;
    const char *name, *service, *host;
    uint32_t instance;
} mesh_member_self;

// What the agent told this node, beside the mesh_output events.
typedef enum mesh_member_agent_event {
    MESH_MEMBER_JOINED,    // every earlier peer and service has been told
    MESH_MEMBER_ANNOUNCED, // id = entry_id: peers know it
    MESH_MEMBER_BALANCE,   // id = request_id of the LISTENING that follows, status = memory (gives;
                           // runtime/balance.h)
    MESH_MEMBER_LISTENING, // id = request_id, status = a listening socket (gives), or -errno
    MESH_MEMBER_LEASE,     // id = lease id, status = mesh_lease_state | mesh_lease_why << 8, text
    MESH_MEMBER_DRAIN,     // id = timeout_ms: finish what is there, then mesh_member_drained
    MESH_MEMBER_CHECK,   // id = number, status = timeout_ms, text = path and method, with a newline
                         // between: is this node well? Then mesh_member_checked
    MESH_MEMBER_REFUSED, // text: why; MESH_MEMBER_LOST follows
    MESH_MEMBER_LOST,    // the agent is gone; links and messages go on
    MESH_MEMBER_CLOSED,  // mesh_member_close has finished: every byte was written or its link is
                         // down
} mesh_member_agent_event;

typedef void (*mesh_member_output_cb)(const mesh_output *out, void *user); // NULL: end of the batch
typedef void (*mesh_member_agent_cb)(mesh_member_agent_event event, uint32_t id, int status,
                                     const char *text, void *user);

// Connects (blocks at most 2 s for the agent's Welcome). UV_ECONNREFUSED, UV_ENOENT: no agent;
// UV_EACCES: it refused; UV_ETIMEDOUT, MESH_EGONE, MESH_EPROTO: it said nothing, hung up, is no
// agent. UV_EINVAL: malformed tags. Takes `control_fd`, but for UV_EINVAL and UV_ETIMEDOUT: with it
// the same may be asked again.
int mesh_member_open(uv_loop_t *loop, const mesh_member_options *options,
                     mesh_member_output_cb on_output, mesh_member_agent_cb on_agent, void *user,
                     mesh_member **out);
const mesh_member_self *mesh_member_self_get(const mesh_member *me);
int mesh_member_join(mesh_member *me); // MESH_MEMBER_JOINED follows
// Tells core and agent, with the tags of the node and those of the entry, which are stronger;
// MESH_MEMBER_ANNOUNCED follows. MESH_EINVAL, MESH_ETOOBIG (of all tags), MESH_EQUOTA (also: too
// much waits for the agent), MESH_EEXIST, MESH_EGONE.
int mesh_member_announce(mesh_member *me, const mesh_entry *entry);
void mesh_member_withdraw(mesh_member *me, uint32_t entry_id);
// Tells the others only: what comes from those who have not heard it yet is still delivered.
void mesh_member_retire(mesh_member *me, uint32_t entry_id);
// The answer to MESH_MEMBER_DRAIN: so many connections did not end in time.
void mesh_member_drained(mesh_member *me, uint32_t connections);
// The answer to MESH_MEMBER_CHECK; `why` it is not, in at most MESH_MEMBER_WHY_MAX bytes.
enum { MESH_MEMBER_WHY_MAX = 200 };
void mesh_member_checked(mesh_member *me, uint32_t number, bool is_healthy, mesh_bytes why);
// The mesh_node for all other commands (publish, call ...): afterwards call mesh_member_flush.
mesh_node *mesh_member_node(mesh_member *me);
// Carries out what the commands caused: one write per link. Call it once per turn of the loop.
void mesh_member_flush(mesh_member *me);
int mesh_member_listen(mesh_member *me, uint32_t request_id, const char *address, uint32_t port,
                       uint32_t backlog, bool is_ipv6_only);
// Tells the agent that the program can do its work now; `is_message`: it said so by
// process.send('ready'). Without an agent nobody waits for that.
void mesh_member_ready(mesh_member *me, bool is_message);
// It would serve if another node did not: for whoever waits until it can do its work, the same.
void mesh_member_stands_by(mesh_member *me);
// As mesh_leases_ask (io/leases.h), MESH_EGONE too: news come as MESH_MEMBER_LEASE. When the agent
// is lost, or the member leaves, all are over untold.
int mesh_member_ask_lease(mesh_member *me, const mesh_lease_ask *ask);
void mesh_member_end_lease(mesh_member *me, uint32_t id);
bool mesh_member_is_lease_valid(const mesh_member *me, uint32_t id); // now
uint64_t mesh_member_lease_token(const mesh_member *me, uint32_t id);
// Writes to every link what it takes now, without calling back: for a caller that is deep in its
// own work.
void mesh_member_write(mesh_member *me);
// For tests: while held, not a byte goes to or comes from this node, and nobody is told: as if a
// cable were pulled. What the agent says of it is still heard.
void mesh_member_hold(mesh_member *me, uint64_t node_id, bool is_held);
// Keep the loop alive while open (default: no; bytes that wait to be written always do).
void mesh_member_ref(mesh_member *me, bool is_ref);
// Leaves: tells the peers, writes what is queued for at most timeout_ms, then MESH_MEMBER_CLOSED.
// Afterwards call mesh_member_flush.
void mesh_member_close(mesh_member *me, uint32_t timeout_ms);
// Frees everything at once (after MESH_MEMBER_CLOSED, or when the process ends). Fine with NULL.
void mesh_member_destroy(mesh_member *me);
