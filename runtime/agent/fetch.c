#include "agent/fetch.h"

#include <errno.h>
#include <stdio.h>

#include "agent/fetch_state.h"
#include "core/error.h"
#include "core/mem.h"

static const char no_cluster[] =
    "this host is in no cluster, so nobody can give it what it misses of a release: deploy it from "
    "a command line on this host";

// ---- what all of it uses

uint32_t fetch_number(agent_fetch *f) {
    if (++f->last_number == 0) f->last_number = 1;
    return f->last_number;
}

bool fetch_send(agent_fetch *f, const uint8_t *host_id, const agent_fetch_message *message) {
    uint8_t wire[AGENT_FETCH_LEN_MAX];
    if (!f->is_attached) return false;
    size_t len = agent_fetch_write(message, wire);
    return f->net.send(f->net.user, host_id, (mesh_bytes){wire, len});
}

agent_fetch *agent_fetch_create(const agent_fetch_chunks *chunks, uint64_t seed) {
    agent_fetch *f = mem_alloc(sizeof *f);
    f->chunks = *chunks;
    mesh_rng_init(&f->rng, seed);
    f->last_asker = &f->askers;
    f->look_at_ms = f->serve_at_ms = UINT64_MAX;
    return f;
}

// ---- jobs

static void free_job(fetch_job *job) {
    fetch_peers_close(job);
    free(job->met);
    free(job->hashes);
    free(job);
}

void agent_fetch_destroy(agent_fetch *f) {
    if (f == NULL) return;
    f->is_attached = false;
    for (fetch_job *job; (job = f->jobs) != NULL;) {
        f->jobs = job->next;
        free_job(job);
    }
    fetch_serve_close(f);
    free(f);
}

void fetch_fail(fetch_job *job, int err, const char *text) {
    if (job->is_over) return;
    job->is_over = true;
    job->err = err;
    (void)snprintf(job->text, sizeof job->text, "%s", text);
}

static void unlink_job(agent_fetch *f, const fetch_job *job) {
    fetch_job **at = &f->jobs;
    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    f->stats.jobs--;
}

static fetch_job *with_news(const agent_fetch *f) {
    for (fetch_job *job = f->jobs; job != NULL; job = job->next)
        if (job->is_over || job->has_news) return job;
    return NULL;
}

static void tell_one(agent_fetch *f, fetch_job *job) {
    if (job->has_news) {
        job->has_news = false;
        if (job->on_progress != NULL) job->on_progress(job->done, job->count, job->len, job->user);
        return; // that may have cancelled it
    }
    unlink_job(f, job);
    job->cb(job->err, job->text, job->user);
    free_job(job);
}

static void start_jobs(agent_fetch *f, uint64_t now_ms);

// Call backs may begin and cancel any job, so that each look begins at the first again.
static void tell(agent_fetch *f, uint64_t now_ms) {
    if (f->is_telling) return;
    f->is_telling = true;
    for (fetch_job *job; (job = with_news(f)) != NULL;) {
        tell_one(f, job);
        start_jobs(f, now_ms);
    }
    f->is_telling = false;
    if (f->jobs == NULL)
        f->look_at_ms = UINT64_MAX;
    else if (f->look_at_ms > now_ms + FETCH_LOOK_MS)
        f->look_at_ms = now_ms + FETCH_LOOK_MS;
}

// Each host has an order of its own, so that soon all have something that others miss.
static void shuffle(agent_fetch *f, fetch_job *job) {
    uint8_t moved[AGENT_FETCH_HASH_LEN];
    for (size_t i = job->count; i > 1; i--) {
        size_t other = mesh_rng_below(&f->rng, (uint32_t)i);
        memcpy(moved, job->hashes[i - 1], sizeof moved);
        memcpy(job->hashes[i - 1], job->hashes[other], sizeof moved);
        memcpy(job->hashes[other], moved, sizeof moved);
    }
}

uint64_t agent_fetch_begin(agent_fetch *f, uint64_t now_ms, const agent_fetch_options *options) {
    if (f->stats.jobs == AGENT_FETCH_JOBS_MAX || options->count > AGENT_FETCH_HASHES_MAX) return 0;
    fetch_job *job = mem_alloc(sizeof *job), **last = &f->jobs;
    job->fetch = f;
    job->id = ++f->last_job;
    job->count = options->count;
    job->hashes = mem_copy(options->hashes, options->count * sizeof *job->hashes);
    job->cb = options->cb;
    job->on_progress = options->on_progress;
    job->user = options->user;
    if (options->host != NULL) (void)snprintf(job->host, sizeof job->host, "%s", options->host);
    shuffle(f, job);
    while (*last != NULL)
        last = &(*last)->next;
    *last = job;
    f->stats.jobs++;
    f->look_at_ms = now_ms; // from the loop: the call back comes later
    return job->id;
}

