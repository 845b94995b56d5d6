#include "io/gate.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/limits.h"
#include "core/mem.h"
#include "io/tcp.h"

enum {
    SWEEP_EVERY_MS = 250,
    ACCEPTS_PER_TURN = 64,
    ADDRESS_LEN = 8,    // of IPv6 the network: one host has as many addresses in it as it likes
    KNOCKS_KEPT = 1024, // a knock that was seen and comes again is a recording
};

typedef struct guest { // connected, and silent so far
    uv_poll_t poll;
    mesh_gate *gate;
    int fd;
    uint8_t address[ADDRESS_LEN];
    uint64_t due_ms;
} guest;

struct mesh_gate {
    uv_loop_t *loop;
    uv_poll_t poll;
    uv_timer_t sweep;
    int fd, handle_count;
    bool is_resting; // out of descriptors: until the next sweep
    mesh_gate_events events;
    void *user;
    guest *guests[MESH_SILENT_MAX]; // oldest first
    uint32_t guest_count;
    uint8_t knocks[KNOCKS_KEPT][MESH_KNOCK_LEN - MESH_PREAMBLE_BOUND_LEN];
    uint32_t knock_next;
    mesh_gate_stats stats;
};

// ---- guests

static void on_guest_closed(uv_handle_t *handle) {
    free(handle->data);
}

// Leaves the socket alone.
static void forget(mesh_gate *gate, uint32_t index) {
    guest *one = gate->guests[index];
    memmove(gate->guests + index, gate->guests + index + 1,
            (--gate->guest_count - index) * sizeof(guest *));
    uv_close((uv_handle_t *)&one->poll, on_guest_closed);
}

static void cut_off(mesh_gate *gate, uint32_t index) {
    int fd = gate->guests[index]->fd;
    forget(gate, index);
    close(fd);
    gate->stats.strangers++;
}

static uint32_t index_of(const mesh_gate *gate, const guest *one) {
    uint32_t i = 0;
    while (gate->guests[i] != one)
        i++;
    return i;
}

static uint32_t count_of(const mesh_gate *gate, const uint8_t address[ADDRESS_LEN]) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < gate->guest_count; i++)
        count += memcmp(gate->guests[i]->address, address, ADDRESS_LEN) == 0;
    return count;
}

// The oldest of the address that has the most: one that floods makes room for others by itself.
static uint32_t choose_victim(const mesh_gate *gate) {
    uint32_t victim = 0, most = 0;
    for (uint32_t i = 0; i < gate->guest_count; i++) {
        uint32_t count = count_of(gate, gate->guests[i]->address);
        if (count <= most) continue;
        most = count;
        victim = i;
    }
    return victim;
}

static void make_room(mesh_gate *gate, const uint8_t address[ADDRESS_LEN]) {
    if (count_of(gate, address) >= MESH_SILENT_PER_ADDRESS_MAX) {
        uint32_t i = 0;
        while (memcmp(gate->guests[i]->address, address, ADDRESS_LEN) != 0)
            i++;
        cut_off(gate, i);
    } else if (gate->guest_count == MESH_SILENT_MAX) {
        cut_off(gate, choose_victim(gate));
    }
}

// ---- the knock

// Salt, key and seal: whole and unchanged only in a recording.
static bool is_recording(mesh_gate *gate, const uint8_t bytes[MESH_KNOCK_LEN]) {
    const uint8_t *rest = bytes + MESH_PREAMBLE_BOUND_LEN;
    for (uint32_t i = 0; i < KNOCKS_KEPT; i++)
        if (memcmp(gate->knocks[i], rest, sizeof gate->knocks[i]) == 0) return true;
    memcpy(gate->knocks[gate->knock_next], rest, sizeof gate->knocks[0]);
    gate->knock_next = (gate->knock_next + 1) % KNOCKS_KEPT;
    return false;
}

static bool judge(mesh_gate *gate, const uint8_t bytes[MESH_KNOCK_LEN], mesh_preamble *out) {
    if (mesh_knock_peek(bytes, out) != 0) return false;
    const uint8_t *key = gate->events.on_preamble(out, gate->user);
    return key != NULL && mesh_knock_judge(bytes, key, out) == 0 && !is_recording(gate, bytes);
}

static void set_wake(int fd, int len) { // how many bytes must be there before poll() says so
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &len, sizeof len);
}

