#include "core/resume.h"

#include <sodium.h>

#include "core/error.h"
#include "core/mem.h"
#include "secure/cipher.h"

enum { SHRINK_LEN = 256 << 10 };

static const char label[] = "warren-session-v1";

void mesh_resume_deinit(mesh_resume *resume) {
    free(resume->kept);
    *resume = (mesh_resume){0};
}

void mesh_resume_begin(mesh_resume *resume, const uint8_t *first_key, const uint8_t *second_key) {
    uint8_t keys[2 * MESH_CIPHER_KEY_LEN];
    memcpy(keys, first_key, MESH_CIPHER_KEY_LEN);
    memcpy(keys + MESH_CIPHER_KEY_LEN, second_key, MESH_CIPHER_KEY_LEN);
    CHECK(crypto_generichash(resume->session, MESH_SESSION_LEN, keys, sizeof keys,
                             (const uint8_t *)label, sizeof label - 1) == 0);
    sodium_memzero(keys, sizeof keys);
}

static bool is_of_connection(uint8_t type) {
    return type == MESH_FRAME_READY || type == MESH_FRAME_REKEY || type == MESH_FRAME_ACK ||
           type == MESH_FRAME_GOAWAY;
}

// ---- sending

static size_t kept_len(const mesh_resume *resume) {
    return resume->tail - resume->head;
}

static void make_room(mesh_resume *resume, size_t need) {
    if (resume->cap - resume->tail >= need) return;
    size_t live = kept_len(resume);
    // Moving no more than has been let go since the last move keeps this O(1) a byte.
    if (resume->head >= live && resume->cap - live >= need) {
        memmove(resume->kept, resume->kept + resume->head, live);
        resume->head = 0;
        resume->tail = live;
        return;
    }
    resume->kept = mem_grow(resume->kept, 1, resume->tail + need, &resume->cap);
}

void mesh_resume_keep(mesh_resume *resume, mesh_bytes frames) {
    if (!resume->is_on) return;
    make_room(resume, frames.len);
    while (frames.len > 0) {
        const uint8_t *at = frames.data;
        mesh_frame frame;
        CHECK(mesh_frame_take(&frames, MESH_RECORD_LEN_MAX, &frame) == 0); // our own
        size_t len = MESH_FRAME_HEAD_LEN + frame.body.len;
        if (is_of_connection(frame.type)) continue;
        memcpy(resume->kept + resume->tail, at, len);
        resume->tail += len;
    }
}

bool mesh_resume_is_full(const mesh_resume *resume) {
    return kept_len(resume) > MESH_RESUME_KEPT_MAX;
}

int mesh_resume_ack(mesh_resume *resume, uint64_t offset) {
    if (offset < resume->acked || offset - resume->acked > kept_len(resume)) return MESH_EPROTO;
    resume->head += (size_t)(offset - resume->acked);
    resume->acked = offset;
    if (resume->head < resume->tail) return 0;
    resume->head = resume->tail = 0;
    if (resume->cap <= SHRINK_LEN) return 0;
    free(resume->kept);
    resume->kept = NULL;
    resume->cap = 0;
    return 0;
}

size_t mesh_resume_kept_count(const mesh_resume *resume, uint8_t type) {
    mesh_bytes rest = {resume->kept + resume->head, kept_len(resume)};
    size_t count = 0;
    mesh_frame frame;
    while (rest.len > 0 && mesh_frame_take(&rest, MESH_FRAME_LEN_MAX, &frame) == 0)
        count += frame.type == type && frame.flags & MESH_FRAME_FIRST;
    return count;
}

mesh_bytes mesh_resume_take(mesh_resume *resume, void **out_memory) {
    mesh_bytes all = {resume->kept + resume->head, kept_len(resume)};
    *out_memory = resume->kept;
    resume->kept = NULL;
    resume->head = resume->tail = resume->cap = 0;
    return all;
}

// ---- receiving

bool mesh_resume_count(mesh_resume *resume, const mesh_frame *frame) {
    if (!resume->is_on || is_of_connection(frame->type)) return false;
    resume->received += MESH_FRAME_HEAD_LEN + frame->body.len;
    return mesh_resume_is_due(resume);
}

bool mesh_resume_is_due(const mesh_resume *resume) {
    return resume->received - resume->told >= MESH_RESUME_TELL_LEN;
}
