#include "io/greeting.h"

#include <errno.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "core/error.h"
#include "core/mem.h"

struct mesh_greeting {
    uv_poll_t poll;
    uv_timer_t timer;
    int fd;
    int handle_count;
    mesh_handshake *handshake;
    bool is_known; // the handshake is over; its last bytes may still have to be written
    size_t len;
    uint8_t input[MESH_KNOCK_LEN + 2 * MESH_HANDSHAKE_LEN_MAX]; // read, not yet taken
    mesh_greeting_cb on_done;
    void *user;
};

static void on_handle_closed(uv_handle_t *handle) {
    mesh_greeting *g = handle->data;
    if (--g->handle_count > 0) return;
    sodium_memzero(g, sizeof *g);
    free(g);
}

// Leaves the socket alone.
static void close_handles(mesh_greeting *g) {
    uv_close((uv_handle_t *)&g->poll, on_handle_closed);
    uv_close((uv_handle_t *)&g->timer, on_handle_closed);
}

static void fail(mesh_greeting *g, int err) {
    mesh_greeting_cb on_done = g->on_done;
    void *user = g->user;
    mesh_greeting_close(g);
    on_done(err, &(mesh_greeted){.fd = -1}, user);
}

static void succeed(mesh_greeting *g) {
    mesh_handshake *handshake = g->handshake;
    mesh_greeted greeted = {
        .fd = g->fd, .peer = mesh_handshake_peer(handshake), .rest = {g->input, g->len}};
    mesh_handshake_split(handshake, &greeted.send, &greeted.receive);
    close_handles(g); // its memory stays until the loop turns
    g->on_done(0, &greeted, g->user);
    mesh_cipher_deinit(&greeted.send);
    mesh_cipher_deinit(&greeted.receive);
    mesh_handshake_destroy(handshake);
}

static void watch(mesh_greeting *g);

// 0, or the end: MESH_EAGAIN says that the socket is full.
static int write_output(mesh_greeting *g) {
    for (;;) {
        mesh_bytes bytes = mesh_handshake_output(g->handshake);
        if (bytes.len == 0) return 0;
        ssize_t sent = send(g->fd, bytes.data, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return errno == EAGAIN ? MESH_EAGAIN : -errno;
        mesh_handshake_sent(g->handshake, (size_t)sent);
    }
}

static int take_input(mesh_greeting *g) {
    mesh_bytes input = {g->input, g->len};
    int err = mesh_handshake_receive(g->handshake, (uint64_t)time(NULL), &input);
    g->is_known = err == 0;
    memmove(g->input, input.data, input.len);
    g->len = input.len;
    return err;
}

// Reads until the socket is empty or the handshake over. A message that fits always ends it or
// leaves room for the next.
static int read_input(mesh_greeting *g) {
    for (int err = MESH_EAGAIN; err == MESH_EAGAIN;) {
        ssize_t len = recv(g->fd, g->input + g->len, sizeof g->input - g->len, MSG_DONTWAIT);
        if (len < 0 && errno == EINTR) continue;
        if (len < 0) return errno == EAGAIN ? MESH_EAGAIN : -errno;
        if (len == 0) return MESH_ECLOSED;
        g->len += (size_t)len;
        err = take_input(g);
        if (err != MESH_EAGAIN) return err;
    }
    return 0;
}

static void advance(mesh_greeting *g, int events) {
    int err = g->is_known || !(events & UV_READABLE) ? 0 : read_input(g);
    if (err == 0 || err == MESH_EAGAIN) err = write_output(g);
    if (err != 0 && err != MESH_EAGAIN)
        fail(g, err);
    else if (g->is_known && err == 0)
        succeed(g);
    else
        watch(g);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
    advance(poll->data, status < 0 ? UV_READABLE | UV_WRITABLE : events);
}

static void watch(mesh_greeting *g) {
    bool has_output = mesh_handshake_output(g->handshake).len > 0;
    int events = (g->is_known ? 0 : UV_READABLE) | (has_output ? UV_WRITABLE : 0);
    (void)uv_poll_start(&g->poll, events, on_poll);
}

// A loop that was busy for long sees the timer first: what came in time still counts.
static void on_timer(uv_timer_t *timer) {
    mesh_greeting *g = timer->data;
    int err = g->is_known ? MESH_EAGAIN : read_input(g);
    if (err == 0 && write_output(g) == 0)
        succeed(g);
    else
        fail(g, err == 0 || err == MESH_EAGAIN ? UV_ETIMEDOUT : err);
}

// NOLINTNEXTLINE(readability-function-size): each parameter is one of its own
int mesh_greeting_open(uv_loop_t *loop, int fd, const mesh_handshake_options *options,
                       uint32_t timeout_ms, mesh_greeting_cb on_done, void *user,
                       mesh_greeting **out) {
    mesh_greeting *g = mem_alloc(sizeof *g);
    int err = uv_poll_init(loop, &g->poll, fd);
    if (err != 0) {
        close(fd);
        free(g);
        return err;
    }
    (void)uv_timer_init(loop, &g->timer); // never fails
    g->poll.data = g->timer.data = g;
    g->handle_count = 2;
    g->fd = fd;
    g->on_done = on_done;
    g->user = user;
    mesh_handshake_options own = *options;
    randombytes_buf(own.ephemeral_secret, sizeof own.ephemeral_secret);
    randombytes_buf(&own.salt, sizeof own.salt);
    g->handshake = mesh_handshake_create(&own);
    sodium_memzero(&own, sizeof own);
    (void)uv_timer_start(&g->timer, on_timer, timeout_ms, 0);
    watch(g);
    *out = g;
    return 0;
}

void mesh_greeting_close(mesh_greeting *g) {
    if (g == NULL) return;
    close_handles(g);
    close(g->fd);
    mesh_handshake_destroy(g->handshake);
}

void mesh_greeting_unref(mesh_greeting *g) {
    uv_unref((uv_handle_t *)&g->poll);
    uv_unref((uv_handle_t *)&g->timer);
}
