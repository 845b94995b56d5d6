// One link: bytes from the peer to messages, messages to bytes for the peer. Keeps wire.md's
// promises in both directions: READY first, fragments, credit, bounded queues. Knows nothing of
// calls and subscriptions.
//
// Sending: a message goes straight into the output when nothing waits before it and there is credit
// and room; else it waits in its channel's queue. Control frames overtake all that waits; the lanes
// share what is left by weight, and bulk never has more than a quantum in the output while it could
// still be overtaken.
#pragma once

#include <stdbool.h>

#include "core/assembly.h"
#include "core/control.h"
#include "core/frame.h"
#include "core/message.h"
#include "core/queue.h"
#include "core/resume.h"
#include "core/shapes.h"
#include "secure/cipher.h"

enum {
    MESH_LINK_INPUT_LEN = 128 << 10,
    MESH_LINK_OUTPUT_MAX =
        256 << 10,            // messages wait in queues when the socket is behind by this much
    MESH_LINK_PONGS_MAX = 64, // that wait for a peer that pings but does not read
    // The same for answers. Above MESH_QUEUE_MAX they are short refusals: a peer that reads again
    // never comes here with all its MESH_CALLS_MAX calls.
    MESH_LINK_REPLIES_MAX = 6 * MESH_QUEUE_MAX,
};

typedef enum mesh_link_state {
    MESH_LINK_WAITING,  // a socket was asked for
    MESH_LINK_GREETING, // it is there; the peer's READY is not
    MESH_LINK_OPEN,
    MESH_LINK_BROKEN, // the connection is gone; another one may go on where it broke
    MESH_LINK_ENDING, // GOAWAY was said by one side: nothing is sent or read any more
} mesh_link_state;

typedef struct mesh_link_options {
    uint64_t self_id, peer_id; // of an agent: its boot id
    bool is_agent;             // between agents: AGENT is its only message
    uint32_t max_message;
    uint32_t window;           // credit per channel
    const mesh_shapes *shapes; // borrowed for the life of the link, as
    mesh_assemblies *assemblies;
} mesh_link_options;

// The fields belong to link*.c; others read `state`, `max_message` and `options`.
typedef struct mesh_link {
    mesh_link_options options;
    mesh_link_state state;
    bool is_closing; // GOAWAY follows what waits
    bool is_mute;    // nobody reads any more: what is in the output stays there
    bool has_control;
    bool has_streams;      // the peer understands ITEM
    bool has_inputs;       // and INPUT
    bool is_resuming;      // from BROKEN until READY says whether the peer goes on as well
    mesh_ready peer_ready; // of mesh_link_restart
    mesh_resume resume;
    uint32_t max_frame, max_message; // of both sides the smaller one

    uint8_t *input;
    size_t input_head, input_tail;
    mesh_bytes record; // what is left of the record at hand
    uint64_t received_at_ms;
    uint32_t partial_ms; // for how long the next record is not whole
    uint32_t shapes_received;
    mesh_assembly assemblies[MESH_CHANNEL_COUNT];
    struct mesh_link_inbound {
        uint64_t received, consumed, granted;
        bool is_credit_due;
    } inbound[MESH_CHANNEL_COUNT];

    bool is_sealed; // records are encrypted: the stream leaves this host
    mesh_cipher seal, open;
    uint64_t now_ms, key_since_ms; // of `seal`

    uint8_t *output;
    size_t output_cap, output_head, output_tail;
    size_t output_record; // the record of which [output_head] is
    uint64_t output_base; // position of output[0] in all that was ever written
    size_t open_record;   // offset of the record that can still grow
    bool has_open_record;
    mesh_queue queues[MESH_CHANNEL_COUNT];
    struct mesh_link_outbound {
        uint64_t sent, limit;
    } outbound[MESH_CHANNEL_COUNT];
    uint32_t turns[MESH_LANE_COUNT]; // the channel that is next to send
    uint32_t bulk_due;               // bytes of the normal lane that passed while bulk waits
    size_t shapes_sent;
    uint32_t pong_count;
    mesh_cancel cancel_after[MESH_LANE_COUNT]; // for the request that is half sent; code 0: none
} mesh_link;

mesh_link *mesh_link_create(const mesh_link_options *options);
void mesh_link_destroy(mesh_link *link);
// Events still borrow the input: gives it to the caller, who frees it later. NULL: there is none.
void *mesh_link_give_input(mesh_link *link);

