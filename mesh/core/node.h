// One member of the mesh, without sockets and clock: who is there, who serves what, the links to
// others, calls in both directions, publications, monitors. The simulator, the driver in
// mesh/io/member.c and the fuzzers run these same objects.
//
// Time comes in as `now_ms` (monotonic). Output is polled: after any call, call mesh_node_poll
// until it says false. Handles: a peer is a u32 that is never reused in this process (0 is the node
// itself); a call is a slot that its owner chooses (calls made) or the core chooses (calls served).
#pragma once

#include <stdbool.h>

#include "core/bytes.h"
#include "core/entry.h"
#include "core/lane.h"
#include "core/limits.h"
#include "secure/cert.h"
#include "secure/cipher.h"

typedef struct mesh_node mesh_node;

typedef struct mesh_node_options {
    uint64_t node_id;
    uint64_t seed;            // all randomness of this core
    uint32_t max_message_len; // 0: MESH_MESSAGE_LEN_DEFAULT
    uint32_t credit;          // per link and channel; 0: MESH_CREDIT_DEFAULT
    size_t assembled_max;     // bytes of unfinished messages; 0: MESH_ASSEMBLED_MAX
} mesh_node_options;

mesh_node *mesh_node_create(const mesh_node_options *options);
void mesh_node_destroy(mesh_node *node);

// Flags of a message. Bulk is for what is large or can wait: it never holds up the normal lane, and
// keeps its order and its queue by itself. The answer to a call goes by the lane of the call.
enum { MESH_PAYLOAD_HAS_HEADERS = 1, MESH_INPUT_IS_STREAM = 2, MESH_IS_BULK = 4 };

// Codes of wire.md's ERROR and CANCEL.
typedef enum mesh_call_code {
    MESH_CALL_APPLICATION = 1,
    MESH_CALL_NO_RESPONDERS,
    MESH_CALL_TIMEOUT,
    MESH_CALL_CANCELLED,
    MESH_CALL_OVERLOADED,
    MESH_CALL_CLOSED,
    MESH_CALL_NO_METHOD,
    MESH_CALL_PEER_LOST,
    MESH_CALL_FORBIDDEN,
} mesh_call_code;

// ---- what the agent says -------------------------------------------------------------------
// Unknown ids are ignored, known ones updated: the agent's order of messages is the truth. An id
// that was down may come again (reason "unreachable", wire.md): as another peer, with another
// handle.
typedef struct mesh_peer_info {
    uint64_t node_id;
    mesh_bytes name, service, host;
    uint32_t instance, pid;
    uint8_t host_id[MESH_ID_LEN]; // all 0: on this host
} mesh_peer_info;
void mesh_node_peer_up(mesh_node *node, const mesh_peer_info *info);
int mesh_node_entry_put(mesh_node *node, uint64_t node_id,
                        const mesh_entry *entry); // MESH_EQUOTA, MESH_EINVAL
void mesh_node_entry_removed(mesh_node *node, uint64_t node_id, uint32_t entry_id);
// Its loop does not turn, or turns again: while not, it is not chosen (wire.md, "Choosing").
void mesh_node_peer_stalled(mesh_node *node, uint64_t node_id, bool is_stalled);
// The DOWN event is held back until the link to that peer, if one is up, has been read to its end.
void mesh_node_peer_down(mesh_node *node, uint64_t now_ms, uint64_t node_id, mesh_bytes reason,
                         int code, int signal);

// ---- links -----------------------------------------------------------------------------------
// A socket to node_id is there (asked for, or the peer asked). A second one for the same peer: the
// link dialled by the smaller id stays; `is_dialler` says whether this node asked for it. On this
// host nobody brings a second one here: see mesh_node_link_next.
// MESH_ENOTFOUND: unknown peer, MESH_EEXIST: keep the other one, MESH_ECLOSED: the caller closes
// the new socket. 0 for a peer whose link was up: the new socket takes its place, the caller closes
// the old one without link_down.
int mesh_node_link_up(mesh_node *node, uint64_t now_ms, uint32_t *out_peer, uint64_t node_id,
                      bool is_dialler);
