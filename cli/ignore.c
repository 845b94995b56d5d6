#include "cli/ignore.h"

#include <fnmatch.h>

#include "core/mem.h"

typedef struct ignore_line {
    char **parts; // of the pattern, between slashes; "**" is any number of names
    size_t count;
    char *text;                                        // as it stands there
    size_t number;                                     // of it in the file
    bool is_negative, is_for_directories, is_anchored; // else it fits names at any depth
} ignore_line;

struct cli_ignore {
    ignore_line *lines;
    size_t count, cap;
};

// ---- reading

// Behind a set, [...] at `at`, as git reads one; NULL: it does not end, and the line matches
// nothing.
static const char *skip_set(const char *at) {
    at++;
    if (*at == '!' || *at == '^') at++;
    do {
        if (*at == '\\') at++;
        if (*at == '\0') return NULL;
        const char *close = strncmp(at, "[:", 2) == 0 ? strchr(at + 2, ']') : NULL;
        if (close != NULL && close[-1] == ':' && close > at + 2) at = close;
        at++;
    } while (*at != ']');
    return at + 1;
}

// The end of a part: a slash that is not in a set, or the end. NULL: it matches nothing.
static const char *end_of_part(const char *at) {
    while (*at != '\0' && *at != '/' && strncmp(at, "\\/", 2) != 0) {
        if (*at == '[') {
            at = skip_set(at);
            if (at == NULL) return NULL;
        } else {
            if (*at == '\\' && *++at == '\0') return NULL;
            at++;
        }
    }
    return at;
}

static void add_part(ignore_line *line, const char *part, size_t len) {
    bool is_any = len >= 2 && strspn(part, "*") >= len;
    bool was_any = line->count > 0 && strcmp(line->parts[line->count - 1], "**") == 0;
    if (is_any && was_any) return; // says no more than the first
    if (is_any) len = 2;
    line->parts = mem_resize(line->parts, (line->count + 1) * sizeof(char *));
    char *copy = mem_alloc(len + 1);
    memcpy(copy, part, len);
    line->parts[line->count++] = copy;
}

static void free_line(ignore_line *line) {
    for (size_t i = 0; i < line->count; i++)
        free(line->parts[i]);
    free(line->parts);
    free(line->text);
}

static bool split(const char *pattern, ignore_line *out) {
    for (;;) {
        const char *end = end_of_part(pattern);
        if (end == NULL) return false;
        add_part(out, pattern, (size_t)(end - pattern));
        if (*end == '\0') return true;
        pattern = end + (*end == '\\' ? 2 : 1);
    }
}

// Blanks at its end do not count, but for one behind a backslash.
static void trim(char *line) {
    char *end = line;
    for (char *at = line; *at != '\0'; at++) {
        if (*at == '\\' && at[1] != '\0')
            at++;
        else if (*at == ' ')
            continue;
        end = at + 1;
    }
    *end = '\0';
}

static void add_line(cli_ignore *ignore, char *text, size_t number) {
    ignore_line line = {.number = number};
    if (text[0] == '#') return;
    trim(text);
    line.text = mem_copy(text, strlen(text) + 1);
    if (text[0] == '!') {
        line.is_negative = true;
        text++;
    }
    size_t len = strlen(text);
    if (len > 0 && text[len - 1] == '/') {
        line.is_for_directories = true;
        text[len - 1] = '\0';
    }
    line.is_anchored = strchr(text, '/') != NULL;
    if (text[0] == '/') text++;
    if (text[0] == '\0' || !split(text, &line)) {
        free_line(&line);
        return;
    }
    ignore->lines = mem_grow(ignore->lines, sizeof line, ignore->count + 1, &ignore->cap);
    ignore->lines[ignore->count++] = line;
}

cli_ignore *cli_ignore_parse(mesh_bytes text) {
    cli_ignore *ignore = mem_alloc(sizeof *ignore);
    if (text.len >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0) text = mesh_bytes_skip(text, 3);
    for (size_t number = 1; text.len > 0; number++) {
        const uint8_t *newline = memchr(text.data, '\n', text.len);
        size_t len = newline != NULL ? (size_t)(newline - text.data) : text.len;
        size_t shown = newline != NULL && len > 0 && text.data[len - 1] == '\r' ? len - 1 : len;
        char *line = mem_alloc(shown + 1);
        if (shown > 0) memcpy(line, text.data, shown);
        add_line(ignore, line, number);
        free(line);
        text = mesh_bytes_skip(text, newline != NULL ? len + 1 : len);
    }
    return ignore;
}

void cli_ignore_free(cli_ignore *ignore) {
    if (ignore == NULL) return;
    for (size_t i = 0; i < ignore->count; i++)
        free_line(&ignore->lines[i]);
    free(ignore->lines);
    free(ignore);
}

// ---- matching

static bool fits_name(const char *part, const char *name, size_t len) {
    char copy[256]; // no name is longer
    if (len >= sizeof copy) return false;
    memcpy(copy, name, len);
    copy[len] = '\0';
    return fnmatch(part, copy, 0) == 0;
}

static bool fits_path(char *const *parts, size_t count, const char *path);

// Behind a "**": after any number of names, none included; at the end of a pattern at least one.
static bool fits_below(char *const *parts, size_t count, const char *path) {
    if (count == 0) return path[0] != '\0';
    while (!fits_path(parts, count, path)) {
        path = strchr(path, '/');
        if (path == NULL) return false;
        path++;
    }
    return true;
}

static bool fits_path(char *const *parts, size_t count, const char *path) {
    for (; count > 0; parts++, count--) {
        if (strcmp(parts[0], "**") == 0) return fits_below(parts + 1, count - 1, path);
        size_t len = strcspn(path, "/");
        if (len == 0 || !fits_name(parts[0], path, len)) return false;
        path += len;
        if (path[0] == '/') path++;
    }
    return path[0] == '\0';
}

static bool fits(const ignore_line *line, const char *path, bool is_directory) {
    if (line->is_for_directories && !is_directory) return false;
    if (line->is_anchored) return fits_path(line->parts, line->count, path);
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    return fits_name(line->parts[0], name, strlen(name));
}

// The last one that fits.
static const ignore_line *find(const cli_ignore *ignore, const char *path, bool is_directory) {
    for (size_t i = ignore->count; i-- > 0;)
        if (fits(&ignore->lines[i], path, is_directory)) return &ignore->lines[i];
    return NULL;
}

cli_verdict cli_ignore_judge(const cli_ignore *ignore, const char *path, bool is_directory) {
    const ignore_line *line = find(ignore, path, is_directory);
    if (line == NULL) return CLI_UNSAID;
    return line->is_negative ? CLI_TAKEN : CLI_LEFT_OUT;
}

const char *cli_ignore_line_of(const cli_ignore *ignore, const char *path, bool is_directory,
                               size_t *out_number) {
    const ignore_line *line = find(ignore, path, is_directory);
    if (line == NULL) return NULL;
    *out_number = line->number;
    return line->text;
}
