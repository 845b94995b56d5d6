// Chunks of releases between hosts, in a world of one thread: each host has a line of its own, by
// which all that it says goes out at so many bytes a millisecond, and time is what the test says.
#include "agent/fetch.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/error.h"
#include "core/mem.h"
#include "core/rng.h"
#include "test.h"

enum { HOSTS_MAX = 64, CHUNKS_MAX = 600, LATENCY_MS = 1, DISK_MS = 1, RATE = 10000 };

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

typedef struct host {
    agent_fetch *fetch;
    uint64_t line_free_at_ms;
    uint64_t rate; // bytes per ms
    size_t queued[HOSTS_MAX], queued_most, progress;
    uint64_t given_to[HOSTS_MAX];
    int wants_heard, err;
    bool has[CHUNKS_MAX], links[HOSTS_MAX];
    bool is_done, is_gone, is_liar, is_full;
    bool is_old;  // knows nothing of chunks
    bool is_mean; // says that it has none
    char sentence[AGENT_FETCH_TEXT_MAX];
} host;

static host hosts[HOSTS_MAX];
static int host_count;
static event *events;
static uint64_t now_ms;
static mesh_rng rng;

// ---- chunks: their hash says which it is, and how long

static size_t length_of(int chunk) {
    return 1000 + ((size_t)chunk * 7919) % 200000;
}

