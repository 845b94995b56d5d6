#include "agent/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/descriptors.h"
#include "core/limits.h"
#include "core/mem.h"
#include "io/packet.h"
#include "keeper.pb-c.h"

enum {
    LOOK_MS = 2000, // without an agent: is the directory still there?
    SEND_PATIENCE_S = 10,
    AGAIN_MS = 2, // too many descriptors are on their way
    AGAIN_MAX = 2000,
    LINGER_MS = 60000, // longer than whoever supervises an agent takes to start the next one
    PIPES_OF_SLOT = 3, // descriptors before its control socket and its pidfd
};

typedef struct record {
    uint32_t kind;
    uint64_t id;
    uint8_t *state;
    size_t state_len, fd_count;
    int fds[MESH_PACKET_FDS_MAX];
    int pidfd;      // one of them; -1: there is none
    bool has_ended; // its process
} record;

typedef struct keeper {
    int listen_fd, agent_fd; // agent_fd -1: nobody
    char path[PATH_MAX];
    struct stat place;
    record *records;
    size_t count, cap;
    uint64_t alone_since_ms, orphan_ms; // orphan_ms 0: for ever
    uint64_t needed_at_ms, linger_ms;   // when something lived last, or an agent was there
    bool has_quit;
    uint8_t packet[MESH_PACKET_LEN_MAX];
} keeper;

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

// ---- records

static record *find(keeper *k, uint32_t kind, uint64_t id) {
    for (size_t i = k->count; i-- > 0;) // the newest are asked for most
        if (k->records[i].id == id && k->records[i].kind == kind) return &k->records[i];
    return NULL;
}

static void close_fds(record *r) {
    for (size_t i = 0; i < r->fd_count; i++)
        close(r->fds[i]);
    r->fd_count = 0;
}

// Of the descriptors that came with a slot.
static int pidfd_of(const Warren__Keeper__Put *body, const mesh_packet *packet) {
    if (body->kind != WARREN__KEEPER__KIND__SLOT) return -1;
    Warren__Keeper__Slot *slot =
        warren__keeper__slot__unpack(NULL, body->state.len, body->state.data);
    if (slot == NULL) return -1;
    size_t at = PIPES_OF_SLOT + (size_t)slot->has_control;
    int fd = slot->has_pidfd && at < packet->fd_count ? packet->fds[at] : -1;
    warren__keeper__slot__free_unpacked(slot, NULL);
    return fd;
}

static void put(keeper *k, const Warren__Keeper__Put *body, mesh_packet *packet) {
    record *r = find(k, (uint32_t)body->kind, body->id);
    if (r == NULL) {
        if (k->count == AGENT_KEEPER_RECORDS_MAX) return;
        k->records = mem_grow(k->records, sizeof *k->records, k->count + 1, &k->cap);
        r = &k->records[k->count++];
        *r = (record){.kind = (uint32_t)body->kind, .id = body->id};
    }
    free(r->state);
    r->state = mem_copy(body->state.data, body->state.len);
    r->state_len = body->state.len;
    if (body->keeps_fds) return;
    close_fds(r);
    r->pidfd = pidfd_of(body, packet);
    r->has_ended = false;
    memcpy(r->fds, packet->fds, sizeof r->fds);
    r->fd_count = packet->fd_count;
    packet->fd_count = 0; // they are ours now
}

static void drop(keeper *k, const Warren__Keeper__Drop *body) {
    record *r = find(k, (uint32_t)body->kind, body->id);
    if (r == NULL) return;
    close_fds(r);
    free(r->state);
    *r = k->records[--k->count];
}

// A process whose end cannot be seen is taken for one that lives.
static bool lives(record *r) {
    if (r->kind != WARREN__KEEPER__KIND__SLOT || r->fd_count == 0 || r->has_ended) return false;
    struct pollfd one = {.fd = r->pidfd, .events = POLLIN};
    r->has_ended = r->pidfd >= 0 && poll(&one, 1, 0) > 0;
    return !r->has_ended;
}

static bool has_service(const keeper *k) {
    for (size_t i = 0; i < k->count; i++)
        if (k->records[i].kind == WARREN__KEEPER__KIND__SERVICE) return true;
    return false;
}

static bool has_living(keeper *k) {
    for (size_t i = 0; i < k->count; i++)
        if (lives(&k->records[i])) return true;
    return false;
}

// ---- the agent

static bool send_message(keeper *k, const Warren__Keeper__ToAgent *message, const int *fds,
                         size_t fd_count) {
    size_t len = warren__keeper__to_agent__get_packed_size(message);
    if (len > MESH_PACKET_LEN_MAX) return true; // it could not have come either
    uint8_t *bytes = mem_alloc(len);
    warren__keeper__to_agent__pack(message, bytes);
    static const struct timespec pause = {.tv_nsec = AGAIN_MS * 1000000L};
    int err = mesh_packet_send(k->agent_fd, (mesh_bytes){bytes, len}, fds, fd_count);
    for (int i = 0; err == -ETOOMANYREFS && i < AGAIN_MAX; i++) {
        (void)nanosleep(&pause, NULL);
        err = mesh_packet_send(k->agent_fd, (mesh_bytes){bytes, len}, fds, fd_count);
    }
    free(bytes);
    return err == 0;
}

