#include "io/packet.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/error.h"
#include "core/limits.h"

enum { LISTEN_BACKLOG = 128, CONNECT_TIMEOUT_S = 5 };

// The kernel doubles this; a packet of MESH_PACKET_LEN_MAX and its bookkeeping then fit in any
// case.
static void set_buffers(int fd) {
    int len = 2 * MESH_PACKET_LEN_MAX;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &len, sizeof len);
}

int mesh_packet_pair(int out_fds[2]) {
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) return -errno;
    set_buffers(fds[0]);
    set_buffers(fds[1]);
    out_fds[0] = fds[0];
    out_fds[1] = fds[1];
    return 0;
}

static int open_at(const char *path, struct sockaddr_un *out_address) {
    size_t len = strlen(path);
    if (len >= sizeof out_address->sun_path) return -ENAMETOOLONG;
    *out_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(out_address->sun_path, path, len + 1);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    set_buffers(fd);
    return fd;
}

int mesh_packet_connect(const char *path, int *out_fd) {
    struct sockaddr_un address;
    int fd = open_at(path, &address);
    if (fd < 0) return fd;
    // For connect alone: it waits while the listener's queue is full, for ever when the listener is
    // stopped.
    struct timeval limit = {.tv_sec = CONNECT_TIMEOUT_S}, none = {0};
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        int err = errno == EAGAIN ? -ETIMEDOUT : -errno;
        close(fd);
        return err;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof none);
    *out_fd = fd;
    return 0;
}

int mesh_packet_listen(const char *path, int *out_fd) {
    struct sockaddr_un address;
    int fd = open_at(path, &address);
    if (fd < 0) return fd;
    // The mode is set before anybody can connect: nobody listens yet.
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || chmod(path, 0600) != 0 ||
        listen(fd, LISTEN_BACKLOG) != 0) {
        int err = -errno;
        close(fd);
        return err;
    }
    *out_fd = fd;
    return 0;
}

typedef union fd_space { // aligned room for the descriptors
    struct cmsghdr head;
    char bytes[CMSG_SPACE(MESH_PACKET_FDS_MAX * sizeof(int))];
} fd_space;

int mesh_packet_send(int fd, mesh_bytes packet, const int *fds, size_t fd_count) {
    if (packet.len == 0 || packet.len > MESH_PACKET_LEN_MAX || fd_count > MESH_PACKET_FDS_MAX)
        return -EMSGSIZE;
    struct iovec part = {.iov_base = (void *)(uintptr_t)packet.data, .iov_len = packet.len};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    fd_space space = {0};
    if (fd_count > 0) {
        message.msg_control = space.bytes;
        message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        *head = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                                 .cmsg_type = SCM_RIGHTS,
                                 .cmsg_len = CMSG_LEN(fd_count * sizeof(int))};
        memcpy(CMSG_DATA(head), fds, fd_count * sizeof(int));
    }
    for (;;) {
        if (sendmsg(fd, &message, MSG_NOSIGNAL) >= 0) return 0;
        if (errno != EINTR) return -errno;
    }
}

static void take_fds(struct msghdr *message, mesh_packet *out) {
    for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head != NULL;
         head = CMSG_NXTHDR(message, head)) {
        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
        size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count && out->fd_count < MESH_PACKET_FDS_MAX; i++)
            memcpy(&out->fds[out->fd_count++], CMSG_DATA(head) + i * sizeof(int), sizeof(int));
    }
}

int mesh_packet_receive(int fd, int flags, uint8_t *buffer, mesh_packet *out) {
    struct iovec part = {.iov_base = buffer, .iov_len = MESH_PACKET_LEN_MAX};
    fd_space space;
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = space.bytes,
                             .msg_controllen = sizeof space.bytes};
    ssize_t len;
    // ECONNRESET is said once, by a peer that closed before it read everything, and comes ahead of
    // what it sent itself: that is read first, and after it the end.
    do
        len = recvmsg(fd, &message, flags | MSG_CMSG_CLOEXEC);
    while (len < 0 && (errno == EINTR || errno == ECONNRESET));
    if (len < 0) return -errno;
    *out = (mesh_packet){.len = (size_t)len};
    take_fds(&message, out);
    bool is_cut = (message.msg_flags & MSG_CTRUNC) != 0;
    bool is_too_big =
        (message.msg_flags & MSG_TRUNC) != 0 || (is_cut && out->fd_count == MESH_PACKET_FDS_MAX);
    // Cut with room left: this process may open no more. All of them or none.
    if (is_cut || is_too_big || len == 0) mesh_packet_close_fds(out);
    if (len == 0) return MESH_EGONE; // an empty packet is never sent: this is the end
    return is_too_big ? MESH_ETOOBIG : 0;
}

void mesh_packet_close_fds(mesh_packet *packet) {
    for (size_t i = 0; i < packet->fd_count; i++)
        if (packet->fds[i] >= 0) close(packet->fds[i]);
    packet->fd_count = 0;
}