static void hash_of(int chunk, uint8_t out[AGENT_FETCH_HASH_LEN]) {
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

static void id_of(int which, uint8_t out[MESH_ID_LEN]) {
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

static void link_up(int a, int b) {
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

static void open_world(int count) {
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

static void close_world(void) {
    for (int i = 0; i < host_count; i++)
        agent_fetch_destroy(hosts[i].fetch);
    for (event *e; (e = events) != NULL;) {
        events = e->next;
        free(e->bytes);
        free(e);
    }
}

static void cut(int a, int b) {
    uint8_t id[MESH_ID_LEN];
    if (!hosts[a].links[b]) return;
    hosts[a].links[b] = hosts[b].links[a] = false;
    hosts[a].queued[b] = hosts[b].queued[a] = 0;
    id_of(b, id);
    agent_fetch_unlinked(hosts[a].fetch, now_ms, id);
    id_of(a, id);
    agent_fetch_unlinked(hosts[b].fetch, now_ms, id);
}

static void kill_host(int which) {
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

static void step(void) {
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

static void give(int which, int from, int to) {
    for (int chunk = from; chunk < to; chunk++)
        hosts[which].has[chunk] = true;
}

static uint64_t fetch_from(int which, int from, int to, const char *hint) {
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

static void wait_done(int which) {
    while (!hosts[which].is_done)
        step();
}

static void wait_progress(int which, size_t count) {
    while (hosts[which].progress < count)
        step();
}

static void expect_has(int which, int from, int to) {
    EXPECT_TEXT("", hosts[which].sentence);
    EXPECT_EQ(0, hosts[which].err);
    for (int chunk = from; chunk < to; chunk++)
        EXPECT_TRUE(hosts[which].has[chunk]);
}

TEST(a_host_gets_what_it_misses_from_one_that_it_first_dials) {
    open_world(2);
    give(1, 0, 500);
    EXPECT_TRUE(fetch_from(0, 0, 500, NULL) != 0);
    wait_done(0);
    expect_has(0, 0, 500);
    EXPECT_EQ(500, hosts[0].progress);
    EXPECT_EQ(500, agent_fetch_stats_get(hosts[1].fetch).given);
    EXPECT_EQ(0, agent_fetch_stats_get(hosts[0].fetch).jobs);
    close_world();
}

TEST(nothing_to_fetch_is_done_at_once_and_later) {
    open_world(1);
    EXPECT_TRUE(fetch_from(0, 0, 0, NULL) != 0);
    EXPECT_FALSE(hosts[0].is_done);
    wait_done(0);
    expect_has(0, 0, 0);
    close_world();
}

TEST(each_of_several_hosts_gives_what_it_has) {
    open_world(5);
    for (int i = 1; i < 5; i++)
        give(i, 50 * i, 50 * i + 50);
    (void)fetch_from(0, 50, 250, NULL);
    wait_done(0);
    expect_has(0, 50, 250);
    for (int i = 1; i < 5; i++)
        EXPECT_EQ(50, agent_fetch_stats_get(hosts[i].fetch).given);
    close_world();
}

TEST(the_host_that_took_a_release_in_is_asked_first) {
    open_world(40);
    give(33, 0, 20);
    (void)fetch_from(0, 0, 20, "h33");
    wait_done(0);
    expect_has(0, 0, 20);
    EXPECT_TRUE(now_ms < 1000 + 500);
    close_world();
}

TEST(when_the_host_that_gives_dies_in_the_midst_another_gives_the_rest) {
    open_world(3);
    give(1, 0, 300);
    (void)fetch_from(0, 0, 300, NULL);
    wait_progress(0, 100);
    give(2, 0, 300);
    kill_host(1);
    wait_done(0);
    expect_has(0, 0, 300);
    EXPECT_TRUE(agent_fetch_stats_get(hosts[2].fetch).given >= 150);
    close_world();
}

TEST(a_link_that_is_cut_again_and_again_only_costs_time) {
    open_world(2);
    give(1, 0, 200);
    (void)fetch_from(0, 0, 200, NULL);
    for (size_t i = 20; i < 200; i += 20) {
        wait_progress(0, i);
        cut(0, 1);
    }
    wait_done(0);
    expect_has(0, 0, 200);
    close_world();
}

TEST(a_host_that_gives_something_else_is_asked_no_more_and_another_gives_it) {
    open_world(3);
    hosts[1].is_liar = true;
    give(2, 0, 300);
    (void)fetch_from(0, 0, 300, "h1");
    wait_done(0);
    expect_has(0, 0, 300);
    EXPECT_TRUE(hosts[1].wants_heard > 0 && hosts[1].wants_heard <= 2 * AGENT_FETCH_WANTS_MAX);
    close_world();
}

TEST(agents_that_know_nothing_of_chunks_have_none) {
    enum { OLD = 6 };
    open_world(OLD + 2);
    for (int i = 1; i <= OLD; i++) {
        hosts[i].is_old = true;
        link_up(0, i);
    }
    give(OLD + 1, 0, 100);
    (void)fetch_from(0, 0, 100, "h1");
    wait_done(0);
    expect_has(0, 0, 100);
    for (int i = 1; i <= OLD; i++)
        EXPECT_EQ(0, hosts[i].wants_heard);
    close_world();
}

TEST(what_nobody_has_is_said_with_how_many_were_asked) {
    open_world(3);
    give(1, 0, 9);
    (void)fetch_from(0, 0, 10, "h1");
    wait_done(0);
    EXPECT_TRUE(hosts[0].err < 0);
    EXPECT_TEXT("none of the 2 hosts that were asked gives the piece 09000000 of a release, 1 of "
                "10 are missing here; it was deployed to h1: `warren hosts` shows who is up",
                hosts[0].sentence);
    close_world();
}

TEST(a_host_that_comes_while_nobody_has_it_gives_it) {
    open_world(3);
    hosts[2].is_gone = true;
    give(2, 0, 10);
    (void)fetch_from(0, 0, 10, NULL);
    while (now_ms < 1000 + AGENT_FETCH_STALL_MS / 2)
        step();
    hosts[2].is_gone = false;
    wait_done(0);
    expect_has(0, 0, 10);
    close_world();
}

TEST(a_full_disk_ends_it_with_its_sentence) {
    open_world(2);
    hosts[0].is_full = true;
    give(1, 0, 100);
    (void)fetch_from(0, 0, 100, NULL);
    wait_done(0);
    EXPECT_EQ(-28, hosts[0].err);
    EXPECT_TEXT("the disk is full", hosts[0].sentence);
    EXPECT_FALSE(agent_fetch_is_busy(hosts[0].fetch, (const uint8_t[MESH_ID_LEN]){2}));
    close_world();
}

TEST(what_is_cancelled_calls_nobody_back_and_another_job_goes_on) {
    open_world(2);
    give(1, 0, 400);
    uint64_t first = fetch_from(0, 0, 200, NULL);
    for (int i = 0; i < 30; i++)
        step();
    agent_fetch_cancel(hosts[0].fetch, first);
    agent_fetch_cancel(hosts[0].fetch, first);
    hosts[0].progress = 0;
    (void)fetch_from(0, 200, 400, NULL);
    wait_done(0);
    expect_has(0, 200, 400);
    close_world();
}

TEST(jobs_beyond_those_that_are_under_way_wait_for_their_turn) {
    enum { JOBS = 10 };
    open_world(2);
    give(1, 0, 200);
    hosts[1].rate = 100;
    for (int i = 0; i < JOBS; i++)
        (void)fetch_from(0, 20 * i, 20 * i + 20, NULL);
    EXPECT_EQ(JOBS, agent_fetch_stats_get(hosts[0].fetch).jobs);
    while (agent_fetch_stats_get(hosts[0].fetch).jobs > 0) {
        hosts[0].is_done = false;
        hosts[0].progress = 0;
        step();
    }
    expect_has(0, 0, 200);
    close_world();
}

TEST(no_more_than_there_is_room_for_begins) {
    open_world(1);
    for (int i = 0; i < AGENT_FETCH_JOBS_MAX; i++)
        EXPECT_TRUE(fetch_from(0, 0, 1, NULL) != 0);
    EXPECT_EQ(0, fetch_from(0, 0, 1, NULL));
    close_world();
}

TEST(to_leave_the_cluster_ends_what_is_under_way) {
    open_world(2);
    give(1, 0, 400);
    hosts[1].rate = 100;
    (void)fetch_from(0, 0, 400, NULL);
    wait_progress(0, 2);
    agent_fetch_attach(hosts[0].fetch, NULL);
    EXPECT_FALSE(hosts[0].is_done);
    wait_done(0);
    EXPECT_TRUE(strstr(hosts[0].sentence, "this host is in no cluster") != NULL);
    close_world();
}

// What else is said on a link waits behind what is on the way.
TEST(never_more_than_the_bound_is_on_the_way_to_one_host) {
    open_world(2);
    give(0, 0, 600);
    hosts[0].rate = 50000;
    (void)fetch_from(1, 0, 600, NULL);
    wait_done(1);
    EXPECT_TRUE(hosts[0].queued_most <= AGENT_FETCH_QUEUE_MAX);
    EXPECT_TRUE(hosts[0].queued_most > AGENT_FETCH_QUEUE_MAX / 2);
    close_world();
}

TEST(on_a_slow_line_little_is_on_the_way) {
    open_world(4);
    give(0, 0, 100);
    hosts[0].rate = 100;
    for (int i = 1; i < 4; i++)
        (void)fetch_from(i, 0, 100, NULL);
    for (int i = 1; i < 4; i++)
        wait_done(i);
    EXPECT_TRUE(hosts[0].queued_most <= AGENT_FETCH_QUEUE_MAX / 2);
    close_world();
}

TEST(each_host_that_asks_gets_the_same_share) {
    open_world(5);
    give(0, 0, 600);
    hosts[0].rate = 300;
    for (int i = 1; i < 5; i++) {
        hosts[i].is_mean = true; // so that the first gives all
        (void)fetch_from(i, 0, 600, NULL);
        link_up(0, i);
    }
    wait_progress(1, 100);
    for (int i = 2; i < 5; i++) {
        uint64_t most = hosts[0].given_to[1] * 5 / 4, least = hosts[0].given_to[1] * 3 / 4;
        EXPECT_TRUE(hosts[0].given_to[i] >= least && hosts[0].given_to[i] <= most);
    }
    close_world();
}

TEST(fifty_hosts_do_not_all_draw_on_the_one_that_had_it_first) {
    enum { HOSTS = 50, CHUNKS = 60 };
    uint64_t len = 0, all = 0;
    open_world(HOSTS);
    give(0, 0, CHUNKS);
    for (int chunk = 0; chunk < CHUNKS; chunk++)
        len += length_of(chunk);
    for (int i = 1; i < HOSTS; i++) {
        hosts[i].rate = hosts[0].rate = 1000;
        (void)fetch_from(i, 0, CHUNKS, "h0");
    }
    for (int i = 1; i < HOSTS; i++) {
        wait_done(i);
        expect_has(i, 0, CHUNKS);
    }
    for (int i = 0; i < HOSTS; i++)
        all += agent_fetch_stats_get(hosts[i].fetch).given_len;
    uint64_t first = agent_fetch_stats_get(hosts[0].fetch).given_len;
    print_message("%llu KiB each to 49 hosts in %llu ms; the first gave %.1f times that\n",
                  (unsigned long long)len >> 10, (unsigned long long)now_ms - 1000,
                  (double)first / (double)len);
    EXPECT_TRUE(all >= len * (HOSTS - 1));
    EXPECT_TRUE(first < len * (HOSTS - 1) / 4);
    close_world();
}

static bool is_refused(const agent_fetch_message *m) {
    uint8_t wire[AGENT_FETCH_LEN_MAX], id[MESH_ID_LEN];
    id_of(1, id);
    size_t len = agent_fetch_write(m, wire);
    return agent_fetch_receive(hosts[0].fetch, now_ms, id, (mesh_bytes){wire, len}) != 0;
}

TEST(what_is_over_a_bound_closes_the_link) {
    static uint8_t zeros[AGENT_FETCH_PIECE_MAX + 1];
    open_world(2);
    link_up(0, 1);
    agent_fetch_message ask = {.kind = AGENT_FETCH_ASK, .number = 1, .bytes = {zeros, 32}};
    EXPECT_FALSE(is_refused(&ask));
    ask.bytes.len = 33;
    EXPECT_TRUE(is_refused(&ask));
    ask.bytes.len = (size_t)32 * (AGENT_FETCH_ASK_MAX + 1);
    EXPECT_TRUE(is_refused(&ask));
    agent_fetch_message piece = {
        .kind = AGENT_FETCH_PIECE, .number = 1, .total = 10, .bytes = {zeros, 10}};
    EXPECT_FALSE(is_refused(&piece));
    piece.bytes.len = 11;
    EXPECT_TRUE(is_refused(&piece));
    piece.total = AGENT_FETCH_CHUNK_MAX + 1;
    EXPECT_TRUE(is_refused(&piece));
    piece = (agent_fetch_message){.kind = AGENT_FETCH_PIECE,
                                  .number = 1,
                                  .offset = UINT32_MAX,
                                  .total = 10,
                                  .bytes = {zeros, 10}};
    EXPECT_TRUE(is_refused(&piece));
    close_world();
}

TEST(one_who_asks_for_more_than_its_share_hears_that_it_is_too_much) {
    open_world(2);
    give(0, 0, 600);
    hosts[0].rate = 1;
    link_up(0, 1);
    uint8_t hash[AGENT_FETCH_HASH_LEN];
    for (int i = 0; i < 500; i++) {
        hash_of(i, hash);
        EXPECT_FALSE(is_refused(&(agent_fetch_message){
            .kind = AGENT_FETCH_WANT, .number = (uint32_t)i + 1, .bytes = {hash, sizeof hash}}));
    }
    EXPECT_EQ(1, agent_fetch_stats_get(hosts[0].fetch).askers);
    for (int i = 0; i < 20; i++)
        step();
    EXPECT_TRUE(hosts[0].queued_most <= AGENT_FETCH_QUEUE_MAX + (8U << 10));
    close_world();
}
