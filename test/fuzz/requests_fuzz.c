// What comes on the agent's socket: a command line's Hello and requests, or a node that attaches
// (agent.proto). The input is a list of packets: u8 who, u8 what it is, u16 length, that many
// bytes. What it is: 0 a packet as it is, else the inside of that field of a Request; before the
// first of these a right Hello is said. What is to run does not: there is no program to run it
// with.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/clients.h"
#include "core/be.h"
#include "core/limits.h"
#include "core/mem.h"
#include "fuzz.h"
#include "io/packet.h"

enum {
    CLIENTS = 2,
    HEAD_LEN = 4,
    PACKET_MAX = 2048,
    KINDS = 9,
    BACKLOG = 8,
    OFFER = 40,
    COLLECT = 44,
    READ_DEPLOYED = 50,
    DRAIN_HOST = 54
};

typedef struct client {
    int fd;
    bool has_said_hello;
    bool is_odd; // it may have attached itself as a node: it hears other messages
} client;

static char dir[64];
static uv_loop_t loop;
static client command_lines[CLIENTS];

// ---- the agent around them

static void on_nothing(void *user) {
    (void)user;
}

static agent_cluster *no_cluster(void *user) {
    (void)user;
    return NULL;
}

static const char *no_trouble(void *user) {
    (void)user;
    return "";
}

static int on_open_cluster(void *user, char text[AGENT_VAULT_TEXT_MAX]) {
    (void)user;
    (void)snprintf(text, AGENT_VAULT_TEXT_MAX, "there is none");
    return -ENOENT;
}

static struct sockaddr_un address(void) {
    struct sockaddr_un out = {.sun_family = AF_UNIX};
    (void)snprintf(out.sun_path, sizeof out.sun_path, "%s/agent.sock", dir);
    return out;
}

static void clean_up(void) {
    struct sockaddr_un at = address();
    char command[80];
    (void)unlink(at.sun_path);
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    (void)!system(command); // NOLINT(cert-env33-c): a path of our own
}

static void set_up(void) {
    char logs[80];
    if (dir[0] != '\0') return;
    (void)snprintf(dir, sizeof dir, "/dev/shm/warren-fuzz-XXXXXX");
    CHECK(mkdtemp(dir) != NULL);
    (void)snprintf(logs, sizeof logs, "%s/logs", dir);
    CHECK(mkdir(logs, 0700) == 0);
    (void)atexit(clean_up);
    CHECK(setenv("WARREN_NODE", "/nonexistent", 1) == 0);
}

static int listen_at(void) {
    struct sockaddr_un at = address();
    (void)unlink(at.sun_path);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, BACKLOG) == 0);
    return fd;
}

// ---- the others

static void come(client *c) {
    struct sockaddr_un at = address();
    c->has_said_hello = c->is_odd = false;
    c->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    CHECK(c->fd >= 0 && connect(c->fd, (struct sockaddr *)&at, sizeof at) == 0);
}

// Reads what the agent says: a command line can read all of it. False: it has closed the socket.
static bool read_all(const client *c) {
    static uint8_t bytes[MESH_PACKET_LEN_MAX];
    for (;;) {
        mesh_packet packet;
        int err = mesh_packet_receive(c->fd, MSG_DONTWAIT, bytes, &packet);
        if (err == -EAGAIN) return true;
        if (err != 0) return false;
        for (size_t i = 0; i < packet.fd_count; i++)
            close(packet.fds[i]);
        if (c->is_odd) continue;
        Warren__Agent__Reply *reply = warren__agent__reply__unpack(NULL, packet.len, bytes);
        CHECK(reply != NULL);
        warren__agent__reply__free_unpacked(reply, NULL);
    }
}

static void turn(void) {
    for (int i = 0; i < 3; i++)
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    for (int i = 0; i < CLIENTS; i++) {
        if (read_all(&command_lines[i])) continue;
        close(command_lines[i].fd);
        come(&command_lines[i]);
    }
}

