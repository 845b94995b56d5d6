#include "core/subject.h"

#include "core/limits.h"

// Walks the bytes once: `has_wildcards` says whether `*` and `>` may stand as tokens.
static bool is_well_formed(mesh_bytes text, bool has_wildcards) {
    if (text.len == 0 || text.len > MESH_NAME_LEN_MAX) return false;
    size_t token_start = 0, token_count = 1;
    for (size_t i = 0; i <= text.len; i++) {
        uint8_t byte = i < text.len ? text.data[i] : '.';
        if (byte <= ' ' || byte == 0x7f) return false;
        if (byte == '*' || byte == '>') {
            bool is_token = i == token_start && (i + 1 == text.len || text.data[i + 1] == '.');
            if (!has_wildcards || !is_token) return false;
            if (byte == '>' && i + 1 != text.len) return false;
        }
        if (byte != '.') continue;
        if (i == token_start) return false;
        if (i == text.len) break;
        token_start = i + 1;
        if (++token_count > MESH_SUBJECT_TOKENS_MAX) return false;
    }
    return true;
}

bool mesh_subject_is_valid(mesh_bytes subject) {
    return is_well_formed(subject, false);
}

bool mesh_subject_is_pattern(mesh_bytes pattern) {
    return is_well_formed(pattern, true);
}

bool mesh_subject_has_wildcard(mesh_bytes pattern) {
    return memchr(pattern.data, '*', pattern.len) || memchr(pattern.data, '>', pattern.len);
}

static size_t token_len(mesh_bytes rest) {
    const uint8_t *dot = memchr(rest.data, '.', rest.len);
    return dot ? (size_t)(dot - rest.data) : rest.len;
}

bool mesh_subject_matches(mesh_bytes pattern, mesh_bytes subject) {
    // A subject has no wildcards, so one that is equal is meant literally.
    if (pattern.len == subject.len && memcmp(pattern.data, subject.data, subject.len) == 0)
        return true;
    for (;;) {
        size_t want = token_len(pattern), got = token_len(subject);
        if (want == 1 && pattern.data[0] == '>') return true;
        bool is_any = want == 1 && pattern.data[0] == '*';
        if (!is_any && (want != got || memcmp(pattern.data, subject.data, want) != 0)) return false;

        bool is_pattern_over = want == pattern.len, is_subject_over = got == subject.len;
        if (is_pattern_over || is_subject_over) return is_pattern_over && is_subject_over;
        pattern = mesh_bytes_skip(pattern, want + 1);
        subject = mesh_bytes_skip(subject, got + 1);
    }
}
