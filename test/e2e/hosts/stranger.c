// Somebody on the network without a key: stranger KIND ADDRESS COUNT [HEX]. Goes on until it is
// killed, and says each second, as JSON, what it did so far and how many bytes it heard.
//   silent     COUNT connections that say nothing, made again when they are cut off
//   slow       the same, with a byte now and then
//   garbage    the same, with random first messages, half of which begin as ours do
//   knocks     COUNT connections a second that each say one first message: HEX, or one sealed with
//   a key that is not the cluster's datagrams  COUNT garbage datagrams a second, half of which
//   begin as ours do
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/mem.h"
#include "secure/knock.h"

enum {
    PORT = 7400,
    CONNECTIONS_MAX = 15000,
    EVENTS = 512,
    AGAIN_MS = 100, // after a connection was cut off
    BYTE_EVERY_MS = 500,
    GARBAGE_LEN = 2 * MESH_KNOCK_LEN,
    BATCH = 64, // datagrams of one call
    DATAGRAM_MIN = 20,
    DATAGRAM_MAX = 1400,
};

typedef enum kind { SILENT, SLOW, GARBAGE, KNOCKS, DATAGRAMS } kind;

typedef struct connection {
    int fd; // -1: not there
    bool is_made;
    uint64_t due_ms; // to be made, or to say a byte
} connection;

static struct sockaddr_in target = {.sin_family = AF_INET};
static kind what;
static uint32_t wanted; // connections at a time, or a second
static uint8_t knock[MESH_KNOCK_LEN];
static connection connections[CONNECTIONS_MAX];
static int epoll_fd;
static struct { uint64_t made, ended, heard; } counts;

static uint64_t now_ms(void) {
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000 + (uint64_t)at.tv_nsec / 1000000;
}

static void say_counts(void) {
    static uint64_t said_at_ms;
    if (now_ms() < said_at_ms + 1000) return;
    said_at_ms = now_ms();
    (void)printf("{\"made\":%llu,\"ended\":%llu,\"heard\":%llu}\n", (unsigned long long)counts.made,
                 (unsigned long long)counts.ended, (unsigned long long)counts.heard);
}

static uint32_t some(uint32_t below) { // xorshift: it need not be good, only fast
    static uint64_t state = 88172645463325252ULL;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % below;
}

static void fill(uint8_t *bytes, size_t len) {
    (void)getrandom(bytes, len, 0);
}

// ---- connections

// A wrong seal on what is otherwise whole.
static void make_knock(void) {
    fill(knock, sizeof knock);
    const mesh_preamble preamble = {.major = MESH_WIRE_MAJOR, .kind = MESH_KIND_AGENT, .psk_id = 1};
    const uint8_t key[MESH_KNOCK_KEY_LEN] = {1};
    knock[MESH_PREAMBLE_LEN] = 0;
    knock[MESH_PREAMBLE_LEN + 1] = MESH_KNOCK_LEN - MESH_PREAMBLE_LEN - 2;
    mesh_knock_write(&preamble, key, knock + MESH_PREAMBLE_LEN, knock);
}

static void close_connection(connection *c, uint64_t now) {
    close(c->fd);
    *c = (connection){.fd = -1, .due_ms = what == KNOCKS ? UINT64_MAX : now + AGAIN_MS};
    counts.ended++;
}

static void open_connection(connection *c, uint64_t now) {
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0) return;
    if (connect(c->fd, (struct sockaddr *)&target, sizeof target) != 0 && errno != EINPROGRESS) {
        close_connection(c, now);
        return;
    }
    struct epoll_event events = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
    (void)epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &events);
    c->due_ms = UINT64_MAX;
}

static void speak_first(connection *c, uint64_t now) {
    uint8_t bytes[GARBAGE_LEN];
    c->is_made = true;
    counts.made++;
    struct epoll_event events = {.events = EPOLLIN, .data.ptr = c};
    (void)epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &events);
    if (what == SLOW) c->due_ms = now + BYTE_EVERY_MS;
    if (what == KNOCKS) (void)send(c->fd, knock, sizeof knock, MSG_NOSIGNAL);
    if (what != GARBAGE) return;
    fill(bytes, sizeof bytes);
    if (some(2) == 0)
        memcpy(bytes, (const uint8_t[]){'w', 'r', 'n', '!', 1, (uint8_t)(1 + some(4))}, 6);
    (void)send(c->fd, bytes, sizeof bytes, MSG_NOSIGNAL);
}

