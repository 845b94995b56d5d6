// The hosts that a job asks: which, for what, and when another is tried.
#include <stdio.h>

#include "agent/fetch_state.h"
#include "agent/say.h"
#include "core/error.h"
#include "core/mem.h"

enum {
    ANSWER_MS = 5000, // an agent that knows nothing of chunks does not answer: it has none
    DIAL_MS = 15000,
    PIECE_MS = 15000, // since the last
    AGAIN_MS = 1000,  // one that has nothing may have something then
    BUSY_MS = 500,
    VAIN_MAX = 3, // answers without anything, then others are asked
    REST_MS = 3000,
    REST_LATE_MS = 10000,
    ENOUGH = 4, // that have something, or may have
    DIALS_MAX = 2,
};

// ---- hosts that were met

static fetch_met *met_of(fetch_job *job, const uint8_t *host_id) {
    for (size_t i = 0; i < job->met_count; i++)
        if (fetch_is_same(job->met[i].host_id, host_id)) return &job->met[i];
    job->met = mem_grow(job->met, sizeof *job->met, job->met_count + 1, &job->met_cap);
    fetch_met *met = &job->met[job->met_count++];
    *met = (fetch_met){.is_banned = false};
    memcpy(met->host_id, host_id, MESH_ID_LEN);
    return met;
}

static bool may_ask(const fetch_job *job, const uint8_t *host_id, uint64_t now_ms) {
    for (size_t i = 0; i < job->met_count; i++)
        if (fetch_is_same(job->met[i].host_id, host_id))
            return !job->met[i].is_banned && now_ms >= job->met[i].not_before_ms;
    return true;
}

fetch_peer *fetch_peers_find(fetch_job *job, const uint8_t *host_id) {
    for (size_t i = 0; i < AGENT_FETCH_PEERS_MAX; i++) {
        fetch_peer *peer = &job->peers[i];
        if (peer->state != FETCH_FREE && fetch_is_same(peer->host_id, host_id)) return peer;
    }
    return NULL;
}

// ---- what is wanted

static void end_want(fetch_peer *peer, fetch_want *want) {
    free(want->bytes);
    *want = (fetch_want){.number = 0};
    peer->want_count--;
}

static fetch_want *find_want(fetch_peer *peer, uint32_t number) {
    for (size_t i = 0; i < AGENT_FETCH_WANTS_MAX; i++)
        if (peer->wants[i].number == number) return &peer->wants[i];
    return NULL;
}

static void stop_want(fetch_job *job, fetch_peer *peer, fetch_want *want) {
    agent_fetch_message stop = {.kind = AGENT_FETCH_STOP, .number = want->number};
    (void)fetch_send(job->fetch, peer->host_id, &stop); // without a link it has stopped
    job->slots[want->slot].state = FETCH_OPEN;
    end_want(peer, want);
}

void fetch_peers_drop(fetch_job *job, fetch_peer *peer, uint64_t not_before_ms) {
    for (size_t i = 0; i < AGENT_FETCH_WANTS_MAX; i++)
        if (peer->wants[i].number != 0) stop_want(job, peer, &peer->wants[i]);
    fetch_met *met = met_of(job, peer->host_id);
    if (met->not_before_ms < not_before_ms) met->not_before_ms = not_before_ms;
    *peer = (fetch_peer){.state = FETCH_FREE};
}

void fetch_peers_close(fetch_job *job) {
    for (size_t i = 0; i < AGENT_FETCH_PEERS_MAX; i++)
        if (job->peers[i].state != FETCH_FREE) fetch_peers_drop(job, &job->peers[i], 0);
}

void fetch_peers_ban(fetch_job *job, const uint8_t *host_id, const char *why) {
    fetch_peer *peer = fetch_peers_find(job, host_id);
    fetch_met *met = met_of(job, host_id);
    if (!met->is_banned)
        agent_say("host %s is asked for nothing more of this release: %s",
                  peer != NULL ? peer->name : "(gone)", why);
    met->is_banned = true;
    if (peer != NULL) fetch_peers_drop(job, peer, 0);
}

static void want(fetch_job *job, fetch_peer *peer, size_t at, uint64_t now_ms) {
    fetch_want *w = find_want(peer, 0);
    fetch_slot *slot = &job->slots[at];
    *w = (fetch_want){.number = fetch_number(job->fetch), .slot = at};
    if (peer->want_count++ == 0) peer->heard_at_ms = now_ms;
    slot->state = FETCH_WANTED;
    agent_fetch_message message = {
        .kind = AGENT_FETCH_WANT, .number = w->number, .bytes = {slot->hash, sizeof slot->hash}};
    (void)fetch_send(job->fetch, peer->host_id, &message); // a link that ends is told
}

