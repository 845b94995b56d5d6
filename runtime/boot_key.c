#include "boot_key.h"

#include <stdio.h>
#include <string.h>

#define say(out, ...) ((void)snprintf((out), RUNTIME_BOOT_TEXT_LEN, __VA_ARGS__))

typedef struct boot_variable {
    const char *name;
    bool is_private;  // the zygote for everybody boots without it
    bool is_singular; // has an effect of its own in each process: never forked
} boot_variable;

static const boot_variable VARIABLES[] = {
    {"NODE_CHANNEL_FD", true, true},
    {"NODE_CLUSTER_SCHED_POLICY", true, true},
    {"NODE_DEBUG", true, true},
    {"NODE_DEBUG_NATIVE", true, true},
    {"NODE_NO_WARNINGS", true, false},
    {"NODE_OPTIONS", true, false},
    {"NODE_PENDING_DEPRECATION", true, false},
    {"NODE_PRESERVE_SYMLINKS", true, false},
    {"NODE_PRESERVE_SYMLINKS_MAIN", true, false},
    {"NODE_REDIRECT_WARNINGS", true, true},
    {"NODE_TEST_CONTEXT", true, true},
    {"NODE_UNIQUE_ID", true, true},
    {"NODE_V8_COVERAGE", true, true},
    // Of the whole machine, as a rule: read by Node and OpenSSL, by the loader and by libc.
    {"NODE_EXTRA_CA_CERTS", false, false},
    {"NODE_ICU_DATA", false, false},
    {"OPENSSL_CONF", false, false},
    {"OPENSSL_MODULES", false, false},
    {"SSL_CERT_DIR", false, false},
    {"SSL_CERT_FILE", false, false},
    {"LD_PRELOAD", false, false},
    {"GLIBC_TUNABLES", false, false},
    {"LD_LIBRARY_PATH", false, false},
    {"MALLOC_ARENA_MAX", false, false},
};

// Options for Node that do all they do when V8 and Node are set up, and start nothing: no thread,
// no file of their own, no program. "NAME" or "NAME=value"; _ and - are the same.
static const char *const SHAREABLE_OPTIONS[] = {
    "--conditions",
    "--disable-proto",
    "--dns-result-order",
    "--enable-source-maps",
    "--experimental-global-webcrypto",
    "--experimental-import-meta-resolve",
    "--experimental-vm-modules",
    "--experimental-wasm-modules",
    "--expose-gc",
    "--max-http-header-size",
    "--max-old-space-size",
    "--max-semi-space-size",
    "--no-deprecation",
    "--no-experimental-fetch",
    "--no-warnings",
    "--pending-deprecation",
    "--preserve-symlinks",
    "--preserve-symlinks-main",
    "--stack-size",
    "--stack-trace-limit",
    "--throw-deprecation",
    "--trace-deprecation",
    "--trace-uncaught",
    "--trace-warnings",
    "--unhandled-rejections",
    "--use-bundled-ca",
    "--use-openssl-ca",
};

// ICU takes its default locale from the first of these that is not empty.
static const char *const LOCALE_VARIABLES[] = {"LC_ALL", "LC_MESSAGES", "LANG"};

enum {
    VARIABLE_COUNT = sizeof VARIABLES / sizeof *VARIABLES,
    OPTION_COUNT = sizeof SHAREABLE_OPTIONS / sizeof *SHAREABLE_OPTIONS,
    LOCALE_VARIABLE_COUNT = sizeof LOCALE_VARIABLES / sizeof *LOCALE_VARIABLES,
};

// ---- lists

static bool has(runtime_strings list, size_t index) {
    return index < list.count && list.at[index] != NULL;
}

// The first string of either list that the other has not at its place, or NULL.
static const char *difference(runtime_strings a, runtime_strings b) {
    for (size_t i = 0; has(a, i) || has(b, i); i++) {
        if (!has(a, i)) return b.at[i];
        if (!has(b, i) || strcmp(a.at[i], b.at[i]) != 0) return a.at[i];
    }
    return NULL;
}

static bool is_named(const char *variable, const char *name) {
    size_t len = strlen(name);
    return strncmp(variable, name, len) == 0 && variable[len] == '=';
}

const char *runtime_boot_variable(runtime_strings env, const char *name) {
    for (size_t i = 0; has(env, i); i++)
        if (is_named(env.at[i], name)) return strchr(env.at[i], '=') + 1;
    return NULL;
}

bool runtime_boot_is_private(const char *variable) {
    for (size_t i = 0; i < VARIABLE_COUNT; i++)
        if (VARIABLES[i].is_private && is_named(variable, VARIABLES[i].name)) return true;
    return false;
}

// ---- variables