static void on_event(connection *c, uint32_t events, uint64_t now) {
    uint8_t bytes[4096];
    if (!c->is_made && (events & EPOLLOUT) && !(events & (EPOLLERR | EPOLLHUP)))
        speak_first(c, now);
    if (!(events & (EPOLLIN | EPOLLERR | EPOLLHUP))) return;
    ssize_t len = recv(c->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (len > 0)
        counts.heard += (uint64_t)len;
    else if (len == 0 || errno != EAGAIN)
        close_connection(c, now);
}

static void keep_connections(uint64_t now) {
    for (uint32_t i = 0; i < wanted; i++) {
        connection *c = &connections[i];
        if (c->due_ms > now) continue;
        if (c->fd < 0) {
            open_connection(c, now);
        } else {
            (void)send(c->fd, "x", 1, MSG_NOSIGNAL);
            c->due_ms = now + BYTE_EVERY_MS;
        }
    }
}

// As many as are due by now, wherever there is room.
static void knock_on(uint64_t since_ms, uint64_t now) {
    static uint64_t begun;
    static uint32_t next;
    uint64_t due = (now - since_ms) * wanted / 1000;
    for (uint32_t looked = 0; begun < due && looked < CONNECTIONS_MAX; looked++) {
        connection *c = &connections[next++ % CONNECTIONS_MAX];
        if (c->fd >= 0) continue;
        open_connection(c, now);
        begun++;
    }
    if (begun < due) begun = due; // no room: they are not made up for
}

static void connect_for_ever(void) {
    epoll_fd = epoll_create1(0);
    for (uint32_t i = 0; i < CONNECTIONS_MAX; i++)
        connections[i].fd = -1;
    for (uint64_t since_ms = now_ms();;) {
        struct epoll_event events[EVENTS];
        uint64_t now = now_ms();
        if (what == KNOCKS)
            knock_on(since_ms, now);
        else
            keep_connections(now);
        int count = epoll_wait(epoll_fd, events, EVENTS, 1);
        for (int i = 0; i < count; i++)
            on_event(events[i].data.ptr, events[i].events, now);
        say_counts();
    }
}

// ---- datagrams

static void listen_for_answers(int fd) {
    uint8_t bytes[2048];
    for (ssize_t len; (len = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0;)
        counts.heard += (uint64_t)len;
}

static void send_for_ever(void) {
    static uint8_t bytes[BATCH][DATAGRAM_MAX];
    struct mmsghdr messages[BATCH] = {0};
    struct iovec parts[BATCH];
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&target, sizeof target) == 0);
    for (uint32_t i = 0; i < BATCH; i++) {
        fill(bytes[i], sizeof bytes[i]);
        if (i % 2 == 0) memcpy(bytes[i], (const uint8_t[]){1, 1, 0, 0}, 4);
    }
    for (uint64_t since_ms = now_ms();;) {
        listen_for_answers(fd); // also where a slow machine never comes to a rest
        say_counts();
        if (counts.made >= (now_ms() - since_ms) * wanted / 1000) {
            (void)usleep(200);
            continue;
        }
        for (uint32_t i = 0; i < BATCH; i++) {
            fill(bytes[i] + 4, 16); // no two are the same
            parts[i] = (struct iovec){bytes[i], DATAGRAM_MIN + some(DATAGRAM_MAX - DATAGRAM_MIN)};
            messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
        }
        int sent = sendmmsg(fd, messages, BATCH, 0);
        if (sent > 0) counts.made += (uint64_t)sent;
    }
}

int main(int argc, char **argv) {
    static const char *const names[] = {"silent", "slow", "garbage", "knocks", "datagrams"};
    struct rlimit files = {CONNECTIONS_MAX + 64, CONNECTIONS_MAX + 64};
    setvbuf(stdout, NULL, _IOLBF, 0); // a test waits for its lines
    CHECK(argc >= 4 && inet_pton(AF_INET, argv[2], &target.sin_addr) == 1);
    target.sin_port = htons(PORT);
    wanted = (uint32_t)strtoul(argv[3], NULL, 10);
    while (strcmp(argv[1], names[what]) != 0)
        what++;
    CHECK(what == KNOCKS || what == DATAGRAMS || wanted <= CONNECTIONS_MAX);
    CHECK(setrlimit(RLIMIT_NOFILE, &files) == 0);
    make_knock();
    for (size_t i = 0; argc > 4 && i < sizeof knock; i++) {
        unsigned byte = 0;
        CHECK(sscanf(argv[4] + 2 * i, "%2x", &byte) == 1);
        knock[i] = (uint8_t)byte;
    }
    if (what == DATAGRAMS)
        send_for_ever();
    else
        connect_for_ever();
}