void agent_fetch_cancel(agent_fetch *f, uint64_t id) {
    for (fetch_job *job = f->jobs; job != NULL; job = job->next) {
        if (job->id != id) continue;
        unlink_job(f, job);
        free_job(job);
        return;
    }
}

void agent_fetch_attach(agent_fetch *f, const agent_link_net *net) {
    if (net != NULL) {
        f->net = *net;
        f->is_attached = true;
        return;
    }
    f->is_attached = false;
    fetch_serve_close(f);
    for (fetch_job *job = f->jobs; job != NULL; job = job->next)
        fetch_fail(job, MESH_ENOTFOUND, no_cluster);
    if (f->jobs != NULL) f->look_at_ms = 0; // they are told by tick
}

// ---- the work of a job

static void fill(fetch_job *job) {
    for (size_t i = 0; i < FETCH_WINDOW && job->next_hash < job->count; i++) {
        fetch_slot *slot = &job->slots[i];
        if (slot->state != FETCH_EMPTY) continue;
        memcpy(slot->hash, job->hashes[job->next_hash++], AGENT_FETCH_HASH_LEN);
        slot->state = FETCH_OPEN;
        slot->serial++;
        for (size_t p = 0; p < AGENT_FETCH_PEERS_MAX; p++)
            job->peers[p].has[i] = FETCH_UNKNOWN;
    }
}

static void work(fetch_job *job, uint64_t now_ms) {
    if (!job->is_active || job->is_over) return;
    fill(job);
    if (job->done == job->count) {
        fetch_fail(job, 0, "");
        return;
    }
    fetch_peers_work(job, now_ms);
}

static void start_jobs(agent_fetch *f, uint64_t now_ms) {
    size_t active = 0;
    for (fetch_job *job = f->jobs; job != NULL; job = job->next) {
        if (job->is_over) continue;
        if (!job->is_active) {
            if (!f->is_attached) fetch_fail(job, MESH_ENOTFOUND, no_cluster);
            job->is_active = true;
            job->progress_at_ms = now_ms;
            work(job, now_ms);
        }
        if (++active == AGENT_FETCH_ACTIVE_MAX) return;
    }
}

static const fetch_slot *first_missing(const fetch_job *job) {
    for (size_t i = 0; i < FETCH_WINDOW; i++)
        if (job->slots[i].state == FETCH_OPEN || job->slots[i].state == FETCH_WANTED)
            return &job->slots[i];
    return NULL;
}

static void fail_stalled(fetch_job *job) {
    char text[AGENT_FETCH_TEXT_MAX];
    const fetch_slot *slot = first_missing(job);
    if (slot == NULL) return; // the disk is slow, and says so itself
    if (job->met_count == 0)
        (void)snprintf(text, sizeof text,
                       "no other host of the cluster is up, and %zu of %zu pieces of a release are "
                       "missing here: `warren hosts` shows who is there",
                       job->count - job->done, job->count);
    else
        (void)snprintf(text, sizeof text,
                       "none of the %zu hosts that were asked gives the piece %02x%02x%02x%02x of "
                       "a release, %zu of %zu are missing here%s%s: `warren hosts` shows who is up",
                       job->met_count, slot->hash[0], slot->hash[1], slot->hash[2], slot->hash[3],
                       job->count - job->done, job->count,
                       job->host[0] != '\0' ? "; it was deployed to " : "", job->host);
    fetch_fail(job, -ETIMEDOUT, text);
}

static void look(fetch_job *job, uint64_t now_ms) {
    if (!job->is_active || job->is_over) return;
    fetch_peers_look(job, now_ms);
    work(job, now_ms);
    if (!job->is_over && now_ms >= job->progress_at_ms + AGENT_FETCH_STALL_MS) fail_stalled(job);
}

void agent_fetch_tick(agent_fetch *f, uint64_t now_ms) {
    if (now_ms >= f->serve_at_ms) fetch_serve(f, now_ms);
    if (now_ms < f->look_at_ms) return;
    start_jobs(f, now_ms);
    for (fetch_job *job = f->jobs; job != NULL; job = job->next)
        look(job, now_ms);
    f->look_at_ms = UINT64_MAX; // tell knows better
    tell(f, now_ms);
}

uint64_t agent_fetch_wake_at_ms(const agent_fetch *f) {
    return f->look_at_ms < f->serve_at_ms ? f->look_at_ms : f->serve_at_ms;
}

// ---- what happens

void agent_fetch_linked(agent_fetch *f, uint64_t now_ms, const uint8_t host_id[MESH_ID_LEN]) {
    for (fetch_job *job = f->jobs; job != NULL; job = job->next) {
        fetch_peer *peer = fetch_peers_find(job, host_id);
        if (peer == NULL || peer->state != FETCH_DIALLED) continue;
        peer->state = FETCH_LINKED;
        work(job, now_ms);
    }
    tell(f, now_ms);
}

