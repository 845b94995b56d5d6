#include "cli/output.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/poll.h>
#include <unistd.h>

#include "core/mem.h"

enum {
    // A pipe that is ready takes so much without blocking, whatever its flags are.
    STEP_LEN = 4096,
    STEPS_PER_TURN = 64,
};

struct cli_output {
    int fd;
    int epoll_fd; // holds fd: libuv would make a descriptor that it polls non-blocking; -1: a file
    uv_poll_t poll;
    bool is_waiting, is_closing;
    int err;
    cli_output_cb on_change;
    void *user;
    uint8_t *queue;
    size_t head, len, cap; // bytes [head, len)
};

size_t cli_output_queued(const cli_output *output) {
    return output->len - output->head;
}

int cli_output_error(const cli_output *output) {
    return output->err;
}

static bool can_write(const cli_output *output) {
    struct pollfd one = {.fd = output->fd, .events = POLLOUT};
    return output->epoll_fd < 0 || poll(&one, 1, 0) > 0;
}

// Writes what goes without waiting; how much that was.
static size_t write_some(cli_output *output, mesh_bytes bytes, int step_max) {
    size_t done = 0;
    for (int i = 0; i < step_max && done < bytes.len && output->err == 0; i++) {
        if (!can_write(output)) break;
        size_t len = bytes.len - done;
        if (output->epoll_fd >= 0 && len > STEP_LEN) len = STEP_LEN;
        ssize_t written = write(output->fd, bytes.data + done, len);
        if (written >= 0)
            done += (size_t)written;
        else if (errno == EAGAIN) // somebody made it non-blocking, and it is full after all
            break;
        else if (errno != EINTR) // a socket whose reader left something unread is reset
            output->err = errno == ECONNRESET ? -EPIPE : -errno;
    }
    return done;
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void wait_for_room(cli_output *output, bool is_waiting) {
    if (output->epoll_fd < 0 || output->is_waiting == is_waiting) return;
    output->is_waiting = is_waiting;
    if (is_waiting)
        (void)uv_poll_start(&output->poll, UV_READABLE, on_poll);
    else
        (void)uv_poll_stop(&output->poll);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
    cli_output *output = poll->data;
    (void)status;
    (void)events;
    mesh_bytes rest = {output->queue + output->head, output->len - output->head};
    output->head += write_some(output, rest, STEPS_PER_TURN);
    if (output->err != 0 || output->head == output->len) output->head = output->len = 0;
    if (output->len == 0) wait_for_room(output, false);
    output->on_change(output->user);
}

void cli_output_write(cli_output *output, mesh_bytes bytes) {
    if (output->err != 0) return;
    if (output->len == 0) bytes = mesh_bytes_skip(bytes, write_some(output, bytes, INT32_MAX));
    if (output->err != 0 || bytes.len == 0) return;
    if (output->head > 0) {
        output->len -= output->head;
        memmove(output->queue, output->queue + output->head, output->len);
        output->head = 0;
    }
    output->queue = mem_grow(output->queue, 1, output->len + bytes.len, &output->cap);
    memcpy(output->queue + output->len, bytes.data, bytes.len);
    output->len += bytes.len;
    wait_for_room(output, true);
}

int cli_output_open(uv_loop_t *loop, int fd, cli_output_cb on_change, void *user,
                    cli_output **out) {
    cli_output *output = mem_alloc(sizeof *output);
    *output = (cli_output){.fd = fd, .on_change = on_change, .user = user};
    output->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLOUT};
    if (output->epoll_fd >= 0 && epoll_ctl(output->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0) {
        int err = uv_poll_init(loop, &output->poll, output->epoll_fd);
        if (err != 0) {
            close(output->epoll_fd);
            free(output);
            return err;
        }
    } else if (output->epoll_fd >= 0) { // a regular file never makes anybody wait
        close(output->epoll_fd);
        output->epoll_fd = -1;
    }
    output->poll.data = output;
    *out = output;
    return 0;
}

static void on_closed(uv_handle_t *handle) {
    cli_output *output = handle->data;
    close(output->epoll_fd);
    free(output->queue);
    free(output);
}

void cli_output_close(cli_output *output) {
    if (output == NULL || output->is_closing) return;
    output->is_closing = true;
    if (output->epoll_fd >= 0) {
        uv_close((uv_handle_t *)&output->poll, on_closed);
        return;
    }
    free(output->queue);
    free(output);
}
