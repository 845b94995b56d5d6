// What an encrypted link keeps of what it has sent until the other end has said that it is there,
// so that another connection can go on where one broke (wire.md, "Resume"). Pure. What is counted
// and kept are whole frames, but for those that belong to one connection.
#pragma once

#include <stdbool.h>

#include "core/bytes.h"
#include "core/frame.h"

enum {
    MESH_SESSION_LEN = 16,
    MESH_RESUME_KEPT_MAX = 4 << 20,   // bytes; above, the link sends nothing new
    MESH_RESUME_TELL_LEN = 128 << 10, // so much has come before the other end is told
};

typedef struct mesh_resume { // zero memory keeps nothing
    bool is_on;              // both ends can
    uint8_t session[MESH_SESSION_LEN];
    uint64_t received, told; // bytes of frames that came, and of which the other end knows
    uint64_t acked;          // bytes of ours that the other end has
    uint8_t *kept;           // [head, tail) are those behind them
    size_t head, tail, cap;
} mesh_resume;

void mesh_resume_deinit(mesh_resume *resume);
// The two keys of the first handshake tell nobody else which session this is.
void mesh_resume_begin(mesh_resume *resume, const uint8_t *first_key, const uint8_t *second_key);

// ---- sending
// A record's frames, before they are sealed.
void mesh_resume_keep(mesh_resume *resume, mesh_bytes frames);
bool mesh_resume_is_full(const mesh_resume *resume);
// The other end has so many bytes. MESH_EPROTO: more than were sent, or fewer than it said before.
int mesh_resume_ack(mesh_resume *resume, uint64_t offset);
// How many messages of this type have begun in what is kept.
size_t mesh_resume_kept_count(const mesh_resume *resume, uint8_t type);
// Gives all that is kept, to be sent again, and keeps nothing (free *out_memory).
mesh_bytes mesh_resume_take(mesh_resume *resume, void **out_memory);

// ---- receiving
// True: the other end should be told of what came by now.
bool mesh_resume_count(mesh_resume *resume, const mesh_frame *frame);
bool mesh_resume_is_due(const mesh_resume *resume); // that
