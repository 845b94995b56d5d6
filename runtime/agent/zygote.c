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
#include "agent/keep.h"
#include "agent/ksm.h"
#include "agent/say.h"
#include "agent/spawn.h"
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
    const runtime_boot *boot; // NULL: the common one
    agent_zygote_events events;
    void *user;
    mesh_channel *channel;
    pid_t pid; // 0: no process
    int status;
    bool is_ready, was_ready_once, has_ended_channel, is_reaped;
    uint32_t boot_failures, backoff_ms;
    uv_timer_t timer; // until the next start, or until on_failed is called
    char failure_text[PATH_MAX + 256];
    bool is_failing, is_failing_obstacle;
    const char *dismissed_for; // or NULL
    uint32_t unanswered, node_count;
};

void agent_zygote_find_program(char out[PATH_MAX]) {
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
    z->is_failing_obstacle = false;
    uv_timer_start(&z->timer, on_timer, 0, 0); // told from the loop
}

// What is linked when the zygote starts need not be found by each child, on its own copies of
// pages. The zygote takes these words out again.
static char **with_own_words(char *const *env) {
    size_t count = 0;
    while (env[count] != NULL)
        count++;
    char **out = mem_alloc((count + 3) * sizeof *out);
    memcpy(out, env, count * sizeof *out);
    out[count++] = (char *)(uintptr_t) "LD_BIND_NOW=1";
    if (agent_ksm_is_wanted()) out[count] = (char *)(uintptr_t) "WARREN_KSM=1";
    return out;
}

static int spawn_at(const agent_zygote *z, const char *program, int fd, pid_t *out_pid) {
    // Titles of nodes are written over the memory of these words: room for long ones.
    char padding[TITLE_ROOM];
    memset(padding, ' ', sizeof padding - 1);
    padding[sizeof padding - 1] = '\0';
    char option[32];
    (void)snprintf(option, sizeof option, "--warren-%szygote=%d", z->boot != NULL ? "own-" : "",
                   CHILD_FD);
    char *argv[] = {"warren-node", option, padding, NULL};

    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, fd, CHILD_FD);
    agent_spawn_attributes(&attributes);
    agent_descriptors_lower();
    char **env = with_own_words(z->boot != NULL ? z->boot->env.at : environ);
    int err = posix_spawn(out_pid, program, &actions, &attributes, argv, env);
    free(env);
    agent_descriptors_raise_again();
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return -err;
}

static void on_packet(mesh_channel *channel, mesh_bytes bytes, mesh_packet *packet, void *user);
static void on_end(mesh_channel *channel, int err, void *user);

static void send_message(agent_zygote *z, const Warren__Zygote__ToZygote *message, const int *fds,
                         size_t fd_count) {
    size_t len = warren__zygote__to_zygote__get_packed_size(message);
    uint8_t *bytes = mem_alloc(len);
    warren__zygote__to_zygote__pack(message, bytes);
    mesh_channel_send(z->channel, (mesh_bytes){bytes, len}, fds, fd_count);
    free(bytes);
}

static void send_boot(agent_zygote *z) {
    const runtime_boot *b = z->boot;
    Warren__Zygote__Boot body = WARREN__ZYGOTE__BOOT__INIT;
    Warren__Zygote__ToZygote message = WARREN__ZYGOTE__TO_ZYGOTE__INIT;
    body.exec_argv = (char **)(uintptr_t)b->exec_argv.at;
    body.n_exec_argv = b->exec_argv.count;
    body.preload = (char **)(uintptr_t)b->preload.at;
    body.n_preload = b->preload.count;
    body.argv = (char **)(uintptr_t)b->argv.at;
    body.n_argv = b->argv.count;
    body.cwd = (char *)(uintptr_t)b->cwd;
    message.kind_case = WARREN__ZYGOTE__TO_ZYGOTE__KIND_BOOT;
    message.boot = &body;
    send_message(z, &message, NULL, 0);
}

