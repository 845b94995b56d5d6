#include "cli/duration.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/args.h"

bool cli_duration_read(const char *text, uint64_t max_ms, uint64_t *out_ms) {
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    enum { DIGITS_MAX = 9 };
    size_t len = strspn(text, "0123456789");
    uint64_t number = len >= 1 && len <= DIGITS_MAX ? strtoull(text, NULL, 10) : 0;
    bool is_time = strcmp(text, "0") == 0;
    *out_ms = 0;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (number == 0 || strcmp(text + len, units[i].unit) != 0) continue;
        *out_ms = number * units[i].ms;
        is_time = *out_ms <= max_ms;
    }
    return is_time;
}

bool cli_duration_parse(const char *option, const char *text, uint64_t max_ms, uint64_t *out_ms) {
    if (cli_duration_read(text, max_ms, out_ms)) return true;
    char most[CLI_DURATION_MAX];
    cli_duration_format(most, max_ms);
    cli_say("--%s is a time like 500ms, 90s, 30m, 1h or 7d, at most %s, not \"%.40s\"", option,
            most, text);
    return false;
}

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
