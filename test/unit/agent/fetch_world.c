#include "fetch_world.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/error.h"
#include "core/mem.h"
#include "core/rng.h"
#include "test.h"

enum { LATENCY_MS = 1, DISK_MS = 1, RATE = 10000 };

typedef enum event_kind { MESSAGE, UP, DOWN, MISSING, GOT, PUT } event_kind;

typedef struct event {
    struct event *next;
    uint64_t at_ms;
    event_kind kind;
    int to, from;
    uint32_t number;
    int err;
    uint8_t *bytes;
    size_t len;
} event;

host hosts[HOSTS_MAX];
uint64_t now_ms;
static int host_count;
static event *events;
static mesh_rng rng;

// ---- chunks: their hash says which it is, and how long

size_t length_of(int chunk) {
    return 1000 + ((size_t)chunk * 7919) % 200000;
}

void hash_of(int chunk, uint8_t out[AGENT_FETCH_HASH_LEN]) {
    memset(out, 0, AGENT_FETCH_HASH_LEN);
    out[0] = (uint8_t)chunk;
    out[1] = (uint8_t)(chunk >> 8);
}

static int chunk_of(const uint8_t *hash) {
    return hash[0] | hash[1] << 8;
}

static uint8_t byte_of(int chunk, size_t at) {
    return (uint8_t)((size_t)chunk * 31 + at * 7);
}

static uint8_t *content_of(int chunk) {
    uint8_t *bytes = mem_alloc(length_of(chunk));
    for (size_t i = 0; i < length_of(chunk); i++)
        bytes[i] = byte_of(chunk, i);
    return bytes;
}

static bool is_right(int chunk, mesh_bytes bytes) {
    if (bytes.len != length_of(chunk)) return false;
    for (size_t i = 0; i < bytes.len; i++)
        if (bytes.data[i] != byte_of(chunk, i)) return false;
    return true;
}

// ---- the world

void id_of(int which, uint8_t out[MESH_ID_LEN]) {
    memset(out, 0, MESH_ID_LEN);
    out[0] = (uint8_t)(which + 1);
}

static event *later(uint64_t wait_ms, event_kind kind, int to, int from) {
    event *e = mem_alloc(sizeof *e), **at = &events;
    *e = (event){.at_ms = now_ms + wait_ms, .kind = kind, .to = to, .from = from};
    while (*at != NULL && (*at)->at_ms <= e->at_ms)
        at = &(*at)->next;
    e->next = *at;
    *at = e;
    return e;
}

static void give_bytes(event *e, const void *bytes, size_t len) {
    e->bytes = mem_copy(bytes, len);
    e->len = len;
}

static host *host_of(void *user) {
    return user;
}

static int number_of(const host *h) {
    return (int)(h - hosts);
}

static void each_host(void *user, agent_link_host_cb each, void *each_user) {
    const host *self = host_of(user);
    for (int i = 0; i < host_count; i++) {
        uint8_t id[MESH_ID_LEN];
        char name[16];
        if (&hosts[i] == self || hosts[i].is_gone) continue;
        id_of(i, id);
        (void)snprintf(name, sizeof name, "h%d", i);
        each(id, name, self->links[i], each_user);
    }
}

static void note_want(host *to, mesh_bytes wire) {
    agent_fetch_message m;
    EXPECT_OK(agent_fetch_read(wire, &m));
    to->wants_heard += m.kind == AGENT_FETCH_WANT;
    agent_fetch_message_free(&m);
}

static bool send_it(void *user, const uint8_t *id, mesh_bytes wire) {
    host *self = host_of(user);
    int to = id[0] - 1;
    if (!self->links[to]) return false;
    if (self->line_free_at_ms < now_ms) self->line_free_at_ms = now_ms;
    self->line_free_at_ms += (wire.len + self->rate - 1) / self->rate;
    self->queued[to] += wire.len;
    if (self->queued[to] > self->queued_most) self->queued_most = self->queued[to];
    event *e = later(self->line_free_at_ms - now_ms + LATENCY_MS, MESSAGE, to, number_of(self));
    give_bytes(e, wire.data, wire.len);
    note_want(&hosts[to], wire);
    return true;
}

