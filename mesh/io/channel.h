// A packet socket on a libuv loop: calls back per packet, queues what the socket does not take at
// once.
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "io/packet.h"

enum {
    MESH_CHANNEL_QUEUE_MAX = 32 << 20
}; // bytes of memory; a reader that lets more pile up is cut off

typedef struct mesh_channel mesh_channel;

// A packet came. The callee may take descriptors by setting them to -1; the rest is closed. `bytes`
// is borrowed.
typedef void (*mesh_channel_packet_cb)(mesh_channel *channel, mesh_bytes bytes, mesh_packet *packet,
                                       void *user);
// The channel is over (MESH_EGONE, MESH_ETOOBIG, -errno); called at most once, never after close.
// Close it then.
typedef void (*mesh_channel_end_cb)(mesh_channel *channel, int err, void *user);

// Takes fd (also on failure). Packets are delivered from the loop, at most 64 per turn.
int mesh_channel_open(uv_loop_t *loop, int fd, mesh_channel_packet_cb on_packet,
                      mesh_channel_end_cb on_end, void *user, mesh_channel **out);
// Borrows packet and descriptors (they are duplicated when they must wait). Errors arrive by
// on_end.
void mesh_channel_send(mesh_channel *channel, mesh_bytes packet, const int *fds, size_t fd_count);
size_t mesh_channel_queued(const mesh_channel *channel); // bytes that wait
int mesh_channel_fd(const mesh_channel *channel);
void mesh_channel_pause(mesh_channel *channel, bool is_paused); // no packets while paused
void mesh_channel_ref(mesh_channel *channel, bool is_ref);      // keeps the loop alive? default yes
// Tries once more to write what waits, closes, frees later from the loop. Fine with NULL.
void mesh_channel_close(mesh_channel *channel);
