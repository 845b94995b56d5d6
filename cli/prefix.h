// Output of several nodes on one stream: each line gets its node's name in front. Pure.
#pragma once

#include <stdbool.h>

#include "core/bytes.h"

enum { CLI_PREFIX_NAME_MAX = 96 };

typedef struct cli_prefix {
    bool is_off, is_colored;
    int width; // of the longest name
    bool is_in_line;
    char node[CLI_PREFIX_NAME_MAX]; // whose line it is
} cli_prefix;

typedef void (*cli_prefix_cb)(mesh_bytes bytes, void *user);

// Hands over `data` of `node` with prefixes in between, in order. Bytes are not looked at but for
// newlines.
void cli_prefix_push(cli_prefix *prefix, const char *node, mesh_bytes data, cli_prefix_cb on_bytes,
                     void *user);
