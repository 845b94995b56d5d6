#include "cold.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "binding.h"
#include "core/mem.h"
#include "engine.h"
#include "leash.h"

enum { EXIT_INTERNAL = 70 };

// What the zygote tells a cold node, by environment: the numbers of two descriptors, and a title.
static const char CONTROL_VARIABLE[] = "WARREN_CONTROL_FD";
static const char LEASH_VARIABLE[] = "WARREN_LEASH_FD";
static const char TITLE_VARIABLE[] = "WARREN_TITLE";

// The descriptor that the variable names, now close-on-exec; -1 when there is none. Removes the
// variable: the program and its children have no use for it.
static int take_fd(const char *variable) {
    const char *value = getenv(variable);
    if (value == NULL) return -1;
    char *end;
    errno = 0;
    long fd = strtol(value, &end, 10);
    bool is_good = errno == 0 && *value != '\0' && *end == '\0' && fd > 2 && fd < 1 << 20 &&
                   fcntl((int)fd, F_SETFD, FD_CLOEXEC) == 0;
    unsetenv(variable);
    return is_good ? (int)fd : -1;
}

int runtime_cold_main(int argc, char **argv) {
    int control_fd = take_fd(CONTROL_VARIABLE);
    int leash_fd = take_fd(LEASH_VARIABLE);
    if (leash_fd >= 0 && runtime_leash_start(leash_fd) != 0) return EXIT_INTERNAL;
    if (control_fd >= 0) binding_set_control_fd(control_fd);

    runtime_engine *engine;
    int exit_code;
    int err = runtime_engine_boot_cold(argc, argv, control_fd >= 0, &engine, &exit_code);
    if (err != 0) {
        fprintf(stderr, "cannot boot Node.js: %s\n", uv_strerror(err));
        return EXIT_INTERNAL;
    }
    if (engine == NULL) return exit_code;

    const char *title = getenv(TITLE_VARIABLE);
    if (control_fd >= 0 && title != NULL) {
        uv_set_process_title(title);
        unsetenv(TITLE_VARIABLE);
    }
    return runtime_engine_run(engine);
}

// ---- what only a fresh process can follow

// `env` is NULL-terminated, or ends after env_count.
static const char *find(char *const *env, size_t env_count, const char *name) {
    size_t len = strlen(name);
    for (size_t i = 0; i < env_count && env[i] != NULL; i++)
        if (strncmp(env[i], name, len) == 0 && env[i][len] == '=') return env[i] + len + 1;
    return NULL;
}

// For one process and not for others: the zygote boots without them, whoever has one starts cold.
static const char *const PROCESS_VARIABLES[] = {
    "NODE_CHANNEL_FD",          "NODE_CLUSTER_SCHED_POLICY", "NODE_DEBUG",
    "NODE_DEBUG_NATIVE",        "NODE_NO_WARNINGS",          "NODE_OPTIONS",
    "NODE_PENDING_DEPRECATION", "NODE_PRESERVE_SYMLINKS",    "NODE_PRESERVE_SYMLINKS_MAIN",
    "NODE_REDIRECT_WARNINGS",   "NODE_TEST_CONTEXT",         "NODE_UNIQUE_ID",
    "NODE_V8_COVERAGE",
};

// Of the whole machine, as a rule: read by Node and OpenSSL, by the loader and by libc. A node
// whose value is the zygote's can be forked.
static const char *const SYSTEM_VARIABLES[] = {
    "NODE_EXTRA_CA_CERTS", "NODE_ICU_DATA", "OPENSSL_CONF",   "OPENSSL_MODULES", "SSL_CERT_DIR",
    "SSL_CERT_FILE",       "LD_PRELOAD",    "GLIBC_TUNABLES", "LD_LIBRARY_PATH", "MALLOC_ARENA_MAX",
};

// ICU takes its default locale from the first of these that is not empty.
static const char *const LOCALE_VARIABLES[] = {"LC_ALL", "LC_MESSAGES", "LANG"};

