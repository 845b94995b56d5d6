#include "io/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/error.h"
#include "core/limits.h"
#include "core/mem.h"

enum { PACKETS_PER_TURN = 64 };

typedef struct waiting {
    struct waiting *next;
    size_t len, fd_count;
    int fds[MESH_PACKET_FDS_MAX];
    uint8_t bytes[];
} waiting;

struct mesh_channel {
    uv_poll_t poll;
    int fd;
    int end_err; // told by the next callback when a send found the end
    bool is_paused, is_closing;
    mesh_channel_packet_cb on_packet;
    mesh_channel_end_cb on_end;
    void *user;
    waiting *head, **tail;
    size_t queued;
};

static void on_poll(uv_poll_t *poll, int status, int events);

static void watch(mesh_channel *channel) {
    int events = (channel->is_paused ? 0 : UV_READABLE) |
                 (channel->head != NULL || channel->end_err != 0 ? UV_WRITABLE : 0);
    if (events == 0)
        uv_poll_stop(&channel->poll);
    else
        uv_poll_start(&channel->poll, events, on_poll);
}

static void free_waiting(waiting *item) {
    for (size_t i = 0; i < item->fd_count; i++)
        close(item->fds[i]);
    free(item);
}

// Of small packets most is what is kept about them.
static size_t cost_of(size_t len) {
    return sizeof(waiting) + len;
}

static void drop_first(mesh_channel *channel) {
    waiting *first = channel->head;
    channel->head = first->next;
    if (channel->head == NULL) channel->tail = &channel->head;
    channel->queued -= cost_of(first->len);
    free_waiting(first);
}

// Told from the loop, not from inside the caller's send. A full socket would never call back; a
// shut one does.
static void end_later(mesh_channel *channel, int err) {
    channel->end_err = err;
    (void)shutdown(channel->fd, SHUT_RDWR);
    watch(channel);
}

static int write_waiting(mesh_channel *channel) {
    while (channel->head != NULL) {
        waiting *first = channel->head;
        int err = mesh_packet_send(channel->fd, (mesh_bytes){first->bytes, first->len}, first->fds,
                                   first->fd_count);
        if (err == -EAGAIN) return 0;
        if (err != 0) return err;
        drop_first(channel);
    }
    return 0;
}

static void end(mesh_channel *channel, int err) {
    uv_poll_stop(&channel->poll);
    (void)shutdown(channel->fd, SHUT_RDWR); // the other end learns it now, whenever this is closed
    channel->is_paused = true;
    if (channel->end_err != 0) err = channel->end_err;
    mesh_channel_end_cb on_end = channel->on_end;
    channel->on_end = NULL;
    if (on_end != NULL) on_end(channel, err, channel->user);
}

static void read_packets(mesh_channel *channel) {
    // Not thread-local: that is added to the stack of every thread of the process, and Node starts
    // some with 32 KiB.
    uint8_t packet_buffer[MESH_PACKET_LEN_MAX];
    for (int i = 0; i < PACKETS_PER_TURN && !channel->is_paused && !channel->is_closing; i++) {
        mesh_packet packet;
        int err = mesh_packet_receive(channel->fd, MSG_DONTWAIT, packet_buffer, &packet);
        if (err == -EAGAIN) return;
        if (err != 0) {
            end(channel, err);
            return;
        }
        channel->on_packet(channel, (mesh_bytes){packet_buffer, packet.len}, &packet,
                           channel->user);
        mesh_packet_close_fds(&packet);
    }
}

