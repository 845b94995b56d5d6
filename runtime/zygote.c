#include "zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
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
#include "io/packet.h"
#include "launch.h"
#include "leash.h"
#include "zygote.pb-c.h"

enum {
    EXIT_INTERNAL = 70,
    NODES_MAX = 4096,
    KILL_AFTER_MS = RUNTIME_LEASH_GRACE_MS + 1000, // the leashes come first
};

typedef struct zygote_node {
    uint64_t id;
    pid_t pid;
} zygote_node;

typedef struct zygote {
    runtime_engine *engine;
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

bool runtime_zygote_option(const char *arg, int *out_fd) {
    char rest;
    return sscanf(arg, "--warren-zygote=%d%c", out_fd, &rest) == 1 && *out_fd > 2;
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

static void send_booted(zygote *z, uint64_t boot_ms) {
    Warren__Zygote__Booted booted = WARREN__ZYGOTE__BOOTED__INIT;
    Warren__Zygote__ToAgent message = WARREN__ZYGOTE__TO_AGENT__INIT;
    booted.boot_ms = (uint32_t)boot_ms;
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

static void send_exited(zygote *z, zygote_node node, int status) {
    Warren__Zygote__Exited exited = WARREN__ZYGOTE__EXITED__INIT;
    Warren__Zygote__ToAgent message = WARREN__ZYGOTE__TO_AGENT__INIT;
    exited.node_id = node.id;
    exited.pid = (uint32_t)node.pid;
    exited.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    exited.signal = WIFSIGNALED(status) ? (uint32_t)WTERMSIG(status) : 0;
    message.kind_case = WARREN__ZYGOTE__TO_AGENT__KIND_EXITED;
    message.exited = &exited;
    send_message(z, &message, -1);
}

// ---- nodes

static void forget(zygote *z, size_t index) {
    z->nodes[index] = z->nodes[--z->node_count];
}

static void reap(zygote *z) {
    struct signalfd_siginfo ignored;
    (void)!read(z->signal_fd, &ignored, sizeof ignored);
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (size_t i = 0; i < z->node_count; i++)
            if (z->nodes[i].pid == pid) {
                send_exited(z, z->nodes[i], status);
                forget(z, i);
                break;
            }
}

static void launch(zygote *z, const Warren__Zygote__Launch *request, mesh_packet *packet) {
    runtime_launch_result result = {.close_fds = {z->fd, z->signal_fd}};
    if (z->node_count == NODES_MAX)
        snprintf(result.error, sizeof result.error, "cannot start more than %d nodes", NODES_MAX);
    else
        runtime_launch(z->engine, request, packet, &result);
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

int runtime_zygote_main(int fd, int argc, char **argv) {
    uint64_t start_ms = now_ms();
    static zygote z;
    z.fd = fd;
    runtime_cold_scrub();
    int err = runtime_engine_boot_zygote(argc, argv, &z.engine);
    if (err != 0) {
        fprintf(stderr, "cannot boot Node.js: %s\n", strerror(-err));
        return EXIT_INTERNAL;
    }

    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    z.signal_fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    if (z.signal_fd < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
        perror("cannot serve the agent");
        return EXIT_INTERNAL;
    }
    send_booted(&z, now_ms() - start_ms);
    serve(&z);
    wait_for_nodes(&z);
    _exit(0); // the engine needs no ending
}
