// Descriptors of another library (c-ares, libcurl) watched on a libuv loop. The library owns the
// descriptors; it says what to wait for, and is told when that is there.
#pragma once

#include <stdbool.h>
#include <uv.h>

typedef void (*mesh_watch_cb)(int fd, bool can_read, bool can_write, void *user);

typedef struct mesh_watch {
    uv_loop_t *loop;
    struct mesh_watched *first;
    mesh_watch_cb on_ready;
    void *user;
} mesh_watch;

void mesh_watch_init(mesh_watch *watch, uv_loop_t *loop, mesh_watch_cb on_ready, void *user);
// Neither: stops watching; to be said before the library closes the descriptor.
void mesh_watch_set(mesh_watch *watch, int fd, bool for_read, bool for_write);
void mesh_watch_deinit(mesh_watch *watch); // no calls back after it
