#include "agent/fetching.h"

#include <sodium.h>

#include "core/mem.h"

typedef struct question question;

struct agent_fetching {
    uv_loop_t *loop;
    uv_timer_t timer;
    agent_fetch *core;
    agent_releases *releases;
    const mesh_trust *trust;
    question *questions;
};

_Static_assert((int)AGENT_FETCH_HASH_LEN == (int)DEPLOY_HASH_LEN, "both name chunks");
_Static_assert((int)AGENT_FETCH_CHUNK_MAX == (int)DEPLOY_SEALED_MAX, "both carry chunks");

// ---- what the core asks the releases

struct question {
    question *next;
    agent_fetching *fetching;
    uint32_t number;
};

static question *ask(agent_fetching *f, uint32_t number) {
    question *q = mem_alloc(sizeof *q);
    q->fetching = f;
    q->number = number;
    q->next = f->questions;
    f->questions = q;
    return q;
}

// It is answered: gives its number.
static uint32_t end(question *q) {
    uint32_t number = q->number;
    question **at = &q->fetching->questions;
    while (*at != q)
        at = &(*at)->next;
    *at = q->next;
    free(q);
    return number;
}

static void on_missing(const agent_releases_result *result, void *user) {
    agent_fetching *f = ((question *)user)->fetching;
    mesh_bytes missing = {(const uint8_t *)result->missing,
                          result->missing_count * sizeof *result->missing};
    agent_fetch_missing(f->core, uv_now(f->loop), end(user), result->err, missing);
    agent_fetching_work(f);
}

static void on_got(const agent_releases_result *result, void *user) {
    agent_fetching *f = ((question *)user)->fetching;
    agent_fetch_got(f->core, uv_now(f->loop), end(user), result->err, result->bytes);
    agent_fetching_work(f);
}

static void on_put(const agent_releases_result *result, void *user) {
    agent_fetching *f = ((question *)user)->fetching;
    agent_fetch_put(f->core, uv_now(f->loop), end(user), result->err, result->text);
    agent_fetching_work(f);
}

static void missing(void *user, uint32_t number, mesh_bytes hashes) {
    agent_fetching *f = user;
    agent_releases_missing(f->releases, (const deploy_hash *)(const void *)hashes.data,
                           hashes.len / sizeof(deploy_hash), on_missing, ask(f, number));
}

static void get(void *user, uint32_t number, const uint8_t *hash) {
    agent_fetching *f = user;
    agent_releases_get(f->releases, (const deploy_hash *)(const void *)hash, on_got,
                       ask(f, number));
}

static void put(void *user, uint32_t number, const uint8_t *hash, mesh_bytes sealed) {
    agent_fetching *f = user;
    agent_releases_put(f->releases, (const deploy_hash *)(const void *)hash, sealed, on_put,
                       ask(f, number));
}

static size_t queued(void *user) {
    return agent_releases_queued(((agent_fetching *)user)->releases);
}

// ---- time

static void on_timer(uv_timer_t *timer) {
    agent_fetching *f = timer->data;
    agent_fetch_tick(f->core, uv_now(f->loop));
    agent_fetching_work(f);
}

void agent_fetching_work(agent_fetching *f) {
    if (f->core == NULL) return; // a call back has closed it
    uint64_t at_ms = agent_fetch_wake_at_ms(f->core), now_ms = uv_now(f->loop);
    if (at_ms == UINT64_MAX)
        (void)uv_timer_stop(&f->timer);
    else
        (void)uv_timer_start(&f->timer, on_timer, at_ms > now_ms ? at_ms - now_ms : 0, 0);
}

agent_fetching *agent_fetching_create(uv_loop_t *loop, agent_releases *releases) {
    agent_fetching *f = mem_alloc(sizeof *f);
    agent_fetch_chunks chunks = {f, missing, get, put, queued};
    uint64_t seed;
    randombytes_buf(&seed, sizeof seed);
    f->loop = loop;
    f->releases = releases;
    f->core = agent_fetch_create(&chunks, seed);
    (void)uv_timer_init(loop, &f->timer); // never fails
    f->timer.data = f;
    return f;
}

static void on_closed(uv_handle_t *timer) {
    free(timer->data);
}

void agent_fetching_destroy(agent_fetching *f) {
    if (f == NULL) return;
    for (question *q; (q = f->questions) != NULL;) {
        f->questions = q->next;
        agent_releases_forget(f->releases, q);
        free(q);
    }
    agent_fetch_destroy(f->core);
    f->core = NULL;
    uv_close((uv_handle_t *)&f->timer, on_closed);
}

// ---- for others

agent_fetch *agent_fetching_core(agent_fetching *f) {
    return f->core;
}

void agent_fetching_attach(agent_fetching *f, const agent_link_net *net, const mesh_trust *trust) {
    f->trust = trust;
    agent_fetch_attach(f->core, net);
    agent_fetching_work(f);
}

const mesh_trust *agent_fetching_trust(const agent_fetching *f) {
    return f->trust;
}

uint64_t agent_fetching_begin(agent_fetching *f, const agent_fetch_options *options) {
    uint64_t job = agent_fetch_begin(f->core, uv_now(f->loop), options);
    agent_fetching_work(f);
    return job;
}

void agent_fetching_cancel(agent_fetching *f, uint64_t job) {
    agent_fetch_cancel(f->core, job);
    agent_fetching_work(f);
}