// On this host, instead of link_down: the link's socket was read to its end, and the agent has
// handed out another one meanwhile. What waits goes on with it. Errors as above, and nothing has
// happened.
int mesh_node_link_next(mesh_node *node, uint64_t now_ms, uint32_t peer, bool is_dialler);
// The same as link_up for a socket to another host, once its handshake is over. MESH_EWRONGPEER:
// whoever it is is not on the host that the agent said, or is said to be on this one. What its
// certificate does not allow it to call and to publish is refused here.
typedef struct mesh_link_secrets { // copied
    mesh_cipher send, receive;
    const mesh_cert *peer; // of the NODE at the other end, verified
} mesh_link_secrets;
int mesh_node_link_up_sealed(mesh_node *node, uint64_t now_ms, uint32_t *out_peer, bool is_dialler,
                             const mesh_link_secrets *secrets);
void mesh_node_connect_failed(mesh_node *node, uint64_t now_ms, uint64_t node_id);
// Zero-copy input: read into *out_buffer (*out_cap > 0 bytes), then say how many came. The memory
// of events of this peer ends with `link_input`: poll to the end before. A negative result: the
// peer broke the protocol; a GOAWAY is queued; write what link_output gives, then close and call
// link_down.
void mesh_node_link_input(mesh_node *node, uint32_t peer, uint8_t **out_buffer, size_t *out_cap);
int mesh_node_link_received(mesh_node *node, uint64_t now_ms, uint32_t peer, size_t len);
// Bytes to write now (len 0: none). Valid until the next call on this node. `sent` says how many
// went.
mesh_bytes mesh_node_link_output(mesh_node *node, uint32_t peer);
void mesh_node_link_sent(mesh_node *node, uint64_t now_ms, uint32_t peer, size_t len);
// The connection is over. On this host: open calls to this peer fail with PEER_LOST at once, calls
// from it are cancelled; when it never came so far that anything was sent, CONNECT follows. Between
// hosts another one may go on (wire.md, "Resume"): CONNECT follows where this node had dialled.
// `eof`: by an orderly end, which most often means that its process has died.
void mesh_node_link_down(mesh_node *node, uint64_t now_ms, uint32_t peer);
void mesh_node_link_eof(mesh_node *node, uint64_t now_ms, uint32_t peer);

// ---- what the application does ------------------------------------------------------------------
int mesh_node_announce(mesh_node *node,
                       const mesh_entry *entry); // MESH_EINVAL, MESH_EQUOTA, MESH_EEXIST
int mesh_node_withdraw(mesh_node *node, uint32_t entry_id);
// Which of several (wire.md, "Choosing"). Nothing: by load.
typedef struct mesh_pick {
    mesh_bytes key;  // the same key, the same instance; at most MESH_TAGS_LEN_MAX
    mesh_bytes tags; // only those that have these (core/tags.h)
} mesh_pick;

typedef struct mesh_publication {
    mesh_bytes subject;
    uint32_t flags;
    mesh_bytes payload;
    mesh_pick pick; // tags: of all subscriptions; key: of the members of a queue group
} mesh_publication;
// To every subscription that matches, and one of each queue group; the node's own included.
// MESH_EINVAL bad subject or pick, MESH_ETOOBIG, MESH_EQUOTA a queue is over MESH_QUEUE_MAX:
// nothing was sent.
int mesh_node_publish_to(mesh_node *node, uint64_t now_ms, const mesh_publication *pub);
int mesh_node_publish(mesh_node *node, uint64_t now_ms, mesh_bytes subject, uint32_t flags,
                      mesh_bytes payload); // no pick

