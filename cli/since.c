#include "cli/since.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/args.h"
#include "cli/duration.h"
#include "io/wall.h"

static const uint64_t SINCE_MAX_MS = 3650ULL * 86400 * 1000;

// "2026-11-23T10:51:49.123Z"
static bool read_date(const char *text, uint64_t *out_ms) {
    struct tm parts = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);
    if (rest == NULL) return false;
    size_t digits = rest[0] == '.' ? 1 + strspn(rest + 1, "0123456789") : 0;
    if (strcmp(rest + digits, "Z") != 0) return false;
    struct tm real = parts;
    time_t s = timegm(&real);
    if (real.tm_mday != parts.tm_mday || real.tm_sec != parts.tm_sec) return false; // 30 February
    char ms[] = "000";
    for (size_t i = 0; i < 3 && i + 1 < digits; i++)
        ms[i] = rest[1 + i];
    *out_ms = s > 0 ? (uint64_t)s * 1000 + strtoul(ms, NULL, 10) : 1;
    return true;
}

bool cli_since_parse(const char *text, uint64_t *out_ms) {
    uint64_t ago_ms, now_ms = mesh_wall_ms();
    if (read_date(text, out_ms)) return true;
    if (!cli_duration_read(text, SINCE_MAX_MS, &ago_ms)) {
        cli_say("--since is so long ago, like 90s, 30m, 1h or 7d (at most 3650d), or a date like "
                "2026-11-23T10:51:49Z, not \"%.40s\"",
                text);
        return false;
    }
    *out_ms = ago_ms < now_ms ? now_ms - ago_ms : 1;
    return true;
}
