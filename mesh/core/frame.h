// Records and frames (proto/wire.md): `u16 len | frames`, and in it `u24 length | u8 type | u8
// flags | u32 channel | body`. Stateless: the link owns the buffers.
#pragma once

#include <stdbool.h>

#include "core/bytes.h"
#include "core/lane.h"
#include "core/limits.h"

enum { MESH_RECORD_HEAD_LEN = 2 };

enum {
    MESH_FRAME_FIRST = 0x01,
    MESH_FRAME_MORE = 0x02,
    MESH_FRAME_IGNORABLE = 0x80,
};

enum {
    MESH_FRAME_READY = 0x01,
    MESH_FRAME_PING = 0x02,
    MESH_FRAME_PONG = 0x03,
    MESH_FRAME_GOAWAY = 0x04,
    MESH_FRAME_REKEY = 0x05,
    MESH_FRAME_ACK = 0x06, // so much of what was sent is there (core/resume.h)
    MESH_FRAME_CREDIT = 0x10,
    MESH_FRAME_SHAPE = 0x12,
    MESH_FRAME_CONTROL_END = 0x20, // types below are control
    MESH_FRAME_REQUEST = 0x21,
    MESH_FRAME_REPLY = 0x22,
    MESH_FRAME_ERROR = 0x23,
    MESH_FRAME_CANCEL = 0x24,
    MESH_FRAME_ITEM = 0x30,  // of an answer that is a stream
    MESH_FRAME_GRANT = 0x31, // its reader takes more
    MESH_FRAME_INPUT = 0x32, // of a call whose input is a stream
    MESH_FRAME_TAKE = 0x33,  // its handler takes more
    MESH_FRAME_PUB = 0x42,
    MESH_FRAME_AGENT = 0x60, // on links of agents, and nothing else there
};

enum {
    MESH_CHANNEL_CONTROL,
    MESH_CHANNEL_REQUEST,
    MESH_CHANNEL_PUBLISH,
    MESH_CHANNEL_REPLY,
    MESH_CHANNEL_BULK_REQUEST,
    MESH_CHANNEL_BULK_PUBLISH,
    MESH_CHANNEL_BULK_REPLY,
    MESH_CHANNEL_COUNT,
    MESH_CHANNELS_PER_LANE = 3,
};

typedef struct mesh_frame {
    uint8_t type, flags;
    uint32_t channel;
    mesh_bytes body;
} mesh_frame;

// Takes one record off the front of `*input`; the record borrows input's memory.
//   MESH_EAGAIN  not all here yet     MESH_EPROTO  an empty record
int mesh_record_take(mesh_bytes *input, mesh_bytes *out_record);

// Takes one frame off the front of `*record`, which is not empty.
//   MESH_EPROTO   the record ends in the middle of it
//   MESH_ETOOBIG  its body is over `len_max`
int mesh_frame_take(mesh_bytes *record, uint32_t len_max, mesh_frame *out_frame);

// Of a message: REQUEST, REPLY, ERROR, ITEM, INPUT, PUB or AGENT.
uint32_t mesh_channel_of(uint8_t type, mesh_lane lane);
mesh_lane mesh_channel_lane(uint32_t channel);
bool mesh_channel_has_credit(uint32_t channel);

// Writes the MESH_FRAME_HEAD_LEN bytes of a frame's head; returns where the body goes.
uint8_t *mesh_frame_put_head(uint8_t *at, size_t body_len, uint8_t type, uint8_t flags,
                             uint32_t channel);
