#include "zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/x509.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cold.h"
#include "core/error.h"
#include "core/limits.h"
#include "core/mem.h"
#include "engine.h"
#include "engine_memory.h"
#include "files.h"
#include "io/packet.h"
#include "launch.h"
#include "leash.h"
#include "zygote.pb-c.h"

enum {
    EXIT_INTERNAL = 70,
    NODES_MAX = 4096,
    KILL_AFTER_MS = RUNTIME_LEASH_GRACE_MS + 1000, // the leashes come first
    LOOK_EVERY_MS = 5, // at the files: one look for those that are launched together
};

typedef struct zygote_node {
    uint64_t id;
    pid_t pid;
} zygote_node;

typedef struct zygote {
    runtime_engine *engine;
    runtime_boot boot;
    runtime_files *files; // that it has read
    uint64_t looked_at_ms;
    int fd, signal_fd;
    zygote_node nodes[NODES_MAX];
    size_t node_count;
    uint8_t packet[MESH_PACKET_LEN_MAX];
} zygote;

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

bool runtime_zygote_option(const char *arg, runtime_zygote_options *out) {
    char rest;
    out->is_own = strncmp(arg, "--warren-own-", 13) == 0;
    const char *format = out->is_own ? "--warren-own-zygote=%d%c" : "--warren-zygote=%d%c";
    return sscanf(arg, format, &out->fd, &rest) == 1 && out->fd > 2;
}

// ---- to the agent

// The agent may be gone by now; then the next receive says so.
static void send_message(zygote *z, const Warren__Zygote__ToAgent *message, int passed_fd) {
    size_t len = warren__zygote__to_agent__get_packed_size(message);
    CHECK(len <= MESH_PACKET_LEN_MAX);
    uint8_t *bytes = mem_alloc(len);
    warren__zygote__to_agent__pack(message, bytes);
    (void)mesh_packet_send(z->fd, (mesh_bytes){bytes, len}, &passed_fd, passed_fd >= 0 ? 1 : 0);
    free(bytes);
}

static void send_booted(zygote *z, uint64_t boot_ms, char *obstacle) {
    Warren__Zygote__Booted booted = WARREN__ZYGOTE__BOOTED__INIT;
    Warren__Zygote__ToAgent message = WARREN__ZYGOTE__TO_AGENT__INIT;
    booted.boot_ms = (uint32_t)boot_ms;
    booted.obstacle = obstacle;
    message.kind_case = WARREN__ZYGOTE__TO_AGENT__KIND_BOOTED;
    message.booted = &booted;
    send_message(z, &message, -1);
}

static void send_launched(zygote *z, uint64_t node_id, pid_t pid, const char *cold_reason,
                          const char *error) {
    Warren__Zygote__Launched launched = WARREN__ZYGOTE__LAUNCHED__INIT;
    Warren__Zygote__ToAgent message = WARREN__ZYGOTE__TO_AGENT__INIT;
    launched.node_id = node_id;
    launched.pid = (uint32_t)pid;
    launched.cold_reason = (char *)cold_reason;
    launched.error = (char *)error;
    message.kind_case = WARREN__ZYGOTE__TO_AGENT__KIND_LAUNCHED;
    message.launched = &launched;

    // The child may have ended already, but nobody else reaps it, so its number is still its own.
    int pid_fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    send_message(z, &message, pid_fd);
    if (pid_fd >= 0) close(pid_fd);
}

static void send_stale(zygote *z, uint64_t node_id, const char *file) {
    Warren__Zygote__Stale stale = WARREN__ZYGOTE__STALE__INIT;
    Warren__Zygote__ToAgent message = WARREN__ZYGOTE__TO_AGENT__INIT;
    stale.node_id = node_id;
    stale.file = (char *)(uintptr_t)file;
    message.kind_case = WARREN__ZYGOTE__TO_AGENT__KIND_STALE;
    message.stale = &stale;
    send_message(z, &message, -1);
}

