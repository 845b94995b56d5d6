#include "io/tcp.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/limits.h"
#include "core/mem.h"
#include "io/sockaddr.h"

enum { BACKLOG = 4096, KEEPALIVE_IDLE_S = 5, KEEPALIVE_EVERY_S = 5, UNSENT_LEN = 128 << 10 };

struct mesh_dial {
    uv_poll_t poll;
    uv_timer_t timer;
    int fd;
    int handle_count;
    mesh_dial_cb on_done;
    void *user;
};

static void set(int fd, int level, int name, int value) {
    (void)setsockopt(fd, level, name, &value, sizeof value); // a link works without it, too
}

void mesh_tcp_tune(int fd) {
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
    set(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_EVERY_S);
    // With this the kernel counts no probes: the time since the last word decides, for data that is
    // not acknowledged and for a link at rest alike.
    set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, MESH_TCP_TIMEOUT_MS);
    // What waits should wait in our queues, where what is urgent overtakes it.
    set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_LEN);
}

void mesh_tcp_be_patient(int fd) {
    set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 0);
    set(fd, IPPROTO_TCP, TCP_KEEPCNT,
        (MESH_TCP_TIMEOUT_MS / 1000 - KEEPALIVE_IDLE_S) / KEEPALIVE_EVERY_S);
}

bool mesh_tcp_is_silent(int fd, uint32_t silent_ms) {
    struct tcp_info info;
    socklen_t len = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0) return false;
    // Bytes that were sent again, or probes of a closed window, that nothing was said of. (Bytes
    // over which a window was closed are sent again as probes are, ever more rarely, and counted as
    // neither: while it lives a host may well have said nothing for long.) The newest one's answer
    // may be on its way.
    bool is_owed = info.tcpi_retransmits > 1 || info.tcpi_probes > 1;
    return is_owed && info.tcpi_last_ack_recv >= silent_ms;
}

static int open_socket(const struct sockaddr_storage *address) {
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd < 0 ? -errno : fd;
}

int mesh_tcp_listen(const mesh_addr *at, int *out_fd) {
    struct sockaddr_storage address;
    socklen_t len = mesh_sockaddr_of(at, &address);
    int fd = open_socket(&address);
    if (fd < 0) return fd;
    set(fd, SOL_SOCKET, SO_REUSEADDR, 1); // a new agent follows the old one at once
    if (bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, BACKLOG) != 0) {
        int err = -errno;
        close(fd);
        return err;
    }
    *out_fd = fd;
    return 0;
}

uint16_t mesh_tcp_port(int fd) {
    struct sockaddr_storage at = {0};
    socklen_t len = sizeof at;
    (void)getsockname(fd, (struct sockaddr *)&at, &len);
    return mesh_sockaddr_addr((struct sockaddr *)&at).port;
}

// ---- dialling

static void on_handle_closed(uv_handle_t *handle) {
    mesh_dial *dial = handle->data;
    if (--dial->handle_count == 0) free(dial);
}

// Leaves the socket alone.
static void close_handles(mesh_dial *dial) {
    uv_close((uv_handle_t *)&dial->poll, on_handle_closed);
    uv_close((uv_handle_t *)&dial->timer, on_handle_closed);
}

static void finish(mesh_dial *dial, int err) {
    mesh_dial_cb on_done = dial->on_done;
    void *user = dial->user;
    int fd = dial->fd;
    close_handles(dial);
    if (err != 0) {
        close(fd);
        fd = -1;
    }
    on_done(err, fd, user);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
    mesh_dial *dial = poll->data;
    int err = status;
    socklen_t len = sizeof err;
    (void)events;
    if (getsockopt(dial->fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0) err = errno;
    finish(dial, -err);
}

static void on_timer(uv_timer_t *timer) {
    finish(timer->data, -ETIMEDOUT);
}

int mesh_dial_open(uv_loop_t *loop, const mesh_addr *to, uint32_t timeout_ms, mesh_dial_cb on_done,
                   void *user, mesh_dial **out) {
    struct sockaddr_storage address;
    socklen_t len = mesh_sockaddr_of(to, &address);
    int fd = open_socket(&address);
    if (fd < 0) return fd;
    mesh_tcp_tune(fd);
    int err =
        connect(fd, (struct sockaddr *)&address, len) == 0 || errno == EINPROGRESS ? 0 : -errno;
    mesh_dial *dial = mem_alloc(sizeof *dial);
    if (err == 0) err = uv_poll_init(loop, &dial->poll, fd);
    if (err != 0) {
        close(fd);
        free(dial);
        return err;
    }
    dial->fd = fd;
    dial->handle_count = 2;
    dial->on_done = on_done;
    dial->user = user;
    (void)uv_timer_init(loop, &dial->timer); // never fails
    dial->poll.data = dial->timer.data = dial;
    (void)uv_timer_start(&dial->timer, on_timer, timeout_ms, 0);
    (void)uv_poll_start(&dial->poll, UV_WRITABLE, on_poll);
    *out = dial;
    return 0;
}

void mesh_dial_close(mesh_dial *dial) {
    if (dial == NULL) return;
    close_handles(dial);
    close(dial->fd);
}
