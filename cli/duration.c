#include "cli/duration.h"

#include <stdio.h>

void cli_duration_format(char out[CLI_DURATION_MAX], uint64_t ms) {
    uint64_t s = ms / 1000;
    if (s < 60)
        (void)snprintf(out, CLI_DURATION_MAX, "%us", (unsigned)s);
    else if (s < 3600)
        (void)snprintf(out, CLI_DURATION_MAX, "%um%02us", (unsigned)(s / 60), (unsigned)(s % 60));
    else if (s < 86400)
        (void)snprintf(out, CLI_DURATION_MAX, "%uh%02um", (unsigned)(s / 3600),
                       (unsigned)(s / 60 % 60));
    else
        (void)snprintf(out, CLI_DURATION_MAX, "%ud%02uh", (unsigned)(s / 86400),
                       (unsigned)(s / 3600 % 24));
}
