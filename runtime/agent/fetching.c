#include "agent/fetching.h"

#include <sodium.h>

#include "core/mem.h"

struct agent_fetching {
    uv_loop_t *loop;
    uv_timer_t timer;
    agent_fetch *core;
};

static void on_timer(uv_timer_t *timer) {
    agent_fetching *f = timer->data;
    agent_fetch_tick(f->core, uv_now(f->loop));
    agent_fetching_work(f);
}

void agent_fetching_work(agent_fetching *f) {
    uint64_t at_ms = agent_fetch_wake_at_ms(f->core), now_ms = uv_now(f->loop);
    if (at_ms == UINT64_MAX)
        (void)uv_timer_stop(&f->timer);
    else
        (void)uv_timer_start(&f->timer, on_timer, at_ms > now_ms ? at_ms - now_ms : 0, 0);
}

agent_fetching *agent_fetching_create(uv_loop_t *loop, const agent_fetch_chunks *chunks) {
    agent_fetching *f = mem_alloc(sizeof *f);
    uint64_t seed;
    randombytes_buf(&seed, sizeof seed);
    f->loop = loop;
    f->core = agent_fetch_create(chunks, seed);
    (void)uv_timer_init(loop, &f->timer); // never fails
    f->timer.data = f;
    return f;
}

static void on_closed(uv_handle_t *timer) {
    free(timer->data);
}

void agent_fetching_destroy(agent_fetching *f) {
    if (f == NULL) return;
    agent_fetch_destroy(f->core);
    f->core = NULL;
    uv_close((uv_handle_t *)&f->timer, on_closed);
}

agent_fetch *agent_fetching_core(agent_fetching *f) {
    return f->core;
}

uint64_t agent_fetching_begin(agent_fetching *f, const agent_fetch_options *options) {
    uint64_t job = agent_fetch_begin(f->core, uv_now(f->loop), options);
    agent_fetching_work(f);
    return job;
}
