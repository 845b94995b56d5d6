#include "cli/size.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/args.h"

enum { DIGITS_MAX = 13, TEXT_MAX = 32 };

// "K", "KB", "KiB" and so on, in any case: all of them are powers of 1024. -1: it is no unit.
static int shift_of(const char *unit) {
    static const char letters[] = "KMGT";
    if (unit[0] == '\0' || strcmp(unit, "B") == 0) return 0;
    const char *letter = strchr(letters, unit[0] & ~0x20);
    const char *rest = unit + 1;
    bool is_unit = letter != NULL && *letter != '\0' &&
                   (rest[0] == '\0' || strcmp(rest, "B") == 0 || strcmp(rest, "iB") == 0);
    return is_unit ? 10 * (int)(letter - letters + 1) : -1;
}

static void format(char out[TEXT_MAX], uint64_t size) {
    static const char *const units[] = {"", "K", "M", "G", "T"};
    int unit = 0;
    for (; size >= 1024 && size % 1024 == 0 && unit < 4; unit++)
        size /= 1024;
    (void)snprintf(out, TEXT_MAX, "%" PRIu64 "%s", size, units[unit]);
}

bool cli_size_parse(const char *option, const char *text, uint64_t min, uint64_t max,
                    uint64_t *out) {
    size_t digits = strspn(text, "0123456789");
    int shift = shift_of(text + digits);
    if (digits >= 1 && digits <= DIGITS_MAX && shift >= 0) {
        uint64_t number = strtoull(text, NULL, 10), size = number << shift;
        if (size >> shift == number && size >= min && size <= max) {
            *out = size;
            return true;
        }
    }
    char least[TEXT_MAX], most[TEXT_MAX];
    format(least, min);
    format(most, max);
    cli_say("--%s is a number of bytes like 512K, 200M or 1G, from %s to %s, not \"%.40s\"", option,
            least, most, text);
    return false;
}

void cli_size_print(uint64_t size, char out[CLI_SIZE_MAX]) {
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    double number = (double)size / 1024;
    int unit = 0;
    if (size < 1024) {
        (void)snprintf(out, CLI_SIZE_MAX, "%d %s", (int)size, size == 1 ? "byte" : "bytes");
        return;
    }
    for (; number >= 1023.95 && unit < 3; unit++) // what would be shown as 1024.0
        number /= 1024;
    (void)snprintf(out, CLI_SIZE_MAX, "%.1f %s", number, units[unit]);
}
