// What hosts tell each other of their maps, as bytes (proto/overlay.proto): ops, and the head that
// a host signs over them and over the map they lead to.
#pragma once

#include "cluster/host_map.h"
#include "core/budget.h"
#include "overlay.pb-c.h"
#include "secure/cert.h"

enum {
    MESH_OVERLAY_LEN_MAX = 60 << 10,        // of one message
    MESH_OPS_LEN_MAX = 56 << 10,            // of its ops
    MESH_OVERLAY_BUDGET = 2 << 20,          // of memory to decode one
    MESH_OP_LEN_MAX = 1024,                 // of one op
    MESH_HEAD_TEXT_LEN = 14 + 16 + 24 + 64, // what is signed
};

typedef struct mesh_head {
    uint8_t host_id[MESH_ID_LEN];
    uint64_t generation, from, version;
    uint8_t state_hash[MESH_HASH_LEN], ops_hash[MESH_HASH_LEN];
    uint8_t signature[MESH_SIGNATURE_LEN];
} mesh_head;

// A growing list of packed ops: the bytes of an Ops.
typedef struct mesh_ops {
    uint8_t *data;
    size_t len, cap;
} mesh_ops;

void mesh_ops_add(mesh_ops *ops, const mesh_op *op);
static inline mesh_bytes mesh_ops_bytes(const mesh_ops *ops) {
    return (mesh_bytes){ops->data, ops->len};
}
// False: not an op this minor knows. Borrows from `message`.
bool mesh_ops_read(const Warren__Overlay__Op *message, mesh_op *out);

void mesh_ops_hash(mesh_bytes ops, uint8_t out[MESH_HASH_LEN]);

void mesh_head_text(const mesh_head *head, uint8_t out[MESH_HEAD_TEXT_LEN]); // wire.md
void mesh_head_sign(mesh_head *head, const uint8_t secret[MESH_SIGN_SECRET_LEN]);
// MESH_EPROTO: a field is missing or has another length, or version is not above from.
int mesh_head_read(const Warren__Overlay__Head *message, mesh_head *out);
// The message borrows from `head`.
Warren__Overlay__Head mesh_head_message(const mesh_head *head);