static bool is_disk_behind(const agent_fetch *f) {
    return f->chunks.queued(f->chunks.user) > AGENT_FETCH_PUTS_MAX;
}

static bool is_wantable(const fetch_job *job, const fetch_peer *peer, size_t at) {
    return job->slots[at].state == FETCH_OPEN && peer->has[at] == FETCH_PRESENT;
}

// One more of what it has. False: there is none.
static bool want_one(fetch_job *job, fetch_peer *peer, uint64_t now_ms) {
    size_t from = mesh_rng_below(&job->fetch->rng, FETCH_WINDOW);
    for (size_t i = 0; i < FETCH_WINDOW; i++) {
        size_t at = (from + i) % FETCH_WINDOW;
        if (!is_wantable(job, peer, at)) continue;
        want(job, peer, at, now_ms);
        return true;
    }
    return false;
}

// What is on its way from it, as far as one can know.
static size_t window_of(const fetch_job *job, const fetch_peer *peer) {
    size_t usual = job->done > 0 ? (size_t)(job->len / job->done) : AGENT_FETCH_PIECE_MAX, len = 0;
    for (size_t i = 0; i < AGENT_FETCH_WANTS_MAX; i++) {
        const fetch_want *w = &peer->wants[i];
        if (w->number != 0) len += w->len > 0 ? w->total - w->len : usual;
    }
    return len;
}

// Enough that its line is never idle, not more: what one host is slow to give others may have.
static bool can_give(const fetch_job *job, const fetch_peer *peer, uint64_t now_ms) {
    if (peer->state != FETCH_LINKED || now_ms < peer->wait_until_ms) return false;
    if (peer->want_count == AGENT_FETCH_WANTS_MAX) return false;
    return peer->want_count < 2 || window_of(job, peer) < AGENT_FETCH_QUEUE_MAX;
}

// One of each in turn, so that what several have is shared among them.
static void want_more(fetch_job *job, uint64_t now_ms) {
    for (bool has_more = true; has_more && !is_disk_behind(job->fetch);) {
        has_more = false;
        for (size_t i = 0; i < AGENT_FETCH_PEERS_MAX; i++) {
            fetch_peer *peer = &job->peers[i];
            if (can_give(job, peer, now_ms) && want_one(job, peer, now_ms)) has_more = true;
        }
    }
}

// ---- what it has

static size_t count_open(const fetch_job *job, const fetch_peer *peer, fetch_has has) {
    size_t count = 0;
    for (size_t i = 0; i < FETCH_WINDOW; i++)
        count += job->slots[i].state == FETCH_OPEN && peer->has[i] == (uint8_t)has;
    return count;
}

static void ask(fetch_job *job, fetch_peer *peer, uint64_t now_ms) {
    uint8_t hashes[FETCH_WINDOW * AGENT_FETCH_HASH_LEN];
    size_t count = 0;
    for (size_t i = 0; i < FETCH_WINDOW; i++) {
        const fetch_slot *slot = &job->slots[i];
        if (slot->state != FETCH_OPEN || peer->has[i] != FETCH_UNKNOWN) continue;
        memcpy(hashes + count * sizeof slot->hash, slot->hash, sizeof slot->hash);
        peer->ask_slots[count] = (uint16_t)i;
        peer->ask_serials[count++] = slot->serial;
    }
    if (count == 0) return;
    peer->ask = fetch_number(job->fetch);
    peer->ask_count = count;
    peer->asked_at_ms = now_ms;
    (void)fetch_send(job->fetch, peer->host_id,
                     &(agent_fetch_message){.kind = AGENT_FETCH_ASK,
                                            .number = peer->ask,
                                            .bytes = {hashes, count * AGENT_FETCH_HASH_LEN}});
}

// When there is much that it was not asked about, or little that can be wanted of it.
static bool is_worth_asking(const fetch_job *job, const fetch_peer *peer, uint64_t now_ms) {
    if (peer->state != FETCH_LINKED || peer->ask != 0 || now_ms < peer->wait_until_ms) return false;
    size_t unknown = count_open(job, peer, FETCH_UNKNOWN);
    return unknown >= FETCH_WINDOW / 4 ||
           (unknown > 0 && count_open(job, peer, FETCH_PRESENT) < AGENT_FETCH_WANTS_MAX);
}

