#include "cold.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "binding.h"
#include "boot_key.h"
#include "core/mem.h"
#include "engine.h"
#include "leash.h"
#include "throttle.h"
#include "watchdog.h"

enum { EXIT_INTERNAL = 70 };

// What the zygote tells a cold node, by environment: the numbers of descriptors, a title,
// limits, and what to load first.
static const char CONTROL_VARIABLE[] = "WARREN_CONTROL_FD";
static const char LEASH_VARIABLE[] = "WARREN_LEASH_FD";
static const char HEARTBEAT_VARIABLE[] = "WARREN_HEARTBEAT_FD";
static const char TITLE_VARIABLE[] = "WARREN_TITLE";
static const char LIMITS_VARIABLE[] = "WARREN_LIMITS";   // "HEAP_BYTES CPU_PERCENT"
static const char PRELOAD_VARIABLE[] = "WARREN_PRELOAD"; // modules, one a line

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

// Starts to keep to its limit of processor time; that of the heap is returned, 0: none.
static uint64_t take_limits(void) {
    const char *value = getenv(LIMITS_VARIABLE);
    uint64_t heap_max = 0;
    uint32_t cpu_percent = 0;
    if (value == NULL) return 0;
    if (sscanf(value, "%" SCNu64 " %" SCNu32, &heap_max, &cpu_percent) != 2) return 0;
    unsetenv(LIMITS_VARIABLE);
    if (runtime_throttle_start(cpu_percent) != 0) exit(EXIT_INTERNAL);
    return heap_max;
}

int runtime_cold_main(int argc, char **argv) {
    int control_fd = take_fd(CONTROL_VARIABLE);
    int leash_fd = take_fd(LEASH_VARIABLE);
    int heartbeat_fd = take_fd(HEARTBEAT_VARIABLE);
    if (leash_fd >= 0 && runtime_leash_start(leash_fd) != 0) return EXIT_INTERNAL;
    if (control_fd >= 0) binding_set_control_fd(control_fd);
    uint64_t heap_max = take_limits();

    const char *modules = control_fd >= 0 ? getenv(PRELOAD_VARIABLE) : NULL;
    char *preload = modules != NULL ? mem_copy(modules, strlen(modules) + 1) : NULL;
    if (modules != NULL) unsetenv(PRELOAD_VARIABLE);

    runtime_engine *engine;
    int exit_code;
    int err = runtime_engine_boot_cold(argc, argv, control_fd >= 0, preload, &engine, &exit_code);
    if (err != 0) {
        fprintf(stderr, "cannot boot Node.js: %s\n", uv_strerror(err));
        free(preload);
        return EXIT_INTERNAL;
    }
    if (engine == NULL) {
        free(preload);
        return exit_code;
    }
    if (heap_max > 0) runtime_engine_limit_heap(engine, heap_max);
    if (heartbeat_fd >= 0) runtime_watchdog_start(heartbeat_fd);

    const char *title = getenv(TITLE_VARIABLE);
    if (control_fd >= 0 && title != NULL) {
        uv_set_process_title(title);
        unsetenv(TITLE_VARIABLE);
    }
    exit_code = runtime_engine_run(engine);
    free(preload);
    return exit_code;
}

void runtime_cold_scrub(void) {
    for (size_t i = 0; environ[i] != NULL;) {
        if (!runtime_boot_is_private(environ[i])) {
            i++;
            continue;
        }
        char name[64];
        (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(environ[i], "="), environ[i]);
        unsetenv(name);
    }
}

// ---- exec

static char *variable(const char *name, const char *value) {
    size_t len = strlen(name) + 1 + strlen(value) + 1;
    char *out = mem_alloc(len);
    snprintf(out, len, "%s=%s", name, value);
    return out;
}

static char *limits_variable(uint64_t heap_max, uint32_t cpu_percent) {
    char text[48];
    snprintf(text, sizeof text, "%" PRIu64 " %" PRIu32, heap_max, cpu_percent);
    return variable(LIMITS_VARIABLE, text);
}

static char *fd_variable(const char *name, int fd) {
    char number[16];
    snprintf(number, sizeof number, "%d", fd);
    return variable(name, number);
}

static char *preload_variable(char *const *names, size_t count) {
    size_t len = 1;
    for (size_t i = 0; i < count; i++)
        len += strlen(names[i]) + 1;
    char *lines = mem_alloc(len), *end = lines;
    for (size_t i = 0; i < count; i++)
        end += sprintf(end, "%s\n", names[i]);
    char *out = variable(PRELOAD_VARIABLE, lines);
    free(lines);
    return out;
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

    char **env = mem_alloc((options->env_count + 6 + 1) * sizeof *env);
    for (size_t i = 0; i < options->env_count; i++)
        env[env_count++] = options->env[i];
    env[env_count++] = fd_variable(CONTROL_VARIABLE, options->control_fd);
    env[env_count++] = fd_variable(LEASH_VARIABLE, options->leash_fd);
    if (options->heartbeat_fd >= 0)
        env[env_count++] = fd_variable(HEARTBEAT_VARIABLE, options->heartbeat_fd);
    env[env_count++] = variable(TITLE_VARIABLE, options->title);
    if (options->heap_max > 0 || options->cpu_percent > 0)
        env[env_count++] = limits_variable(options->heap_max, options->cpu_percent);
    if (options->preload_count > 0)
        env[env_count++] = preload_variable(options->preload, options->preload_count);
    env[env_count] = NULL;

    int err = keep_on_exec(options->control_fd);
    if (err == 0) err = keep_on_exec(options->leash_fd);
    if (err == 0 && options->heartbeat_fd >= 0) err = keep_on_exec(options->heartbeat_fd);
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
