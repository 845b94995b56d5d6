#include "watchdog.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <uv.h>

#include "engine.h"
#include "heartbeat.h"

enum { EXIT_TERMINATED = 124 };

static heartbeat *_Atomic beat;
// Of the main thread alone: Workers have loops too. -1 in all others, which are no node's loop
// (a synchronous child process has one of its own on this thread).
static _Thread_local int own_epoll_fd = -1;

void runtime_watchdog_start(int fd) {
    void *memory = mmap(NULL, sizeof(heartbeat), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    int err = errno;
    close(fd);
    if (memory == MAP_FAILED) {
        fprintf(stderr, "the agent will not see when this node stalls: %s\n", strerror(err));
        return;
    }
    atomic_store(&beat, memory);
    own_epoll_fd = uv_backend_fd(uv_default_loop());
    runtime_watchdog_runs(own_epoll_fd);
}

// One writer: an addition need not be atomic.
static void turn(int epoll_fd, uint64_t parity) {
    if (epoll_fd != own_epoll_fd || epoll_fd < 0) return;
    heartbeat *b = atomic_load_explicit(&beat, memory_order_relaxed);
    uint64_t turns = atomic_load_explicit(&b->turns, memory_order_relaxed) + 1;
    turns += (turns & 1) != parity;
    atomic_store_explicit(&b->turns, turns, memory_order_release);
}

void runtime_watchdog_waits(int epoll_fd) {
    turn(epoll_fd, 0);
}

void runtime_watchdog_runs(int epoll_fd) {
    turn(epoll_fd, 1);
}

// ---- questions

// In the thread of the program, between two of its instructions. An older interrupt may answer a
// newer question; the newer one then finds it answered.
static void on_stack(const char *text, size_t len) {
    heartbeat *b = atomic_load(&beat);
    uint32_t asked = atomic_load(&b->asked);
    if (atomic_load(&b->answered) == asked) return;
    if (len > HEARTBEAT_TEXT_MAX) len = HEARTBEAT_TEXT_MAX;
    memcpy(b->text, text, len);
    atomic_store(&b->text_len, (uint32_t)len);
    bool is_end = atomic_load(&b->order) == HEARTBEAT_TERMINATE;
    atomic_store(&b->answered, asked);
    if (!is_end) return;
    // Not Isolate::TerminateExecution: Node takes a callback that never returned for a broken stack
    // of async hooks, and aborts with words about that. Nothing of the program runs after this.
    fprintf(stderr, "terminated by its agent, as its loop did not turn\n");
    uv_tty_reset_mode();
    fflush(NULL);
    _exit(EXIT_TERMINATED);
}

void runtime_watchdog_asked(void) {
    if (atomic_load(&beat) != NULL) runtime_engine_ask_stack(on_stack);
}