static size_t queued_to(void *user, const uint8_t *id) {
    return host_of(user)->queued[id[0] - 1];
}

void link_up(int a, int b) {
    uint8_t id[MESH_ID_LEN];
    if (hosts[a].links[b]) return;
    hosts[a].links[b] = hosts[b].links[a] = true;
    id_of(b, id);
    agent_fetch_linked(hosts[a].fetch, now_ms, id);
    id_of(a, id);
    agent_fetch_linked(hosts[b].fetch, now_ms, id);
}

static void dial(void *user, const uint8_t *id) {
    const host *self = host_of(user);
    int to = id[0] - 1;
    (void)later(LATENCY_MS, hosts[to].is_gone ? DOWN : UP, number_of(self), to);
}

static void ask_missing(void *user, uint32_t number, mesh_bytes hashes) {
    const host *self = host_of(user);
    uint8_t missing[AGENT_FETCH_ASK_MAX * AGENT_FETCH_HASH_LEN];
    size_t len = 0;
    for (size_t at = 0; at < hashes.len; at += AGENT_FETCH_HASH_LEN) {
        bool is_here = self->is_liar || self->has[chunk_of(hashes.data + at)];
        if (is_here && !self->is_mean) continue;
        memcpy(missing + len, hashes.data + at, AGENT_FETCH_HASH_LEN);
        len += AGENT_FETCH_HASH_LEN;
    }
    event *e = later(DISK_MS, MISSING, number_of(self), 0);
    e->number = number;
    give_bytes(e, missing, len);
}

static void get(void *user, uint32_t number, const uint8_t *hash) {
    const host *self = host_of(user);
    int chunk = chunk_of(hash);
    event *e = later(DISK_MS, GOT, number_of(self), 0);
    e->number = number;
    e->err = self->has[chunk] || self->is_liar ? 0 : MESH_ENOTFOUND;
    e->bytes = content_of(chunk);
    e->len = length_of(chunk);
    if (self->is_liar) e->bytes[e->len / 2] ^= 1;
}

static void put(void *user, uint32_t number, const uint8_t *hash, mesh_bytes sealed) {
    host *self = host_of(user);
    int chunk = chunk_of(hash);
    event *e = later(DISK_MS, PUT, number_of(self), 0);
    e->number = number;
    if (self->is_full)
        e->err = -28;
    else if (!is_right(chunk, sealed))
        e->err = MESH_EINVAL;
    else
        self->has[chunk] = true;
}

static size_t queued_puts(void *user) {
    (void)user;
    return 0;
}

void open_world(int count) {
    now_ms = 1000;
    mesh_rng_init(&rng, 1);
    memset(hosts, 0, sizeof hosts);
    host_count = count;
    for (int i = 0; i < count; i++) {
        host *h = &hosts[i];
        agent_fetch_chunks chunks = {h, ask_missing, get, put, queued_puts};
        agent_link_net net = {h, each_host, send_it, queued_to, dial};
        h->rate = RATE;
        h->fetch = agent_fetch_create(&chunks, mesh_rng_next(&rng));
        agent_fetch_attach(h->fetch, &net);
    }
}

void close_world(void) {
    for (int i = 0; i < host_count; i++)
        agent_fetch_destroy(hosts[i].fetch);
    for (event *e; (e = events) != NULL;) {
        events = e->next;
        free(e->bytes);
        free(e);
    }
}

void cut(int a, int b) {
    uint8_t id[MESH_ID_LEN];
    if (!hosts[a].links[b]) return;
    hosts[a].links[b] = hosts[b].links[a] = false;
    hosts[a].queued[b] = hosts[b].queued[a] = 0;
    id_of(b, id);
    agent_fetch_unlinked(hosts[a].fetch, now_ms, id);
    id_of(a, id);
    agent_fetch_unlinked(hosts[b].fetch, now_ms, id);
}

void kill_host(int which) {
    for (int i = 0; i < host_count; i++)
        cut(i, which);
    hosts[which].is_gone = true;
}