static bool tell_all(keeper *k) {
    for (size_t i = 0; i < k->count; i++) {
        const record *r = &k->records[i];
        Warren__Keeper__Put body = WARREN__KEEPER__PUT__INIT;
        Warren__Keeper__ToAgent message = WARREN__KEEPER__TO_AGENT__INIT;
        body.kind = (Warren__Keeper__Kind)r->kind;
        body.id = r->id;
        body.state = (ProtobufCBinaryData){r->state_len, r->state};
        message.kind_case = WARREN__KEEPER__TO_AGENT__KIND_PUT;
        message.put = &body;
        if (!send_message(k, &message, r->fds, r->fd_count)) return false;
    }
    Warren__Keeper__End end = WARREN__KEEPER__END__INIT;
    Warren__Keeper__ToAgent message = WARREN__KEEPER__TO_AGENT__INIT;
    message.kind_case = WARREN__KEEPER__TO_AGENT__KIND_END;
    message.end = &end;
    return send_message(k, &message, NULL, 0);
}

static void lose_agent(keeper *k) {
    close(k->agent_fd);
    k->agent_fd = -1;
    k->alone_since_ms = k->needed_at_ms = now_ms();
}

// Whoever holds the agent's lock connects: one that comes takes the place of the one before.
static void take_agent(keeper *k) {
    int fd = accept4(k->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) return;
    struct ucred peer = {0};
    socklen_t len = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0 ||
        (peer.uid != geteuid() && peer.uid != 0)) {
        close(fd);
        return;
    }
    if (k->agent_fd >= 0) close(k->agent_fd);
    k->agent_fd = fd;
    const struct timeval patience = {.tv_sec = SEND_PATIENCE_S};
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (!tell_all(k)) lose_agent(k);
}

static void receive(keeper *k) {
    mesh_packet packet;
    int err = mesh_packet_receive(k->agent_fd, MSG_DONTWAIT, k->packet, &packet);
    if (err == -EAGAIN) return;
    if (err != 0) {
        lose_agent(k);
        return;
    }
    Warren__Keeper__ToKeeper *m = warren__keeper__to_keeper__unpack(NULL, packet.len, k->packet);
    if (m != NULL && m->kind_case == WARREN__KEEPER__TO_KEEPER__KIND_PUT) put(k, m->put, &packet);
    if (m != NULL && m->kind_case == WARREN__KEEPER__TO_KEEPER__KIND_DROP) drop(k, m->drop);
    if (m != NULL && m->kind_case == WARREN__KEEPER__TO_KEEPER__KIND_QUIT) k->has_quit = true;
    if (m != NULL) warren__keeper__to_keeper__free_unpacked(m, NULL);
    mesh_packet_close_fds(&packet);
}

// Nobody can come any more, or nobody did in time, or has anything to come for: what has ended is
// kept for a while, because the next agent knows how it ended and may start it again.
static bool is_forsaken(keeper *k) {
    struct stat now;
    uint64_t at_ms = now_ms();
    if (k->agent_fd >= 0) return false;
    if (!has_service(k)) return true;
    if (has_living(k))
        k->needed_at_ms = at_ms;
    else if (at_ms - k->needed_at_ms >= k->linger_ms)
        return true;
    if (stat(k->path, &now) != 0 || now.st_ino != k->place.st_ino) return true;
    return k->orphan_ms != 0 && at_ms - k->alone_since_ms >= k->orphan_ms;
}

static void serve(keeper *k) {
    while (!k->has_quit && !is_forsaken(k)) {
        struct pollfd fds[] = {{.fd = k->listen_fd, .events = POLLIN},
                               {.fd = k->agent_fd, .events = POLLIN}};
        if (poll(fds, 2, k->agent_fd >= 0 ? -1 : LOOK_MS) < 0 && errno != EINTR) return;
        if (fds[1].revents != 0)
            receive(k); // all that the one before said
        else if (fds[0].revents != 0)
            take_agent(k);
    }
}

static uint64_t seconds_of(const char *variable, uint64_t default_ms) {
    const char *text = getenv(variable);
    return text != NULL ? strtoull(text, NULL, 10) * 1000 : default_ms;
}

int agent_keeper_main(const char *dir) {
    static keeper k;
    struct sigaction ignored = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &ignored, NULL);
    (void)sigaction(SIGINT, &ignored, NULL);
    (void)sigaction(SIGHUP, &ignored, NULL);
    (void)prctl(PR_SET_NAME, "warren-keeper");
    (void)prctl(PR_SET_DUMPABLE, 0);
    agent_descriptors_raise();
    (void)fcntl(AGENT_KEEPER_FD, F_SETFD, FD_CLOEXEC);
    k.listen_fd = AGENT_KEEPER_FD;
    k.agent_fd = -1;
    k.orphan_ms = seconds_of("WARREN_ORPHAN_TIMEOUT", 0);
    k.linger_ms = seconds_of("WARREN_KEEP_ENDED", LINGER_MS);
    (void)snprintf(k.path, sizeof k.path, "%s/keeper.sock", dir);
    if (stat(k.path, &k.place) != 0) return 1;
    // The agent that started this one is in the queue, or died before it was.
    struct pollfd first = {.fd = k.listen_fd, .events = POLLIN};
    if (poll(&first, 1, SEND_PATIENCE_S * 1000) <= 0) return 1;
    take_agent(&k);
    serve(&k);
    return 0; // its descriptors close: what still runs ends by its leash
}
