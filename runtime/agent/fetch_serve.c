// Chunks for other hosts: one of each in turn, so that each has the same share of this one's disk
// and line, and never more on the way to one than AGENT_FETCH_QUEUE_MAX: what membership and the
// registry say on the same link waits behind it.
#include "agent/fetch_state.h"
#include "core/mem.h"

enum {
    PIECES_PER_TURN = 16,
    ALL_QUEUED_MAX = 1 << 20, // bytes on the way to all
    WINDOW_MIN = 64 << 10,    // to one, at first and on a slow line
    SLOW_MS = 200,            // that the line took no piece
    BLOCKED_MS = 3,           // until lines that are full are looked at again
};

static void say_no(agent_fetch *f, const uint8_t *host_id, uint32_t number, bool is_busy) {
    agent_fetch_message no = {.kind = AGENT_FETCH_NO, .number = number, .is_busy = is_busy};
    (void)fetch_send(f, host_id, &no); // without a link nobody waits
}

// ---- which are here

static fetch_question *take_question(agent_fetch *f, uint32_t ours) {
    fetch_question **at = &f->questions;
    while (*at != NULL && (*at)->ours != ours)
        at = &(*at)->next;
    fetch_question *q = *at;
    if (q == NULL) return NULL;
    *at = q->next;
    f->question_count--;
    return q;
}

static void free_question(fetch_question *q) {
    free(q->hashes);
    free(q);
}

static bool has_question(const agent_fetch *f, const uint8_t *host_id) {
    size_t count = 0;
    for (const fetch_question *q = f->questions; q != NULL; q = q->next)
        count += fetch_is_same(q->host_id, host_id);
    return count >= AGENT_FETCH_ACTIVE_MAX;
}

void fetch_serve_ask(agent_fetch *f, const uint8_t *host_id, const agent_fetch_message *message) {
    if (f->question_count == AGENT_FETCH_QUESTIONS_MAX || has_question(f, host_id)) {
        say_no(f, host_id, message->number, true);
        return;
    }
    fetch_question *q = mem_alloc(sizeof *q);
    memcpy(q->host_id, host_id, MESH_ID_LEN);
    q->number = message->number;
    q->ours = fetch_number(f);
    q->hashes = mem_copy(message->bytes.data, message->bytes.len);
    q->len = message->bytes.len;
    q->next = f->questions;
    f->questions = q;
    f->question_count++;
    f->chunks.missing(f->chunks.user, q->ours, (mesh_bytes){q->hashes, q->len});
}

static bool is_among(mesh_bytes hashes, const uint8_t *hash) {
    for (size_t at = 0; at + AGENT_FETCH_HASH_LEN <= hashes.len; at += AGENT_FETCH_HASH_LEN)
        if (memcmp(hashes.data + at, hash, AGENT_FETCH_HASH_LEN) == 0) return true;
    return false;
}

void agent_fetch_missing(agent_fetch *f, uint64_t now_ms, uint32_t number, int err,
                         mesh_bytes missing) {
    (void)now_ms;
    uint8_t bits[AGENT_FETCH_ASK_MAX / 8] = {0};
    fetch_question *q = take_question(f, number);
    if (q == NULL) return;
    size_t count = q->len / AGENT_FETCH_HASH_LEN;
    for (size_t i = 0; i < count && err == 0; i++)
        if (!is_among(missing, q->hashes + i * AGENT_FETCH_HASH_LEN))
            bits[i / 8] |= (uint8_t)(1U << (i % 8));
    (void)fetch_send(f, q->host_id,
                     &(agent_fetch_message){.kind = AGENT_FETCH_HAVE,
                                            .number = q->number,
                                            .bytes = {bits, (count + 7) / 8}});
    free_question(q);
}

// ---- who is given to

static fetch_asker *find(const agent_fetch *f, const uint8_t *host_id) {
    for (fetch_asker *a = f->askers; a != NULL; a = a->next)
        if (fetch_is_same(a->host_id, host_id)) return a;
    return NULL;
}

