#include "core/stream.h"

#include "core/error.h"
#include "core/limits.h"
#include "core/message.h"

void mesh_stream_init(mesh_stream *stream) {
    *stream = (mesh_stream){.limit = MESH_STREAM_WINDOW};
}

int mesh_stream_move(mesh_stream *stream, size_t payload_len) {
    bool is_first = payload_len == 0;
    if (is_first == stream->is_begun) return MESH_EPROTO;
    if (stream->moved >= stream->limit) return MESH_EFLOW;
    stream->is_begun = true;
    stream->moved += MESH_REPLY_HEAD_LEN + payload_len;
    return 0;
}

int mesh_stream_put(mesh_stream *stream, size_t payload_len) {
    if (stream->is_over) return MESH_EPROTO;
    bool is_end = payload_len == 0; // needs no room, but its reader must have begun
    if (is_end ? stream->limit == 0 : stream->moved >= stream->limit) return MESH_EFLOW;
    stream->is_over = is_end;
    stream->moved += MESH_REPLY_HEAD_LEN + payload_len;
    return 0;
}

int mesh_stream_raise(mesh_stream *stream, uint64_t limit) {
    if (limit <= stream->limit || limit - stream->limit > MESH_STREAM_RAISE_MAX) return MESH_EFLOW;
    stream->limit = limit;
    return 0;
}
