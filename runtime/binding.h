// Node-API face of the mesh: JavaScript call <-> io/member.h. Linked into warren-node as
// process._linkedBinding('warren'); as an addon, of a stock Node.js (addon/).
//
// JavaScript and C share three pieces of memory, so that a message costs no call across the
// boundary:
//   outbox  JavaScript writes commands, C carries them out: in native.flush(), after each callback,
//   and
//           once per turn of the loop, before it sleeps
//   inbox   C writes events, then calls onEvents(byte_length) once per batch
//   state   Uint32Array: [WORD_OUTBOX_LEN] bytes of commands waiting (JavaScript adds, C sets 0);
//           [WORD_QUEUED + lane] bytes waiting in that lane of the fullest link; [WORD_IS_CLOSED]
// Both boxes are the largest message and BINDING_BOX_SLACK of address space whose pages are touched
// as used. A box holds entries, each 8-byte aligned, of eight native-endian u32 words, then name,
// aux and payload bytes, each right after the other:
//   word 0 entry length with padding · 1 kind | flags << 8 · 2 id · 3 peer · 4 arg · 5 name_len |
//   aux_len << 16 6 payload_len · 7 extra
//
// native (one mesh per JavaScript environment):
//   open({agentPath?, name?, maxMessage?}, onEvents)  -> {id, name, service, instance, host,
//   incarnation, inbox, outbox, state}
//             throws an Error with .code (ENOENT, ECONNREFUSED ...) when there is no agent
//   hasControl()      boolean: launched by an agent (and not opened yet)
//   flush()           carries out the outbox and writes to the links; calls no JavaScript
//   ref(boolean)      keep the process alive
//   isLeaseValid(id)  boolean, by the clock, now
//   close(timeoutMs)  leave the mesh: BINDING_EV_CLOSED follows
//   stats()           {queuedBytes, unsentBytes, lateReplies, lostPublications, unknownTargets,
//   sentMessages, receivedMessages}
#pragma once

#include <node_api.h>

enum { BINDING_BOX_SLACK = 512 << 10, BINDING_WORDS = 8 };
enum {
    BINDING_WORD_OUTBOX_LEN,
    BINDING_WORD_QUEUED,
    BINDING_WORD_QUEUED_BULK,
    BINDING_WORD_IS_CLOSED,
    BINDING_STATE_WORDS
};

// Commands (outbox)
typedef enum binding_command {
    BINDING_JOIN = 1,
    BINDING_PUBLISH,   // flags bulk, name subject, payload; whom: as CALL, without a method
    BINDING_CALL,      // flags bulk, id slot, peer (or 0xffffffff any), arg timeout_ms, name, aux
                       // method, key, tags, one after the other; extra 1 (name is a subject) |
                       // key_len << 8 | tags_len << 16
    BINDING_CANCEL,    // id slot
    BINDING_ANSWER,    // id serve slot, arg code (0 reply), payload
    BINDING_ANNOUNCE,  // id entry_id, arg kind (mesh_entry_kind), name, aux queue, tags; extra
                       // tags_len << 16
    BINDING_WITHDRAW,  // id entry_id
    BINDING_CONSUMED,  // flags bulk, peer, arg bytes
    BINDING_SHAPE,     // payload SHAPE body
    BINDING_MONITOR,   // peer
    BINDING_DEMONITOR, // peer
    BINDING_LISTEN,    // id request, arg port, name address, extra backlog | ipv6_only << 31
    BINDING_FLUSH,     // FLUSHED follows, once for all before it, when nothing is unsent
    BINDING_HOLD,      // for tests (mesh_member_hold): name node id in hex, arg 1 held or 0
    BINDING_ITEM,      // id serve slot, payload (none: the answer begins to be a stream)
    BINDING_GRANT,     // id slot, arg bytes
    BINDING_INPUT,     // id slot, payload (none: its end)
    BINDING_TAKE,      // id serve slot, arg bytes (0: no more is read)
    BINDING_READY,     // arg 1: by process.send; 2: it stands by
    BINDING_RETIRE,    // id entry_id (mesh_member_retire)
    BINDING_RETIRED,   // the answer to BINDING_EV_RETIRE; arg: connections that are left
    BINDING_LEASE,     // id lease, arg seconds, name, extra 1: waits until it is free
    BINDING_UNLEASE,   // id lease
    BINDING_CHECKED,   // the answer to BINDING_EV_CHECK; id number, arg 1: it is well, name why not
} binding_command;

// Events (inbox). flags bit 0: payload begins with headers; bit 1 of word 1's flags: is_up /
// is_maybe; bit 2: of the bulk lane.
typedef enum binding_event {
    BINDING_EV_JOINED = 1,
    BINDING_EV_PEER, // peer, arg pid, extra instance, is_up, name; payload "id_hex\0service\0host"
                     // (only when up)
    BINDING_EV_SERVICE,   // peer, name, is_up
    BINDING_EV_SHAPE,     // peer, payload
    BINDING_EV_MESSAGE,   // bulk, id entry_id, peer, arg cost, name subject, payload
    BINDING_EV_REQUEST,   // id serve slot, peer, arg timeout_ms, extra endpoint, name, payload
    BINDING_EV_ABORT,     // id serve slot, arg code
    BINDING_EV_REPLY,     // id slot, peer, payload
    BINDING_EV_ERROR,     // id slot, peer, arg code, is_maybe, payload
    BINDING_EV_DOWN,      // peer, arg exit code (int), extra signal, name reason
    BINDING_EV_DRAIN,     // bulk
    BINDING_EV_ANNOUNCED, // id entry_id
    BINDING_EV_LISTENING, // id request, arg status (int: 0 or -errno), extra fd, peer 0 or
                          // 1 + descriptor of the memory of runtime/balance.h
    BINDING_EV_REFUSED,   // name text
    BINDING_EV_LOST,
    BINDING_EV_CLOSED,
    BINDING_EV_COMMAND_FAILED, // arg error (mesh_error), name sentence, id of the command: our bug
                               // or a limit; JavaScript turns it into an error
    BINDING_EV_FLUSHED,
    BINDING_EV_ITEM,   // id slot, peer, arg cost, payload (none: it begins)
    BINDING_EV_GRANT,  // id serve slot, arg bytes
    BINDING_EV_INPUT,  // id serve slot, peer, arg cost, payload (none: the end)
    BINDING_EV_TAKE,   // id slot, arg bytes (0: no more is read)
    BINDING_EV_RETIRE, // arg timeout_ms: finish what is there, then RETIRED
    BINDING_EV_LEASE,  // id lease, arg mesh_lease_state | mesh_lease_why << 8, name text, payload
                       // the token as text
    BINDING_EV_CHECK,  // id number, arg timeout_ms, name "path\nmethod": is it well? Then CHECKED
    BINDING_EV_GAP,    // peer, arg count, bit 1: publications from it; else to it
} binding_event;

enum { BINDING_FLAG_HEADERS = 1, BINDING_FLAG_BOOL = 2, BINDING_FLAG_BULK = 4 };

// The linked module's init; and, before the first open, which descriptor leads to the agent (-1:
// none).
napi_value binding_init(napi_env env, napi_value exports);
void binding_set_control_fd(int fd);
