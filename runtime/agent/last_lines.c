#include "agent/last_lines.h"

#include "core/mem.h"

// A byte more than is shown, so that one sees whether the first line is whole.
enum { ROOM = AGENT_LAST_LEN_MAX + 1 };

void agent_last_lines_push(agent_last_lines *lines, mesh_bytes piece) {
    if (piece.len == 0) return;
    if (lines->bytes == NULL) lines->bytes = mem_alloc(ROOM);
    if (piece.len > ROOM) piece = mesh_bytes_skip(piece, piece.len - ROOM);
    if (lines->len + piece.len > ROOM) {
        size_t excess = lines->len + piece.len - ROOM;
        memmove(lines->bytes, lines->bytes + excess, lines->len - excess);
        lines->len -= excess;
    }
    memcpy(lines->bytes + lines->len, piece.data, piece.len);
    lines->len += piece.len;
}

mesh_bytes agent_last_lines_text(const agent_last_lines *lines) {
    mesh_bytes all = {lines->bytes, lines->len};
    if (all.len == 0) return all;
    size_t start = all.len, count = 0;
    // From line to line, backwards; `at` is where a newline would end the line before.
    for (size_t at = all.len - 1; count < AGENT_LAST_LINES_MAX; count++) {
        const uint8_t *newline = at > 0 ? memrchr(all.data, '\n', at) : NULL;
        if (newline == NULL) { // the first of all, or the first that is left of it
            if (all.len <= AGENT_LAST_LEN_MAX)
                start = 0;
            else if (count == 0)
                start = 1;
            break;
        }
        at = (size_t)(newline - all.data);
        start = at + 1;
    }
    return mesh_bytes_skip(all, start);
}

void agent_last_lines_clear(agent_last_lines *lines) {
    free(lines->bytes);
    *lines = (agent_last_lines){0};
}
