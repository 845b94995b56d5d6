// How many bytes, for people: 200M, 1G, 512K (of 1024), or plain bytes.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Between min and max; else false after a sentence that names the option.
bool cli_size_parse(const char *option, const char *text, uint64_t min, uint64_t max,
                    uint64_t *out);

enum { CLI_SIZE_MAX = 32 };
void cli_size_print(uint64_t size, char out[CLI_SIZE_MAX]); // "812 bytes", "13.4 MiB"
