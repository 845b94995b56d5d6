#include "store/server.h"

#include <stdio.h>

#include "core/error.h"
#include "core/mem.h"
#include "store/remote.h"
#include "store/remote_wire.h"

enum { BLOCKED_MS = 3, LOOK_MS = 1000 };

typedef struct peer peer;

typedef struct served { // a request that the store has
    struct served *next;
    store_server *server;
    peer *peer; // NULL: its link has ended
    uint64_t number;
    store_request_kind kind;
    int64_t lease; // of KEEP and REVOKE
} served;

typedef struct served_watch {
    struct served_watch *next;
    peer *peer;
    uint32_t number;
    uint8_t prefix[STORE_KEY_LEN_MAX];
    size_t prefix_len;
    store_watch *watch;  // NULL: it waits until less is on the way
    store_cursor cursor; // up to which it was told
    bool is_over;
} served_watch;

typedef struct held { // a lease of a host
    int64_t lease;
    uint64_t ends_at_ms;
    uint32_t ttl_s;
} held;

struct peer {
    peer *next;
    store_server *server;
    uint8_t id[STORE_SERVER_PEER_LEN];
    bool is_up; // it has said Hello, and its link has not ended
    store_wire_stream stream;
    served_watch *watches;
    size_t watch_count, served_count;
    held leases[STORE_SERVER_LEASES_MAX]; // also while it is away, until they end
    size_t lease_count;
    uint64_t progress_at_ms;
};

struct store_server {
    store_server_options options;
    peer *peers;
    size_t peer_count;
    served *served;
    uv_timer_t timer;
    const char *refusal;
    bool is_stopped;
};

static void work(store_server *s);

static bool is_same(const uint8_t *a, const uint8_t *b) {
    return memcmp(a, b, STORE_SERVER_PEER_LEN) == 0;
}

static peer *find(const store_server *s, const uint8_t *id) {
    for (peer *p = s->peers; p != NULL; p = p->next)
        if (is_same(p->id, id)) return p;
    return NULL;
}

static store_db *db_of(const store_server *s) {
    return s->options.db(s->options.user);
}

static void say(peer *p, store_wire_bytes message) {
    store_wire_push(&p->stream, message, 0);
}

// ---- leases of a host

static void forget_ended(peer *p) {
    uint64_t now_ms = uv_now(p->server->options.loop);
    size_t kept = 0;
    for (size_t i = 0; i < p->lease_count; i++)
        if (p->leases[i].ends_at_ms > now_ms) p->leases[kept++] = p->leases[i];
    p->lease_count = kept;
}

static void note_lease(const served *r, const store_answer *answer) {
    peer *p = r->peer;
    uint64_t now_ms = uv_now(p->server->options.loop);
    if (r->kind == STORE_GRANT && answer->error == 0 && p->lease_count < STORE_SERVER_LEASES_MAX)
        p->leases[p->lease_count++] =
            (held){answer->lease, now_ms + answer->ttl_s * UINT64_C(1000), answer->ttl_s};
    for (size_t i = 0; i < p->lease_count; i++) {
        held *h = &p->leases[i];
        if (h->lease != r->lease) continue;
        if (r->kind == STORE_KEEP && answer->error == 0)
            h->ends_at_ms = now_ms + h->ttl_s * UINT64_C(1000);
        if (r->kind == STORE_REVOKE || answer->error == STORE_EGONE) h->ends_at_ms = 0;
    }
}

// ---- watches

static void on_news(const store_news *news, void *user) {
    served_watch *w = user;
    peer *p = w->peer;
    w->cursor = w->watch->cursor;
    say(p, store_wire_news(w->number, news, w->cursor));
    w->is_over = news->error != 0;
    work(p->server);
}

static void open_watch(served_watch *w) {
    store_watch_options options = {.prefix = {w->prefix, w->prefix_len}, .cb = on_news, .user = w};
    w->watch = store_watch_open_at(db_of(w->peer->server), &options, w->cursor);
}

static void pause_watch(served_watch *w) {
    store_watch_close(w->watch);
    w->watch = NULL;
}

static void free_watch(served_watch *w) {
    store_watch_close(w->watch);
    free(w);
}

static void refuse_watch(peer *p, uint32_t number, int error, const char *sentence) {
    say(p, store_wire_news(number, &(store_news){.error = error, .sentence = sentence},
                           (store_cursor){0, 0}));
}

// Some of these keys are hidden.
static bool is_denied(const store_server *s, mesh_bytes key, bool is_prefix) {
    if (s->options.hidden == NULL) return false;
    mesh_bytes hidden = mesh_bytes_text(s->options.hidden);
    size_t len = is_prefix && key.len < hidden.len ? key.len : hidden.len;
    return key.len >= len && (len == 0 || memcmp(key.data, hidden.data, len) == 0);
}