static void unlink_asker(agent_fetch *f, const fetch_asker *a) {
    fetch_asker **at = &f->askers;
    while (*at != a)
        at = &(*at)->next;
    *at = a->next;
    if (a->next == NULL) f->last_asker = at;
}

static void add_last(agent_fetch *f, fetch_asker *a) {
    a->next = NULL;
    *f->last_asker = a;
    f->last_asker = &a->next;
}

static bool is_loaded(const fetch_asker *a) {
    return a->get != 0 || a->chunk != NULL;
}

static void unload(fetch_asker *a) {
    free(a->chunk);
    a->chunk = NULL;
    a->get = 0;
    a->len = a->sent = 0;
    a->is_stopped = false;
}

static void forget(agent_fetch *f, fetch_asker *a) {
    unload(a);
    unlink_asker(f, a);
    f->asker_count--;
    free(a);
}

void fetch_serve_forget(agent_fetch *f, const uint8_t *host_id) {
    fetch_asker *a = find(f, host_id);
    if (a != NULL) forget(f, a);
    for (fetch_question **at = &f->questions; *at != NULL;) {
        fetch_question *q = *at;
        if (!fetch_is_same(q->host_id, host_id)) {
            at = &q->next;
            continue;
        }
        *at = q->next;
        f->question_count--;
        free_question(q);
    }
}

void fetch_serve_close(agent_fetch *f) {
    while (f->askers != NULL)
        forget(f, f->askers);
    for (fetch_question *q; (q = f->questions) != NULL;) {
        f->questions = q->next;
        free_question(q);
    }
    f->question_count = 0;
    f->serve_at_ms = UINT64_MAX;
}

bool fetch_serve_is_for(const agent_fetch *f, const uint8_t *host_id) {
    return find(f, host_id) != NULL;
}

static fetch_asker *find_or_add(agent_fetch *f, const uint8_t *host_id) {
    fetch_asker *a = find(f, host_id);
    if (a != NULL || f->asker_count == AGENT_FETCH_ASKERS_MAX) return a;
    a = mem_alloc(sizeof *a);
    memcpy(a->host_id, host_id, MESH_ID_LEN);
    a->window = WINDOW_MIN;
    f->asker_count++;
    add_last(f, a);
    return a;
}

void fetch_serve_want(agent_fetch *f, uint64_t now_ms, const uint8_t *host_id,
                      const agent_fetch_message *message) {
    fetch_asker *a = find_or_add(f, host_id);
    if (a == NULL || a->wanted_count == AGENT_FETCH_ASKER_WANTS_MAX) {
        say_no(f, host_id, message->number, true);
        return;
    }
    fetch_wanted *wanted = &a->wanted[a->wanted_count++];
    wanted->number = message->number;
    memcpy(wanted->hash, message->bytes.data, sizeof wanted->hash);
    f->serve_at_ms = now_ms;
}

static void remove_wanted(fetch_asker *a, size_t at) {
    a->wanted_count--;
    memmove(&a->wanted[at], &a->wanted[at + 1], (a->wanted_count - at) * sizeof a->wanted[0]);
}

void fetch_serve_stop(agent_fetch *f, const uint8_t *host_id, uint32_t number) {
    fetch_asker *a = find(f, host_id);
    for (size_t i = 0; a != NULL && i < a->wanted_count; i++) {
        if (a->wanted[i].number != number) continue;
        if (i == 0 && is_loaded(a))
            a->is_stopped = true;
        else
            remove_wanted(a, i);
        return;
    }
}

// ---- giving

// The first one is done with; the others' turn comes before the next of this one.
static void next_wanted(agent_fetch *f, fetch_asker *a) {
    unload(a);
    remove_wanted(a, 0);
    unlink_asker(f, a);
    add_last(f, a);
}

void agent_fetch_got(agent_fetch *f, uint64_t now_ms, uint32_t number, int err, mesh_bytes sealed) {
    fetch_asker *a = f->askers;
    while (a != NULL && (a->get == 0 || a->get != number))
        a = a->next;
    if (a == NULL) return; // its host is gone
    f->serve_at_ms = now_ms;
    if (err != 0 || sealed.len == 0 || sealed.len > AGENT_FETCH_CHUNK_MAX) {
        if (!a->is_stopped) say_no(f, a->host_id, a->wanted[0].number, false);
        next_wanted(f, a);
        return;
    }
    a->get = 0;
    a->chunk = mem_copy(sealed.data, sealed.len);
    a->len = (uint32_t)sealed.len;
}

