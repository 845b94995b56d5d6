// What a certificate allows (cert.h). In a file of its own: the core of a node asks, and checks no
// signature.
#include <string.h>

#include "core/subject.h"
#include "secure/cert.h"

static const char *const verbs[] = {"serve", "call", "subscribe", "publish"};

enum { VERB_COUNT = sizeof verbs / sizeof *verbs };

// The pattern of a scope that is "VERB:PATTERN", or nothing.
static mesh_bytes pattern_of(const char *scope, mesh_verb verb) {
    size_t len = strlen(verbs[verb]);
    bool is_verb = strncmp(scope, verbs[verb], len) == 0 && scope[len] == ':';
    return is_verb ? mesh_bytes_text(scope + len + 1) : (mesh_bytes){0};
}

bool mesh_scope_is_valid(const char *scope) {
    if (strlen(scope) > MESH_SCOPE_LEN_MAX) return false;
    if (strcmp(scope, "*") == 0) return true;
    for (size_t verb = 0; verb < VERB_COUNT; verb++)
        if (mesh_subject_is_pattern(pattern_of(scope, (mesh_verb)verb))) return true;
    return false;
}

static bool allows_all(const mesh_cert *cert) {
    for (size_t i = 0; i < cert->scope_count; i++)
        if (strcmp(cert->scopes[i], "*") == 0) return true;
    return false;
}

// `name` may be a pattern: then all that it matches must be allowed. Its wildcards count as tokens
// like any other, but only a ">" covers a ">".
static bool covers(const mesh_cert *cert, mesh_verb verb, mesh_bytes name) {
    bool is_open = name.data[name.len - 1] == '>';
    for (size_t i = 0; i < cert->scope_count; i++) {
        mesh_bytes pattern = pattern_of(cert->scopes[i], verb);
        if (pattern.len == 0 || (is_open && pattern.data[pattern.len - 1] != '>')) continue;
        if (mesh_subject_matches(pattern, name)) return true;
    }
    return false;
}

bool mesh_scope_allows(const mesh_cert *cert, mesh_verb verb, mesh_bytes name) {
    if (name.len > 0 && allows_all(cert)) return true; // services whose names are no subjects too
    bool is_name =
        verb == MESH_VERB_SUBSCRIBE ? mesh_subject_is_pattern(name) : mesh_subject_is_valid(name);
    return is_name && covers(cert, verb, name);
}

bool mesh_scope_is_within(const mesh_cert *below, const mesh_cert *above) {
    if (allows_all(above)) return true;
    for (size_t i = 0; i < below->scope_count; i++) {
        bool is_allowed = false;
        for (size_t verb = 0; verb < VERB_COUNT; verb++) {
            mesh_bytes pattern = pattern_of(below->scopes[i], (mesh_verb)verb);
            is_allowed |= pattern.len > 0 && covers(above, (mesh_verb)verb, pattern);
        }
        if (!is_allowed) return false;
    }
    return true;
}