static void on_poll(uv_poll_t *poll, int status, int events) {
    mesh_channel *channel = poll->data;
    // An error stops libuv's watching. What the peer sent before it went is read first, over
    // several turns if need be; the end shows itself there.
    if (status < 0) events = UV_READABLE | UV_WRITABLE;
    if (events & UV_READABLE) read_packets(channel);
    if (channel->is_closing || channel->on_end == NULL || !(events & UV_WRITABLE)) return;
    int err = channel->end_err != 0 ? channel->end_err : write_waiting(channel);
    bool is_gone = err == -EPIPE || err == -ECONNRESET;
    if (is_gone && !channel->is_paused)
        while (channel->head != NULL)
            drop_first(channel);
    else if (err != 0)
        end(channel, is_gone ? MESH_EGONE : err);
    if (channel->on_end != NULL) watch(channel);
}

int mesh_channel_open(uv_loop_t *loop, int fd, mesh_channel_packet_cb on_packet,
                      mesh_channel_end_cb on_end, void *user, mesh_channel **out) {
    mesh_channel *channel = mem_alloc(sizeof *channel);
    *channel = (mesh_channel){.fd = fd, .on_packet = on_packet, .on_end = on_end, .user = user};
    channel->tail = &channel->head;
    int err = fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0
                  ? -errno
                  : uv_poll_init(loop, &channel->poll, fd);
    if (err != 0) {
        close(fd);
        free(channel);
        return err;
    }
    channel->poll.data = channel;
    watch(channel);
    *out = channel;
    return 0;
}

// 0, or -errno: out of descriptors, so the packet can't be kept whole.
static int enqueue(mesh_channel *channel, mesh_bytes packet, const int *fds, size_t fd_count) {
    waiting *item = mem_alloc(sizeof *item + packet.len);
    item->len = packet.len;
    memcpy(item->bytes, packet.data, packet.len);
    for (; item->fd_count < fd_count; item->fd_count++) {
        int fd = fcntl(fds[item->fd_count], F_DUPFD_CLOEXEC, 0);
        if (fd < 0) {
            int err = -errno;
            free_waiting(item);
            return err;
        }
        item->fds[item->fd_count] = fd;
    }
    *channel->tail = item;
    channel->tail = &item->next;
    channel->queued += cost_of(packet.len);
    return 0;
}

void mesh_channel_send(mesh_channel *channel, mesh_bytes packet, const int *fds, size_t fd_count) {
    if (channel->is_closing || channel->on_end == NULL || channel->end_err != 0) return;
    int err =
        channel->head != NULL ? -EAGAIN : mesh_packet_send(channel->fd, packet, fds, fd_count);
    if (err == -EAGAIN && channel->queued + cost_of(packet.len) > MESH_CHANNEL_QUEUE_MAX)
        err = MESH_EQUOTA;
    if (err == -EAGAIN) {
        err = enqueue(channel, packet, fds, fd_count);
        watch(channel);
    }
    // EPIPE and ECONNRESET: the reader sees the end after the last packet.
    if (err != 0 && err != -EPIPE && err != -ECONNRESET)
        end_later(channel, err == -EMSGSIZE ? MESH_ETOOBIG : err);
}

size_t mesh_channel_queued(const mesh_channel *channel) {
    return channel->queued;
}

int mesh_channel_fd(const mesh_channel *channel) {
    return channel->fd;
}

void mesh_channel_pause(mesh_channel *channel, bool is_paused) {
    if (channel->is_closing || channel->on_end == NULL) return;
    channel->is_paused = is_paused;
    watch(channel);
}

void mesh_channel_ref(mesh_channel *channel, bool is_ref) {
    if (is_ref)
        uv_ref((uv_handle_t *)&channel->poll);
    else
        uv_unref((uv_handle_t *)&channel->poll);
}

static void on_closed(uv_handle_t *handle) {
    free(handle->data);
}

void mesh_channel_close(mesh_channel *channel) {
    if (channel == NULL || channel->is_closing) return;
    channel->is_closing = true;
    (void)write_waiting(channel); // best effort: the other end may be gone
    while (channel->head != NULL)
        drop_first(channel);
    int fd = channel->fd;
    uv_close((uv_handle_t *)&channel->poll, on_closed);
    close(fd); // after uv_close took it out of epoll
}