static const char denied[] = "these keys are of the host that has the store alone: name others";

static void take_watch(peer *p, const Warren__Store__Watch *m) {
    if (is_denied(p->server, store_wire_view(m->prefix), true)) {
        refuse_watch(p, m->number, STORE_EDENIED, denied);
        return;
    }
    if (p->watch_count == STORE_WATCHES_MAX) {
        refuse_watch(p, m->number, STORE_EFULL, "this host watches too much of the store already");
        return;
    }
    served_watch *w = mem_alloc(sizeof *w);
    w->peer = p;
    w->number = m->number;
    w->prefix_len = m->prefix.len;
    if (m->prefix.len > 0) memcpy(w->prefix, m->prefix.data, m->prefix.len);
    w->cursor = (store_cursor){m->revision, m->position};
    w->next = p->watches;
    p->watches = w;
    p->watch_count++;
    open_watch(w);
    if (w->watch != NULL) return;
    refuse_watch(p, m->number, STORE_EFULL, "the hosts watch too much of the store already");
    w->is_over = true;
}

static void take_unwatch(peer *p, uint32_t number) {
    for (served_watch **at = &p->watches, *w; (w = *at) != NULL; at = &w->next) {
        if (w->number != number) continue;
        *at = w->next;
        p->watch_count--;
        free_watch(w);
        return;
    }
}

// ---- requests

static void unlink_served(store_server *s, const served *r) {
    served **at = &s->served;
    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
}

static void on_answer(const store_answer *answer, void *user) {
    served *r = user;
    store_server *s = r->server;
    unlink_served(s, r);
    if (r->peer != NULL) {
        r->peer->served_count--;
        note_lease(r, answer);
        say(r->peer, store_wire_reply(r->number, answer));
    }
    free(r);
    work(s);
}

static void refuse(peer *p, uint64_t number, int error, const char *sentence) {
    say(p, store_wire_reply(number, &(store_answer){.error = error, .sentence = sentence}));
}

static served *serve(peer *p, const Warren__Store__Request *m, store_request_kind kind) {
    served *r = mem_alloc(sizeof *r);
    *r = (served){.next = p->server->served,
                  .server = p->server,
                  .peer = p,
                  .number = m->number,
                  .kind = kind};
    p->server->served = r;
    p->served_count++;
    return r;
}

static void take_read(peer *p, const Warren__Store__Request *m) {
    store_db *db = db_of(p->server);
    mesh_bytes key = store_wire_view(m->read->key);
    if (is_denied(p->server, key, m->read->is_prefix)) {
        refuse(p, m->number, STORE_EDENIED, denied);
        return;
    }
    served *r = serve(p, m, STORE_READ);
    if (!m->read->is_prefix) {
        store_get(db, key, on_answer, r);
        return;
    }
    store_range range = {key, store_wire_view(m->read->after), m->read->limit};
    store_list(db, &range, on_answer, r);
}

static void take_commit(peer *p, const Warren__Store__Request *m) {
    const Warren__Store__Commit *commit = m->commit;
    store_compare compares[STORE_OPS_MAX];
    store_op ops[STORE_OPS_MAX];
    bool is_hidden = false;
    for (size_t i = 0; i < commit->n_compares; i++) {
        const Warren__Store__Compare *c = commit->compares[i];
        compares[i] = (store_compare){.key = store_wire_view(c->key),
                                      .kind = c->is_created ? STORE_CREATED : STORE_CHANGED,
                                      .revision = c->revision};
        is_hidden = is_hidden || is_denied(p->server, compares[i].key, false);
    }
    for (size_t i = 0; i < commit->n_ops; i++) {
        const Warren__Store__Op *op = commit->ops[i];
        ops[i] = (store_op){.kind = op->is_delete ? STORE_DELETE : STORE_PUT,
                            .key = store_wire_view(op->key),
                            .value = store_wire_view(op->value),
                            .lease = op->lease};
        is_hidden = is_hidden || is_denied(p->server, ops[i].key, false);
    }
    if (is_hidden)
        refuse(p, m->number, STORE_EDENIED, denied);
    else
        store_commit(db_of(p->server),
                     &(store_transaction){compares, commit->n_compares, ops, commit->n_ops},
                     on_answer, serve(p, m, STORE_COMMIT));
}