static void boot(agent_zygote *z) {
    char program[PATH_MAX];
    agent_zygote_find_program(program);
    int fds[2];
    int err = mesh_packet_pair(fds);
    if (err != 0) {
        fail(z, program, strerror(-err));
        return;
    }
    // dup2 onto itself would leave close-on-exec set: never CHILD_FD itself.
    int child_fd = fcntl(fds[1], F_DUPFD_CLOEXEC, CHILD_FD + 1);
    err = child_fd < 0 ? -errno : spawn_at(z, program, child_fd, &z->pid);
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
    z->dismissed_for = NULL;
    if (z->boot != NULL) send_boot(z);
}

static void on_timer(uv_timer_t *timer) {
    agent_zygote *z = timer->data;
    if (!z->is_failing) {
        boot(z);
        return;
    }
    z->is_failing = false;
    z->events.on_failed(z->user, z->failure_text, z->is_failing_obstacle);
}

void agent_zygote_start(agent_zygote *z) {
    if (z->pid == 0 && !uv_is_active((uv_handle_t *)&z->timer)) boot(z);
}

agent_zygote *agent_zygote_create(uv_loop_t *loop, const runtime_boot *boot,
                                  const agent_zygote_events *events, void *user) {
    agent_zygote *z = mem_alloc(sizeof *z);
    z->loop = loop;
    z->boot = boot;
    z->events = *events;
    z->user = user;
    z->backoff_ms = BACKOFF_MIN_MS;
    uv_timer_init(loop, &z->timer);
    z->timer.data = z;
    return z;
}

pid_t agent_zygote_pid(const agent_zygote *z) {
    return z->pid;
}

bool agent_zygote_is_ready(const agent_zygote *z) {
    return z->is_ready && z->channel != NULL && z->dismissed_for == NULL;
}

bool agent_zygote_is_running(const agent_zygote *z) {
    return z->pid != 0;
}

uint32_t agent_zygote_load(const agent_zygote *z) {
    return z->unanswered + z->node_count;
}

bool agent_zygote_is_dismissed(const agent_zygote *z) {
    return z->pid != 0 && z->dismissed_for != NULL;
}

void agent_zygote_dismiss(agent_zygote *z, const char *why) {
    if (z->pid == 0 || z->dismissed_for != NULL) return;
    z->dismissed_for = why;
    if (!z->is_reaped) (void)kill(z->pid, SIGKILL);
}

void agent_zygote_keep(const agent_zygote *z) {
    Warren__Keeper__Zygote kept = WARREN__KEEPER__ZYGOTE__INIT;
    int fd = mesh_channel_fd(z->channel);
    agent_keep_put(WARREN__KEEPER__KIND__ZYGOTE, (uint64_t)z->pid, &kept.base, &fd, 1);
}