// ---- life
// Every record of the stream to come is encrypted, with the ciphers of its handshake (copies).
// Before mesh_link_up; on a unix socket never.
void mesh_link_encrypt(mesh_link *link, const mesh_cipher *send, const mesh_cipher *receive);
void mesh_link_up(mesh_link *link); // the socket is there: READY is written
// A socket takes the place of the one before: what was on it is forgotten, what waits stays.
// mesh_link_up follows.
void mesh_link_replace(mesh_link *link);
// The connection is gone. True: the link is BROKEN now; all that waits, and all that the peer may
// not have, is kept. mesh_link_encrypt and mesh_link_up follow, with another one.
bool mesh_link_break(mesh_link *link);
// READY was told with is_restart: the peer has forgotten what was before, and so does the link now;
// what waits stays.
void mesh_link_restart(mesh_link *link);
// The peer broke a rule: GOAWAY now; nothing else after it. MESH_ESEAL: not a word, since it is not
// known who hears it.
void mesh_link_fail(mesh_link *link, int err);
// Nobody reads at the other end: there is no output from now on.
void mesh_link_mute(mesh_link *link);
// GOAWAY after everything that waits. True: it was written already.
bool mesh_link_close(mesh_link *link, uint64_t now_ms);

// ---- receiving (link_receive.c)
typedef struct mesh_link_message {
    uint8_t type; // READY, GOAWAY, CREDIT, SHAPE, CANCEL, GRANT, TAKE, or a message
    uint32_t channel;
    uint32_t cost;   // bytes of credit to return by mesh_link_consumed
    bool is_restart; // READY: mesh_link_restart must be called
    bool is_dropped; // there was no memory for it: body is its first MESH_MESSAGE_HEAD_MAX bytes
    mesh_bytes body;
    void *owned; // gives: free it when body is no longer needed; NULL: body borrows the input
} mesh_link_message;

void mesh_link_input(mesh_link *link, uint8_t **out_buffer, size_t *out_cap);
void mesh_link_received(mesh_link *link, uint64_t now_ms, size_t len);
// 1: a message; 0: no more; negative: the peer broke a rule, call mesh_link_fail. MESH_ESEAL also
// for an encrypted record that is not whole after MESH_RECORD_TIMEOUT_MS.
int mesh_link_next(mesh_link *link, mesh_link_message *out);
void mesh_link_consumed(mesh_link *link, uint32_t channel, uint64_t cost);

// ---- sending (link_send.c)
typedef struct mesh_link_send_options {
    uint8_t type; // REQUEST, REPLY, ERROR, ITEM, INPUT or PUB; between agents AGENT
    mesh_lane lane;
    uint32_t tag;           // the sender's, to find it among what waits
    uint64_t expires_at_ms; // REQUEST: its deadline is rewritten when it leaves the queue late
    mesh_bytes head, payload;
} mesh_link_send_options;

// Where a message is: in a queue or in the output.
typedef struct mesh_link_place {
    uint64_t position;
    uint32_t channel;
    bool is_queued;
} mesh_link_place;

mesh_link_place mesh_link_send(mesh_link *link, const mesh_link_send_options *send);
// A message of this many bytes, head included, is within the peer's limit, as far as that is known.
bool mesh_link_fits(const mesh_link *link, size_t len);
// Takes a message back that waits. False: it is on its way.
bool mesh_link_take_back(mesh_link *link, mesh_link_place place);
// Some of it may have been given to the socket.
bool mesh_link_may_be_sent(const mesh_link *link, mesh_link_place place);
bool mesh_link_is_waiting(const mesh_link *link, mesh_link_place place); // no byte of it has gone
void mesh_link_cancel(mesh_link *link, const mesh_cancel *cancel);
void mesh_link_grant(mesh_link *link, uint8_t type, const mesh_grant *grant); // GRANT or TAKE
void mesh_link_ping(mesh_link *link); // the peer says PONG: a sign of life
// Moves what waits into the output as far as credit and room go.
void mesh_link_pump(mesh_link *link, uint64_t now_ms);
bool mesh_link_has_output(const mesh_link *link);
// Ends the record at hand: it can be written now.
mesh_bytes mesh_link_output(mesh_link *link);
void mesh_link_sent(mesh_link *link, size_t len);
// Messages of this type of which the last byte is in the output of a link that is not encrypted.
size_t mesh_link_output_count(const mesh_link *link, uint8_t type);
// Bytes that wait in a lane; control frames and the output count for the normal one.
size_t mesh_link_queued(const mesh_link *link, mesh_lane lane);
size_t mesh_link_unsent(const mesh_link *link);                       // of both
void mesh_link_write_ready(mesh_link *link, const mesh_ready *ready); // for link.c
void mesh_link_goaway(mesh_link *link, mesh_goaway_code code, const char *text);
void mesh_link_keep_open_record(mesh_link *link);                    // for link.c
void mesh_link_take_ready(mesh_link *link, const mesh_ready *ready); // link_receive.c, for link.c
// For link_receive.c: all that the peer does not have. MESH_EPROTO: it said nonsense about that.
int mesh_link_send_kept(mesh_link *link);
