// The last lines of what somebody wrote, for the report of its end. Bounded: AGENT_LAST_LEN_MAX
// bytes, taken when there is a first one.
#pragma once

#include "core/bytes.h"

enum { AGENT_LAST_LINES_MAX = 20, AGENT_LAST_LEN_MAX = 4 << 10 };

typedef struct agent_last_lines { // zeroed at first
    uint8_t *bytes;
    size_t len;
} agent_last_lines;

void agent_last_lines_push(agent_last_lines *lines, mesh_bytes piece);
// Borrowed until the next push: whole lines, as many as there are within both bounds; a line that
// alone is too long is cut at its front. Bytes of any kind.
mesh_bytes agent_last_lines_text(const agent_last_lines *lines);
void agent_last_lines_clear(agent_last_lines *lines); // frees all
