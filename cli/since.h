// --since: a time of day, or so long ago.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// "10m" (ago), "2026-11-23T10:51:49Z": false after a sentence.
bool cli_since_parse(const char *text, uint64_t *out_ms);
