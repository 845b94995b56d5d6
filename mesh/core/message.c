#include "core/message.h"

#include "core/be.h"
#include "core/error.h"
#include "core/mem.h"
#include "core/subject.h"

enum { CODE_FIRST = 1, CODE_LAST = 7, CODE_FORBIDDEN = 9 }; // wire.md's table

static bool are_flags_known(int flags) {
    return (flags & ~MESH_MESSAGE_HAS_HEADERS) == 0;
}

static bool is_wire_code(uint16_t code) {
    return code >= CODE_FIRST && code <= CODE_LAST;
}

int mesh_request_parse(mesh_bytes body, mesh_request *out) {
    if (body.len < MESH_REQUEST_HEAD_LEN) return MESH_EPROTO;
    const uint8_t *at = body.data;
    size_t name_len = at[17];
    mesh_bytes rest = mesh_bytes_skip(body, MESH_REQUEST_HEAD_LEN);
    if (rest.len < name_len || !are_flags_known(at[16] & ~MESH_MESSAGE_IS_STREAM))
        return MESH_EPROTO;
    *out = (mesh_request){
        .call_id = load_be64(at),
        .deadline_ms = load_be32(at + MESH_REQUEST_DEADLINE_AT),
        .endpoint = load_be32(at + 12),
        .flags = at[16],
        .name = {rest.data, name_len},
        .payload = mesh_bytes_skip(rest, name_len),
    };
    return 0;
}

int mesh_reply_parse(mesh_bytes body, mesh_reply *out) {
    if (body.len < MESH_REPLY_HEAD_LEN || !are_flags_known(body.data[8])) return MESH_EPROTO;
    *out = (mesh_reply){
        .call_id = load_be64(body.data),
        .flags = body.data[8],
        .payload = mesh_bytes_skip(body, MESH_REPLY_HEAD_LEN),
    };
    return 0;
}

int mesh_error_parse(mesh_bytes body, mesh_reply *out) {
    if (body.len < MESH_ERROR_HEAD_LEN) return MESH_EPROTO;
    uint16_t code = load_be16(body.data + 8);
    uint8_t delivered = body.data[10], flags = body.data[11];
    bool is_code = is_wire_code(code) || code == CODE_FORBIDDEN; // nobody cancels with that one
    if (!is_code || delivered > 1 || !are_flags_known(flags)) return MESH_EPROTO;
    *out = (mesh_reply){
        .call_id = load_be64(body.data),
        .code = code,
        .is_maybe = delivered == 1,
        .flags = flags,
        .payload = mesh_bytes_skip(body, MESH_ERROR_HEAD_LEN),
    };
    return 0;
}

int mesh_cancel_parse(mesh_bytes body, mesh_cancel *out) {
    if (body.len != MESH_CANCEL_LEN) return MESH_EPROTO;
    uint16_t code = load_be16(body.data + 8);
    if (!is_wire_code(code)) return MESH_EPROTO;
    *out = (mesh_cancel){load_be64(body.data), code};
    return 0;
}

int mesh_grant_parse(mesh_bytes body, mesh_grant *out) {
    if (body.len != MESH_GRANT_LEN) return MESH_EPROTO;
    *out = (mesh_grant){load_be64(body.data), load_be64(body.data + sizeof(uint64_t))};
    return 0;
}

int mesh_pub_parse(mesh_bytes body, mesh_pub *out) {
    if (body.len < MESH_PUB_HEAD_LEN) return MESH_EPROTO;
    uint8_t flags = body.data[0], count = body.data[1];
    size_t subject_len = body.data[2], targets_len = sizeof(uint32_t) * count;
    if (!are_flags_known(flags) || count == 0 || count > MESH_PUB_TARGETS_MAX) return MESH_EPROTO;

    mesh_bytes rest = mesh_bytes_skip(body, MESH_PUB_HEAD_LEN);
    if (rest.len < targets_len + subject_len) return MESH_EPROTO;
    mesh_bytes subject = {rest.data + targets_len, subject_len};
    if (!mesh_subject_is_valid(subject)) return MESH_EPROTO;
    *out = (mesh_pub){
        .flags = flags,
        .target_count = count,
        .targets = rest.data,
        .subject = subject,
        .payload = mesh_bytes_skip(rest, targets_len + subject_len),
    };
    return 0;
}

uint32_t mesh_pub_target(const mesh_pub *pub, size_t index) {
    return load_be32(pub->targets + 4 * index);
}

int mesh_shape_check(mesh_bytes body, uint32_t id_next) {
    if (body.len < MESH_SHAPE_HEAD_LEN || body.len > MESH_CONTROL_LEN_MAX) return MESH_EPROTO;
    uint32_t id = load_be16(body.data), count = body.data[2];
    if (id != id_next || id >= MESH_SHAPES_MAX) return MESH_EPROTO;
    if (count == 0 || count > MESH_SHAPE_KEYS_MAX) return MESH_EPROTO;

    mesh_bytes rest = mesh_bytes_skip(body, MESH_SHAPE_HEAD_LEN);
    for (; count > 0; count--) {
        if (rest.len < 1 || rest.len < 1u + rest.data[0]) return MESH_EPROTO;
        rest = mesh_bytes_skip(rest, 1u + rest.data[0]);
    }
    return rest.len == 0 ? 0 : MESH_EPROTO;
}

static uint8_t *store_bytes(uint8_t *at, mesh_bytes bytes) {
    if (bytes.len > 0) memcpy(at, bytes.data, bytes.len);
    return at + bytes.len;
}

size_t mesh_request_write(uint8_t *out, const mesh_request *request) {
    CHECK(request->name.len <= MESH_NAME_LEN_MAX);
    uint8_t *at = store_be64(out, request->call_id);
    at = store_be32(at, request->deadline_ms);
    at = store_be32(at, request->endpoint);
    at = store_be8(at, request->flags);
    at = store_be8(at, (uint32_t)request->name.len);
    return (size_t)(store_bytes(at, request->name) - out);
}

size_t mesh_reply_write(uint8_t *out, const mesh_reply *reply) {
    uint8_t *at = store_be64(out, reply->call_id);
    if (reply->code != 0) {
        at = store_be16(at, reply->code);
        at = store_be8(at, reply->is_maybe);
    }
    return (size_t)(store_be8(at, reply->flags) - out);
}

size_t mesh_cancel_write(uint8_t *out, const mesh_cancel *cancel) {
    uint8_t *at = store_be64(out, cancel->call_id);
    return (size_t)(store_be16(at, cancel->code) - out);
}

size_t mesh_grant_write(uint8_t *out, const mesh_grant *grant) {
    uint8_t *at = store_be64(out, grant->call_id);
    return (size_t)(store_be64(at, grant->limit) - out);
}

size_t mesh_pub_write(uint8_t *out, uint8_t flags, const uint32_t *targets, size_t target_count,
                      mesh_bytes subject) {
    CHECK(target_count >= 1 && target_count <= MESH_PUB_TARGETS_MAX);
    CHECK(subject.len <= MESH_NAME_LEN_MAX);
    uint8_t *at = store_be8(out, flags);
    at = store_be8(at, (uint32_t)target_count);
    at = store_be8(at, (uint32_t)subject.len);
    for (size_t i = 0; i < target_count; i++)
        at = store_be32(at, targets[i]);
    return (size_t)(store_bytes(at, subject) - out);
}
