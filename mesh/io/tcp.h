// TCP between hosts: a listening socket, a connection, and what both are set to.
#pragma once

#include <stdbool.h>

#include <uv.h>

#include "cluster/addr.h"

// Listens, non-blocking and close-on-exec. 0 or -errno.
int mesh_tcp_listen(const mesh_addr *at, int *out_fd);
uint16_t mesh_tcp_port(int fd); // that a socket has here

// Non-blocking, no delay, and over when the other host says nothing for MESH_TCP_TIMEOUT_MS, so
// that a host without power costs its links and nothing else.
void mesh_tcp_tune(int fd);

// For a connection whose other end may be busy for as long as it likes. Of one that reads nothing
// the kernel says after MESH_TCP_TIMEOUT_MS that it is dead, though it answers every probe; from
// here on the kernel judges only while nothing waits, and the caller asks mesh_tcp_is_silent.
void mesh_tcp_be_patient(int fd);
// The other host has said nothing for so long, though something of ours waits for its word. True
// for an instant too while its word is on the way: so it is when two looks in a row say it.
bool mesh_tcp_is_silent(int fd, uint32_t silent_ms);

typedef struct mesh_dial mesh_dial;

// err 0: `fd` is connected and tuned (gives). Else -errno (-ETIMEDOUT after the time-out), fd -1.
// The dial is closed by itself.
typedef void (*mesh_dial_cb)(int err, int fd, void *user);

// 0, or -errno and no callback.
int mesh_dial_open(uv_loop_t *loop, const mesh_addr *to, uint32_t timeout_ms, mesh_dial_cb on_done,
                   void *user, mesh_dial **out);
void mesh_dial_close(mesh_dial *dial); // before its callback; NULL is fine
