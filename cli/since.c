#include "cli/since.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/duration.h"

static const uint64_t SINCE_MAX_MS = 3650ULL * 86400 * 1000;

uint64_t cli_since_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

bool cli_since_parse(const char *text, uint64_t *out_ms) {
    struct tm parts = {0};
    const char *rest =
        strchr(text, '-') == NULL ? NULL : strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);
    if (rest != NULL) {
        size_t digits = rest[0] == '.' ? 1 + strspn(rest + 1, "0123456789") : 0;
        if (strcmp(rest + digits, "Z") == 0) {
            char ms[5] = "000";
            for (size_t i = 0; i < 3 && i + 1 < digits; i++)
                ms[i] = rest[1 + i];
            *out_ms = (uint64_t)timegm(&parts) * 1000 + strtoul(ms, NULL, 10);
            return true;
        }
    }
    uint64_t ago_ms, now_ms = cli_since_now_ms();
    if (!cli_duration_parse("since", text, SINCE_MAX_MS, &ago_ms)) return false;
    *out_ms = ago_ms < now_ms ? now_ms - ago_ms : 1;
    return true;
}
