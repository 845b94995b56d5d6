#include "agent/lines.h"

#include "core/mem.h"

static void keep(agent_lines *lines, mesh_bytes input) {
    if (lines->pending == NULL) lines->pending = mem_alloc(AGENT_LINES_PIECE_MAX);
    memcpy(lines->pending + lines->len, input.data, input.len);
    lines->len += input.len;
}

void agent_lines_flush(agent_lines *lines, agent_lines_cb on_piece, void *user) {
    if (lines->len == 0) return;
    // Taken out first, so that the callback may do anything with these lines.
    mesh_bytes piece = {lines->pending, lines->len};
    lines->pending = NULL;
    lines->len = 0;
    on_piece(piece, user);
    free((uint8_t *)(uintptr_t)piece.data);
}

// How much of `input` belongs to the unfinished line, its newline included.
static size_t finish_line(agent_lines *lines, mesh_bytes input, bool *out_is_whole) {
    size_t room = AGENT_LINES_PIECE_MAX - lines->len, len = input.len < room ? input.len : room;
    const uint8_t *newline = memchr(input.data, '\n', len);
    *out_is_whole = newline != NULL || len == room;
    return newline != NULL ? (size_t)(newline - input.data) + 1 : len;
}

void agent_lines_push(agent_lines *lines, mesh_bytes input, agent_lines_cb on_piece, void *user) {
    while (input.len > 0) {
        if (lines->len > 0) {
            bool is_whole;
            size_t len = finish_line(lines, input, &is_whole);
            keep(lines, (mesh_bytes){input.data, len});
            input = mesh_bytes_skip(input, len);
            if (is_whole) agent_lines_flush(lines, on_piece, user);
            continue;
        }
        size_t len = input.len < AGENT_LINES_PIECE_MAX ? input.len : AGENT_LINES_PIECE_MAX;
        const uint8_t *newline = memrchr(input.data, '\n', len);
        if (newline == NULL && len < AGENT_LINES_PIECE_MAX) {
            keep(lines, input);
            return;
        }
        if (newline != NULL) len = (size_t)(newline - input.data) + 1;
        on_piece((mesh_bytes){input.data, len}, user);
        input = mesh_bytes_skip(input, len);
    }
}

bool agent_lines_is_pending(const agent_lines *lines) {
    return lines->len > 0;
}

void agent_lines_deinit(agent_lines *lines) {
    free(lines->pending);
    *lines = (agent_lines){0};
}
