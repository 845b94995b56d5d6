#include "io/watch.h"

#include <stdlib.h>

#include "core/mem.h"

typedef struct mesh_watched {
    uv_poll_t poll;
    int fd;
    mesh_watch *watch;
    struct mesh_watched *next;
} watched;

void mesh_watch_init(mesh_watch *watch, uv_loop_t *loop, mesh_watch_cb on_ready, void *user) {
    *watch = (mesh_watch){.loop = loop, .on_ready = on_ready, .user = user};
}

static void on_poll(uv_poll_t *poll, int status, int events) {
    watched *item = poll->data;
    // An error is read by the library from the descriptor itself.
    if (status < 0) events = UV_READABLE | UV_WRITABLE;
    item->watch->on_ready(item->fd, events & UV_READABLE, events & UV_WRITABLE, item->watch->user);
}

static void on_closed(uv_handle_t *handle) {
    free(handle->data);
}

static watched **find(mesh_watch *watch, int fd) {
    watched **at = &watch->first;
    while (*at != NULL && (*at)->fd != fd)
        at = &(*at)->next;
    return at;
}

static void drop(watched **at) {
    watched *item = *at;
    *at = item->next;
    uv_close((uv_handle_t *)&item->poll, on_closed);
}

static watched *add(mesh_watch *watch, int fd) {
    watched *item = mem_alloc(sizeof *item);
    *item = (watched){.fd = fd, .watch = watch};
    if (uv_poll_init(watch->loop, &item->poll, fd) != 0) {
        free(item); // the library's own time-out ends what waits for it
        return NULL;
    }
    item->poll.data = item;
    item->next = watch->first;
    watch->first = item;
    return item;
}

void mesh_watch_set(mesh_watch *watch, int fd, bool for_read, bool for_write) {
    watched **at = find(watch, fd);
    if (!for_read && !for_write) {
        if (*at != NULL) drop(at);
        return;
    }
    watched *item = *at != NULL ? *at : add(watch, fd);
    if (item == NULL) return;
    uv_poll_start(&item->poll, (for_read ? UV_READABLE : 0) | (for_write ? UV_WRITABLE : 0),
                  on_poll);
}

void mesh_watch_deinit(mesh_watch *watch) {
    while (watch->first != NULL)
        drop(&watch->first);
}