static void on_booted(agent_zygote *z, const Warren__Zygote__Booted *booted) {
    if (booted->obstacle[0] != '\0') { // it ends by itself
        z->dismissed_for = "it cannot be forked";
        (void)snprintf(z->failure_text, sizeof z->failure_text, "%s", booted->obstacle);
        agent_say("%s", z->failure_text);
        z->is_failing = z->is_failing_obstacle = true;
        uv_timer_start(&z->timer, on_timer, 0, 0);
        return;
    }
    agent_say("warren-node (pid %d%s) is ready after %u ms", (int)z->pid,
              z->boot != NULL ? ", with what a service loads first" : "", booted->boot_ms);
    z->is_ready = z->was_ready_once = true;
    agent_zygote_keep(z);
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
    if (z->unanswered > 0) z->unanswered--;
    if (launched->error[0] == '\0') z->node_count++;
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
    case WARREN__ZYGOTE__TO_AGENT__KIND_STALE:
        if (z->unanswered > 0) z->unanswered--;
        z->events.on_stale(z->user, m->stale->node_id, m->stale->file);
        break;
    case WARREN__ZYGOTE__TO_AGENT__KIND_EXITED:
        if (z->node_count > 0) z->node_count--;
        z->events.on_exited(
            z->user, m->exited->node_id,
            (agent_exit){.code = m->exited->code, .signal = (int)m->exited->signal});
        break;
    case WARREN__ZYGOTE__TO_AGENT__KIND_STOPPED:
        z->events.on_stopped(z->user, m->stopped->node_id);
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

// What comes after an end that nobody wanted: the next start, or that it failed.
static void plan_next(agent_zygote *z, bool died_booting, const char *how) {
    bool is_given_up =
        died_booting && (!z->was_ready_once || ++z->boot_failures == BOOT_FAILURES_MAX);
    if (is_given_up) {
        char program[PATH_MAX], text[192];
        z->boot_failures = 0;
        agent_zygote_find_program(program);
        (void)snprintf(text, sizeof text, "%s before it was ready", how);
        fail(z, program, text);
    } else if (z->boot == NULL) { // else somebody asks for it
        uv_timer_start(&z->timer, on_timer, z->backoff_ms, 0);
        z->backoff_ms = z->backoff_ms * 2 < BACKOFF_MAX_MS ? z->backoff_ms * 2 : BACKOFF_MAX_MS;
    }
}

// The process has been reaped and everything it said was read.
static void bury(agent_zygote *z) {
    if (!z->is_reaped || !z->has_ended_channel) return;
    char how[128];
    describe(how, sizeof how, z->status);
    bool died_booting = !z->is_ready;
    if (z->dismissed_for != NULL)
        agent_say("warren-node (pid %d) was ended: %s", (int)z->pid, z->dismissed_for);
    else
        agent_say("warren-node (pid %d): %s%s", (int)z->pid, how,
                  died_booting ? " before it was ready" : "; its nodes run on");
    bool is_dismissed = z->dismissed_for != NULL;
    uint32_t unanswered = z->unanswered;
    agent_keep_drop(WARREN__KEEPER__KIND__ZYGOTE, (uint64_t)z->pid);
    z->pid = 0;
    z->is_ready = false;
    z->unanswered = z->node_count = 0;
    // Before anybody hears of it: who asks for it then waits as long as is due.
    if (!is_dismissed) plan_next(z, died_booting, how);
    z->events.on_died(z->user, unanswered);
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

int agent_zygote_launch(agent_zygote *z, const agent_launch *launch) {
    if (!agent_zygote_is_ready(z)) return MESH_ECLOSED;
    const runtime_boot *b = launch->boot;
    Warren__Zygote__Launch body = WARREN__ZYGOTE__LAUNCH__INIT;
    body.node_id = launch->node_id;
    body.argv = (char **)(uintptr_t)b->argv.at;
    body.n_argv = b->argv.count;
    body.env = (char **)(uintptr_t)b->env.at;
    body.n_env = b->env.count;
    body.exec_argv = (char **)(uintptr_t)b->exec_argv.at;
    body.n_exec_argv = b->exec_argv.count;
    body.preload = (char **)(uintptr_t)b->preload.at;
    body.n_preload = b->preload.count;
    body.cwd = (char *)(uintptr_t)b->cwd;
    body.title = (char *)(uintptr_t)launch->title;
    body.has_heartbeat = true;
    body.cgroup = (char *)(uintptr_t)launch->limits->cgroup;
    body.heap_max = launch->limits->heap_max;
    body.data_max = launch->limits->data_max;
    body.cpu_percent = launch->limits->cpu_percent;
    body.cold_reason = (char *)(uintptr_t)launch->cold_reason;
    Warren__Zygote__ToZygote message = WARREN__ZYGOTE__TO_ZYGOTE__INIT;
    message.kind_case = WARREN__ZYGOTE__TO_ZYGOTE__KIND_LAUNCH;
    message.launch = &body;
    if (warren__zygote__to_zygote__get_packed_size(&message) > LAUNCH_LEN_MAX) return MESH_ETOOBIG;
    z->unanswered++;
    send_message(z, &message, launch->fds, AGENT_LAUNCH_FDS);
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