typedef struct mesh_call {
    uint32_t slot;    // below MESH_CALLS_MAX, free now; free again once REPLY or ERROR was polled
    bool is_subject;  // name is a subject and `method` unused; else name is a service
    uint32_t to_peer; // MESH_PEER_ANY, or the one peer that must answer
    mesh_pick pick;   // of ANY
    mesh_bytes name, method;
    uint32_t timeout_ms; // 0: none
    uint32_t flags;      // MESH_INPUT_IS_STREAM: see mesh_node_input
    mesh_bytes payload;
} mesh_call;
enum { MESH_PEER_SELF = 0, MESH_PEER_ANY = 0xffffffff };
// Every outcome comes as one REPLY or ERROR event, also "nobody serves this". Errors: slot in use
// or out of range (MESH_EINVAL): the caller's bug.
int mesh_node_call(mesh_node *node, uint64_t now_ms, const mesh_call *call);
void mesh_node_cancel(mesh_node *node, uint64_t now_ms,
                      uint32_t slot); // ERROR(CANCELLED) follows; no-op if over
// Ends a call this node serves and frees its slot; unknown slots are ignored (the caller may be
// gone: then the answer is dropped). code 0: a reply; else an error.
void mesh_node_answer(mesh_node *node, uint64_t now_ms, uint32_t serve_slot, uint32_t code,
                      uint32_t flags, mesh_bytes payload);
// An answer may be a stream: any number of items before `answer`, which then comes behind them. The
// first item is empty and begins it: deadlines end there, at both sides. Others may be sent while
// those before, with MESH_REPLY_HEAD_LEN bytes for each, are below MESH_STREAM_WINDOW and what
// GRANT said since: MESH_EFLOW is only to wait for that. After another error only an error can end
// the call: MESH_EPROTO, MESH_ETOOBIG; MESH_EQUOTA: too much waits for this caller; MESH_EVERSION:
// it knows no streams. 0 when nobody waits any more.
int mesh_node_item(mesh_node *node, uint64_t now_ms, uint32_t serve_slot, uint32_t flags,
                   mesh_bytes payload);
// False once ABORT was said, or is about to be.
bool mesh_node_is_awaited(mesh_node *node, uint32_t serve_slot);
// The application, which made the call, takes so many bytes (event.cost) more; at most
// MESH_STREAM_RAISE_MAX.
void mesh_node_grant(mesh_node *node, uint64_t now_ms, uint32_t slot, uint32_t bytes);
// An input may be a stream, too: items behind a call that said so, as TAKE gives credit for them
// (there is none at first), and an empty one that ends it; then the caller's deadline counts anew.
// Errors as of mesh_node_item, but for MESH_EVERSION; the caller cancels then. 0 when the call is
// over, or its handler reads no more.
int mesh_node_input(mesh_node *node, uint64_t now_ms, uint32_t slot, uint32_t flags,
                    mesh_bytes payload);
// The handler takes so many bytes (event.cost) more; the first time this ends the deadlines. 0: it
// reads no more, and what still comes is dropped.
void mesh_node_take(mesh_node *node, uint64_t now_ms, uint32_t serve_slot, uint32_t bytes);
// The application took this many bytes (event.cost) of publications from this peer; own ones too
// (peer 0), also of subscriptions it has withdrawn: what is never consumed stops the sender for
// good.
void mesh_node_consumed(mesh_node *node, uint32_t peer, mesh_lane lane, size_t cost);
// The next shape of this node's encoder: a SHAPE body (wire.md). Sent on every link ahead of what
// follows.
int mesh_node_shape(mesh_node *node, mesh_bytes body);
int mesh_node_monitor(mesh_node *node,
                      uint32_t peer); // MESH_ENOTFOUND: unknown or down already (DOWN event follows
                                      // at once, reason "noproc")
