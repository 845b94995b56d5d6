// Lines of a .warrenignore or .gitignore, by git's rules (gitignore(5)).
#pragma once

#include <stdbool.h>

#include "core/bytes.h"

typedef struct cli_ignore cli_ignore; // one file of them

typedef enum cli_verdict { CLI_UNSAID, CLI_LEFT_OUT, CLI_TAKEN } cli_verdict;

cli_ignore *cli_ignore_parse(mesh_bytes text); // never NULL; what makes no sense matches nothing
void cli_ignore_free(cli_ignore *ignore);      // NULL is fine
// What it says of `path`, which is relative to the directory of the file. The last line that fits
// counts. Whoever leaves a directory out looks at nothing in it.
cli_verdict cli_ignore_judge(const cli_ignore *ignore, const char *path, bool is_directory);
// The line by which it judges so, as it stands in the file, and its number from 1 on; NULL: none
// fits. Borrows.
const char *cli_ignore_line_of(const cli_ignore *ignore, const char *path, bool is_directory,
                               size_t *out_number);
