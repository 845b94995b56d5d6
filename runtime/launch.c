#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "binding.h"
#include "cold.h"
#include "confine.h"
#include "core/mem.h"
#include "leash.h"
#include "throttle.h"
#include "watchdog.h"

enum {
    EXIT_INTERNAL = 70,
    STRINGS_MAX = 4096, // of argv, of env, of exec_argv
    FD_CONTROL = 3,
    FD_LEASH,
    FD_HEARTBEAT, // only when has_heartbeat says so
};

// A sentence into one of the result's texts; a longer one is cut.
#define say(out, ...) ((void)snprintf((out), RUNTIME_LAUNCH_TEXT_LEN, __VA_ARGS__))

// ---- before the fork

static bool is_directory(const char *path) {
    struct stat status;
    if (stat(path, &status) != 0) return false;
    if (S_ISDIR(status.st_mode)) return true;
    errno = ENOTDIR;
    return false;
}

// Node finds `app` as app.js, app.json or app.node too, and a directory by its package.json.
static bool is_entry(const char *path) {
    static const char *const SUFFIXES[] = {"", ".js", ".json", ".node"};
    for (size_t i = 0; i < sizeof SUFFIXES / sizeof *SUFFIXES; i++) {
        char name[PATH_MAX];
        if (snprintf(name, sizeof name, "%s%s", path, SUFFIXES[i]) >= PATH_MAX) {
            errno = ENAMETOOLONG;
            return false;
        }
        if (access(name, F_OK) == 0) return true;
    }
    return false;
}

// False with a sentence when this launch cannot come to anything.
static bool is_possible(const Warren__Zygote__Launch *request, const mesh_packet *packet,
                        runtime_launch_result *result) {
    if (packet->fd_count == 0) { // what a packet brings is lost whole, or not at all
        say(result->error, "cannot start a node: warren-node may open no more files");
        return false;
    }
    size_t fd_count = request->has_heartbeat ? FD_HEARTBEAT + 1 : FD_HEARTBEAT;
    if (packet->fd_count != fd_count || request->n_argv == 0 || request->n_argv > STRINGS_MAX ||
        request->n_env > STRINGS_MAX || request->n_exec_argv > STRINGS_MAX ||
        request->n_preload > STRINGS_MAX) {
        say(result->error, "cannot start a node: the agent's request is malformed");
        return false;
    }
    const char *entry = request->argv[0];
    if (!is_directory(request->cwd)) {
        say(result->error, "cannot start %s in the directory %s: %s", entry, request->cwd,
            strerror(errno));
        return false;
    }
    if (entry[0] != '/' || !is_entry(entry)) {
        say(result->error, "cannot start %s: %s", entry,
            entry[0] == '/' ? strerror(errno) : "the path is not absolute");
        return false;
    }
    return true;
}

// False with the reason when a fork would not be what the launch asks for.
static bool can_fork(runtime_engine *engine, const runtime_boot *boot,
                     const Warren__Zygote__Launch *request, runtime_launch_result *result) {
    runtime_boot wanted = {
        .exec_argv = {request->exec_argv, request->n_exec_argv},
        .env = {request->env, request->n_env},
        .preload = {request->preload, request->n_preload},
        .argv = {request->argv, request->n_argv},
        .cwd = request->cwd,
    };
    const char *why;
    if (request->cold_reason[0] != '\0') {
        say(result->cold_reason, "%s", request->cold_reason);
        return false;
    }
    if (!runtime_boot_can_serve(boot, &wanted, result->cold_reason)) return false;
    if (!runtime_engine_can_fork(engine, &why)) {
        say(result->cold_reason, "%s", why);
        return false;
    }
    return true;
}

// ---- in the child

// A process of its own session, with the node's stdio and nothing of the zygote's.
static void become_node(const Warren__Zygote__Launch *request, const mesh_packet *packet,
                        const runtime_launch_result *result) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    for (size_t i = 0; i < 2; i++)
        close(result->close_fds[i]);
    for (int i = 0; i < FD_CONTROL; i++) {
        dup2(packet->fds[i], i);
        close(packet->fds[i]);
    }
    if (runtime_confine(request) != 0) _exit(EXIT_INTERNAL);
}

