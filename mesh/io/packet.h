// Packets with descriptors over SOCK_SEQPACKET unix sockets: how agent, nodes, zygote and command
// line talk. One packet is one message of at most MESH_PACKET_LEN_MAX bytes. Plain system calls, no
// loop.
#pragma once

#include "core/bytes.h"

enum { MESH_PACKET_FDS_MAX = 8 };

// A connected pair, close-on-exec, with send buffers large enough for any packet. 0 or -errno.
int mesh_packet_pair(int out_fds[2]);

// Connects to, or listens on (mode 0600), a path. The descriptor in *out_fd, close-on-exec,
// blocking. 0 or -errno; -ENAMETOOLONG over 107 bytes; -ETIMEDOUT when the listener has accepted
// nobody for 5 s and its queue is full.
int mesh_packet_connect(const char *path, int *out_fd);
int mesh_packet_listen(const char *path, int *out_fd);

// Sends one packet; borrows everything. 0, UV_EAGAIN (-EAGAIN: nothing was sent) or -errno.
int mesh_packet_send(int fd, mesh_bytes packet, const int *fds, size_t fd_count);

typedef struct mesh_packet {
    size_t len;
    size_t fd_count;
    int fds[MESH_PACKET_FDS_MAX]; // gives: close them (mesh_packet_close_fds)
} mesh_packet;

// Receives one packet into `buffer` of MESH_PACKET_LEN_MAX bytes. Descriptors are close-on-exec.
// `flags` as recvmsg. A process that may open no more descriptors gets the packet without them.
//   -EAGAIN  nothing there      MESH_EGONE  the other end closed      MESH_ETOOBIG  did not fit, or
//   too many descriptors
int mesh_packet_receive(int fd, int flags, uint8_t *buffer, mesh_packet *out);
void mesh_packet_close_fds(mesh_packet *packet);
