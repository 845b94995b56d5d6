#include "agent/node.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/flow.h"
#include "agent/lines.h"
#include "core/mem.h"

enum {
    PIPE_LEN = 1 << 20,  // a burst of output does not block the node's loop
    READ_LEN = 64 << 10, // at once
    FLUSH_MS = 50,       // an unfinished line (a prompt) waits so long for its end
    STREAM_COUNT = 2,
};

typedef struct stream {
    uv_pipe_t pipe;
    uv_timer_t flush;
    agent_node *node;
    agent_lines lines;
    bool is_stderr, is_over;
    bool is_bounded; // the process has ended: only `left` more bytes are its own
    size_t left;
} stream;

struct agent_node {
    uint64_t node_id;
    agent_node_events events;
    void *user;
    stream streams[STREAM_COUNT];
    int leash_fd, pidfd;
    pid_t pid;
    uint64_t started_at_ms, exited_at_ms;
    agent_exit how;
    bool has_exited, is_paused, is_over, is_closing;
    bool is_held; // it has written its share: read again when `hold` is over
    uv_timer_t hold;
    agent_flow_use use;
    uint32_t handles; // libuv's, still open
    uv_poll_t *death; // of one that was adopted: watches its pidfd; else NULL
    void (*on_dead)(agent_node *node, void *user);
};

static agent_flow flow; // of all nodes of this process

uint64_t agent_node_id(const agent_node *node) {
    return node->node_id;
}
pid_t agent_node_pid(const agent_node *node) {
    return node->pid;
}
uint64_t agent_node_started_at_ms(const agent_node *node) {
    return node->started_at_ms;
}
uint64_t agent_node_exited_at_ms(const agent_node *node) {
    return node->exited_at_ms;
}
bool agent_node_has_exited(const agent_node *node) {
    return node->has_exited;
}
agent_exit agent_node_how(const agent_node *node) {
    return node->how;
}

static void tell_piece(mesh_bytes piece, void *user) {
    stream *st = user;
    st->node->events.on_output(st->node, st->is_stderr, piece, st->node->user);
}

static void on_flush(uv_timer_t *timer) {
    stream *st = timer->data;
    agent_lines_flush(&st->lines, tell_piece, st);
}

static void finish_if_over(agent_node *node) {
    if (!node->has_exited || node->is_over || node->is_closing) return;
    for (int i = 0; i < STREAM_COUNT; i++)
        if (!node->streams[i].is_over) return;
    node->is_over = true;
    node->events.on_over(node, node->user);
}

static void end_stream(stream *st) {
    if (st->is_over) return;
    st->is_over = true;
    uv_read_stop((uv_stream_t *)&st->pipe);
    uv_timer_stop(&st->flush);
    agent_lines_flush(&st->lines, tell_piece, st);
    finish_if_over(st->node);
}

// One buffer for all: what is read is handled before the next read.
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
    static char bytes[READ_LEN];
    stream *st = handle->data;
    (void)suggested;
    // Of a dead node's pipe only its own bytes are read: its children may hold it open and write
    // on.
    size_t len = st->is_bounded && st->left < READ_LEN ? st->left : READ_LEN;
    size_t share = agent_flow_left(&flow, &st->node->use, uv_now(handle->loop));
    if (share < len) len = share; // not 0: it is held then
    *buffer = uv_buf_init(bytes, (unsigned)len);
}

static void read_or_not(agent_node *node);

static void on_hold_over(uv_timer_t *timer) {
    agent_node *node = timer->data;
    node->is_held = false;
    read_or_not(node);
}

// Whoever writes without end waits for the next period, and finds its pipe full.
static void hold_if_used_up(agent_node *node, size_t len) {
    uint64_t now_ms = uv_now(node->hold.loop);
    agent_flow_take(&flow, &node->use, now_ms, len);
    if (agent_flow_left(&flow, &node->use, now_ms) > 0) return;
    node->is_held = true;
    uv_timer_start(&node->hold, on_hold_over, agent_flow_wait_ms(now_ms), 0);
    read_or_not(node);
}

static void on_read(uv_stream_t *pipe, ssize_t len, const uv_buf_t *buffer) {
    stream *st = pipe->data;
    if (len == 0) return; // nothing there
    if (len < 0) {
        end_stream(st);
        return;
    }
    uv_timer_stop(&st->flush);
    agent_lines_push(&st->lines, (mesh_bytes){(uint8_t *)buffer->base, (size_t)len}, tell_piece,
                     st);
    if (st->node->is_closing) return;
    hold_if_used_up(st->node, (size_t)len);
    if (st->is_over) return;
    if (agent_lines_is_pending(&st->lines)) uv_timer_start(&st->flush, on_flush, FLUSH_MS, 0);
    if (!st->is_bounded) return;
    st->left -= (size_t)len;
    if (st->left == 0) end_stream(st);
}