enum {
    PROCESS_VARIABLE_COUNT = sizeof PROCESS_VARIABLES / sizeof *PROCESS_VARIABLES,
    SYSTEM_VARIABLE_COUNT = sizeof SYSTEM_VARIABLES / sizeof *SYSTEM_VARIABLES,
    LOCALE_VARIABLE_COUNT = sizeof LOCALE_VARIABLES / sizeof *LOCALE_VARIABLES,
};

void runtime_cold_scrub(void) {
    for (size_t i = 0; i < PROCESS_VARIABLE_COUNT; i++)
        unsetenv(PROCESS_VARIABLES[i]);
}

static bool is_different(char *const *env, size_t env_count, const char *name) {
    const char *theirs = find(env, env_count, name);
    const char *ours = getenv(name);
    return theirs == NULL || ours == NULL ? theirs != ours : strcmp(theirs, ours) != 0;
}

// The locale that programs with this environment see, without its encoding.
typedef struct locale {
    const char *variable, *name;
    size_t len;
} locale;

static locale find_locale(char *const *env, size_t env_count) {
    for (size_t i = 0; i < LOCALE_VARIABLE_COUNT; i++) {
        const char *name = find(env, env_count, LOCALE_VARIABLES[i]);
        if (name == NULL || *name == '\0') continue;
        locale found = {LOCALE_VARIABLES[i], name, strcspn(name, ".@")};
        bool is_plain = (found.len == 1 && *name == 'C') || strncmp(name, "POSIX", 5) == 0;
        if (!is_plain) return found;
        break;
    }
    return (locale){"LANG", "en_US", 5}; // as V8 shows the locale C
}

const char *runtime_cold_variable(char *const *env, size_t env_count) {
    for (size_t i = 0; i < PROCESS_VARIABLE_COUNT; i++)
        if (is_different(env, env_count, PROCESS_VARIABLES[i])) return PROCESS_VARIABLES[i];
    for (size_t i = 0; i < SYSTEM_VARIABLE_COUNT; i++)
        if (is_different(env, env_count, SYSTEM_VARIABLES[i])) return SYSTEM_VARIABLES[i];
    locale theirs = find_locale(env, env_count), ours = find_locale(environ, SIZE_MAX);
    bool is_same = theirs.len == ours.len && memcmp(theirs.name, ours.name, ours.len) == 0;
    return is_same ? NULL : theirs.variable;
}

// ---- exec

static char *variable(const char *name, const char *value) {
    size_t len = strlen(name) + 1 + strlen(value) + 1;
    char *out = mem_alloc(len);
    snprintf(out, len, "%s=%s", name, value);
    return out;
}

static char *fd_variable(const char *name, int fd) {
    char number[16];
    snprintf(number, sizeof number, "%d", fd);
    return variable(name, number);
}

static int keep_on_exec(int fd) {
    return fcntl(fd, F_SETFD, 0) == 0 ? 0 : -errno;
}

int runtime_cold_exec(const runtime_cold_options *options) {
    size_t argc = 0, env_count = 0;
    char **argv =
        mem_alloc((1 + options->exec_argv_count + options->argv_count + 1) * sizeof *argv);
    argv[argc++] = "warren-node";
    for (size_t i = 0; i < options->exec_argv_count; i++)
        argv[argc++] = options->exec_argv[i];
    for (size_t i = 0; i < options->argv_count; i++)
        argv[argc++] = options->argv[i];
    argv[argc] = NULL;

    char **env = mem_alloc((options->env_count + 3 + 1) * sizeof *env);
    for (size_t i = 0; i < options->env_count; i++)
        env[env_count++] = options->env[i];
    env[env_count++] = fd_variable(CONTROL_VARIABLE, options->control_fd);
    env[env_count++] = fd_variable(LEASH_VARIABLE, options->leash_fd);
    env[env_count++] = variable(TITLE_VARIABLE, options->title);
    env[env_count] = NULL;

    int err = keep_on_exec(options->control_fd);
    if (err == 0) err = keep_on_exec(options->leash_fd);
    // The file this zygote runs, also when a newer one has taken its name.
    if (err == 0) {
        execve("/proc/self/exe", argv, env);
        err = -errno;
    }
    for (size_t i = options->env_count; i < env_count; i++)
        free(env[i]);
    free(env);
    free(argv);
    return err;
}
