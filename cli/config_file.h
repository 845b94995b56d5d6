// A configuration (docs/config.md) as warren-node reads it, in a process of its own: the file is a
// program that may print, wait for ever, or end its process.
#pragma once

#include <jansson.h>
#include <stdint.h>

// A second is a lot, but for a machine that is busy.
enum { CLI_CONFIG_TIMEOUT_MS = 30000, CLI_CONFIG_TIMEOUT_MAX_MS = 600000 };

typedef struct cli_config_request {
    const char *what;    // show, or import: then with "text", the file to write
    const char *file;    // or a directory; NULL: it is looked for from here upwards
    const char *env;     // of an ecosystem.config.js: which env_NAME; or NULL
    uint64_t timeout_ms; // for the file
} cli_config_request;

// What came of it: {"file", "problems", "warnings", "planned", "project"}; "project" is null when
// there are problems. NULL after a sentence when the file gave no answer at all.
json_t *cli_config_load(const cli_config_request *request);
