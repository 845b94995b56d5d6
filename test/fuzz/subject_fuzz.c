// Subjects: pattern and subject, parted by a newline. The matcher must agree with the plainest one.
#include "core/mem.h"
#include "core/subject.h"
#include "fuzz.h"

// Recursive and slow, straight from the rule.
static bool does_match(const char *pattern, const char *subject) {
    if (strcmp(pattern, ">") == 0) return *subject != 0;
    if (*pattern == 0 || *subject == 0) return *pattern == *subject;
    if (*pattern == '*') {
        while (*subject && *subject != '.')
            subject++;
        return does_match(pattern + 1, subject);
    }
    return *pattern == *subject && does_match(pattern + 1, subject + 1);
}

static char *text_of(mesh_bytes bytes) {
    char *text = mem_alloc(bytes.len + 1);
    if (bytes.len > 0) memcpy(text, bytes.data, bytes.len);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *newline = size > 0 ? memchr(data, '\n', size) : NULL;
    if (!newline) return 0;
    mesh_bytes pattern = {data, (size_t)(newline - data)};
    mesh_bytes subject = {newline + 1, size - pattern.len - 1};
    bool is_pattern = mesh_subject_is_pattern(pattern), is_subject = mesh_subject_is_valid(subject);
    if (mesh_subject_is_valid(pattern)) CHECK(is_pattern && !mesh_subject_has_wildcard(pattern));
    if (!is_pattern || !is_subject) return 0;
    char *pattern_text = text_of(pattern), *subject_text = text_of(subject);
    CHECK(mesh_subject_matches(pattern, subject) == does_match(pattern_text, subject_text));
    free(pattern_text);
    free(subject_text);
    return 0;
}
