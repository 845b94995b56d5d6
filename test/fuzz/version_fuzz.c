// Versions and ranges: one of each, parted by a newline. What fits a range exactly fits its caret,
// too.
#include "core/mem.h"
#include "core/version.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *newline = size > 0 ? memchr(data, '\n', size) : NULL;
    if (!newline) return 0;
    mesh_bytes version = {data, (size_t)(newline - data)};
    mesh_bytes range = {newline + 1, size - version.len - 1};
    CHECK(mesh_version_fits(version, version) && mesh_version_fits(range, range));
    bool is_same = version.len == range.len && memcmp(version.data, range.data, range.len) == 0;
    if (!mesh_version_fits(version, range) || is_same || range.data[0] == '^') return 0;
    uint8_t *caret = mem_alloc(range.len + 1);
    caret[0] = '^';
    memcpy(caret + 1, range.data, range.len);
    CHECK(mesh_version_fits(version, (mesh_bytes){caret, range.len + 1}));
    free(caret);
    return 0;
}
