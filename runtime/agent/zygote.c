#include "agent/zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/descriptors.h"
#include "agent/say.h"
#include "core/error.h"
#include "core/mem.h"
#include "io/channel.h"
#include "zygote.pb-c.h"

enum {
    CHILD_FD = 3,         // where the zygote finds its socket
    TITLE_ROOM = 256,     // bytes of argv that nodes may overwrite with their title
    BACKOFF_MIN_MS = 100, // before it is started again
    BACKOFF_MAX_MS = 5000,
    BOOT_FAILURES_MAX = 3, // in a row, after it had worked once
    LAUNCH_LEN_MAX = 120 << 10,
};

struct agent_zygote {
    uv_loop_t *loop;
    agent_zygote_events events;
    void *user;
    mesh_channel *channel;
    pid_t pid; // 0: no process
    int status;
    bool is_ready, was_ready_once, has_ended_channel, is_reaped;
    uint32_t boot_failures, backoff_ms;
    uv_timer_t timer; // until the next start, or until on_failed is called
    char failure_text[PATH_MAX + 128];
    bool is_failing;
};

static void find_program(char out[PATH_MAX]) {
    const char *chosen = getenv("WARREN_NODE");
    if (chosen != NULL && chosen[0] != '\0') {
        (void)snprintf(out, PATH_MAX, "%s", chosen);
        return;
    }
    char self[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    self[len > 0 ? len : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (slash != NULL) *slash = '\0';
    // A path that is cut here fails to start, with its name in the sentence.
    if (snprintf(out, PATH_MAX, "%s/warren-node", self) >= PATH_MAX) out[0] = '\0';
}

static void on_timer(uv_timer_t *timer);

static void fail(agent_zygote *z, const char *program, const char *why) {
    (void)snprintf(z->failure_text, sizeof z->failure_text, "cannot start warren-node: %s: %s",
                   program, why);
    agent_say("cannot start warren-node: %s: %s", program, why);
    z->is_failing = true;
    uv_timer_start(&z->timer, on_timer, 0, 0); // told from the loop
}

static int spawn_at(const char *program, int fd, pid_t *out_pid) {
    // Titles of nodes are written over the memory of these words: room for long ones.
    char padding[TITLE_ROOM];
    memset(padding, ' ', sizeof padding - 1);
    padding[sizeof padding - 1] = '\0';
    char option[32];
    (void)snprintf(option, sizeof option, "--warren-zygote=%d", CHILD_FD);
    char *argv[] = {"warren-node", option, padding, NULL};

    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, fd, CHILD_FD);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    // A session of its own: Ctrl-C in the agent's terminal reaches the agent alone.
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    agent_descriptors_lower();
    int err = posix_spawn(out_pid, program, &actions, &attributes, argv, environ);
    agent_descriptors_raise_again();
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return -err;
}

static void on_packet(mesh_channel *channel, mesh_bytes bytes, mesh_packet *packet, void *user);
static void on_end(mesh_channel *channel, int err, void *user);

static void boot(agent_zygote *z) {
    char program[PATH_MAX];
    find_program(program);
    int fds[2];
    int err = mesh_packet_pair(fds);
    if (err != 0) {
        fail(z, program, strerror(-err));
        return;
    }
    // dup2 onto itself would leave close-on-exec set: never CHILD_FD itself.
    int child_fd = fcntl(fds[1], F_DUPFD_CLOEXEC, CHILD_FD + 1);
    err = child_fd < 0 ? -errno : spawn_at(program, child_fd, &z->pid);
    if (child_fd >= 0) close(child_fd);
    close(fds[1]);
    if (err == 0)
        err = mesh_channel_open(z->loop, fds[0], on_packet, on_end, z, &z->channel);
    else
        close(fds[0]);
    if (err != 0) {
        z->pid = 0;
        bool has_file = err == -ENOENT && access(program, F_OK) == 0;
        fail(z, program, has_file ? "its interpreter or loader is not there" : strerror(-err));
        return;
    }
    z->is_ready = z->has_ended_channel = z->is_reaped = false;
}

static void on_timer(uv_timer_t *timer) {
    agent_zygote *z = timer->data;
    if (!z->is_failing) {
        boot(z);
        return;
    }
    z->is_failing = false;
    z->events.on_failed(z->user, z->failure_text);
}

void agent_zygote_start(agent_zygote *z) {
    if (z->pid == 0 && !uv_is_active((uv_handle_t *)&z->timer)) boot(z);
}

agent_zygote *agent_zygote_create(uv_loop_t *loop, const agent_zygote_events *events, void *user) {
    agent_zygote *z = mem_alloc(sizeof *z);
    z->loop = loop;
    z->events = *events;
    z->user = user;
    z->backoff_ms = BACKOFF_MIN_MS;
    uv_timer_init(loop, &z->timer);
    z->timer.data = z;
    return z;
}

bool agent_zygote_is_ready(const agent_zygote *z) {
    return z->is_ready;
}

static void on_booted(agent_zygote *z, const Warren__Zygote__Booted *booted) {
    agent_say("warren-node (pid %d) is ready after %u ms", (int)z->pid, booted->boot_ms);
    z->is_ready = z->was_ready_once = true;
    z->boot_failures = 0;
    z->events.on_ready(z->user);
}

static void take_launched(agent_zygote *z, const Warren__Zygote__Launched *launched,
                          mesh_packet *packet) {
    int pidfd = -1;
    if (packet->fd_count > 0) {
        pidfd = packet->fds[0];
        packet->fds[0] = -1;
    }
    z->backoff_ms = BACKOFF_MIN_MS;
    z->events.on_launched(z->user, launched->node_id, (pid_t)launched->pid, pidfd,
                          launched->cold_reason, launched->error);
}

static void on_packet(mesh_channel *channel, mesh_bytes bytes, mesh_packet *packet, void *user) {
    agent_zygote *z = user;
    (void)channel;
    Warren__Zygote__ToAgent *m = warren__zygote__to_agent__unpack(NULL, bytes.len, bytes.data);
    if (m == NULL) return; // our own program; a packet we can't read answers nothing
    switch (m->kind_case) {
    case WARREN__ZYGOTE__TO_AGENT__KIND_BOOTED: on_booted(z, m->booted); break;
    case WARREN__ZYGOTE__TO_AGENT__KIND_LAUNCHED: take_launched(z, m->launched, packet); break;
    case WARREN__ZYGOTE__TO_AGENT__KIND_EXITED:
        z->events.on_exited(
            z->user, m->exited->node_id,
            (agent_exit){.code = m->exited->code, .signal = (int)m->exited->signal});
        break;
    default: break;
    }
    warren__zygote__to_agent__free_unpacked(m, NULL);
}

static void describe(char *out, size_t cap, int status) {
    if (WIFSIGNALED(status))
        (void)snprintf(out, cap, "it was ended by signal %d (%s)", WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
    else
        (void)snprintf(out, cap, "it ended with exit code %d", WEXITSTATUS(status));
}

// The process has been reaped and everything it said was read.
static void bury(agent_zygote *z) {
    if (!z->is_reaped || !z->has_ended_channel) return;
    char how[128], program[PATH_MAX];
    describe(how, sizeof how, z->status);
    bool died_booting = !z->is_ready;
    agent_say("warren-node (pid %d): %s%s", (int)z->pid, how,
              died_booting ? " before it was ready" : "; its nodes run on");
    z->pid = 0;
    z->is_ready = false;
    z->events.on_died(z->user);
    if (died_booting && (!z->was_ready_once || ++z->boot_failures == BOOT_FAILURES_MAX)) {
        z->boot_failures = 0;
        find_program(program);
        (void)strncat(how, " before it was ready", sizeof how - strlen(how) - 1);
        fail(z, program, how);
        return;
    }
    uv_timer_start(&z->timer, on_timer, z->backoff_ms, 0);
    z->backoff_ms = z->backoff_ms * 2 < BACKOFF_MAX_MS ? z->backoff_ms * 2 : BACKOFF_MAX_MS;
}

static void on_end(mesh_channel *channel, int err, void *user) {
    agent_zygote *z = user;
    (void)err;
    mesh_channel_close(channel);
    z->channel = NULL;
    z->has_ended_channel = true;
    // Without its socket it is of no use; its nodes are told apart from it by their own pids.
    if (!z->is_reaped) (void)kill(z->pid, SIGKILL);
    bury(z);
}

bool agent_zygote_reaped(agent_zygote *z, pid_t pid, int status) {
    if (z->pid == 0 || pid != z->pid || z->is_reaped) return false;
    z->is_reaped = true;
    z->status = status;
    bury(z);
    return true;
}

static size_t count(char *const *list) {
    size_t n = 0;
    while (list[n] != NULL)
        n++;
    return n;
}

int agent_zygote_launch(agent_zygote *z, const agent_launch *launch) {
    if (!z->is_ready || z->channel == NULL) return MESH_ECLOSED;
    Warren__Zygote__Launch body = WARREN__ZYGOTE__LAUNCH__INIT;
    body.node_id = launch->node_id;
    body.argv = (char **)(uintptr_t)launch->argv;
    body.n_argv = count(launch->argv);
    body.env = (char **)(uintptr_t)launch->env;
    body.n_env = count(launch->env);
    body.exec_argv = (char **)(uintptr_t)launch->exec_argv;
    body.n_exec_argv = count(launch->exec_argv);
    body.cwd = (char *)(uintptr_t)launch->cwd;
    body.title = (char *)(uintptr_t)launch->title;
    Warren__Zygote__ToZygote message = WARREN__ZYGOTE__TO_ZYGOTE__INIT;
    message.kind_case = WARREN__ZYGOTE__TO_ZYGOTE__KIND_LAUNCH;
    message.launch = &body;

    size_t len = warren__zygote__to_zygote__get_packed_size(&message);
    if (len > LAUNCH_LEN_MAX) return MESH_ETOOBIG;
    uint8_t *bytes = mem_alloc(len);
    warren__zygote__to_zygote__pack(&message, bytes);
    mesh_channel_send(z->channel, (mesh_bytes){bytes, len}, launch->fds, AGENT_LAUNCH_FDS);
    free(bytes);
    return 0;
}

static void on_timer_closed(uv_handle_t *handle) {
    free(handle->data);
}

void agent_zygote_destroy(agent_zygote *z) {
    if (z == NULL) return;
    mesh_channel_close(z->channel);
    if (z->pid != 0 && !z->is_reaped) {
        (void)kill(z->pid, SIGKILL);
        (void)waitpid(z->pid, NULL, 0);
    }
    uv_close((uv_handle_t *)&z->timer, on_timer_closed);
}
