// What agents say to each other about chunks of releases (proto/fetch.proto), as bytes. Pure.
#pragma once

#include <stdbool.h>

#include "core/bytes.h"

enum {
    AGENT_FETCH_HASH_LEN = 32,
    AGENT_FETCH_ASK_MAX = 256,                     // hashes
    AGENT_FETCH_PIECE_MAX = 32 << 10,              // bytes of a chunk in one message
    AGENT_FETCH_CHUNK_MAX = (1 << 20) + (8 << 10), // a compressed chunk
    AGENT_FETCH_LEN_MAX = 40 << 10,                // a message
};

typedef enum agent_fetch_kind {
    AGENT_FETCH_NONE, // of a later minor
    AGENT_FETCH_ASK,
    AGENT_FETCH_HAVE,
    AGENT_FETCH_WANT,
    AGENT_FETCH_PIECE,
    AGENT_FETCH_NO,
    AGENT_FETCH_STOP,
} agent_fetch_kind;

typedef struct agent_fetch_message {
    agent_fetch_kind kind;
    uint32_t number;
    mesh_bytes bytes;       // ASK: the hashes. HAVE: the bits. WANT: the hash. PIECE: its bytes
    uint32_t offset, total; // PIECE
    bool is_busy;           // NO
    void *owned;            // of one that was read
} agent_fetch_message;

// MESH_EPROTO: it cannot be read, or is over a limit. Free what was read.
int agent_fetch_read(mesh_bytes wire, agent_fetch_message *out);
void agent_fetch_message_free(agent_fetch_message *message);
// To `out` of AGENT_FETCH_LEN_MAX bytes; returns the length. Borrows the message's bytes.
size_t agent_fetch_write(const agent_fetch_message *message, uint8_t *out);