static char **null_terminated(char **strings, size_t count) {
    char **out = mem_alloc((count + 1) * sizeof *out);
    if (count > 0) memcpy(out, strings, count * sizeof *out);
    return out;
}

__attribute__((noreturn)) static void run_forked(runtime_engine *engine,
                                                 const Warren__Zygote__Launch *request,
                                                 const mesh_packet *packet,
                                                 const runtime_launch_result *result) {
    become_node(request, packet, result);
    binding_set_control_fd(packet->fds[FD_CONTROL]);
    runtime_identity identity = {
        .argv = null_terminated(request->argv, request->n_argv),
        .env = null_terminated(request->env, request->n_env),
        .cwd = request->cwd,
        .title = request->title,
    };
    runtime_engine_after_fork(engine, &identity);
    if (request->heap_max > 0) runtime_engine_limit_heap(engine, request->heap_max);
    if (runtime_leash_start(packet->fds[FD_LEASH]) != 0 ||
        runtime_throttle_start(request->cpu_percent) != 0)
        _exit(EXIT_INTERNAL);
    if (request->has_heartbeat) runtime_watchdog_start(packet->fds[FD_HEARTBEAT]);
    int exit_code = runtime_engine_run(engine);
    fflush(NULL);
    _exit(exit_code);
}

__attribute__((noreturn)) static void run_cold(const Warren__Zygote__Launch *request,
                                               const mesh_packet *packet,
                                               const runtime_launch_result *result, int error_fd) {
    become_node(request, packet, result);
    int err = chdir(request->cwd) == 0 ? 0 : -errno;
    runtime_cold_options options = {
        .exec_argv = request->exec_argv,
        .exec_argv_count = request->n_exec_argv,
        .argv = request->argv,
        .argv_count = request->n_argv,
        .env = request->env,
        .env_count = request->n_env,
        .preload = request->preload,
        .preload_count = request->n_preload,
        .title = request->title,
        .control_fd = packet->fds[FD_CONTROL],
        .leash_fd = packet->fds[FD_LEASH],
        .heartbeat_fd = request->has_heartbeat ? packet->fds[FD_HEARTBEAT] : -1,
        .heap_max = request->heap_max,
        .cpu_percent = request->cpu_percent,
    };
    if (err == 0) err = runtime_cold_exec(&options);
    (void)!write(error_fd, &err, sizeof err);
    _exit(EXIT_INTERNAL);
}

// ---- in the zygote

static void fork_node(runtime_engine *engine, const Warren__Zygote__Launch *request,
                      const mesh_packet *packet, runtime_launch_result *result) {
    pid_t pid = fork();
    if (pid == 0) run_forked(engine, request, packet, result);
    if (pid < 0)
        say(result->error, "cannot start %s: fork: %s", request->argv[0], strerror(errno));
    else
        result->pid = pid;
}

static void exec_node(const Warren__Zygote__Launch *request, const mesh_packet *packet,
                      runtime_launch_result *result) {
    // Closed by exec, so reading its other end waits just until exec has worked or failed.
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC) != 0) {
        say(result->error, "cannot start %s: pipe: %s", request->argv[0], strerror(errno));
        return;
    }
    pid_t pid = fork();
    if (pid == 0) run_cold(request, packet, result, pipe_fds[1]);
    int fork_errno = errno;
    close(pipe_fds[1]);
    int err = 0;
    if (pid < 0) {
        err = -fork_errno;
    } else if (read(pipe_fds[0], &err, sizeof err) == (ssize_t)sizeof err) {
        waitpid(pid, NULL, 0);
    } else {
        result->pid = pid;
        err = 0;
    }
    close(pipe_fds[0]);
    if (err != 0)
        say(result->error, "cannot start %s: %s%s", request->argv[0], pid < 0 ? "fork: " : "",
            strerror(-err));
}

void runtime_launch(runtime_engine *engine, const runtime_boot *boot,
                    const Warren__Zygote__Launch *request, const mesh_packet *packet,
                    runtime_launch_result *result) {
    if (!is_possible(request, packet, result)) return;
    if (can_fork(engine, boot, request, result))
        fork_node(engine, request, packet, result);
    else
        exec_node(request, packet, result);
}