void mesh_node_demonitor(mesh_node *node, uint32_t peer);
// FLUSHED follows, once for all calls before it, when stats.unsent_bytes is 0.
void mesh_node_flush(mesh_node *node);
// Say goodbye on every link: calls made fail with CLOSED, calls served are cancelled, GOAWAY is
// queued.
void mesh_node_close(mesh_node *node, uint64_t now_ms);

// ---- time and output
// -------------------------------------------------------------------------------
uint64_t mesh_node_wake_at_ms(const mesh_node *node); // UINT64_MAX: no work
void mesh_node_tick(mesh_node *node, uint64_t now_ms);

typedef enum mesh_output_kind {
    // for the driver
    MESH_OUT_CONNECT, // ask the agent for a link to node_id
    MESH_OUT_WRITE,   // link_output(peer) has bytes (said once until they are taken)
    MESH_OUT_CLOSE,   // close the socket of this peer's link after writing its output
    // for the application
    MESH_OUT_PEER,    // peer, info, is_up: a member came, or is gone (no monitor needed)
    MESH_OUT_SERVICE, // peer (0: own), name, is_up: an instance of service `name` is there, or no
                      // longer
    MESH_OUT_SHAPE,   // peer, payload (SHAPE body)
    MESH_OUT_MESSAGE, // peer, endpoint (own subscription's entry_id), name = subject, flags,
                      // payload, cost
    MESH_OUT_REQUEST, // peer, slot (to answer), endpoint, name = method or subject, timeout_ms
                      // left, flags, payload
    MESH_OUT_ABORT,   // slot served: the caller cancelled, died or the deadline passed: code; still
                      // answer() to free it
    MESH_OUT_REPLY,   // slot called, peer, flags, payload
    MESH_OUT_ERROR,   // slot called, peer (or ANY), code, is_maybe, flags, payload
    MESH_OUT_ITEM,    // slot called, peer, flags, payload, cost: of an answer that is a stream
    MESH_OUT_GRANT,   // slot served: cost bytes of items more may be sent
    MESH_OUT_INPUT,   // slot served, peer, flags, payload (none: the end), cost: of a REQUEST with
                      // the
                      // flag MESH_INPUT_IS_STREAM
    MESH_OUT_TAKE,    // slot called: cost bytes of input more may be sent; 0: no more is read
    MESH_OUT_DOWN,    // peer that was monitored: name = reason, exit_code, exit_signal
    MESH_OUT_DRAIN,   // flags: the lane whose stats.queued_bytes was above MESH_QUEUE_HIGH; every
                      // queue that was is below MESH_QUEUE_LOW now
    MESH_OUT_FLUSHED, // mesh_node_flush was called, and nothing is unsent now
    MESH_OUT_GAP,     // peer, cost: so many publications to it (is_from: from it) are lost, as
                      // stats.lost_publications counts; told before what comes after them
} mesh_output_kind;

typedef struct mesh_output {
    mesh_output_kind kind;
    uint32_t peer, slot, endpoint, flags, timeout_ms, code, cost;
    bool is_up, is_maybe, is_from;
    int exit_code, exit_signal;
    uint64_t node_id;
    const mesh_peer_info *info;
    // Borrowed until the next poll. Calls in between are fine, except link_received of the same
    // peer and what the agent says: poll to the end before those.
    mesh_bytes name, payload;
} mesh_output;

bool mesh_node_poll(mesh_node *node, mesh_output *out);

// ---- figures
// ---------------------------------------------------------------------------------------
typedef struct mesh_node_stats {
    // Of the link whose lane is fullest; above MESH_QUEUE_HIGH publish() says false.
    uint64_t queued_bytes[MESH_LANE_COUNT];
    uint64_t unsent_bytes; // of all links: not yet handed to the operating system
    uint64_t late_replies, lost_publications, unknown_targets, sent_messages, received_messages;
    uint64_t forbidden; // calls and publications of other hosts, by their certificates
} mesh_node_stats;
mesh_node_stats mesh_node_stats_get(const mesh_node *node);
