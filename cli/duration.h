// How long, for people: 7s, 3m05s, 2h10m, 4d03h.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { CLI_DURATION_MAX = 32 };

// "500ms", "90s", "30m", "1h", "7d", or "0", at most max_ms: false after a sentence that names the
// option.
bool cli_duration_parse(const char *option, const char *text, uint64_t max_ms, uint64_t *out_ms);

// The same, without a sentence.
bool cli_duration_read(const char *text, uint64_t max_ms, uint64_t *out_ms);

void cli_duration_format(char out[CLI_DURATION_MAX], uint64_t ms);
