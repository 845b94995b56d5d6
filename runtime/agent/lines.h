// Bytes of a stream -> pieces that end at the end of a line where they can. A line of more than
// AGENT_LINES_PIECE_MAX bytes comes in several pieces. Pure; no clock: whoever owns it flushes.
#pragma once

#include <stdbool.h>

#include "core/bytes.h"

enum { AGENT_LINES_PIECE_MAX = 32 << 10 };

typedef struct agent_lines {
    uint8_t *pending; // AGENT_LINES_PIECE_MAX bytes while a line is unfinished, else NULL
    size_t len;
} agent_lines;

// One or more whole lines, or a piece without a newline at its end. Borrowed.
typedef void (*agent_lines_cb)(mesh_bytes piece, void *user);

void agent_lines_push(agent_lines *lines, mesh_bytes input, agent_lines_cb on_piece, void *user);
void agent_lines_flush(agent_lines *lines, agent_lines_cb on_piece, void *user);
bool agent_lines_is_pending(const agent_lines *lines);
void agent_lines_deinit(agent_lines *lines);
