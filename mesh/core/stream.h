// The credit of a stream of items (wire.md, "Streams"), an answer or an input: the same book is
// kept at both ends, by the reader of what came and by the sender of what was sent.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mesh_stream {
    bool is_begun;
    bool is_over;   // of an input: its end was sent
    bool is_broken; // an item could not be sent, or nobody reads more: nothing follows it
    uint64_t moved; // bytes of items so far, heads included
    uint64_t limit; // an item may begin below it
} mesh_stream;

void mesh_stream_init(mesh_stream *stream);
// The next item. MESH_EPROTO: the first one must be empty, and no other; MESH_EFLOW: no credit.
int mesh_stream_move(mesh_stream *stream, size_t payload_len);
// The same of an input, which has no credit at first. Empty: its end. MESH_EPROTO: it is over.
int mesh_stream_put(mesh_stream *stream, size_t payload_len);
// MESH_EFLOW: it does not rise, or by more than MESH_STREAM_RAISE_MAX.
int mesh_stream_raise(mesh_stream *stream, uint64_t limit);