static bool is_same_value(const char *a, const char *b) {
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

// The locale that programs with this environment see, without its encoding.
typedef struct locale {
    const char *variable, *name;
    size_t len;
} locale;

static locale find_locale(runtime_strings env) {
    for (size_t i = 0; i < LOCALE_VARIABLE_COUNT; i++) {
        const char *name = runtime_boot_variable(env, LOCALE_VARIABLES[i]);
        if (name == NULL || *name == '\0') continue;
        locale found = {LOCALE_VARIABLES[i], name, strcspn(name, ".@")};
        bool is_plain = (found.len == 1 && *name == 'C') || strncmp(name, "POSIX", 5) == 0;
        if (!is_plain) return found;
        break;
    }
    return (locale){"LANG", "en_US", 5}; // as V8 shows the locale C
}

static const char *different_variable(runtime_strings zygote, runtime_strings wanted) {
    for (size_t i = 0; i < VARIABLE_COUNT; i++)
        if (!is_same_value(runtime_boot_variable(zygote, VARIABLES[i].name),
                           runtime_boot_variable(wanted, VARIABLES[i].name)))
            return VARIABLES[i].name;
    locale theirs = find_locale(wanted), ours = find_locale(zygote);
    bool is_same = theirs.len == ours.len && memcmp(theirs.name, ours.name, ours.len) == 0;
    return is_same ? NULL : theirs.variable;
}

// ---- what one zygote can serve

// Modules that were loaded before the fork may have read all of it.
static bool is_same_service(const runtime_boot *zygote, const runtime_boot *wanted,
                            char reason[RUNTIME_BOOT_TEXT_LEN]) {
    const char *what = difference(zygote->preload, wanted->preload);
    if (what != NULL) {
        say(reason, "%s is loaded before the fork", what);
        return false;
    }
    if (!has(zygote->preload, 0)) return true;
    what = difference(zygote->env, wanted->env);
    if (what != NULL) {
        say(reason, "modules loaded before the fork may have read %.*s", (int)strcspn(what, "="),
            what);
        return false;
    }
    if (difference(zygote->argv, wanted->argv) == NULL && strcmp(zygote->cwd, wanted->cwd) == 0)
        return true;
    say(reason, "modules loaded before the fork may have read arguments and directory");
    return false;
}

bool runtime_boot_can_serve(const runtime_boot *zygote, const runtime_boot *wanted,
                            char reason[RUNTIME_BOOT_TEXT_LEN]) {
    const char *what = difference(wanted->exec_argv, zygote->exec_argv);
    if (what == NULL) what = different_variable(zygote->env, wanted->env);
    if (what == NULL) return is_same_service(zygote, wanted, reason);
    say(reason, "%s is read when Node boots", what);
    return false;
}

static bool is_same_option(const char *word, size_t len, const char *option) {
    if (strlen(option) != len) return false;
    for (size_t i = 0; i < len; i++)
        if (word[i] != option[i] && !(word[i] == '_' && option[i] == '-')) return false;
    return true;
}

static bool is_shareable_option(const char *word, size_t word_len) {
    const char *equals = memchr(word, '=', word_len);
    size_t len = equals != NULL ? (size_t)(equals - word) : word_len;
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (is_same_option(word, len, SHAREABLE_OPTIONS[i])) return true;
    return false;
}

// NODE_OPTIONS: words between blanks; what is quoted is not looked into.
static bool are_shareable_words(const char *text) {
    if (strpbrk(text, "\"\\") != NULL) return false;
    for (const char *word = text + strspn(text, " "); *word != '\0';) {
        size_t len = strcspn(word, " ");
        if (!is_shareable_option(word, len)) return false;
        word += len;
        word += strspn(word, " ");
    }
    return true;
}

bool runtime_boot_is_shareable(const runtime_boot *boot, char reason[RUNTIME_BOOT_TEXT_LEN]) {
    const char *what = NULL;
    for (size_t i = 0; has(boot->exec_argv, i) && what == NULL; i++)
        if (!is_shareable_option(boot->exec_argv.at[i], strlen(boot->exec_argv.at[i])))
            what = boot->exec_argv.at[i];
    for (size_t i = 0; i < VARIABLE_COUNT && what == NULL; i++)
        if (VARIABLES[i].is_singular && runtime_boot_variable(boot->env, VARIABLES[i].name) != NULL)
            what = VARIABLES[i].name;
    const char *words = runtime_boot_variable(boot->env, "NODE_OPTIONS");
    if (what == NULL && words != NULL && !are_shareable_words(words)) what = "NODE_OPTIONS";
    if (what == NULL) return true;
    say(reason, "%s is read when Node boots", what);
    return false;
}