static void on_guest_poll(uv_poll_t *poll, int status, int events) {
    guest *one = poll->data;
    mesh_gate *gate = one->gate;
    uint8_t bytes[MESH_KNOCK_LEN];
    mesh_preamble preamble;
    (void)events;
    ssize_t len = status < 0 ? -1 : recv(one->fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
    if (len < 0 && errno == EAGAIN && status == 0) return;
    // Fewer bytes are told only when no more will come.
    if (len != (ssize_t)sizeof bytes || !judge(gate, bytes, &preamble)) {
        cut_off(gate, index_of(gate, one));
        return;
    }
    int fd = one->fd;
    forget(gate, index_of(gate, one));
    set_wake(fd, 1);
    mesh_tcp_tune(fd);
    gate->stats.accepted++;
    gate->events.on_guest(fd, &preamble, gate->user);
}

// ---- the port

static void address_of(const struct sockaddr_storage *from, uint8_t out[ADDRESS_LEN]) {
    memset(out, 0, ADDRESS_LEN);
    if (from->ss_family == AF_INET) {
        memcpy(out, &((const struct sockaddr_in *)from)->sin_addr, sizeof(struct in_addr));
        return;
    }
    struct in6_addr ip;
    memcpy(&ip, &((const struct sockaddr_in6 *)from)->sin6_addr, sizeof ip);
    bool is_v4 = IN6_IS_ADDR_V4MAPPED(&ip);
    memcpy(out, ip.s6_addr + (is_v4 ? 12 : 0), is_v4 ? 4 : ADDRESS_LEN);
}

static void on_sweep(uv_timer_t *timer);

static void receive_guest(mesh_gate *gate, int fd, const struct sockaddr_storage *from) {
    guest *one = mem_alloc(sizeof *one);
    if (uv_poll_init(gate->loop, &one->poll, fd) != 0) {
        close(fd);
        free(one);
        return;
    }
    address_of(from, one->address);
    make_room(gate, one->address);
    one->poll.data = one;
    one->gate = gate;
    one->fd = fd;
    one->due_ms = uv_now(gate->loop) + MESH_KNOCK_TIMEOUT_MS;
    gate->guests[gate->guest_count++] = one;
    set_wake(fd, MESH_KNOCK_LEN);
    (void)uv_poll_start(&one->poll, UV_READABLE, on_guest_poll);
    if (!uv_is_active((uv_handle_t *)&gate->sweep))
        (void)uv_timer_start(&gate->sweep, on_sweep, SWEEP_EVERY_MS, SWEEP_EVERY_MS);
}

static bool is_out_of_memory(int err) {
    return err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM;
}

// The connection stays in the kernel's queue, so the port would call back for ever.
static void rest(mesh_gate *gate) {
    gate->is_resting = true;
    (void)uv_poll_stop(&gate->poll);
    (void)uv_timer_start(&gate->sweep, on_sweep, SWEEP_EVERY_MS, SWEEP_EVERY_MS);
}

static void on_port_poll(uv_poll_t *poll, int status, int events) {
    mesh_gate *gate = poll->data;
    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct sockaddr_storage from = {0};
        socklen_t len = sizeof from;
        int fd = accept4(gate->fd, (struct sockaddr *)&from, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            receive_guest(gate, fd, &from);
            continue;
        }
        if (errno == EAGAIN) return;
        if (is_out_of_memory(errno)) {
            rest(gate);
            return;
        }
    }
}

static void on_sweep(uv_timer_t *timer) {
    mesh_gate *gate = timer->data;
    while (gate->guest_count > 0 && gate->guests[0]->due_ms <= uv_now(gate->loop))
        cut_off(gate, 0);
    if (gate->is_resting) {
        gate->is_resting = false;
        (void)uv_poll_start(&gate->poll, UV_READABLE, on_port_poll);
    }
    if (gate->guest_count == 0) (void)uv_timer_stop(timer);
}

int mesh_gate_open(uv_loop_t *loop, int listen_fd, const mesh_gate_events *events, void *user,
                   mesh_gate **out) {
    mesh_gate *gate = mem_alloc(sizeof *gate);
    int err = uv_poll_init(loop, &gate->poll, listen_fd);
    if (err != 0) {
        close(listen_fd);
        free(gate);
        return err;
    }
    (void)uv_timer_init(loop, &gate->sweep); // never fails
    gate->poll.data = gate->sweep.data = gate;
    gate->loop = loop;
    gate->fd = listen_fd;
    gate->handle_count = 2;
    gate->events = *events;
    gate->user = user;
    (void)uv_poll_start(&gate->poll, UV_READABLE, on_port_poll);
    *out = gate;
    return 0;
}

static void on_handle_closed(uv_handle_t *handle) {
    mesh_gate *gate = handle->data;
    if (--gate->handle_count == 0) free(gate);
}

void mesh_gate_close(mesh_gate *gate) {
    if (gate == NULL) return;
    while (gate->guest_count > 0)
        cut_off(gate, 0);
    uv_close((uv_handle_t *)&gate->poll, on_handle_closed);
    uv_close((uv_handle_t *)&gate->sweep, on_handle_closed);
    close(gate->fd);
}

mesh_gate_stats mesh_gate_stats_get(const mesh_gate *gate) {
    mesh_gate_stats stats = gate->stats;
    stats.silent = gate->guest_count;
    return stats;
}