static void send_exited(zygote *z, zygote_node node, const siginfo_t *end) {
    Warren__Zygote__Exited exited = WARREN__ZYGOTE__EXITED__INIT;
    Warren__Zygote__ToAgent message = WARREN__ZYGOTE__TO_AGENT__INIT;
    exited.node_id = node.id;
    exited.pid = (uint32_t)node.pid;
    exited.code = end->si_code == CLD_EXITED ? end->si_status : -1;
    exited.signal = end->si_code == CLD_EXITED ? 0 : (uint32_t)end->si_status;
    message.kind_case = WARREN__ZYGOTE__TO_AGENT__KIND_EXITED;
    message.exited = &exited;
    send_message(z, &message, -1);
}

static void send_stopped(zygote *z, uint64_t node_id) {
    Warren__Zygote__Stopped stopped = WARREN__ZYGOTE__STOPPED__INIT;
    Warren__Zygote__ToAgent message = WARREN__ZYGOTE__TO_AGENT__INIT;
    stopped.node_id = node_id;
    message.kind_case = WARREN__ZYGOTE__TO_AGENT__KIND_STOPPED;
    message.stopped = &stopped;
    send_message(z, &message, -1);
}

static void send_listed(zygote *z) {
    Warren__Zygote__Listed listed = WARREN__ZYGOTE__LISTED__INIT;
    Warren__Zygote__ToAgent message = WARREN__ZYGOTE__TO_AGENT__INIT;
    listed.node_id = mem_alloc((z->node_count + 1) * sizeof *listed.node_id);
    for (size_t i = 0; i < z->node_count; i++)
        listed.node_id[listed.n_node_id++] = z->nodes[i].id;
    message.kind_case = WARREN__ZYGOTE__TO_AGENT__KIND_LISTED;
    message.listed = &listed;
    send_message(z, &message, -1);
    free(listed.node_id);
}

// ---- nodes

static void forget(zygote *z, size_t index) {
    z->nodes[index] = z->nodes[--z->node_count];
}

static void tell_stopped(zygote *z) {
    siginfo_t stop = {0};
    while (waitid(P_ALL, 0, &stop, WSTOPPED | WNOHANG) == 0 && stop.si_pid != 0) {
        for (size_t i = 0; i < z->node_count; i++)
            if (z->nodes[i].pid == stop.si_pid) send_stopped(z, z->nodes[i].id);
        stop.si_pid = 0;
    }
}

// Told before it is reaped: when this process dies in between, the agent inherits what is left of
// the node, and learns its exit code by that.
static void reap(zygote *z) {
    struct signalfd_siginfo ignored;
    (void)!read(z->signal_fd, &ignored, sizeof ignored);
    siginfo_t end = {0};
    while (waitid(P_ALL, 0, &end, WEXITED | WNOHANG | WNOWAIT) == 0 && end.si_pid != 0) {
        for (size_t i = 0; i < z->node_count; i++)
            if (z->nodes[i].pid == end.si_pid) {
                send_exited(z, z->nodes[i], &end);
                forget(z, i);
                break;
            }
        (void)waitpid(end.si_pid, NULL, 0);
        end.si_pid = 0;
    }
    tell_stopped(z);
}

// The path of a file that is not what this process has read, or NULL.
static const char *find_change(zygote *z) {
    uint64_t now = now_ms();
    if (now < z->looked_at_ms + LOOK_EVERY_MS) return NULL;
    z->looked_at_ms = now;
    return runtime_files_changed(z->files);
}

