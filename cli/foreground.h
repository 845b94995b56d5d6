// A run that this terminal owns: prints what its nodes write, passes Ctrl-C on, ends with their
// exit code.
#pragma once

#include <stdbool.h>

#include "agent.pb-c.h"

typedef struct cli_foreground_options {
    bool is_json, has_prefix;
} cli_foreground_options;

enum { CLI_FOREGROUND_AGAIN = -1 };

// Sends `run` (and our stdin, when it has a single instance) and stays until it has ended; with
// run->detach until it has started. The exit code, or CLI_FOREGROUND_AGAIN: the agent was just
// ending, ask another.
int cli_foreground_run(Warren__Agent__Run *run, const cli_foreground_options *options);
