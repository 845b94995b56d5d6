// A line on the terminal that is written over and over while something takes a while: from a second
// on, ten times a second at most. Nothing where stderr is no terminal.
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct cli_progress {
    bool is_on, is_shown;
    uint64_t next_ms;
} cli_progress;

void cli_progress_begin(cli_progress *progress, bool is_wanted);
bool cli_progress_is_due(cli_progress *progress); // then show something
__attribute__((format(printf, 2, 3))) void cli_progress_show(cli_progress *progress,
                                                             const char *format, ...);
void cli_progress_end(cli_progress *progress); // the line is away