void agent_fetch_unlinked(agent_fetch *f, uint64_t now_ms, const uint8_t host_id[MESH_ID_LEN]) {
    enum { UNLINKED_REST_MS = 2000 };
    fetch_serve_forget(f, host_id);
    for (fetch_job *job = f->jobs; job != NULL; job = job->next) {
        fetch_peer *peer = fetch_peers_find(job, host_id);
        if (peer == NULL) continue;
        fetch_peers_drop(job, peer, now_ms + UNLINKED_REST_MS);
        work(job, now_ms);
    }
    tell(f, now_ms);
}

static bool is_answer(const fetch_peer *peer, uint32_t number) {
    if (peer->ask == number) return true;
    for (size_t i = 0; i < AGENT_FETCH_WANTS_MAX; i++)
        if (peer->wants[i].number == number) return true;
    return false;
}

// It gives one after the other, whichever job they are for: so none of them is late.
static void note_piece(agent_fetch *f, uint64_t now_ms, const uint8_t *host_id) {
    for (fetch_job *job = f->jobs; job != NULL; job = job->next) {
        fetch_peer *peer = fetch_peers_find(job, host_id);
        if (peer == NULL || peer->want_count == 0) continue;
        peer->heard_at_ms = now_ms;
        job->progress_at_ms = now_ms;
    }
}

// What nobody waits for any more is dropped.
static void take_answer(agent_fetch *f, uint64_t now_ms, const uint8_t *host_id,
                        const agent_fetch_message *message) {
    for (fetch_job *job = f->jobs; job != NULL; job = job->next) {
        fetch_peer *peer = fetch_peers_find(job, host_id);
        if (peer == NULL || job->is_over || !is_answer(peer, message->number)) continue;
        switch (message->kind) {
        case AGENT_FETCH_HAVE: fetch_peers_have(job, peer, now_ms, message); break;
        case AGENT_FETCH_PIECE:
            note_piece(f, now_ms, host_id);
            fetch_peers_piece(job, peer, message);
            break;
        default: fetch_peers_no(job, peer, now_ms, message); break;
        }
        work(job, now_ms);
        return;
    }
}

int agent_fetch_receive(agent_fetch *f, uint64_t now_ms, const uint8_t host_id[MESH_ID_LEN],
                        mesh_bytes wire) {
    agent_fetch_message message;
    int err = agent_fetch_read(wire, &message);
    if (err != 0) return err;
    switch (message.kind) {
    case AGENT_FETCH_NONE: break;
    case AGENT_FETCH_ASK: fetch_serve_ask(f, host_id, &message); break;
    case AGENT_FETCH_WANT: fetch_serve_want(f, now_ms, host_id, &message); break;
    case AGENT_FETCH_STOP: fetch_serve_stop(f, host_id, message.number); break;
    default: take_answer(f, now_ms, host_id, &message); break;
    }
    agent_fetch_message_free(&message);
    tell(f, now_ms);
    return 0;
}

static void take_put(fetch_job *job, fetch_slot *slot, uint64_t now_ms, int err, const char *text) {
    slot->put = 0;
    if (err == MESH_EINVAL) {
        slot->state = FETCH_OPEN;
        fetch_peers_ban(job, slot->from, "it gave something else than was asked for");
    } else if (err != 0) {
        fetch_fail(job, err, text);
    } else {
        slot->state = FETCH_EMPTY;
        job->done++;
        job->has_news = true;
        job->progress_at_ms = now_ms;
    }
    work(job, now_ms);
}

void agent_fetch_put(agent_fetch *f, uint64_t now_ms, uint32_t number, int err, const char *text) {
    for (fetch_job *job = f->jobs; job != NULL; job = job->next)
        for (size_t i = 0; i < FETCH_WINDOW; i++) {
            fetch_slot *slot = &job->slots[i];
            if (slot->state != FETCH_STORED || slot->put != number) continue;
            take_put(job, slot, now_ms, err, text);
            tell(f, now_ms);
            return;
        }
}

bool agent_fetch_is_busy(const agent_fetch *f, const uint8_t host_id[MESH_ID_LEN]) {
    for (fetch_job *job = f->jobs; job != NULL; job = job->next) {
        const fetch_peer *peer = fetch_peers_find(job, host_id);
        if (peer != NULL && peer->want_count > 0) return true;
    }
    return fetch_serve_is_for(f, host_id);
}

agent_fetch_stats agent_fetch_stats_get(const agent_fetch *f) {
    agent_fetch_stats stats = f->stats;
    stats.askers = f->asker_count;
    return stats;
}