static void launch(zygote *z, const Warren__Zygote__Launch *request, mesh_packet *packet) {
    // Who starts cold reads everything anew.
    const char *changed = request->cold_reason[0] == '\0' ? find_change(z) : NULL;
    if (changed != NULL) {
        send_stale(z, request->node_id, changed);
        z->looked_at_ms = 0;
        return;
    }
    runtime_launch_result result = {.close_fds = {z->fd, z->signal_fd}};
    if (z->node_count == NODES_MAX)
        snprintf(result.error, sizeof result.error, "cannot start more than %d nodes", NODES_MAX);
    else
        runtime_launch(z->engine, &z->boot, request, packet, &result);
    if (result.pid > 0) z->nodes[z->node_count++] = (zygote_node){request->node_id, result.pid};
    send_launched(z, request->node_id, result.pid, result.cold_reason, result.error);
}

// ---- the loop

// 0, or MESH_EGONE when the agent is.
static int receive(zygote *z) {
    mesh_packet packet;
    int err = mesh_packet_receive(z->fd, MSG_DONTWAIT, z->packet, &packet);
    if (err == -EAGAIN) return 0;
    if (err != 0) return MESH_EGONE; // an agent that breaks the protocol is no agent

    Warren__Zygote__ToZygote *message =
        warren__zygote__to_zygote__unpack(NULL, packet.len, z->packet);
    if (message != NULL && message->kind_case == WARREN__ZYGOTE__TO_ZYGOTE__KIND_LAUNCH)
        launch(z, message->launch, &packet);
    if (message != NULL && message->kind_case == WARREN__ZYGOTE__TO_ZYGOTE__KIND_LIST)
        send_listed(z);
    if (message != NULL) warren__zygote__to_zygote__free_unpacked(message, NULL);
    mesh_packet_close_fds(&packet);
    return message != NULL ? 0 : MESH_EGONE;
}

static void serve(zygote *z) {
    for (;;) {
        struct pollfd fds[] = {{.fd = z->fd, .events = POLLIN},
                               {.fd = z->signal_fd, .events = POLLIN}};
        if (poll(fds, 2, -1) < 0 && errno != EINTR) return;
        if (fds[1].revents != 0) reap(z);
        if (fds[0].revents != 0 && receive(z) != 0) return;
    }
}

// The agent is gone, and the nodes' leashes with it.
static void wait_for_nodes(zygote *z) {
    uint64_t kill_at_ms = now_ms() + KILL_AFTER_MS;
    bool is_killed = false;
    while (z->node_count > 0) {
        uint64_t now = now_ms();
        if (now >= kill_at_ms && !is_killed) {
            for (size_t i = 0; i < z->node_count; i++)
                kill(z->nodes[i].pid, SIGKILL);
            is_killed = true;
        }
        struct pollfd fd = {.fd = z->signal_fd, .events = POLLIN};
        if (poll(&fd, 1, is_killed ? -1 : (int)(kill_at_ms - now)) > 0) reap(z);
    }
}

// ---- what it boots with

static runtime_strings copy(char *const *strings, size_t count) {
    char **out = mem_alloc((count + 1) * sizeof *out);
    for (size_t i = 0; i < count; i++)
        out[i] = mem_copy(strings[i], strlen(strings[i]) + 1);
    return (runtime_strings){out, count};
}

// The environment as it is now: modules may change it.
static runtime_strings copy_environment(void) {
    size_t count = 0;
    while (environ[count] != NULL)
        count++;
    return copy(environ, count);
}

// False when the agent is gone.
static bool receive_boot(zygote *z) {
    mesh_packet packet;
    if (mesh_packet_receive(z->fd, 0, z->packet, &packet) != 0) return false;
    mesh_packet_close_fds(&packet);
    Warren__Zygote__ToZygote *message =
        warren__zygote__to_zygote__unpack(NULL, packet.len, z->packet);
    bool is_boot = message != NULL && message->kind_case == WARREN__ZYGOTE__TO_ZYGOTE__KIND_BOOT &&
                   message->boot->n_argv > 0;
    if (is_boot) {
        const Warren__Zygote__Boot *b = message->boot;
        z->boot = (runtime_boot){.exec_argv = copy(b->exec_argv, b->n_exec_argv),
                                 .env = copy_environment(),
                                 .preload = copy(b->preload, b->n_preload),
                                 .argv = copy(b->argv, b->n_argv),
                                 .cwd = mem_copy(b->cwd, strlen(b->cwd) + 1)};
    }
    if (message != NULL) warren__zygote__to_zygote__free_unpacked(message, NULL);
    return is_boot;
}

