// Warren for C: one member of the mesh on a libuv loop. The only header programs include.
//
// A `warren` owns the connection to the host's agent and the links to other nodes. It speaks in
// mesh_output events (core/node.h): the callback gets them from the loop, one after the other, then
// one call with NULL when the batch is over. Inside the callback every function below may be
// called. Not thread-safe: everything happens on the loop's thread.
#pragma once

#include <uv.h>

#include "core/node.h"

typedef struct warren warren;

typedef struct warren_options {
    int control_fd;           // the inherited socket to the agent, or -1: connect to `agent_path`
    const char *agent_path;   // NULL: $WARREN_DIR/agent.sock (paths.h)
    const char *name;         // for lists, when connecting by path; NULL: "node-PID"
    const char *tags;         // of all it offers (core/tags.h); NULL: $WARREN_TAGS
    uint32_t max_message_len; // 0: the default
} warren_options;

// Who this node is: known when warren_open returns for an inherited socket.
typedef struct warren_self {
    uint64_t node_id, incarnation;
    const char *name, *service, *host;
    uint32_t instance;
} warren_self;

// What the agent told this node, beside the mesh_output events.
typedef enum warren_agent_event {
    WARREN_JOINED,    // every earlier peer and service has been told
    WARREN_ANNOUNCED, // id = entry_id: peers know it
    WARREN_LISTENING, // id = request_id, status = a listening socket (gives), or -errno
    WARREN_REFUSED,   // text: why; WARREN_LOST follows
    WARREN_LOST,      // the agent is gone; links and messages go on
    WARREN_CLOSED,    // warren_close has finished: every byte was written or its link is down
} warren_agent_event;

typedef void (*warren_output_cb)(const mesh_output *out, void *user); // NULL: end of the batch
typedef void (*warren_agent_cb)(warren_agent_event event, uint32_t id, int status, const char *text,
                                void *user);

// Connects (blocks at most 2 s for the agent's Welcome). UV_ECONNREFUSED, UV_ENOENT: no agent;
// UV_EACCES: it refused; UV_ETIMEDOUT, MESH_EGONE, MESH_EPROTO: it said nothing, hung up, is no
// agent. UV_EINVAL: malformed tags.
int warren_open(uv_loop_t *loop, const warren_options *options, warren_output_cb on_output,
                warren_agent_cb on_agent, void *user, warren **out);
const warren_self *warren_self_get(const warren *w);
int warren_join(warren *w); // WARREN_JOINED follows
// Tells core and agent, with the tags of the node and those of the entry, which are stronger;
// WARREN_ANNOUNCED follows. MESH_EINVAL, MESH_ETOOBIG (of all tags), MESH_EQUOTA, MESH_EEXIST,
// MESH_EGONE.
int warren_announce(warren *w, const mesh_entry *entry);
void warren_withdraw(warren *w, uint32_t entry_id);
// The mesh_node for all other commands (publish, call ...): afterwards call warren_flush.
mesh_node *warren_node(warren *w);
// Carries out what the commands caused: one write per link. Call it once per turn of the loop.
void warren_flush(warren *w);
int warren_listen(warren *w, uint32_t request_id, const char *address, uint32_t port,
                  uint32_t backlog, bool is_ipv6_only);
// Writes to every link what it takes now, without calling back: for a caller that is deep in its
// own work.
void warren_write(warren *w);
// For tests: while held, not a byte goes to or comes from this node, and nobody is told: as if a
// cable were pulled. What the agent says of it is still heard.
void warren_hold(warren *w, uint64_t node_id, bool is_held);
// Keep the loop alive while open (default: no; bytes that wait to be written always do).
void warren_ref(warren *w, bool is_ref);
// Leaves: tells the peers, writes what is queued for at most timeout_ms, then WARREN_CLOSED.
// Afterwards call warren_flush.
void warren_close(warren *w, uint32_t timeout_ms);
// Frees everything at once (after WARREN_CLOSED, or when the process ends). Fine with NULL.
void warren_destroy(warren *w);
