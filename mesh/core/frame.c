#include "core/frame.h"

#include "core/be.h"
#include "core/error.h"

int mesh_record_take(mesh_bytes *input, mesh_bytes *out_record) {
    if (input->len < MESH_RECORD_HEAD_LEN) return MESH_EAGAIN;
    size_t len = load_be16(input->data);
    if (len == 0) return MESH_EPROTO;

    mesh_bytes rest = mesh_bytes_skip(*input, MESH_RECORD_HEAD_LEN);
    if (rest.len < len) return MESH_EAGAIN;
    *out_record = (mesh_bytes){rest.data, len};
    *input = mesh_bytes_skip(rest, len);
    return 0;
}

int mesh_frame_take(mesh_bytes *record, uint32_t len_max, mesh_frame *out_frame) {
    if (record->len < MESH_FRAME_HEAD_LEN) return MESH_EPROTO;
    const uint8_t *head = record->data;
    uint32_t len = load_be24(head);
    if (len > len_max) return MESH_ETOOBIG;

    mesh_bytes rest = mesh_bytes_skip(*record, MESH_FRAME_HEAD_LEN);
    if (rest.len < len) return MESH_EPROTO;
    *out_frame = (mesh_frame){head[3], head[4], load_be32(head + 5), {rest.data, len}};
    *record = mesh_bytes_skip(rest, len);
    return 0;
}

static uint32_t normal_channel_of(uint8_t type) {
    switch (type) {
    case MESH_FRAME_REQUEST: return MESH_CHANNEL_REQUEST;
    case MESH_FRAME_PUB:
    case MESH_FRAME_AGENT: return MESH_CHANNEL_PUBLISH;
    default: return MESH_CHANNEL_REPLY;
    }
}

uint32_t mesh_channel_of(uint8_t type, mesh_lane lane) {
    return normal_channel_of(type) + MESH_CHANNELS_PER_LANE * (uint32_t)lane;
}

mesh_lane mesh_channel_lane(uint32_t channel) {
    return channel > MESH_CHANNEL_REPLY ? MESH_LANE_BULK : MESH_LANE_NORMAL;
}

bool mesh_channel_has_credit(uint32_t channel) {
    return channel == MESH_CHANNEL_REQUEST || channel == MESH_CHANNEL_PUBLISH ||
           channel == MESH_CHANNEL_BULK_REQUEST || channel == MESH_CHANNEL_BULK_PUBLISH;
}

uint8_t *mesh_frame_put_head(uint8_t *at, size_t body_len, uint8_t type, uint8_t flags,
                             uint32_t channel) {
    at = store_be24(at, (uint32_t)body_len);
    at = store_be8(at, type);
    at = store_be8(at, flags);
    return store_be32(at, channel);
}
