#include "cluster/delta.h"

#include <sodium.h>

#include "core/be.h"
#include "core/error.h"
#include "core/mem.h"

enum { TAG_OP = 0x0a, TAG_LEN_MAX = 4 }; // field 1 of Ops, length-delimited

// ---- ops

// protobuf-c wants texts that end with 0.
typedef struct texts {
    char a[MESH_NAME_LEN_MAX + 1], b[MESH_NAME_LEN_MAX + 1], c[MESH_TAGS_LEN_MAX + 1];
} texts;

static char *text_of(char *room, mesh_bytes text) {
    CHECK(text.len <= MESH_NAME_LEN_MAX);
    if (text.len > 0) memcpy(room, text.data, text.len);
    room[text.len] = 0;
    return room;
}

static void put_varint(mesh_ops *ops, size_t value) {
    for (; value >= 0x80; value >>= 7)
        ops->data[ops->len++] = (uint8_t)(value | 0x80);
    ops->data[ops->len++] = (uint8_t)value;
}

static void add_message(mesh_ops *ops, const Warren__Overlay__Op *message) {
    size_t len = warren__overlay__op__get_packed_size(message);
    ops->data = mem_grow(ops->data, 1, ops->len + len + TAG_LEN_MAX, &ops->cap);
    ops->data[ops->len++] = TAG_OP;
    put_varint(ops, len);
    ops->len += warren__overlay__op__pack(message, ops->data + ops->len);
}

static void add_node(mesh_ops *ops, const mesh_op *op) {
    texts room;
    Warren__Overlay__Node node = WARREN__OVERLAY__NODE__INIT;
    node.number = op->number;
    node.name = text_of(room.a, op->name);
    node.service = text_of(room.b, op->service);
    node.instance = op->instance;
    node.pid = op->pid;
    node.state = op->state;
    Warren__Overlay__Op message = WARREN__OVERLAY__OP__INIT;
    message.kind_case = WARREN__OVERLAY__OP__KIND_NODE;
    message.node = &node;
    add_message(ops, &message);
}

static void add_put(mesh_ops *ops, const mesh_op *op) {
    texts room;
    Warren__Overlay__Put put = WARREN__OVERLAY__PUT__INIT;
    put.number = op->number;
    put.entry_id = op->entry.entry_id;
    put.kind = op->entry.kind;
    put.name = text_of(room.a, op->entry.name);
    put.queue = text_of(room.b, op->entry.queue);
    put.tags = text_of(room.c, op->entry.tags);
    Warren__Overlay__Op message = WARREN__OVERLAY__OP__INIT;
    message.kind_case = WARREN__OVERLAY__OP__KIND_PUT;
    message.put = &put;
    add_message(ops, &message);
}

static void add_removed(mesh_ops *ops, const mesh_op *op) {
    Warren__Overlay__Removed removed = WARREN__OVERLAY__REMOVED__INIT;
    removed.number = op->number;
    removed.entry_id = op->entry.entry_id;
    Warren__Overlay__Op message = WARREN__OVERLAY__OP__INIT;
    message.kind_case = WARREN__OVERLAY__OP__KIND_REMOVED;
    message.removed = &removed;
    add_message(ops, &message);
}

static void add_end(mesh_ops *ops, const mesh_op *op) {
    texts room;
    Warren__Overlay__End end = WARREN__OVERLAY__END__INIT;
    end.number = op->number;
    end.reason = text_of(room.a, op->reason);
    end.code = op->code;
    end.signal = op->signal;
    Warren__Overlay__Op message = WARREN__OVERLAY__OP__INIT;
    message.kind_case = WARREN__OVERLAY__OP__KIND_END;
    message.end = &end;
    add_message(ops, &message);
}

void mesh_ops_add(mesh_ops *ops, const mesh_op *op) {
    switch (op->kind) {
    case MESH_OP_NODE: add_node(ops, op); break;
    case MESH_OP_PUT: add_put(ops, op); break;
    case MESH_OP_REMOVED: add_removed(ops, op); break;
    case MESH_OP_END: add_end(ops, op); break;
    }
}

static void read_node(const Warren__Overlay__Node *node, mesh_op *out) {
    *out = (mesh_op){
        .kind = MESH_OP_NODE,
        .number = node->number,
        .name = mesh_bytes_text(node->name),
        .service = mesh_bytes_text(node->service),
        .instance = node->instance,
        .pid = node->pid,
        .state = node->state,
    };
}

