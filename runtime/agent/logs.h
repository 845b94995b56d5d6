// What the nodes of a service wrote, in STATE/logs/NAME.log (0600). One line of the file is one
// line of a node, or a piece of one:
//   2026-07-01T10:00:00.123Z app.0 out: a whole line of stdout
//   2026-07-01T10:00:00.124Z app.1 err+ a piece of stderr; the rest of its line follows
// At 10 MiB the file becomes NAME.log.1 and the older NAME.log.1 goes.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/bytes.h"

enum {
    AGENT_LOG_LEN_MAX = 10 << 20,
    AGENT_LOG_TAIL_LINES_MAX = 10000,
    AGENT_LOG_TAIL_LEN_MAX = 4 << 20, // a tail of very long lines is cut to this
};

typedef struct agent_log agent_log;

typedef struct agent_log_piece {
    const char *node; // "app.0"
    bool is_stderr;
    uint64_t at_ms;  // wall clock
    mesh_bytes data; // whole lines, or a piece without a newline
} agent_log_piece;

// Opens lazily: a log that can't be written (no space, no right) says so once through agent_say,
// and once when it works again.
agent_log *agent_log_create(const char *dir, const char *service);
void agent_log_destroy(agent_log *log);
void agent_log_rest(agent_log *log); // closes the file until the next write
void agent_log_write(agent_log *log, const agent_log_piece *piece);

typedef void (*agent_log_cb)(const agent_log_piece *piece, void *user);
// The last lines of `service`, oldest first; of one node only when `node` is not NULL. 0 or -errno
// (-ENOENT: it never ran here).
int agent_log_tail(const char *dir, const char *service, const char *node, uint32_t line_count,
                   agent_log_cb on_piece, void *user);