void fetch_peers_have(fetch_job *job, fetch_peer *peer, uint64_t now_ms,
                      const agent_fetch_message *message) {
    if (peer->ask != message->number || message->bytes.len != (peer->ask_count + 7) / 8) {
        fetch_peers_ban(job, peer->host_id, "its answer does not fit the question");
        return;
    }
    size_t present = 0;
    for (size_t i = 0; i < peer->ask_count; i++) {
        size_t at = peer->ask_slots[i];
        bool is_there = (message->bytes.data[i / 8] >> (i % 8)) & 1;
        if (job->slots[at].serial != peer->ask_serials[i]) continue; // another chunk is there now
        peer->has[at] = is_there ? FETCH_PRESENT : FETCH_ABSENT;
        present += is_there;
    }
    peer->ask = 0;
    peer->vain_count += present == 0;
    peer->again_at_ms = now_ms + AGAIN_MS;
}

void fetch_peers_no(fetch_job *job, fetch_peer *peer, uint64_t now_ms,
                    const agent_fetch_message *message) {
    bool is_of_ask = peer->ask == message->number;
    if (message->is_busy || is_of_ask) peer->wait_until_ms = now_ms + BUSY_MS;
    if (is_of_ask) {
        peer->ask = 0;
        return;
    }
    fetch_want *w = find_want(peer, message->number);
    job->slots[w->slot].state = FETCH_OPEN;
    if (!message->is_busy) {
        peer->has[w->slot] = FETCH_ABSENT;
        peer->vain_count++; // it said that it has it
    }
    end_want(peer, w);
}

// ---- what it gives

static void store(fetch_job *job, fetch_peer *peer, fetch_want *w) {
    agent_fetch *f = job->fetch;
    fetch_slot *slot = &job->slots[w->slot];
    slot->state = FETCH_STORED;
    slot->put = fetch_number(f);
    memcpy(slot->from, peer->host_id, MESH_ID_LEN);
    job->len += w->len;
    f->stats.taken++;
    f->stats.taken_len += w->len;
    f->chunks.put(f->chunks.user, slot->put, slot->hash, (mesh_bytes){w->bytes, w->len});
    end_want(peer, w);
}

void fetch_peers_piece(fetch_job *job, fetch_peer *peer, const agent_fetch_message *message) {
    fetch_want *w = find_want(peer, message->number);
    bool is_first = w != NULL && w->len == 0;
    bool fits = w != NULL && message->offset == w->len && (is_first || message->total == w->total);
    if (!fits) {
        fetch_peers_ban(job, peer->host_id, "its pieces do not fit together");
        return;
    }
    size_t len = message->bytes.len;
    w->total = message->total;
    w->bytes = mem_grow(w->bytes, 1, w->len + len, &w->cap); // as it comes, not as it is promised
    memcpy(w->bytes + w->len, message->bytes.data, len);
    w->len += len;
    peer->vain_count = 0;
    if (w->len == w->total) store(job, peer, w);
}

// ---- who is asked

typedef struct choice {
    fetch_job *job;
    uint64_t now_ms;
    bool may_dial, is_found, is_linked, is_hint;
    uint32_t seen; // of its kind: each is as likely
    uint8_t host_id[MESH_ID_LEN];
    char name[MESH_CERT_NAME_LEN_MAX + 1];
} choice;

static void take_choice(choice *c, const uint8_t *host_id, const char *name, bool is_linked) {
    c->is_found = true;
    c->is_linked = is_linked;
    memcpy(c->host_id, host_id, MESH_ID_LEN);
    (void)snprintf(c->name, sizeof c->name, "%s", name);
}

static void judge_host(const uint8_t host_id[MESH_ID_LEN], const char *name, bool is_linked,
                       void *user) {
    choice *c = user;
    if (c->is_hint || fetch_peers_find(c->job, host_id) != NULL) return;
    if ((!is_linked && !c->may_dial) || !may_ask(c->job, host_id, c->now_ms)) return;
    if (strcmp(name, c->job->host) == 0) {
        c->is_hint = true;
        take_choice(c, host_id, name, is_linked);
        return;
    }
    if (c->is_found && c->is_linked && !is_linked) return;
    if (is_linked && !c->is_linked) c->seen = 0;
    if (mesh_rng_below(&c->job->fetch->rng, ++c->seen) == 0)
        take_choice(c, host_id, name, is_linked);
}