static void read_or_not(agent_node *node) {
    for (int i = 0; i < STREAM_COUNT; i++) {
        stream *st = &node->streams[i];
        if (st->is_over) continue;
        if (node->is_paused || node->is_held)
            uv_read_stop((uv_stream_t *)&st->pipe);
        else if (uv_read_start((uv_stream_t *)&st->pipe, on_alloc, on_read) != 0)
            end_stream(st);
    }
}

// Takes fd.
static int read_stream(uv_loop_t *loop, agent_node *node, int index, int fd) {
    stream *st = &node->streams[index];
    *st = (stream){.node = node, .is_stderr = index == 1};
    uv_pipe_init(loop, &st->pipe, 0);
    uv_timer_init(loop, &st->flush);
    st->pipe.data = st->flush.data = st;
    node->handles += 2;
    int err = uv_pipe_open(&st->pipe, fd);
    if (err != 0) close(fd);
    return err;
}

static int open_stream(uv_loop_t *loop, agent_node *node, int index, int *out_far_fd) {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) return -errno;
    (void)fcntl(fds[0], F_SETPIPE_SZ,
                PIPE_LEN); // more than its share of pipe memory: the default will do
    int err = read_stream(loop, node, index, fds[0]);
    if (err != 0) {
        close(fds[1]);
        return err;
    }
    *out_far_fd = fds[1];
    return 0;
}

int agent_node_open(uv_loop_t *loop, uint64_t node_id, const agent_node_events *events, void *user,
                    agent_node_ends *out_ends, agent_node **out) {
    agent_node *node = mem_alloc(sizeof *node);
    node->node_id = node_id;
    node->events = *events;
    node->user = user;
    node->pidfd = -1;
    int leash[2];
    if (pipe2(leash, O_CLOEXEC) != 0) {
        free(node);
        return -errno;
    }
    node->leash_fd = leash[1];
    uv_timer_init(loop, &node->hold);
    node->hold.data = node;
    node->handles++;
    agent_node_ends ends = {.leash_fd = leash[0], .stdout_fd = -1, .stderr_fd = -1};
    int err = open_stream(loop, node, 0, &ends.stdout_fd);
    if (err == 0) err = open_stream(loop, node, 1, &ends.stderr_fd);
    if (err != 0) {
        close(ends.leash_fd);
        if (ends.stdout_fd >= 0) close(ends.stdout_fd);
        agent_node_close(node);
        return err;
    }
    read_or_not(node);
    *out_ends = ends;
    *out = node;
    return 0;
}

static void on_death(uv_poll_t *poll, int status, int events) {
    agent_node *node = poll->data;
    (void)status, (void)events;
    (void)uv_poll_stop(poll);
    if (!node->is_closing) node->on_dead(node, node->user);
}

static int watch_death(uv_loop_t *loop, agent_node *node) {
    node->death = mem_alloc(sizeof *node->death);
    int err = uv_poll_init(loop, node->death, node->pidfd);
    if (err != 0) {
        free(node->death);
        node->death = NULL;
        return err;
    }
    node->death->data = node;
    return uv_poll_start(node->death, UV_READABLE, on_death);
}

int agent_node_adopt(uv_loop_t *loop, const agent_node_events *events, void *user,
                     const agent_node_kept *kept, void (*on_dead)(agent_node *node, void *user),
                     agent_node **out) {
    agent_node *node = mem_alloc(sizeof *node);
    node->node_id = kept->node_id;
    node->events = *events;
    node->user = user;
    node->on_dead = on_dead;
    node->leash_fd = kept->leash_fd;
    node->pidfd = kept->pidfd;
    node->pid = kept->pid;
    node->started_at_ms = kept->started_at_ms;
    uv_timer_init(loop, &node->hold);
    node->hold.data = node;
    node->handles++;
    int err = read_stream(loop, node, 0, kept->stdout_fd);
    if (err == 0)
        err = read_stream(loop, node, 1, kept->stderr_fd);
    else
        close(kept->stderr_fd);
    if (err == 0 && node->pidfd >= 0) err = watch_death(loop, node);
    if (err != 0) {
        agent_node_close(node);
        return err;
    }
    read_or_not(node);
    *out = node;
    return 0;
}