static void deliver(const event *e) {
    host *to = &hosts[e->to], *from = &hosts[e->from];
    uint8_t id[MESH_ID_LEN];
    if (!to->links[e->from]) return; // it was lost with its link
    size_t len = from->queued[e->to] < e->len ? from->queued[e->to] : e->len;
    from->queued[e->to] -= len;
    from->given_to[e->to] += e->len;
    if (to->is_old) return;
    id_of(e->from, id);
    EXPECT_OK(agent_fetch_receive(to->fetch, now_ms, id, (mesh_bytes){e->bytes, e->len}));
}

static void happen(const event *e) {
    host *h = &hosts[e->to];
    uint8_t id[MESH_ID_LEN];
    id_of(e->from, id);
    mesh_bytes bytes = {e->bytes, e->len};
    switch (e->kind) {
    case MESSAGE: deliver(e); break;
    case UP: link_up(e->to, e->from); break;
    case DOWN: agent_fetch_unlinked(h->fetch, now_ms, id); break;
    case MISSING: agent_fetch_missing(h->fetch, now_ms, e->number, 0, bytes); break;
    case GOT: agent_fetch_got(h->fetch, now_ms, e->number, e->err, bytes); break;
    case PUT: agent_fetch_put(h->fetch, now_ms, e->number, e->err, "the disk is full"); break;
    }
}

static void tick_all(void) {
    for (int i = 0; i < host_count; i++)
        if (agent_fetch_wake_at_ms(hosts[i].fetch) <= now_ms)
            agent_fetch_tick(hosts[i].fetch, now_ms);
}

static uint64_t next_ms(void) {
    uint64_t at_ms = events != NULL ? events->at_ms : UINT64_MAX;
    for (int i = 0; i < host_count; i++)
        if (agent_fetch_wake_at_ms(hosts[i].fetch) < at_ms)
            at_ms = agent_fetch_wake_at_ms(hosts[i].fetch);
    return at_ms;
}

void step(void) {
    uint64_t at_ms = next_ms();
    EXPECT_TRUE(at_ms != UINT64_MAX); // else what is waited for never comes
    if (at_ms > now_ms) now_ms = at_ms;
    while (events != NULL && events->at_ms <= now_ms) {
        event *e = events;
        events = e->next;
        happen(e);
        free(e->bytes);
        free(e);
    }
    tick_all();
}

// ---- what tests say

static void on_done(int err, const char *sentence, void *user) {
    host *h = user;
    EXPECT_FALSE(h->is_done);
    h->is_done = true;
    h->err = err;
    (void)snprintf(h->sentence, sizeof h->sentence, "%s", sentence);
}

static void on_progress(size_t done, size_t count, uint64_t len, void *user) {
    host *h = user;
    EXPECT_TRUE(done > h->progress && done <= count && len > 0);
    h->progress = done;
}

void give(int which, int from, int to) {
    for (int chunk = from; chunk < to; chunk++)
        hosts[which].has[chunk] = true;
}

uint64_t fetch_from(int which, int from, int to, const char *hint) {
    static uint8_t hashes[CHUNKS_MAX][AGENT_FETCH_HASH_LEN];
    for (int chunk = from; chunk < to; chunk++)
        hash_of(chunk, hashes[chunk - from]);
    return agent_fetch_begin(hosts[which].fetch, now_ms,
                             &(agent_fetch_options){.hashes = hashes,
                                                    .count = (size_t)(to - from),
                                                    .host = hint,
                                                    .cb = on_done,
                                                    .on_progress = on_progress,
                                                    .user = &hosts[which]});
}

void wait_done(int which) {
    while (!hosts[which].is_done)
        step();
}

void wait_progress(int which, size_t count) {
    while (hosts[which].progress < count)
        step();
}

void expect_has(int which, int from, int to) {
    EXPECT_TEXT("", hosts[which].sentence);
    EXPECT_EQ(0, hosts[which].err);
    for (int chunk = from; chunk < to; chunk++)
        EXPECT_TRUE(hosts[which].has[chunk]);
}
