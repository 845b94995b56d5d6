// What the nodes of a service wrote, in STATE/logs/NAME.log (0600). One line of the file is one
// line of a node, or a piece of one:
//   2026-07-01T10:00:00.123Z app.0 out: a whole line of stdout
//   2026-07-01T10:00:00.124Z app.1 err+ a piece of stderr; the rest of its line follows
//   2026-07-01T10:00:09.000Z app err: 17 lines are missing here: No space left on device
// A file that is full becomes NAME.log.1, the older NAME.log.1 becomes NAME.log.2, and so on; the
// oldest goes. log_tail.c reads them.
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/bytes.h"

enum {
    AGENT_LOG_LEN_DEFAULT = 10 << 20, // of one file
    AGENT_LOG_LEN_MIN = 128 << 10,
    AGENT_LOG_LEN_MAX = 1 << 30,
    AGENT_LOG_FILES_DEFAULT = 5,
    AGENT_LOG_FILES_MAX = 100,
    AGENT_LOG_TAIL_LINES_MAX = 10000,
    AGENT_LOG_TAIL_LEN_MAX = 4 << 20, // a tail of very long lines is cut to this
};

typedef struct agent_log agent_log;

typedef struct agent_log_rules { // 0: the default
    uint32_t file_len_max, file_count;
} agent_log_rules;

typedef struct agent_log_piece {
    const char *node; // "app.0"
    bool is_stderr;
    uint64_t at_ms;  // wall clock
    mesh_bytes data; // whole lines, or a piece without a newline; at most 32 KiB
} agent_log_piece;

// Opens lazily: a log that can't be written (no space, no right) says so once through agent_say,
// and once, with what was lost, when it works again.
agent_log *agent_log_create(const char *dir, const char *service, const agent_log_rules *rules);
void agent_log_set_rules(agent_log *log, const agent_log_rules *rules); // for the next file
void agent_log_destroy(agent_log *log);
void agent_log_rest(agent_log *log); // closes the file until the next write
void agent_log_write(agent_log *log, const agent_log_piece *piece);
uint64_t agent_log_lost_lines(const agent_log *log); // since it was created

// The path of the service's newest file (0), the one before (1), ...
void agent_log_path(char out[PATH_MAX], const char *dir, const char *service, uint32_t index);

typedef struct agent_log_query {
    const char *dir, *service;
    const char *node;    // NULL: of all
    uint32_t line_count; // at most AGENT_LOG_TAIL_LINES_MAX
    uint64_t since_ms;   // wall clock; 0: from the first
} agent_log_query;

typedef void (*agent_log_cb)(const agent_log_piece *piece, void *user);
// The last lines, oldest first. 0 or -errno (-ENOENT: it never ran here).
int agent_log_tail(const agent_log_query *query, agent_log_cb on_piece, void *user);