static void free_if_closed(agent_node *node) {
    if (node->handles > 0) return;
    for (int i = 0; i < STREAM_COUNT; i++)
        agent_lines_deinit(&node->streams[i].lines);
    free(node);
}

static void count_closed(agent_node *node) {
    node->handles--;
    free_if_closed(node);
}

static void on_closed(uv_handle_t *handle) {
    count_closed(((stream *)handle->data)->node);
}

static void on_hold_closed(uv_handle_t *handle) {
    count_closed(handle->data);
}

static void on_death_closed(uv_handle_t *handle) {
    free(handle);
}

void agent_node_close(agent_node *node) {
    if (node == NULL || node->is_closing) return;
    node->is_closing = true;
    close(node->leash_fd);
    if (node->death != NULL) uv_close((uv_handle_t *)node->death, on_death_closed);
    if (node->pidfd >= 0) close(node->pidfd);
    uv_close((uv_handle_t *)&node->hold, on_hold_closed);
    for (int i = 0; i < STREAM_COUNT; i++) {
        if (node->streams[i].pipe.data == NULL) continue; // never opened
        uv_close((uv_handle_t *)&node->streams[i].flush, on_closed);
        uv_close((uv_handle_t *)&node->streams[i].pipe, on_closed);
    }
}

void agent_node_launched(agent_node *node, pid_t pid, int pidfd, uint64_t now_ms) {
    node->pid = pid;
    node->pidfd = pidfd;
    node->started_at_ms = now_ms;
}

static int stream_fd(const stream *st) {
    uv_os_fd_t fd;
    return uv_fileno((const uv_handle_t *)&st->pipe, &fd) == 0 ? fd : -1;
}

void agent_node_fds(const agent_node *node, int out[AGENT_NODE_FDS]) {
    for (int i = 0; i < STREAM_COUNT; i++)
        out[i] = stream_fd(&node->streams[i]);
    out[STREAM_COUNT] = node->leash_fd;
}

int agent_node_pidfd(const agent_node *node) {
    return node->pidfd;
}

void agent_node_exited(agent_node *node, agent_exit how, uint64_t now_ms) {
    if (node->has_exited) return;
    node->has_exited = true;
    node->how = how;
    node->exited_at_ms = now_ms;
    for (int i = 0; i < STREAM_COUNT; i++) {
        stream *st = &node->streams[i];
        int left = 0;
        if (st->is_over) continue;
        if (ioctl(stream_fd(st), FIONREAD, &left) != 0) left = 0;
        st->is_bounded = true;
        st->left = (size_t)left;
        if (left == 0) end_stream(st);
    }
    finish_if_over(node);
}

void agent_node_signal(agent_node *node, int signal) {
    if (node->has_exited) {
        // Somebody wants it gone, and a reader that does not read holds back the end.
        agent_node_pause(node, false);
        return;
    }
    if (node->pid == 0) return;
    // By pidfd where there is one: a pid may be somebody else's the moment after its end.
    if (node->pidfd < 0 || syscall(SYS_pidfd_send_signal, node->pidfd, signal, NULL, 0) != 0)
        if (node->pidfd < 0 || errno == ENOSYS) (void)kill(node->pid, signal);
}

void agent_node_wake(agent_node *node) {
    // One that is stopped reads nothing: its pipe must not fill up and hold us.
    int flags = fcntl(node->leash_fd, F_GETFL);
    if (flags >= 0) (void)fcntl(node->leash_fd, F_SETFL, flags | O_NONBLOCK);
    (void)!write(node->leash_fd, "?", 1); // if it is gone, its end comes by other ways
}

void agent_node_flush(agent_node *node) {
    for (int i = 0; i < STREAM_COUNT; i++)
        agent_lines_flush(&node->streams[i].lines, tell_piece, &node->streams[i]);
}

void agent_node_pause(agent_node *node, bool is_paused) {
    if (node->is_paused == is_paused || node->is_closing) return;
    node->is_paused = is_paused;
    read_or_not(node);
}

bool agent_node_is_dead(const agent_node *node) {
    if (node->pidfd < 0) return node->pid != 0 && kill(node->pid, 0) != 0 && errno == ESRCH;
    struct pollfd one = {.fd = node->pidfd, .events = POLLIN};
    return poll(&one, 1, 0) > 0;
}
