// Which file a word on the command line means, found as node finds it, and before anything is
// launched.
#pragma once

#include <limits.h>

enum { CLI_SCRIPT_TEXT_MAX = PATH_MAX + 1024 };

// "app.js", "app", "." or "dir" (package.json's main, index.js) -> an absolute path. 0, or -1 and a
// sentence.
int cli_script_find(const char *word, char out[PATH_MAX], char text[CLI_SCRIPT_TEXT_MAX]);
