// stdin, stdout and stderr: there when a command begins, judged when it is done.
#pragma once

#include <stdbool.h>

// Opens /dev/null in place of each that is closed, before anything else is opened: libuv, and what
// is printed, would take the next file or socket for it.
void cli_streams_open(void);

// Writes out what was printed so far. False: that cannot be, now or earlier; more need not be
// printed.
bool cli_streams_flush(void);

// The same, once and last. `exit_code`; if that is 0 and it cannot be written: CLI_FAILED after
// a sentence, or 128 + SIGPIPE when the reader went away.
int cli_streams_close(int exit_code);
