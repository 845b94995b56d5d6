// Our stdout or stderr, which may be slower than what comes: bytes wait here and never block the
// loop. The descriptor's own flags are left alone: it is shared with the shell.
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "core/bytes.h"

enum { CLI_OUTPUT_HIGH = 1 << 20, CLI_OUTPUT_LOW = 64 << 10 };

typedef struct cli_output cli_output;

// The queue got shorter, or the reader is gone (cli_output_error says so).
typedef void (*cli_output_cb)(void *user);

int cli_output_open(uv_loop_t *loop, int fd, cli_output_cb on_change, void *user, cli_output **out);
void cli_output_write(cli_output *output, mesh_bytes bytes); // copies what can't be written now
size_t cli_output_queued(const cli_output *output);
int cli_output_error(
    const cli_output *output); // 0, -EPIPE, or another -errno: nothing is written any more
void cli_output_close(cli_output *output); // what waits is lost; NULL is fine
