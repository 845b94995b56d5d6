// What nodes say to their agent, on their control sockets (node.proto). The input is a list of
// packets: u8 who, u8 what it is, u16 length, that many bytes. What it is: a whole ToAgent, or the
// inside of one of its messages, so that the search need not find the frame around it. Two members
// are there, one launched and one attached; who is turned away comes again. Leases are of a file.
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/leases.h"
#include "agent/members.h"
#include "core/be.h"
#include "core/limits.h"
#include "core/mem.h"
#include "fuzz.h"
#include "io/packet.h"
#include "io/steady.h"
#include "node.pb-c.h"

enum { MEMBERS = 2, HEAD_LEN = 4, PACKET_MAX = 2048, KINDS = 8, HOST_STARTED_MS = 1000 };
enum {
    LEASE_KINDS_FROM = 250,
    LEASE_KINDS = 3,
    LEASE_FIELD = 20
}; // ToAgent.lease_ask and after it

static uv_loop_t loop;
static agent_members *members;
static int fds[MEMBERS];
static agent_member *launched; // the other one is forgotten by itself
static uint64_t next_id;
static agent_leases *leases;
static agent_store *store;
static char dir[32]; // its file's

static int on_listen(const agent_member *member, const agent_listen *request, void *user) {
    (void)member;
    (void)user;
    return request->port == 80 ? -EACCES : STDERR_FILENO;
}

static void on_attached_end(void *user) {
    (void)user;
}

static void add(int at) {
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    fds[at] = pair[0];
    agent_member_info info = {.node_id = next_id++,
                              .name = at == 0 ? "app.0" : "guest",
                              .service = at == 0 ? "app" : "guest",
                              .pid = 100,
                              .is_attached = at == 1};
    agent_member *member;
    CHECK(agent_members_add(members, pair[1], &info, &member) == 0);
    if (at == 0) launched = member;
}

// Reads what the agent says: it must be whole. False: it has closed the socket.
static bool read_all(int fd) {
    static uint8_t bytes[MESH_PACKET_LEN_MAX];
    for (;;) {
        mesh_packet packet;
        int err = mesh_packet_receive(fd, MSG_DONTWAIT, bytes, &packet);
        if (err == -EAGAIN) return true;
        if (err != 0) return false;
        for (size_t i = 0; i < packet.fd_count; i++)
            close(packet.fds[i]);
        Warren__Node__ToNode *message = warren__node__to_node__unpack(NULL, packet.len, bytes);
        CHECK(message != NULL);
        warren__node__to_node__free_unpacked(message, NULL);
    }
}

static void turn(void) {
    for (int i = 0; i < 3; i++)
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    for (int at = 0; at < MEMBERS; at++) {
        if (read_all(fds[at])) continue;
        close(fds[at]);
        agent_member_end end = {.reason = "crash", .code = 1};
        if (at == 0) agent_members_end(members, launched, &end);
        add(at);
    }
}

// LeaseAsk.clock, which is of this machine; the last one counts.
static size_t put_clock(uint8_t *to) {
    uint64_t left = mesh_steady_clock_number();
    size_t len = 0;
    to[len++] = 5 << 3;
    for (; left >= 0x80; left >>= 7)
        to[len++] = (uint8_t)(left | 0x80);
    to[len++] = (uint8_t)left;
    return len;
}

// `kind` 0: as it is; else the field of ToAgent with that number around it, or one of leases.
static void say(int fd, uint8_t kind, mesh_bytes body) {
    uint8_t packet[PACKET_MAX + 8], inside[PACKET_MAX + 16], *at = packet;
    if (kind == LEASE_KINDS_FROM && body.len < PACKET_MAX - 16) {
        if (body.len > 0) memcpy(inside, body.data, body.len);
        body = (mesh_bytes){inside, body.len + put_clock(inside + body.len)};
    }
    uint32_t field = kind % (KINDS + 1);
    if (kind >= LEASE_KINDS_FROM) field = LEASE_FIELD + (kind - LEASE_KINDS_FROM) % LEASE_KINDS;
    if (field != 0) {
        uint32_t tag = field << 3 | 2;
        if (tag >= 0x80) *at++ = (uint8_t)(0x80 | tag);
        *at++ = (uint8_t)(tag >= 0x80 ? tag >> 7 : tag);
        *at++ = (uint8_t)(0x80 | (body.len & 0x7f));
        *at++ = (uint8_t)(body.len >> 7);
    }
    if (body.len > 0) memcpy(at, body.data, body.len);
    size_t len = (size_t)(at - packet) + body.len;
    if (len > 0) (void)mesh_packet_send(fd, (mesh_bytes){packet, len}, NULL, 0);
}

static bool is_in_cluster(void *user) {
    (void)user;
    return false;
}

static void on_idle(void *user) {
    (void)user;
}

static void remove_store(void) {
    for (size_t i = 0; i < 3; i++) {
        static const char *const ends[] = {"/store.db", "/store.db-wal", ""};
        char path[64];
        (void)snprintf(path, sizeof path, "%s%s", dir, ends[i]);
        (void)remove(path);
    }
}

static void open_leases(void) {
    char text[AGENT_VAULT_TEXT_MAX];
    if (dir[0] == '\0') {
        (void)snprintf(dir, sizeof dir, "/tmp/warren-fuzz-XXXXXX");
        CHECK(mkdtemp(dir) != NULL);
        (void)atexit(remove_store);
    }
    CHECK(agent_store_create(&loop, dir, NULL, &store, text) == 0);
    leases = agent_leases_create(&(agent_leases_options){.loop = &loop,
                                                         .store = store,
                                                         .members = members,
                                                         .is_in_cluster = is_in_cluster,
                                                         .on_idle = on_idle});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    agent_members_events events = {.on_listen = on_listen, .on_attached_end = on_attached_end};
    mesh_bytes input = {data, size};
    next_id = 1;
    CHECK(uv_loop_init(&loop) == 0);
    members = agent_members_create(&loop, "host", HOST_STARTED_MS, &events, NULL);
    open_leases();
    for (int at = 0; at < MEMBERS; at++)
        add(at);
    while (input.len >= HEAD_LEN) {
        uint8_t who = input.data[0], kind = input.data[1];
        size_t len = load_be16(input.data + 2) % PACKET_MAX;
        input = mesh_bytes_skip(input, HEAD_LEN);
        if (len > input.len) len = input.len;
        say(fds[who % MEMBERS], kind, (mesh_bytes){input.data, len});
        input = mesh_bytes_skip(input, len);
        if (who & 2) turn();
    }
    turn();
    for (int at = 0; at < MEMBERS; at++)
        close(fds[at]);
    agent_leases_destroy(leases);
    agent_members_destroy(members);
    agent_store_destroy(store);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&loop) == 0);
    return 0;
}
