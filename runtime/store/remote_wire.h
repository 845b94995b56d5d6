// What the agent that has a store and one that uses it say to each other (proto/store.proto), as
// bytes: messages, judged before anybody looks at them, and the pieces that they travel in. Pure.
#pragma once

#include "core/budget.h"
#include "store.pb-c.h"
#include "store/request.h"

enum {
    STORE_WIRE_LEN_MAX = (2 << 20) + (256 << 10), // a message
    STORE_WIRE_PAIRS_LEN_MAX = 2 << 20,           // of a reply: their keys and values
    STORE_WIRE_MEMORY_MAX = 8 << 20,              // of a message that was read
    STORE_WIRE_PIECE_MAX = 32 << 10,              // with its first byte
    STORE_WIRE_QUEUED_MAX = 512 << 10, // on the way, whatever it is: no piece is added. More than
    // what chunks of releases fill (AGENT_FETCH_QUEUE_MAX): a lease does not wait for these
};

// NULL: it cannot be read, or is over a bound. Free it with the same budget.
Warren__Store__Store *store_wire_read(mesh_bytes wire, mesh_budget *budget);
void store_wire_free(Warren__Store__Store *message, mesh_budget *budget);

typedef struct store_wire_bytes { // takes: freed by whoever has it
    uint8_t *data;
    size_t len;
} store_wire_bytes;
int store_wire_error(Warren__Store__Code code); // as of store.h
store_wire_bytes store_wire_write(const Warren__Store__Store *message);
store_wire_bytes store_wire_request(uint64_t number, const store_request *request);
// Of a list as many pairs as fit.
store_wire_bytes store_wire_reply(uint64_t number, const store_answer *answer);
store_wire_bytes store_wire_news(uint32_t number, const store_news *news, store_cursor cursor);
void store_wire_take_reply(const Warren__Store__Reply *message, store_reply *out); // copies

static inline mesh_bytes store_wire_view(ProtobufCBinaryData data) {
    return (mesh_bytes){data.data, data.len};
}

// ---- pieces: u8 flags, bytes

enum {
    STORE_WIRE_MORE = 1,    // of the message follows
    STORE_WIRE_OF_HOST = 2, // of the one that has the store, to one that uses it
};

typedef struct store_wire_out {
    struct store_wire_out *next;
    store_wire_bytes bytes;
    size_t sent;
    uint64_t tag; // the owner's
} store_wire_out;

typedef struct store_wire_stream { // zeroed at first
    uint8_t *in;
    size_t in_len, in_cap;
    store_wire_out *first, *last;
    size_t out_len; // of all that is not sent
    uint8_t mark;   // of each piece: STORE_WIRE_OF_HOST or 0
} store_wire_stream;

void store_wire_reset(store_wire_stream *stream); // a link has ended
void store_wire_push(store_wire_stream *stream, store_wire_bytes message, uint64_t tag); // takes
// Takes a message back of which nothing was pulled yet.
void store_wire_drop(store_wire_stream *stream, uint64_t tag);
// The next piece to send, to `out` of STORE_WIRE_PIECE_MAX bytes; 0: there is none. `out_tag`: of
// its message.
size_t store_wire_pull(store_wire_stream *stream, uint8_t *out, uint64_t *out_tag);
// 1: a message is whole, in stream->in until store_wire_taken. 0: not yet. MESH_EPROTO.
int store_wire_take(store_wire_stream *stream, mesh_bytes piece);
void store_wire_taken(store_wire_stream *stream);
