#include "agent/target.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "core/error.h"

enum { WORD_MAX = 64 };

static bool is_name_byte(char c) {
    return isalnum((unsigned char)c) || c == '-' || c == '_';
}

int agent_target_check_name(const char *name) {
    size_t len = strlen(name);
    if (len > AGENT_NAME_LEN_MAX || strcmp(name, "all") == 0) return MESH_EINVAL;
    if (!isalnum((unsigned char)name[0])) return MESH_EINVAL;
    for (size_t i = 0; i < len; i++)
        if (!is_name_byte(name[i])) return MESH_EINVAL;
    return 0;
}

static int parse_instance(const char *text, uint32_t *out) {
    size_t len = strlen(text);
    uint32_t value = 0;
    if (len == 0 || len > 6) return MESH_EINVAL;
    if (text[0] == '0' && len > 1) return MESH_EINVAL; // one instance has one name
    for (size_t i = 0; i < len; i++) {
        if (!isdigit((unsigned char)text[i])) return MESH_EINVAL;
        value = value * 10 + (uint32_t)(text[i] - '0');
    }
    *out = value;
    return 0;
}

int agent_target_parse(const char *text, agent_target *out) {
    agent_target target = {.instance = UINT32_MAX};
    if (strcmp(text, "all") == 0) {
        *out = target;
        return 0;
    }
    const char *dot = strchr(text, '.');
    size_t len = dot != NULL ? (size_t)(dot - text) : strlen(text);
    if (len > AGENT_NAME_LEN_MAX) return MESH_EINVAL;
    memcpy(target.name, text, len);
    if (agent_target_check_name(target.name) != 0) return MESH_EINVAL;
    if (dot != NULL && parse_instance(dot + 1, &target.instance) != 0) return MESH_EINVAL;
    *out = target;
    return 0;
}

// The last part of the path that says something: not "index", not the extension.
static void name_part(const char *entry, const char **out_start, size_t *out_len) {
    const char *slash = strrchr(entry, '/');
    const char *start = slash != NULL ? slash + 1 : entry;
    const char *dot = strrchr(start, '.');
    size_t len = dot != NULL && dot != start ? (size_t)(dot - start) : strlen(start);
    if (len == 5 && strncmp(start, "index", 5) == 0 && slash != NULL && slash != entry) {
        const char *end = slash;
        start = end;
        while (start > entry && start[-1] != '/')
            start--;
        if (start != end) len = (size_t)(end - start);
    }
    *out_start = start;
    *out_len = len;
}

void agent_target_name_of(const char *entry, char out[AGENT_NAME_LEN_MAX + 1]) {
    const char *start;
    size_t len;
    name_part(entry, &start, &len);
    while (len > 0 && !isalnum((unsigned char)*start)) {
        start++;
        len--;
    }
    if (len > AGENT_NAME_LEN_MAX - 8) len = AGENT_NAME_LEN_MAX - 8; // room for -2, -3 ...
    for (size_t i = 0; i < len; i++)
        out[i] = (char)(is_name_byte(start[i]) ? start[i] : '-');
    out[len] = '\0';
    if (agent_target_check_name(out) != 0) memcpy(out, "app", 4);
}

// How many letters must be put in, left out, changed, or swapped with the next.
static size_t distance(const char *a, const char *b) {
    size_t rows[3][WORD_MAX + 1], a_len = strlen(a), b_len = strlen(b);
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= b_len; j++)
        last[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        now[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);
            if (last[j] + 1 < best) best = last[j] + 1;
            if (now[j - 1] + 1 < best) best = now[j - 1] + 1;
            bool is_swap = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (is_swap && before[j - 2] + 1 < best) best = before[j - 2] + 1;
            now[j] = best;
        }
        size_t *free_row = before;
        before = last;
        last = now;
        now = free_row;
    }
    return last[b_len];
}

const char *agent_target_nearest(const char *typed, const char *const *words, size_t count) {
    const char *best = NULL;
    size_t len = strlen(typed), best_distance = len < 6 ? 1 : len / 3; // a third of it may be wrong
    if (len > WORD_MAX) return NULL;
    if (best_distance > 3) best_distance = 3;
    best_distance++;
    for (size_t i = 0; i < count; i++) {
        if (strlen(words[i]) > WORD_MAX) continue;
        size_t d = distance(typed, words[i]);
        if (d >= best_distance) continue;
        best = words[i];
        best_distance = d;
    }
    return best;
}