static void take_grant(peer *p, const Warren__Store__Request *m) {
    char sentence[STORE_SENTENCE_LEN_MAX + 1];
    forget_ended(p);
    if (p->lease_count < STORE_SERVER_LEASES_MAX) {
        store_grant(db_of(p->server), m->grant->ttl_s, on_answer, serve(p, m, STORE_GRANT));
        return;
    }
    (void)snprintf(sentence, sizeof sentence,
                   "this host has %d leases of the store already: let some end",
                   STORE_SERVER_LEASES_MAX);
    refuse(p, m->number, STORE_EFULL, sentence);
}

static void take_request(peer *p, const Warren__Store__Request *m) {
    store_db *db = db_of(p->server);
    served *r;
    if (p->served_count >= STORE_REMOTE_SENT_MAX) {
        refuse(p, m->number, STORE_EFULL, "this host asks the store for too much at once");
        return;
    }
    switch (m->kind_case) {
    case WARREN__STORE__REQUEST__KIND_READ: take_read(p, m); break;
    case WARREN__STORE__REQUEST__KIND_COMMIT: take_commit(p, m); break;
    case WARREN__STORE__REQUEST__KIND_GRANT: take_grant(p, m); break;
    case WARREN__STORE__REQUEST__KIND_KEEP:
        r = serve(p, m, STORE_KEEP);
        store_keep(db, r->lease = m->keep->lease, on_answer, r);
        break;
    case WARREN__STORE__REQUEST__KIND_REVOKE:
        r = serve(p, m, STORE_REVOKE);
        store_revoke(db, r->lease = m->revoke->lease, on_answer, r);
        break;
    default:
        refuse(p, m->number, STORE_EINVAL,
               "the host that has the store runs an older version: update that first");
    }
}

// ---- links

// What was on it is over; what it asked for may be done, and is told to nobody.
static void end_session(peer *p) {
    p->is_up = false;
    store_wire_reset(&p->stream);
    for (served_watch *w; (w = p->watches) != NULL;) {
        p->watches = w->next;
        free_watch(w);
    }
    p->watch_count = p->served_count = 0;
    for (served *r = p->server->served; r != NULL; r = r->next)
        if (r->peer == p) r->peer = NULL;
}

static void free_peer(store_server *s, peer *p) {
    peer **at = &s->peers;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    s->peer_count--;
    end_session(p);
    free(p);
}

// A host that is away still has its leases: until these end it is remembered.
static void forget_away(store_server *s) {
    for (peer *p = s->peers, *next; p != NULL; p = next) {
        next = p->next;
        if (p->is_up || p->stream.in_len > 0 || p->stream.first != NULL) continue;
        forget_ended(p);
        if (p->lease_count == 0) free_peer(s, p);
    }
}

static peer *find_or_add(store_server *s, const uint8_t *id) {
    peer *p = find(s, id);
    if (p == NULL && s->peer_count == STORE_SERVER_PEERS_MAX) forget_away(s);
    if (p != NULL || s->peer_count == STORE_SERVER_PEERS_MAX) return p;
    p = mem_alloc(sizeof *p);
    p->server = s;
    p->stream.mark = STORE_WIRE_OF_HOST;
    memcpy(p->id, id, sizeof p->id);
    p->next = s->peers;
    s->peers = p;
    s->peer_count++;
    return p;
}

static void take_hello(peer *p) {
    const char *refusal = p->server->refusal;
    Warren__Store__Welcome welcome = WARREN__STORE__WELCOME__INIT;
    Warren__Store__Store message = WARREN__STORE__STORE__INIT;
    end_session(p);
    p->is_up = refusal == NULL;
    p->progress_at_ms = uv_now(p->server->options.loop) + STORE_SERVER_PROGRESS_MS;
    if (refusal != NULL) welcome.refusal = (char *)(uintptr_t)refusal;
    message.kind_case = WARREN__STORE__STORE__KIND_WELCOME;
    message.welcome = &welcome;
    say(p, store_wire_write(&message));
}

static int take(peer *p, const Warren__Store__Store *message) {
    bool is_hello = message->kind_case == WARREN__STORE__STORE__KIND_HELLO;
    if (!p->is_up && !is_hello) return 0; // it was refused
    switch (message->kind_case) {
    case WARREN__STORE__STORE__KIND_HELLO: take_hello(p); break;
    case WARREN__STORE__STORE__KIND_REQUEST: take_request(p, message->request); break;
    case WARREN__STORE__STORE__KIND_WATCH: take_watch(p, message->watch); break;
    case WARREN__STORE__STORE__KIND_UNWATCH: take_unwatch(p, message->unwatch->number); break;
    default: break; // of a later version, or for one that uses a store
    }
    return 0;
}

