// A project that this terminal shows: prints what its nodes write until all of it has ended; Ctrl-C
// stops it.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cli/project.h"

// With what was written since that wall clock time. The exit code: of the first service that ended
// with one other than 0, or 128 and the signal that we got.
int cli_follow(const cli_project *project, uint64_t since_ms, bool is_json);
