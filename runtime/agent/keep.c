#include "agent/keep.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "agent/keeper.h"
#include "agent/place.h"
#include "agent/say.h"
#include "core/limits.h"
#include "core/mem.h"
#include "io/channel.h"

enum {
    ANSWER_MS = 10000,
    LISTENS = 1 << 16, // __SO_ACCEPTCON, as /proc/net/unix shows it
    END_TRIES = 50,
    END_TRY_MS = 10,
};

static struct {
    mesh_channel *channel; // NULL: there is no keeper
    uv_loop_t *loop;
    char dir[PATH_MAX]; // "": there should be none
    agent_place_mark socket;
} keep;

static void socket_path(char out[PATH_MAX]) {
    (void)snprintf(out, PATH_MAX, "%.4000s/keeper.sock", keep.dir);
}

// A connection would be taken for the next agent.
static bool is_listening(const char *path) {
    char line[PATH_MAX + 128];
    unsigned flags;
    int at = 0;
    bool is_there = false;
    FILE *file = fopen("/proc/net/unix", "re");
    if (file == NULL) return false;
    while (!is_there && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (sscanf(line, "%*x: %*x %*x %x %*x %*x %*u %n", &flags, &at) != 1 || at == 0) continue;
        is_there = (flags & LISTENS) != 0 && strcmp(line + at, path) == 0;
    }
    (void)fclose(file);
    return is_there;
}

bool agent_keep_waits(const char *dir) {
    static const struct timespec pause = {.tv_nsec = END_TRY_MS * 1000000L};
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%.4000s/keeper.sock", dir);
    for (int i = 0; i < END_TRIES && is_listening(path); i++)
        (void)nanosleep(&pause, NULL);
    return is_listening(path);
}

bool agent_keep_is_open(void) {
    return keep.channel != NULL;
}

bool agent_keep_is_used(void) {
    return keep.dir[0] != '\0';
}

bool agent_keep_is_sound(void) {
    char path[PATH_MAX];
    socket_path(path);
    return keep.channel != NULL && agent_place_mark_fits(path, &keep.socket);
}

bool agent_keep_is_flushed(void) {
    return keep.channel == NULL || mesh_channel_queued(keep.channel) == 0;
}

// ---- saying

static void send_message(const Warren__Keeper__ToKeeper *message, const int *fds, size_t fd_count) {
    size_t len = warren__keeper__to_keeper__get_packed_size(message);
    if (len > MESH_PACKET_LEN_MAX) {
        agent_say("the keeper cannot take %zu bytes: what they are about ends with this agent",
                  len);
        return;
    }
    uint8_t *bytes = mem_alloc(len);
    warren__keeper__to_keeper__pack(message, bytes);
    mesh_channel_send(keep.channel, (mesh_bytes){bytes, len}, fds, fd_count);
    free(bytes);
}

static void put(Warren__Keeper__Kind kind, uint64_t id, const ProtobufCMessage *state,
                const int *fds, size_t fd_count, bool keeps_fds) {
    if (keep.channel == NULL) return;
    Warren__Keeper__Put body = WARREN__KEEPER__PUT__INIT;
    Warren__Keeper__ToKeeper message = WARREN__KEEPER__TO_KEEPER__INIT;
    size_t len = protobuf_c_message_get_packed_size(state);
    uint8_t *bytes = mem_alloc(len);
    protobuf_c_message_pack(state, bytes);
    body.kind = kind;
    body.id = id;
    body.state = (ProtobufCBinaryData){len, bytes};
    body.keeps_fds = keeps_fds;
    message.kind_case = WARREN__KEEPER__TO_KEEPER__KIND_PUT;
    message.put = &body;
    send_message(&message, fds, fd_count);
    free(bytes);
}

void agent_keep_put(Warren__Keeper__Kind kind, uint64_t id, const ProtobufCMessage *state,
                    const int *fds, size_t fd_count) {
    put(kind, id, state, fds, fd_count, false);
}

void agent_keep_put_state(Warren__Keeper__Kind kind, uint64_t id, const ProtobufCMessage *state) {
    put(kind, id, state, NULL, 0, true);
}

void agent_keep_drop(Warren__Keeper__Kind kind, uint64_t id) {
    if (keep.channel == NULL) return;
    Warren__Keeper__Drop body = WARREN__KEEPER__DROP__INIT;
    Warren__Keeper__ToKeeper message = WARREN__KEEPER__TO_KEEPER__INIT;
    body.kind = kind;
    body.id = id;
    message.kind_case = WARREN__KEEPER__TO_KEEPER__KIND_DROP;
    message.drop = &body;
    send_message(&message, NULL, 0);
}