static size_t count_state(const fetch_job *job, fetch_peer_state state) {
    size_t count = 0;
    for (size_t i = 0; i < AGENT_FETCH_PEERS_MAX; i++)
        count += job->peers[i].state == state;
    return count;
}

// It gives, can give, or has not said yet whether it can.
static bool is_useful(const fetch_job *job, const fetch_peer *peer, uint64_t now_ms) {
    if (peer->state == FETCH_FREE || now_ms < peer->wait_until_ms) return false;
    bool is_undecided = peer->again_at_ms == 0;
    return is_undecided || peer->want_count > 0 || count_open(job, peer, FETCH_PRESENT) > 0;
}

static size_t count_useful(const fetch_job *job, uint64_t now_ms) {
    size_t count = 0;
    for (size_t i = 0; i < AGENT_FETCH_PEERS_MAX; i++)
        count += is_useful(job, &job->peers[i], now_ms);
    return count;
}

static bool add_peer(fetch_job *job, uint64_t now_ms) {
    agent_fetch *f = job->fetch;
    choice c = {.job = job, .now_ms = now_ms};
    fetch_peer *peer = NULL;
    for (size_t i = 0; i < AGENT_FETCH_PEERS_MAX && peer == NULL; i++)
        if (job->peers[i].state == FETCH_FREE) peer = &job->peers[i];
    if (peer == NULL) return false;
    c.may_dial = count_state(job, FETCH_DIALLED) < DIALS_MAX;
    f->net.each_host(f->net.user, judge_host, &c);
    if (!c.is_found) return false;
    *peer = (fetch_peer){.state = c.is_linked ? FETCH_LINKED : FETCH_DIALLED};
    memcpy(peer->host_id, c.host_id, MESH_ID_LEN);
    memcpy(peer->name, c.name, sizeof peer->name);
    peer->asked_at_ms = now_ms;
    (void)met_of(job, c.host_id);
    if (!c.is_linked) f->net.dial(f->net.user, c.host_id);
    return true;
}

static bool has_open(const fetch_job *job) {
    for (size_t i = 0; i < FETCH_WINDOW; i++)
        if (job->slots[i].state == FETCH_OPEN) return true;
    return false;
}

void fetch_peers_work(fetch_job *job, uint64_t now_ms) {
    if (!job->fetch->is_attached) return;
    while (has_open(job) && count_useful(job, now_ms) < ENOUGH && add_peer(job, now_ms))
        ;
    want_more(job, now_ms);
    for (size_t i = 0; i < AGENT_FETCH_PEERS_MAX; i++)
        if (is_worth_asking(job, &job->peers[i], now_ms)) ask(job, &job->peers[i], now_ms);
}

// ---- who is late

static void ask_again(fetch_peer *peer, uint64_t now_ms) {
    for (size_t i = 0; i < FETCH_WINDOW; i++)
        if (peer->has[i] == FETCH_ABSENT) peer->has[i] = FETCH_UNKNOWN;
    peer->again_at_ms = now_ms + AGAIN_MS;
}

static bool is_late(const fetch_peer *peer, uint64_t now_ms) {
    if (peer->state == FETCH_DIALLED) return now_ms >= peer->asked_at_ms + DIAL_MS;
    if (peer->want_count > 0) return now_ms >= peer->heard_at_ms + PIECE_MS;
    return peer->ask != 0 && now_ms >= peer->asked_at_ms + ANSWER_MS;
}

static void look_at(fetch_job *job, fetch_peer *peer, uint64_t now_ms) {
    bool is_idle = peer->want_count == 0 && count_open(job, peer, FETCH_PRESENT) == 0;
    if (is_late(peer, now_ms))
        fetch_peers_drop(job, peer, now_ms + REST_LATE_MS);
    else if (is_idle && peer->vain_count >= VAIN_MAX)
        fetch_peers_drop(job, peer, now_ms + REST_MS);
    else if (is_idle && peer->ask == 0 && peer->again_at_ms != 0 && now_ms >= peer->again_at_ms)
        ask_again(peer, now_ms);
}

void fetch_peers_look(fetch_job *job, uint64_t now_ms) {
    for (size_t i = 0; i < AGENT_FETCH_PEERS_MAX; i++)
        if (job->peers[i].state != FETCH_FREE) look_at(job, &job->peers[i], now_ms);
}
