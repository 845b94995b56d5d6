// The agent's side of proto/zygote.proto for tests: starts a zygote, takes requests as JSON lines
// on stdin, prints what happens as JSON lines on stdout.
//   launch PROGRAM
//   in   {"launch": id, "argv": [], "env": [], "execArgv": [], "cwd": "", "title": "", "stdin": ""}
//        {"cut": "leash"}   {"cut": "socket"}
//   out  {"event": "booted", "pid", "ms"}   {"event": "launched", "id", "pid", "coldReason",
//   "error"}
//        {"event": "output", "id", "fd", "data"}   {"event": "closed", "id", "fd"}
//        {"event": "exited", "id", "code", "signal"}   {"event": "gone", "id"} (told by the pidfd)
//        {"event": "stopped", "id"}
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "core/limits.h"
#include "core/mem.h"
#include "io/packet.h"
#include "zygote.pb-c.h"

enum { NODES_MAX = 256, SOURCES_MAX = 2 + NODES_MAX * 3, ZYGOTE_FD = 9, LINE_MAX_LEN = 1 << 20 };

// What poll watches beside stdin and the zygote: stdout, stderr and the pidfd of nodes.
typedef struct source {
    uint64_t id;
    int fd;
    int of; // 1, 2, or 0 for the pidfd
} source;

static source sources[SOURCES_MAX];
static size_t source_count;
static int zygote_fd, leash_fds[2];
static pid_t zygote_pid;

