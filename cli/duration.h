// How long, for people: 7s, 3m05s, 2h10m, 4d03h.
#pragma once

#include <stdint.h>

enum { CLI_DURATION_MAX = 32 };

void cli_duration_format(char out[CLI_DURATION_MAX], uint64_t ms);