void agent_keep_quit(void) {
    if (keep.channel == NULL) return;
    Warren__Keeper__Quit body = WARREN__KEEPER__QUIT__INIT;
    Warren__Keeper__ToKeeper message = WARREN__KEEPER__TO_KEEPER__INIT;
    message.kind_case = WARREN__KEEPER__TO_KEEPER__KIND_QUIT;
    message.quit = &body;
    send_message(&message, NULL, 0);
    mesh_channel_close(keep.channel);
    keep.channel = NULL;
    char path[PATH_MAX];
    socket_path(path);
    if (agent_place_mark_fits(path, &keep.socket)) (void)unlink(path);
}

// ---- finding it

static void on_packet(mesh_channel *channel, mesh_bytes bytes, mesh_packet *packet, void *user) {
    (void)channel, (void)bytes, (void)packet, (void)user; // it has said all it had to say
}

static void on_end(mesh_channel *channel, int err, void *user) {
    (void)err, (void)user;
    mesh_channel_close(channel);
    keep.channel = NULL;
    agent_say("the keeper is gone: another one is started");
}

// 1: one more came; 0: that was all; or -errno.
static int take_record(int fd, agent_keep_cb each, void *user) {
    static uint8_t buffer[MESH_PACKET_LEN_MAX];
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    mesh_packet packet;
    if (poll(&ready, 1, ANSWER_MS) <= 0) return -ETIMEDOUT;
    int err = mesh_packet_receive(fd, MSG_DONTWAIT, buffer, &packet);
    if (err != 0) return err == -EAGAIN ? 1 : err < -10000 ? -EPIPE : err;
    Warren__Keeper__ToAgent *m = warren__keeper__to_agent__unpack(NULL, packet.len, buffer);
    int more = m != NULL && m->kind_case == WARREN__KEEPER__TO_AGENT__KIND_END ? 0 : 1;
    if (m != NULL && m->kind_case == WARREN__KEEPER__TO_AGENT__KIND_PUT)
        each(m->put->kind, m->put->id, (mesh_bytes){m->put->state.data, m->put->state.len},
             packet.fds, packet.fd_count, user);
    if (m != NULL) warren__keeper__to_agent__free_unpacked(m, NULL);
    mesh_packet_close_fds(&packet);
    return more;
}

static int spawn_keeper(int listen_fd) {
    char program[] = "/proc/self/exe";
    char *argv[] = {"warren", "agent", AGENT_KEEPER_WORD, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    pid_t pid;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, listen_fd, AGENT_KEEPER_FD);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int err = posix_spawn(&pid, program, &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return -err;
}

static int start_keeper(const char *path) {
    int fd;
    (void)unlink(path); // we hold the agent's lock, and nobody answers there
    int err = mesh_packet_listen(path, &fd);
    if (err != 0) return err;
    // dup2 onto itself would leave close-on-exec set: never AGENT_KEEPER_FD itself.
    int listen_fd = fcntl(fd, F_DUPFD_CLOEXEC, AGENT_KEEPER_FD + 1);
    err = listen_fd < 0 ? -errno : spawn_keeper(listen_fd);
    close(fd);
    if (listen_fd >= 0) close(listen_fd);
    return err;
}

// What one that we start, or that is there, has. 0 or -errno.
static int open_channel(int fd, agent_keep_cb each, void *user) {
    char path[PATH_MAX];
    int more = 1;
    while (more == 1)
        more = take_record(fd, each, user);
    if (more < 0) {
        close(fd);
        return more;
    }
    int err = mesh_channel_open(keep.loop, fd, on_packet, on_end, NULL, &keep.channel);
    if (err != 0) return err;
    mesh_channel_ref(keep.channel, false);
    socket_path(path);
    keep.socket = agent_place_mark_of(path);
    return 0;
}

int agent_keep_open(uv_loop_t *loop, const char *dir, agent_keep_cb each, void *user) {
    char path[PATH_MAX];
    int fd;
    (void)snprintf(keep.dir, sizeof keep.dir, "%s", dir);
    socket_path(path);
    keep.loop = loop;
    int err = mesh_packet_connect(path, &fd);
    if (err != 0) {
        err = start_keeper(path);
        if (err == 0) err = mesh_packet_connect(path, &fd);
    }
    return err != 0 ? err : open_channel(fd, each, user);
}

static void on_record(Warren__Keeper__Kind kind, uint64_t id, mesh_bytes state, int *fds,
                      size_t fd_count, void *user) {
    (void)kind, (void)id, (void)state, (void)fds, (void)fd_count, (void)user; // it has none
}

int agent_keep_again(void) {
    char path[PATH_MAX];
    int fd;
    agent_keep_quit(); // one that nobody can find
    socket_path(path);
    int err = start_keeper(path);
    if (err == 0) err = mesh_packet_connect(path, &fd);
    return err != 0 ? err : open_channel(fd, on_record, NULL);
}