static void say(client *c, uint8_t kind, mesh_bytes body) {
    static const uint8_t hello[] = {0x10, 1, 0x18, 7};
    uint8_t packet[PACKET_MAX + 9], *at = packet;
    bool is_release = (kind >= OFFER && kind <= COLLECT) || // their tags have two bytes
                      (kind >= READ_DEPLOYED && kind <= DRAIN_HOST);
    if (is_release || kind % (KINDS + 1) != 0) {
        if (!c->has_said_hello)
            (void)mesh_packet_send(c->fd, (mesh_bytes){hello, sizeof hello}, NULL, 0);
        c->has_said_hello = true;
        if (is_release) *at++ = (uint8_t)(0x80 | ((kind << 3 | 2) & 0x7f));
        *at++ = (uint8_t)(is_release ? kind >> 4 : kind % (KINDS + 1) << 3 | 2);
        *at++ = (uint8_t)(0x80 | (body.len & 0x7f));
        *at++ = (uint8_t)(body.len >> 7);
    }
    c->is_odd |= !is_release && kind % (KINDS + 1) == 0;
    if (body.len > 0) memcpy(at, body.data, body.len);
    size_t len = (size_t)(at - packet) + body.len;
    if (len > 0) (void)mesh_packet_send(c->fd, (mesh_bytes){packet, len}, NULL, 0);
}

static void say_all(mesh_bytes input) {
    while (input.len >= HEAD_LEN) {
        uint8_t who = input.data[0], kind = input.data[1];
        size_t len = load_be16(input.data + 2) % PACKET_MAX;
        input = mesh_bytes_skip(input, HEAD_LEN);
        if (len > input.len) len = input.len;
        say(&command_lines[who % CLIENTS], kind, (mesh_bytes){input.data, len});
        input = mesh_bytes_skip(input, len);
        if (who & 2) turn();
    }
    turn();
}

static bool nobody_signs(void *user, deploy_signer *out) {
    (void)user;
    (void)out;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    set_up();
    CHECK(uv_loop_init(&loop) == 0);
    agent_services_options of_services = {
        .loop = &loop, .dir = dir, .host = "host", .seed = 1, .on_changed = on_nothing};
    agent_services *services = agent_services_create(&of_services);
    agent_releases *releases = agent_releases_create(
        &(agent_releases_options){.loop = &loop, .dir = dir, .signer = nobody_signs});
    agent_store *store;
    char text[AGENT_VAULT_TEXT_MAX];
    CHECK(agent_store_create(&loop, dir, NULL, &store, text) == 0);
    // It takes no part: what is asked is judged, and then refused.
    agent_deployer *deployer =
        agent_deployer_create(&(agent_deployer_options){.loop = &loop,
                                                        .dir = dir,
                                                        .store = store,
                                                        .services = services,
                                                        .releases = releases,
                                                        .is_ephemeral = true,
                                                        .cluster = no_cluster});
    agent_clients_options options = {.loop = &loop,
                                     .dir = dir,
                                     .listen_fd = listen_at(),
                                     .services = services,
                                     .releases = releases,
                                     .store = store,
                                     .deployer = deployer,
                                     .on_changed = on_nothing,
                                     .on_shutdown = on_nothing,
                                     .cluster = no_cluster,
                                     .cluster_trouble = no_trouble,
                                     .on_open_cluster = on_open_cluster,
                                     .on_leave_cluster = on_nothing};
    agent_clients *clients;
    CHECK(agent_clients_open(&options, &clients) == 0);
    for (int i = 0; i < CLIENTS; i++)
        come(&command_lines[i]);
    say_all((mesh_bytes){data, size});
    for (int i = 0; i < CLIENTS; i++)
        close(command_lines[i].fd);
    agent_clients_close(clients);
    agent_store_destroy(store);
    agent_deployer_destroy(deployer);
    agent_services_destroy(services);
    agent_releases_destroy(releases);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&loop) == 0);
    return 0;
}
