// The heads of messages (proto/wire.md): REQUEST, REPLY, ERROR, CANCEL, GRANT, PUB and SHAPE bodies
// to structs and back. Views borrow the body. What a peer sends is judged here, completely.
#pragma once

#include <stdbool.h>

#include "core/bytes.h"
#include "core/limits.h"

enum {
    MESH_MESSAGE_HAS_HEADERS = 0x01,
    MESH_MESSAGE_IS_STREAM = 0x02, // of a REQUEST: INPUTs follow
};

typedef struct mesh_request {
    uint64_t call_id;
    uint32_t deadline_ms, endpoint;
    uint8_t flags;
    mesh_bytes name, payload;
} mesh_request;

typedef struct mesh_reply { // and ERROR
    uint64_t call_id;
    uint16_t code; // 0: a reply
    bool is_maybe;
    uint8_t flags;
    mesh_bytes payload;
} mesh_reply;

typedef struct mesh_cancel {
    uint64_t call_id;
    uint16_t code;
} mesh_cancel;

typedef struct mesh_grant {
    uint64_t call_id, limit;
} mesh_grant;

typedef struct mesh_pub {
    uint8_t flags;
    uint8_t target_count;
    const uint8_t *targets; // target_count big-endian u32
    mesh_bytes subject, payload;
} mesh_pub;

// 0, or MESH_EPROTO for anything wire.md does not allow.
int mesh_request_parse(mesh_bytes body, mesh_request *out);
int mesh_reply_parse(mesh_bytes body, mesh_reply *out); // and an ITEM, an INPUT
int mesh_error_parse(mesh_bytes body, mesh_reply *out);
int mesh_cancel_parse(mesh_bytes body, mesh_cancel *out);
int mesh_grant_parse(mesh_bytes body, mesh_grant *out); // and a TAKE
int mesh_pub_parse(mesh_bytes body, mesh_pub *out);
// `id_next`: the id this shape must have.
int mesh_shape_check(mesh_bytes body, uint32_t id_next);

uint32_t mesh_pub_target(const mesh_pub *pub, size_t index);

enum {
    MESH_REQUEST_HEAD_LEN = 18, // without the name
    MESH_REQUEST_DEADLINE_AT = 8,
    MESH_REPLY_HEAD_LEN = 9,
    MESH_ERROR_HEAD_LEN = 12,
    MESH_CANCEL_LEN = 10,
    MESH_GRANT_LEN = 16,
    MESH_PUB_HEAD_LEN = 3, // without targets and subject
    MESH_SHAPE_HEAD_LEN = 3,
};

// Each writes a head to `out` of MESH_MESSAGE_HEAD_MAX bytes and returns its length; the payload is
// not looked at.
size_t mesh_request_write(uint8_t *out, const mesh_request *request);
size_t mesh_reply_write(uint8_t *out, const mesh_reply *reply); // an ERROR when code is not 0
size_t mesh_cancel_write(uint8_t *out, const mesh_cancel *cancel);
size_t mesh_grant_write(uint8_t *out, const mesh_grant *grant);
size_t mesh_pub_write(uint8_t *out, uint8_t flags, const uint32_t *targets, size_t target_count,
                      mesh_bytes subject);
