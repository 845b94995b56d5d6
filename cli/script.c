#include "cli/script.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PACKAGE_LEN_MAX = 1 << 20, WORD_MAX = 256 };

static int fail(char text[CLI_SCRIPT_TEXT_MAX], const char *word, const char *why) {
    char here[PATH_MAX];
    bool has_dir = word[0] != '/' && getcwd(here, sizeof here) != NULL;
    (void)snprintf(text, CLI_SCRIPT_TEXT_MAX, "cannot run %.*s: %s%s%s%s", WORD_MAX, word, why,
                   has_dir ? " (in " : "", has_dir ? here : "", has_dir ? ")" : "");
    return -1;
}

static bool is_file(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

// `path`, or path with an extension that node tries too.
static bool find_file(const char *path, char out[PATH_MAX]) {
    static const char *const ends[] = {"", ".js", ".mjs", ".cjs"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        int len = snprintf(out, PATH_MAX, "%s%s", path, ends[i]);
        if (len < PATH_MAX && is_file(out)) return true;
    }
    return false;
}

// The "main" of DIR/package.json, or "" when it says none.
static int read_main(const char *dir, char out[PATH_MAX], char *why, size_t why_cap) {
    char path[PATH_MAX + 32];
    struct stat info;
    json_error_t error;
    out[0] = '\0';
    (void)snprintf(path, sizeof path, "%s/package.json", dir);
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode)) return 0;
    if (info.st_size > PACKAGE_LEN_MAX) {
        (void)snprintf(why, why_cap, "its package.json is too large");
        return -1;
    }
    json_t *root = json_load_file(path, 0, &error);
    if (root == NULL) {
        (void)snprintf(why, why_cap, "its package.json is not JSON: %s at line %d", error.text,
                       error.line);
        return -1;
    }
    const char *main = json_string_value(json_object_get(root, "main"));
    if (main != NULL) (void)snprintf(out, PATH_MAX, "%s", main); // too long: no such file
    json_decref(root);
    return 0;
}

static int find_in_directory(const char *word, char out[PATH_MAX], char text[CLI_SCRIPT_TEXT_MAX]) {
    char path[PATH_MAX], named[PATH_MAX], why[256];
    if (read_main(word, named, why, sizeof why) != 0) return fail(text, word, why);
    int len = snprintf(path, sizeof path, "%s/%s", word, named);
    if (named[0] != '\0' && len < PATH_MAX) {
        if (find_file(path, out)) return 0;
        len = snprintf(path, sizeof path, "%s/%s/index", word, named);
        if (len < PATH_MAX && find_file(path, out)) return 0;
    }
    len = snprintf(path, sizeof path, "%s/index", word);
    if (len < PATH_MAX && find_file(path, out)) return 0;
    return fail(text, word, "it is a directory without a package.json \"main\" or an index.js");
}

// /a/./b/../c -> /a/c, in place, as node does to the path it shows in process.argv.
static void normalize(char *path) {
    char *out = path;
    const char *in = path;
    while (*in != '\0') {
        while (*in == '/')
            in++;
        size_t len = strcspn(in, "/");
        if (len == 2 && in[0] == '.' && in[1] == '.') {
            while (out > path && *--out != '/')
                continue;
        } else if (len > 0 && !(len == 1 && in[0] == '.')) {
            *out++ = '/';
            memmove(out, in, len);
            out += len;
        }
        in += len;
    }
    *out = '\0';
}

int cli_script_find(const char *word, char out[PATH_MAX], char text[CLI_SCRIPT_TEXT_MAX]) {
    struct stat info;
    char found[PATH_MAX];
    if (word[0] == '\0') return fail(text, "\"\"", "no such file");
    if (stat(word, &info) == 0 && S_ISDIR(info.st_mode)) {
        if (find_in_directory(word, found, text) != 0) return -1;
    } else if (!find_file(word, found)) {
        if (stat(word, &info) == 0) return fail(text, word, "it is not a regular file");
        return fail(text, word, errno == ENOENT ? "no such file" : strerror(errno));
    }
    if (access(found, R_OK) != 0) return fail(text, word, strerror(errno));
    // Links are followed by node itself, which has its own rule for that
    // (--preserve-symlinks-main).
    char here[PATH_MAX] = "";
    if (found[0] != '/' && getcwd(here, sizeof here) == NULL)
        return fail(text, word, "this directory is gone");
    if (snprintf(out, PATH_MAX, "%s/%s", here, found) >= PATH_MAX)
        return fail(text, word, "its path is too long");
    normalize(out);
    return 0;
}