static void add_file(const char *path, bool is_library, void *user) {
    runtime_files_add(user, path, is_library);
}

// Everything that a later boot would read, and a fork will not.
static runtime_files *list_files(const zygote *z, uint64_t since_ns) {
    static const char *const NAMED[] = {"NODE_EXTRA_CA_CERTS", "NODE_ICU_DATA", "OPENSSL_CONF",
                                        "SSL_CERT_DIR", "SSL_CERT_FILE"};
    runtime_files *files = runtime_files_create(since_ns);
    for (size_t i = 0; i < sizeof NAMED / sizeof *NAMED; i++) {
        const char *path = runtime_boot_variable(z->boot.env, NAMED[i]);
        if (path != NULL && path[0] != '\0') runtime_files_add(files, path, false);
    }
    runtime_files_add(files, X509_get_default_cert_file(), false);
    runtime_files_add(files, X509_get_default_cert_dir(), false);
    runtime_files_add(files, "/etc/localtime", false);
    char program[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
    program[len > 0 ? len : 0] = '\0';
    runtime_files_add(files, program, true);
    runtime_engine_each_file(z->engine, add_file, files);
    return files;
}

// posix_spawn leaves the C library's own signals ignored, and all that nodes start would inherit
// it. Below SIGRTMIN only the system call can change them.
static void restore_signals(void) {
    struct {
        void (*handler)(int);
        unsigned long flags;
        void (*restorer)(void);
        uint64_t mask;
    } by_default = {0};
    for (int number = SIGSYS + 1; number < SIGRTMIN; number++)
        (void)syscall(SYS_rt_sigaction, number, &by_default, NULL, sizeof by_default.mask);
}

static uint64_t wall_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

// What the agent says to this process alone.
static const char *const own_variables[] = {"LD_BIND_NOW", "WARREN_KSM"};

int runtime_zygote_main(runtime_zygote_options options, int argc, char **argv) {
    uint64_t start_ms = now_ms(), start_ns = wall_ns();
    static zygote z;
    restore_signals();
    const char *ksm = getenv("WARREN_KSM");
    if (ksm != NULL && strcmp(ksm, "1") == 0) engine_memory_merge();
    for (size_t i = 0; i < sizeof own_variables / sizeof *own_variables; i++)
        (void)unsetenv(own_variables[i]);
    char obstacle[RUNTIME_BOOT_TEXT_LEN];
    z.fd = options.fd;
    if (options.is_own) {
        if (!receive_boot(&z)) return EXIT_INTERNAL;
    } else {
        runtime_cold_scrub();
        z.boot = (runtime_boot){.env = copy_environment(), .cwd = ""};
    }
    // Modules may start processes: these get nothing of ours.
    (void)fcntl(z.fd, F_SETFD, FD_CLOEXEC);
    int err = runtime_engine_boot_zygote(argc, argv, &z.boot, &z.engine, obstacle);
    if (err != 0) {
        fprintf(stderr, "cannot boot Node.js: %s\n", strerror(-err));
        return EXIT_INTERNAL;
    }
    z.files = list_files(&z, start_ns);

    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    z.signal_fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    if (z.signal_fd < 0) {
        perror("cannot serve the agent");
        return EXIT_INTERNAL;
    }
    send_booted(&z, now_ms() - start_ms, obstacle);
    if (obstacle[0] != '\0') _exit(0);
    serve(&z);
    wait_for_nodes(&z);
    _exit(0); // the engine needs no ending
}