static void load(agent_fetch *f) {
    for (fetch_asker *a = f->askers; a != NULL; a = a->next) {
        if (is_loaded(a) || a->wanted_count == 0) continue;
        a->get = fetch_number(f);
        f->chunks.get(f->chunks.user, a->get, a->wanted[0].hash);
    }
}

// What else is said on a link waits behind what is on the way: so little of it where that takes
// long, and more where the line would be idle.
static void judge_line(fetch_asker *a, size_t queued, uint64_t now_ms) {
    bool is_slow = a->full_since_ms != 0 && now_ms >= a->full_since_ms + SLOW_MS;
    if (queued == 0 && a->sent > 0 && a->window < AGENT_FETCH_QUEUE_MAX) a->window *= 2;
    if (is_slow && a->window > WINDOW_MIN) a->window /= 2;
    if (is_slow) a->full_since_ms = now_ms;
}

// The more there are, the less is on the way to each: their links may share one slow line.
static bool is_full(const agent_fetch *f, fetch_asker *a, uint64_t now_ms) {
    size_t queued = f->net.queued(f->net.user, a->host_id);
    size_t most = ALL_QUEUED_MAX / f->asker_count;
    judge_line(a, queued, now_ms);
    if (most > a->window) most = a->window;
    bool is_it = queued + AGENT_FETCH_PIECE_MAX > most;
    if (!is_it)
        a->full_since_ms = 0;
    else if (a->full_since_ms == 0)
        a->full_since_ms = now_ms;
    return is_it;
}

static void send_piece(agent_fetch *f, fetch_asker *a) {
    uint32_t left = a->len - a->sent;
    uint32_t len = left < AGENT_FETCH_PIECE_MAX ? left : AGENT_FETCH_PIECE_MAX;
    agent_fetch_message piece = {.kind = AGENT_FETCH_PIECE,
                                 .number = a->wanted[0].number,
                                 .offset = a->sent,
                                 .total = a->len,
                                 .bytes = {a->chunk + a->sent, len}};
    if (!fetch_send(f, a->host_id, &piece)) a->is_stopped = true; // its link ends, which is told
    a->sent += len;
}

// A piece of each that can take one; how many were sent.
static size_t send_round(agent_fetch *f, uint64_t now_ms) {
    size_t sent = 0;
    for (fetch_asker *a = f->askers, *next; a != NULL; a = next) {
        next = a->next;
        if (a->chunk == NULL) continue;
        if (!a->is_stopped && is_full(f, a, now_ms)) continue;
        if (!a->is_stopped) {
            send_piece(f, a);
            sent++;
        }
        if (a->sent < a->len && !a->is_stopped) continue;
        f->stats.given += !a->is_stopped;
        f->stats.given_len += a->is_stopped ? 0 : a->len;
        next_wanted(f, a);
    }
    return sent;
}

static void forget_idle(agent_fetch *f) {
    for (fetch_asker *a = f->askers, *next; a != NULL; a = next) {
        next = a->next;
        if (a->wanted_count == 0) forget(f, a);
    }
}

static bool has_chunk(const agent_fetch *f) {
    for (const fetch_asker *a = f->askers; a != NULL; a = a->next)
        if (a->chunk != NULL) return true;
    return false;
}

void fetch_serve(agent_fetch *f, uint64_t now_ms) {
    size_t sent = 0, round = 1;
    f->serve_at_ms = UINT64_MAX;
    if (!f->is_attached) return;
    while (sent < PIECES_PER_TURN && round > 0) {
        load(f);
        sent += round = send_round(f, now_ms);
    }
    load(f);
    forget_idle(f);
    if (has_chunk(f)) f->serve_at_ms = round > 0 ? now_ms : now_ms + BLOCKED_MS;
}
