#include "core/tags.h"

#include "core/error.h"
#include "core/version.h"

// Takes the next pair off the front; false when there is none.
static bool take_pair(mesh_bytes *rest, mesh_bytes *out_pair) {
    if (rest->len == 0) return false;
    const uint8_t *comma = memchr(rest->data, ',', rest->len);
    size_t len = comma ? (size_t)(comma - rest->data) : rest->len;
    *out_pair = (mesh_bytes){rest->data, len};
    *rest = mesh_bytes_skip(*rest, comma ? len + 1 : len);
    return true;
}

// 0: there is no `=`.
static size_t key_len(mesh_bytes pair) {
    const uint8_t *sign = memchr(pair.data, '=', pair.len);
    return sign ? (size_t)(sign - pair.data) : 0;
}

static bool has_key(mesh_bytes tags, mesh_bytes pair) {
    size_t len = key_len(pair) + 1; // with its sign
    for (mesh_bytes other; take_pair(&tags, &other);)
        if (other.len >= len && memcmp(other.data, pair.data, len) == 0) return true;
    return false;
}

static bool has_pair(mesh_bytes tags, mesh_bytes pair) {
    for (mesh_bytes other; take_pair(&tags, &other);)
        if (other.len == pair.len && memcmp(other.data, pair.data, pair.len) == 0) return true;
    return false;
}

bool mesh_tags_is_valid(mesh_bytes tags) {
    if (tags.len > MESH_TAGS_LEN_MAX) return false;
    for (size_t i = 0; i < tags.len; i++)
        if (tags.data[i] <= ' ' || tags.data[i] == 0x7f) return false;
    if (tags.len > 0 && tags.data[tags.len - 1] == ',') return false;
    mesh_bytes rest = tags;
    for (mesh_bytes pair; take_pair(&rest, &pair);)
        if (key_len(pair) == 0 || has_key(rest, pair)) return false;
    return true;
}

mesh_bytes mesh_tags_get(mesh_bytes tags, mesh_bytes key) {
    for (mesh_bytes pair; take_pair(&tags, &pair);) {
        size_t len = key_len(pair);
        if (len == key.len && memcmp(pair.data, key.data, len) == 0)
            return mesh_bytes_skip(pair, len + 1);
    }
    return (mesh_bytes){0};
}

static bool is_version(mesh_bytes pair) {
    static const char key[] = MESH_TAG_VERSION "=";
    return pair.len >= sizeof key - 1 && memcmp(pair.data, key, sizeof key - 1) == 0;
}

static bool has_version(mesh_bytes tags, mesh_bytes wanted) {
    mesh_bytes version = mesh_tags_get(tags, mesh_bytes_text(MESH_TAG_VERSION));
    return version.len > 0 &&
           mesh_version_fits(version, mesh_bytes_skip(wanted, sizeof MESH_TAG_VERSION));
}

bool mesh_tags_has(mesh_bytes tags, mesh_bytes wanted) {
    for (mesh_bytes pair; take_pair(&wanted, &pair);)
        if (!has_pair(tags, pair) && !(is_version(pair) && has_version(tags, pair))) return false;
    return true;
}

int mesh_tags_merge(mesh_bytes tags, mesh_bytes defaults, uint8_t out[MESH_TAGS_LEN_MAX],
                    size_t *out_len) {
    uint8_t merged[MESH_TAGS_LEN_MAX];
    size_t len = tags.len;
    if (len > 0) memcpy(merged, tags.data, len);
    for (mesh_bytes pair; take_pair(&defaults, &pair);) {
        if (has_key(tags, pair)) continue;
        size_t comma = len > 0;
        if (len + comma + pair.len > MESH_TAGS_LEN_MAX) return MESH_ETOOBIG;
        if (comma) merged[len++] = ',';
        memcpy(merged + len, pair.data, pair.len);
        len += pair.len;
    }
    memcpy(out, merged, len);
    *out_len = len;
    return 0;
}