static void print_event(json_t *event) {
    json_dumpf(event, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
    putchar('\n');
    fflush(stdout);
    json_decref(event);
}

static void add_source(int fd, uint64_t id, int of) {
    CHECK(source_count < SOURCES_MAX);
    sources[source_count++] = (source){id, fd, of};
}

static void start_zygote(const char *program) {
    int fds[2];
    CHECK(mesh_packet_pair(fds) == 0);
    zygote_pid = fork();
    if (zygote_pid == 0) {
        char option[32];
        snprintf(option, sizeof option, "--warren-zygote=%d", ZYGOTE_FD);
        dup2(fds[1], ZYGOTE_FD);
        execl(program, "warren-node", option, (char *)NULL);
        perror(program);
        _exit(127);
    }
    close(fds[1]);
    zygote_fd = fds[0];
}

static char **strings(json_t *object, const char *key, size_t *out_count) {
    json_t *array = json_object_get(object, key);
    *out_count = json_array_size(array);
    char **out = mem_alloc((*out_count + 1) * sizeof *out);
    for (size_t i = 0; i < *out_count; i++)
        out[i] = (char *)json_string_value(json_array_get(array, i));
    return out;
}

static char *string(json_t *object, const char *key) {
    const char *value = json_string_value(json_object_get(object, key));
    return (char *)(value != NULL ? value : "");
}

static void launch(json_t *request) {
    Warren__Zygote__Launch launch = WARREN__ZYGOTE__LAUNCH__INIT;
    Warren__Zygote__ToZygote message = WARREN__ZYGOTE__TO_ZYGOTE__INIT;
    launch.node_id = (uint64_t)json_integer_value(json_object_get(request, "launch"));
    launch.argv = strings(request, "argv", &launch.n_argv);
    launch.env = strings(request, "env", &launch.n_env);
    launch.exec_argv = strings(request, "execArgv", &launch.n_exec_argv);
    launch.cwd = string(request, "cwd");
    launch.title = string(request, "title");
    message.kind_case = WARREN__ZYGOTE__TO_ZYGOTE__KIND_LAUNCH;
    message.launch = &launch;

    int in[2], out[2], err[2], control[2];
    CHECK(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0);
    CHECK(mesh_packet_pair(control) == 0); // our end stays open: an agent that says nothing
    size_t len = warren__zygote__to_zygote__get_packed_size(&message);
    uint8_t *bytes = mem_alloc(len);
    warren__zygote__to_zygote__pack(&message, bytes);
    int fds[] = {in[0], out[1], err[1], control[1], leash_fds[0]};
    CHECK(mesh_packet_send(zygote_fd, (mesh_bytes){bytes, len}, fds, 5) == 0);
    for (int i = 0; i < 4; i++)
        close(fds[i]);
    const char *input = string(request, "stdin");
    CHECK(write(in[1], input, strlen(input)) == (ssize_t)strlen(input));
    close(in[1]);
    add_source(out[0], launch.node_id, 1);
    add_source(err[0], launch.node_id, 2);
    free(bytes);
    free(launch.argv);
    free(launch.env);
    free(launch.exec_argv);
}

static void take_line(const char *line) {
    json_t *request = json_loads(line, 0, NULL);
    CHECK(request != NULL);
    const char *cut = json_string_value(json_object_get(request, "cut"));
    if (cut == NULL) {
        launch(request);
    } else if (strcmp(cut, "leash") == 0) {
        close(leash_fds[1]);
    } else {
        close(zygote_fd);
        zygote_fd = -1;
    }
    json_decref(request);
}

// False when our own stdin ended: the test is over.
static bool read_requests(void) {
    static char buffer[LINE_MAX_LEN];
    static size_t len;
    ssize_t got = read(STDIN_FILENO, buffer + len, sizeof buffer - 1 - len);
    if (got <= 0) return false;
    len += (size_t)got;
    buffer[len] = '\0';
    char *line = buffer, *end;
    while ((end = strchr(line, '\n')) != NULL) {
        *end = '\0';
        take_line(line);
        line = end + 1;
    }
    len -= (size_t)(line - buffer);
    memmove(buffer, line, len);
    return true;
}

static void take_launched(const Warren__Zygote__Launched *launched, mesh_packet *packet) {
    if (packet->fd_count == 1) {
        add_source(packet->fds[0], launched->node_id, 0);
        packet->fds[0] = -1;
    }
    print_event(json_pack("{s:s, s:I, s:i, s:s, s:s}", "event", "launched", "id",
                          (json_int_t)launched->node_id, "pid", (int)launched->pid, "coldReason",
                          launched->cold_reason, "error", launched->error));
}

static void read_zygote(void) {
    static uint8_t buffer[MESH_PACKET_LEN_MAX];
    mesh_packet packet;
    if (mesh_packet_receive(zygote_fd, 0, buffer, &packet) != 0) {
        close(zygote_fd);
        zygote_fd = -1;
        print_event(json_pack("{s:s}", "event", "zygoteGone"));
        return;
    }
    Warren__Zygote__ToAgent *message = warren__zygote__to_agent__unpack(NULL, packet.len, buffer);
    CHECK(message != NULL);
    if (message->kind_case == WARREN__ZYGOTE__TO_AGENT__KIND_BOOTED)
        print_event(json_pack("{s:s, s:i, s:i}", "event", "booted", "pid", (int)zygote_pid, "ms",
                              (int)message->booted->boot_ms));
    else if (message->kind_case == WARREN__ZYGOTE__TO_AGENT__KIND_LAUNCHED)
        take_launched(message->launched, &packet);
    else if (message->kind_case == WARREN__ZYGOTE__TO_AGENT__KIND_EXITED)
        print_event(json_pack("{s:s, s:I, s:i, s:i}", "event", "exited", "id",
                              (json_int_t)message->exited->node_id, "code", message->exited->code,
                              "signal", (int)message->exited->signal));
    else if (message->kind_case == WARREN__ZYGOTE__TO_AGENT__KIND_STOPPED)
        print_event(json_pack("{s:s, s:I}", "event", "stopped", "id",
                              (json_int_t)message->stopped->node_id));
    warren__zygote__to_agent__free_unpacked(message, NULL);
    mesh_packet_close_fds(&packet);
}

// False when the source has ended.
static bool read_source(const source *s) {
    static char data[4096]; // ASCII, or the whole of it at once: a split character is no JSON
    if (s->of == 0) {
        print_event(json_pack("{s:s, s:I}", "event", "gone", "id", (json_int_t)s->id));
        return false;
    }
    ssize_t len = read(s->fd, data, sizeof data);
    if (len > 0) {
        print_event(json_pack("{s:s, s:I, s:i, s:s%}", "event", "output", "id", (json_int_t)s->id,
                              "fd", s->of, "data", data, (size_t)len));
        return true;
    }
    print_event(
        json_pack("{s:s, s:I, s:i}", "event", "closed", "id", (json_int_t)s->id, "fd", s->of));
    return false;
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    signal(SIGPIPE, SIG_IGN);
    CHECK(pipe2(leash_fds, O_CLOEXEC) == 0);
    start_zygote(argv[1]);
    for (;;) {
        struct pollfd fds[2 + SOURCES_MAX];
        size_t count = source_count;
        fds[0] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
        fds[1] = (struct pollfd){.fd = zygote_fd, .events = POLLIN};
        for (size_t i = 0; i < count; i++)
            fds[2 + i] = (struct pollfd){.fd = sources[i].fd, .events = POLLIN};
        if (poll(fds, 2 + count, -1) < 0 && errno != EINTR) return 1;
        for (size_t i = count; i-- > 0;) {
            if (fds[2 + i].revents == 0 || read_source(&sources[i])) continue;
            close(sources[i].fd);
            sources[i] = sources[--source_count];
        }
        if (zygote_fd >= 0 && fds[1].revents != 0) read_zygote();
        if (fds[0].revents != 0 && !read_requests()) break;
    }
    // The zygote and its nodes end before we do: nothing of a test outlives it.
    close(leash_fds[1]);
    close(zygote_fd);
    waitpid(zygote_pid, NULL, 0);
    return 0;
}