static void read_put(const Warren__Overlay__Put *put, mesh_op *out) {
    *out = (mesh_op){
        .kind = MESH_OP_PUT,
        .number = put->number,
        .entry = {.entry_id = put->entry_id,
                  .kind = (mesh_entry_kind)put->kind,
                  .name = mesh_bytes_text(put->name),
                  .queue = mesh_bytes_text(put->queue),
                  .tags = mesh_bytes_text(put->tags)},
    };
}

static void read_end(const Warren__Overlay__End *end, mesh_op *out) {
    *out = (mesh_op){
        .kind = MESH_OP_END,
        .number = end->number,
        .reason = mesh_bytes_text(end->reason),
        .code = end->code,
        .signal = end->signal,
    };
}

bool mesh_ops_read(const Warren__Overlay__Op *message, mesh_op *out) {
    switch (message->kind_case) {
    case WARREN__OVERLAY__OP__KIND_NODE: read_node(message->node, out); return true;
    case WARREN__OVERLAY__OP__KIND_PUT: read_put(message->put, out); return true;
    case WARREN__OVERLAY__OP__KIND_END: read_end(message->end, out); return true;
    case WARREN__OVERLAY__OP__KIND_REMOVED:
        *out = (mesh_op){.kind = MESH_OP_REMOVED,
                         .number = message->removed->number,
                         .entry = {.entry_id = message->removed->entry_id}};
        return true;
    default: return false;
    }
}

void mesh_ops_hash(mesh_bytes ops, uint8_t out[MESH_HASH_LEN]) {
    (void)crypto_generichash(out, MESH_HASH_LEN, ops.data, ops.len, NULL, 0);
}

// ---- heads

void mesh_head_text(const mesh_head *head, uint8_t out[MESH_HEAD_TEXT_LEN]) {
    static const char label[14] = "warren-map-v1"; // with its 0
    memcpy(out, label, sizeof label);
    out += sizeof label;
    memcpy(out, head->host_id, MESH_ID_LEN);
    out = store_be64(out + MESH_ID_LEN, head->generation);
    out = store_be64(out, head->from);
    out = store_be64(out, head->version);
    memcpy(out, head->state_hash, MESH_HASH_LEN);
    memcpy(out + MESH_HASH_LEN, head->ops_hash, MESH_HASH_LEN);
}

void mesh_head_sign(mesh_head *head, const uint8_t secret[MESH_SIGN_SECRET_LEN]) {
    uint8_t text[MESH_HEAD_TEXT_LEN];
    mesh_head_text(head, text);
    (void)crypto_sign_detached(head->signature, NULL, text, sizeof text, secret);
}

int mesh_head_read(const Warren__Overlay__Head *message, mesh_head *out) {
    if (message == NULL || message->host_id.len != MESH_ID_LEN) return MESH_EPROTO;
    if (message->state_hash.len != MESH_HASH_LEN || message->ops_hash.len != MESH_HASH_LEN)
        return MESH_EPROTO;
    if (message->signature.len != MESH_SIGNATURE_LEN) return MESH_EPROTO;
    if (message->version <= message->from) return MESH_EPROTO;
    *out = (mesh_head){
        .generation = message->generation, .from = message->from, .version = message->version};
    memcpy(out->host_id, message->host_id.data, MESH_ID_LEN);
    memcpy(out->state_hash, message->state_hash.data, MESH_HASH_LEN);
    memcpy(out->ops_hash, message->ops_hash.data, MESH_HASH_LEN);
    memcpy(out->signature, message->signature.data, MESH_SIGNATURE_LEN);
    return 0;
}

static ProtobufCBinaryData field(const uint8_t *data, size_t len) {
    return (ProtobufCBinaryData){len, (uint8_t *)(uintptr_t)data};
}

Warren__Overlay__Head mesh_head_message(const mesh_head *head) {
    Warren__Overlay__Head message = WARREN__OVERLAY__HEAD__INIT;
    message.host_id = field(head->host_id, MESH_ID_LEN);
    message.generation = head->generation;
    message.from = head->from;
    message.version = head->version;
    message.state_hash = field(head->state_hash, MESH_HASH_LEN);
    message.ops_hash = field(head->ops_hash, MESH_HASH_LEN);
    message.signature = field(head->signature, MESH_SIGNATURE_LEN);
    return message;
}
