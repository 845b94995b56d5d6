// What nodes wrote, read from its files without an agent.
#pragma once

#include <stdbool.h>

#include "agent.pb-c.h"
#include "cli/printer.h"

// Prints what `logs` asks for; the exit code. `err` is why there is no agent: told when there is
// nothing to print, or the log is to be followed, which needs one.
int cli_log_files_print(const Warren__Agent__Logs *logs, const cli_printer_options *options,
                        int err);

// Without an agent: whether there is something that could be printed for this target.
bool cli_log_files_has(const char *target);
