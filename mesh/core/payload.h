// Payloads (proto/wire.md) for those who do not know shapes: judged, and with the keys back in
// their objects. Pure; what is in `payload` comes from outside.
#pragma once

#include "core/bytes.h"
#include "core/shapes.h"

// Keys come once with their shape and then again with each object, so a small payload can become a
// large one: not larger than this.
enum { MESH_PAYLOAD_PLAIN_MAX = 16 << 20, MESH_PAYLOAD_DEPTH_MAX = 64 };

typedef struct mesh_payload_buffer { // zero memory is an empty one
    uint8_t *data;
    size_t len, cap;
} mesh_payload_buffer;

void mesh_payload_buffer_deinit(mesh_payload_buffer *buffer);

// The first value of `payload`; *out_len: how many of its bytes that is. *out is the value with
// every shape of `shapes` (NULL: there are none) written as a map. It borrows `payload` where there
// is none, `buffer` else. MESH_EPROTO: no value, cut off, nested too deep, or an unknown shape;
// MESH_ETOOBIG: more than MESH_PAYLOAD_PLAIN_MAX.
int mesh_payload_plain(mesh_bytes payload, const mesh_shapes *shapes, mesh_payload_buffer *buffer,
                       mesh_bytes *out, size_t *out_len);
// Whether it is one value, whole, and no shape in it.
int mesh_payload_check(mesh_bytes payload);
// Whether it is a map of texts.
int mesh_payload_check_headers(mesh_bytes headers);
