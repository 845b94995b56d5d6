// A connected socket on which both ends prove who they are: mesh_handshake (secure/handshake.h) on
// a libuv loop, within a time.
#pragma once

#include <uv.h>

#include "secure/handshake.h"

typedef struct mesh_greeting mesh_greeting;

typedef struct mesh_greeted { // borrowed but for fd
    int fd;                   // gives; -1 when err is not 0: then it is closed
    const mesh_identity *peer;
    mesh_cipher send, receive;
    mesh_bytes rest; // came with the last bytes of the handshake: belongs to the first record
} mesh_greeted;

// Once; the greeting is closed by itself. err: as mesh_handshake_receive, UV_ETIMEDOUT,
// MESH_ECLOSED (the other end hung up) or -errno.
typedef void (*mesh_greeting_cb)(int err, const mesh_greeted *greeted, void *user);

// Takes fd (non-blocking), also on failure. `options` is copied (what it points to is borrowed);
// its random fields are set here. 0 or -errno.
int mesh_greeting_open(uv_loop_t *loop, int fd, const mesh_handshake_options *options,
                       uint32_t timeout_ms, mesh_greeting_cb on_done, void *user,
                       mesh_greeting **out);
void mesh_greeting_close(mesh_greeting *greeting); // before its callback; NULL is fine
// It alone does not keep the loop alive.
void mesh_greeting_unref(mesh_greeting *greeting);
