#include "accept.h"

#include <errno.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/mem.h"

enum {
    YIELDS_MAX = 2, // looks again at once, so often: whose turn it is may just need a processor
    REST_MS = 1,    // then not before
    RESTS_MAX = 5,  // whose turn it is does not come: it is stuck
    ALONE_MS = 100, // then its turns are nobody's for a while
};

typedef struct gate {
    int fd;
    uv_loop_t *loop;
    balance *balance; // NULL: only to be shut
    uint32_t place;
    uint32_t yields, rests, turns; // since it was this one's turn last
    uint64_t alone_until_ms;
    bool is_shut, is_resting;
    uv_timer_t rest;
    struct gate *next;
} gate;

static _Thread_local gate *gates; // few

static gate *find(int fd) {
    gate *g = gates;
    while (g != NULL && g->fd != fd)
        g = g->next;
    return g;
}

// libuv does not know: it asks the kernel anew only for what it has changed itself.
static void listen_for(const gate *g, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = g->fd};
    (void)epoll_ctl(uv_backend_fd(g->loop), EPOLL_CTL_MOD, g->fd, &event);
}

static void on_rested(uv_timer_t *timer) {
    gate *g = timer->data;
    g->is_resting = false;
    if (!g->is_shut) listen_for(g, EPOLLIN);
}

// Somebody else should take it. The socket stays readable until then: without a rest this loop
// would turn and turn.
static void leave_to_others(gate *g, uint32_t turns) {
    if (g->yields++ < YIELDS_MAX) {
        (void)sched_yield();
        return;
    }
    if (turns != g->turns) g->rests = 0;
    g->turns = turns;
    if (g->rests++ == RESTS_MAX) {
        g->alone_until_ms = uv_now(g->loop) + ALONE_MS;
        g->rests = 0;
        return;
    }
    g->is_resting = true;
    listen_for(g, 0);
    uv_timer_start(&g->rest, on_rested, REST_MS, 0);
}

static bool may_accept(gate *g) {
    uint32_t turns;
    if (g->is_shut) return false;
    if (g->balance == NULL) return true;
    atomic_fetch_add_explicit(&g->balance->places[g->place].turns, 1, memory_order_relaxed);
    if (g->is_resting) return false; // an event of before it rested
    if (balance_is_my_turn(g->balance, g->place, &turns) || uv_now(g->loop) < g->alone_until_ms) {
        g->yields = g->rests = 0;
        return true;
    }
    leave_to_others(g, turns);
    return false;
}

// What the program then does with it, it counts itself (listen.js): the number is set at each end
// of one.
static void count(gate *g) {
    if (g->balance == NULL || g->is_shut) return;
    atomic_fetch_add_explicit(&g->balance->places[g->place].load, 1, memory_order_relaxed);
}

__attribute__((visibility("default"))) int accept4(int fd, struct sockaddr *restrict address,
                                                   socklen_t *restrict len, int flags) {
    gate *g = gates == NULL ? NULL : find(fd);
    if (g != NULL && !may_accept(g)) {
        errno = EAGAIN;
        return -1;
    }
    int accepted = (int)syscall(SYS_accept4, fd, address, len, flags);
    if (g != NULL && accepted >= 0) count(g);
    return accepted;
}

// ---- opening and closing

static balance *map(int memory_fd) {
    void *memory = mmap(NULL, sizeof(balance), PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static void unmap(balance *memory) {
    if (memory != NULL) munmap(memory, sizeof *memory);
}

// Without memory, or a place in it, whoever wakes first accepts.
static void take_place(gate *g, int memory_fd, balance **out_view) {
    balance *own = map(memory_fd), *view = map(memory_fd);
    uint32_t place = own != NULL && view != NULL ? balance_take(own, (uint32_t)getpid())
                                                 : (uint32_t)BALANCE_PLACES;
    if (place == BALANCE_PLACES) {
        unmap(own);
        unmap(view);
        return;
    }
    g->balance = own;
    g->place = place;
    *out_view = view;
}

void runtime_accept_open(uv_loop_t *loop, int fd, int memory_fd, balance **out_view,
                         uint32_t *out_place) {
    gate *g = mem_alloc(sizeof *g); // zeroed
    g->fd = fd;
    g->loop = loop;
    g->next = gates;
    gates = g;
    uv_timer_init(loop, &g->rest);
    uv_unref((uv_handle_t *)&g->rest);
    g->rest.data = g;
    *out_view = NULL;
    if (memory_fd < 0) return;
    take_place(g, memory_fd, out_view);
    close(memory_fd);
    *out_place = g->place;
}

void runtime_accept_shut(int fd) {
    gate *g = find(fd);
    if (g == NULL || g->is_shut) return;
    g->is_shut = true;
    listen_for(g, 0);
    if (g->balance != NULL)
        atomic_store_explicit(&g->balance->places[g->place].load, BALANCE_CLOSED,
                              memory_order_relaxed);
}

static void on_closed(uv_handle_t *timer) {
    free(timer->data);
}

// `at` points to where the gate hangs.
static void close_gate(gate **at) {
    gate *g = *at;
    *at = g->next;
    if (g->balance != NULL) balance_free(g->balance, (uint32_t)getpid());
    unmap(g->balance);
    uv_close((uv_handle_t *)&g->rest, on_closed);
}

void runtime_accept_close(int fd) {
    gate **at = &gates;
    while (*at != NULL && (*at)->fd != fd)
        at = &(*at)->next;
    if (*at != NULL) close_gate(at);
}

void runtime_accept_close_all(void) {
    while (gates != NULL)
        close_gate(&gates);
}
