#include "core/version.h"

#include <stdint.h>
#include <string.h>

enum { PARTS = 3, DIGITS_MAX = 9 };

typedef struct parts {
    uint32_t at[PARTS];
    uint32_t count;
} parts;

// A number of up to 9 digits off the front, without a 0 before it.
static bool take_number(mesh_bytes *rest, uint32_t *out) {
    size_t len = 0;
    uint32_t number = 0;
    for (; len < rest->len && rest->data[len] >= '0' && rest->data[len] <= '9'; len++) {
        if (len == DIGITS_MAX) return false;
        number = number * 10 + (uint32_t)(rest->data[len] - '0');
    }
    if (len == 0 || (len > 1 && rest->data[0] == '0')) return false;
    *rest = mesh_bytes_skip(*rest, len);
    *out = number;
    return true;
}

// One to three numbers with dots between them, and nothing else.
static bool read_parts(mesh_bytes text, parts *out) {
    out->count = 0;
    for (;;) {
        if (out->count == PARTS || !take_number(&text, &out->at[out->count])) return false;
        out->count++;
        if (text.len == 0) return true;
        if (text.data[0] != '.') return false;
        text = mesh_bytes_skip(text, 1);
    }
}

// What the first `count` numbers of both say.
static int compare(const parts *a, const parts *b, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (a->at[i] != b->at[i]) return a->at[i] < b->at[i] ? -1 : 1;
    return 0;
}

// How many numbers must be the same: up to the first that is not 0.
static uint32_t fixed_count(const parts *range) {
    uint32_t count = 1;
    while (count < range->count && range->at[count - 1] == 0)
        count++;
    return count;
}

bool mesh_version_fits(mesh_bytes version, mesh_bytes range) {
    parts have, want;
    bool is_same = version.len == range.len &&
                   (range.len == 0 || memcmp(version.data, range.data, range.len) == 0);
    if (is_same) return true;
    bool is_caret = range.len > 0 && range.data[0] == '^';
    if (is_caret) range = mesh_bytes_skip(range, 1);
    if (!read_parts(version, &have) || have.count != PARTS || !read_parts(range, &want))
        return false;
    if (!is_caret) return compare(&have, &want, want.count) == 0;
    return compare(&have, &want, fixed_count(&want)) == 0 && compare(&have, &want, want.count) >= 0;
}