int store_server_receive(store_server *s, const uint8_t id[STORE_SERVER_PEER_LEN],
                         mesh_bytes piece) {
    mesh_budget budget;
    if (s->is_stopped) return 0;
    peer *p = find_or_add(s, id);
    if (p == NULL) return 0; // it hears nothing, and says so to whoever asks it
    int whole = store_wire_take(&p->stream, piece);
    if (whole <= 0) return whole;
    Warren__Store__Store *message =
        store_wire_read((mesh_bytes){p->stream.in, p->stream.in_len}, &budget);
    if (message == NULL) return MESH_EPROTO;
    store_wire_taken(&p->stream);
    int err = take(p, message);
    store_wire_free(message, &budget);
    work(s);
    return err;
}

void store_server_refuse(store_server *s, const char *why) {
    s->refusal = why;
}

void store_server_gone(store_server *s, const uint8_t id[STORE_SERVER_PEER_LEN]) {
    peer *p = find(s, id);
    if (p == NULL) return;
    end_session(p);
    forget_away(s);
    work(s);
}

bool store_server_is_used_by(const store_server *s, const uint8_t id[STORE_SERVER_PEER_LEN]) {
    const peer *p = find(s, id);
    return p != NULL && p->is_up;
}

size_t store_server_waiting(const store_server *s, const uint8_t id[STORE_SERVER_PEER_LEN]) {
    const peer *p = find(s, id);
    return p != NULL ? p->stream.out_len : 0;
}

// ---- sending, and time

static void pump(peer *p) {
    const store_server_options *options = &p->server->options;
    uint8_t piece[STORE_WIRE_PIECE_MAX];
    uint64_t ignored;
    while (p->stream.first != NULL &&
           options->queued(options->user, p->id) + STORE_WIRE_PIECE_MAX <= STORE_WIRE_QUEUED_MAX) {
        size_t len = store_wire_pull(&p->stream, piece, &ignored);
        if (!options->send(options->user, p->id, (mesh_bytes){piece, len})) return;
    }
}

// One that reads slowly is told again later, from where it was told last.
static void look_at_watches(peer *p) {
    bool is_behind = p->stream.out_len > STORE_SERVER_BEHIND_MAX;
    bool is_clear = p->stream.out_len < STORE_WIRE_QUEUED_MAX;
    for (served_watch *w = p->watches; w != NULL; w = w->next) {
        if (w->is_over) continue;
        if (is_behind && w->watch != NULL) pause_watch(w);
        if (is_clear && w->watch == NULL) open_watch(w);
    }
}

// So that a watch that is told nothing is not behind what is remembered when its host comes again.
static void tell_progress(peer *p) {
    uint64_t now_ms = uv_now(p->server->options.loop);
    if (now_ms < p->progress_at_ms) return;
    p->progress_at_ms = now_ms + STORE_SERVER_PROGRESS_MS;
    for (served_watch *w = p->watches; w != NULL; w = w->next) {
        if (w->is_over || w->watch == NULL) continue;
        if (w->watch->cursor.revision == w->cursor.revision) continue;
        w->cursor = w->watch->cursor;
        say(p, store_wire_news(w->number, &(store_news){.sentence = ""}, w->cursor));
    }
}

static void on_timer(uv_timer_t *timer) {
    work(timer->data);
}

static void work(store_server *s) {
    bool is_blocked = false, has_peers = false;
    for (peer *p = s->peers; p != NULL && !s->is_stopped; p = p->next) {
        if (p->is_up) tell_progress(p);
        pump(p);
        if (p->is_up) look_at_watches(p);
        is_blocked = is_blocked || p->stream.first != NULL;
        has_peers = true;
    }
    if (s->is_stopped || !has_peers)
        uv_timer_stop(&s->timer);
    else
        uv_timer_start(&s->timer, on_timer, is_blocked ? BLOCKED_MS : LOOK_MS, 0);
}

// ---- its life

store_server *store_server_create(const store_server_options *options) {
    store_server *s = mem_alloc(sizeof *s);
    s->options = *options;
    uv_timer_init(options->loop, &s->timer);
    s->timer.data = s;
    return s;
}

void store_server_all_gone(store_server *s) {
    for (peer *p = s->peers; p != NULL; p = p->next)
        end_session(p);
    forget_away(s);
    work(s);
}

void store_server_stop(store_server *s) {
    if (s == NULL || s->is_stopped) return;
    s->is_stopped = true;
    while (s->peers != NULL)
        free_peer(s, s->peers);
    work(s);
}

static void on_closed(uv_handle_t *handle) {
    free(handle->data);
}

void store_server_destroy(store_server *s) {
    if (s == NULL) return;
    store_server_stop(s);
    for (served *r; (r = s->served) != NULL;) { // nobody is called back any more
        s->served = r->next;
        free(r);
    }
    uv_close((uv_handle_t *)&s->timer, on_closed);
}
