#include "store/remote.h"

#include <stdio.h>

#include "core/error.h"
#include "core/mem.h"
#include "store/remote_wire.h"

enum { VERSION = 1, BLOCKED_MS = 3 };

typedef enum remote_state {
    REMOTE_DOWN,
    REMOTE_GREETS, // Welcome is waited for
    REMOTE_READY,
    REMOTE_REFUSED, // until the link ends
} remote_state;

typedef struct asked { // a request
    struct asked *next;
    store_request *request;
    uint64_t number;
    size_t len;
    bool is_begun; // some of it is on its way: it may be done
} asked;

typedef struct asked_list {
    asked *first, **last;
} asked_list;

typedef struct remote_store {
    store_db base; // the first
    store_link link;
    char host[STORE_HOST_LEN_MAX + 1];
    remote_state state;
    store_wire_stream stream;
    asked_list waiting, sent;
    size_t sent_count, waiting_len;
    uint64_t last_number, greeted_at_ms;
    uint32_t last_watch;
    uv_timer_t timer; // the next deadline, or a line that was full
    bool is_timer_set;
} remote_store;

static void work(remote_store *s);

// ---- lists

static void list_init(asked_list *list) {
    list->first = NULL;
    list->last = &list->first;
}

static void list_add(asked_list *list, asked *a) {
    a->next = NULL;
    *list->last = a;
    list->last = &a->next;
}

static asked *list_take(asked_list *list) {
    asked *a = list->first;
    if (a == NULL) return NULL;
    list->first = a->next;
    if (list->first == NULL) list->last = &list->first;
    return a;
}

static void list_remove(asked_list *list, const asked *a) {
    asked **at = &list->first;
    while (*at != a)
        at = &(*at)->next;
    *at = a->next;
    if (*at == NULL) list->last = at;
}

static asked *list_find(const asked_list *list, uint64_t number) {
    asked *a = list->first;
    while (a != NULL && a->number != number)
        a = a->next;
    return a;
}

// ---- the end of a request

static uint64_t deadline_of(const store_request *request) {
    return request->now_ms + STORE_REQUEST_MS;
}

static void finish(remote_store *s, asked *a) {
    store_request *request = a->request;
    s->waiting_len -= a->len;
    free(a);
    store_finish(&s->base, request);
}

static void fail(remote_store *s, asked *a, const char *why) {
    bool is_change = a->request->kind == STORE_COMMIT || a->request->kind == STORE_REVOKE;
    if (a->request->reply.error == 0) {
        store_fail(&a->request->reply, STORE_EUNREACHABLE, "%.390s", why);
        a->request->reply.is_maybe_done = a->is_begun && is_change;
    }
    finish(s, a);
}

static void lose(remote_store *s, const char *why) {
    char sentence[STORE_SENTENCE_LEN_MAX + 1];
    (void)snprintf(sentence, sizeof sentence, "the store of host %s cannot be asked: %.250s",
                   s->host, why);
    store_lost(&s->base, sentence);
}

// Those that no answer can come for any more: changes that were on their way have failed, what does
// no harm when it is done twice is asked again. In the order in which they were made.
static void take_back(remote_store *s) {
    asked_list over, again;
    list_init(&over);
    list_init(&again);
    for (asked *a; (a = list_take(&s->sent)) != NULL;) {
        bool is_change = a->request->kind == STORE_COMMIT || a->request->kind == STORE_REVOKE;
        list_add(a->is_begun && is_change ? &over : &again, a);
    }
    s->sent_count = 0;
    for (asked *a; (a = list_take(&s->waiting)) != NULL;)
        list_add(&again, a);
    for (asked *a; (a = list_take(&again)) != NULL;) {
        a->is_begun = false;
        list_add(&s->waiting, a);
    }
    for (asked *a; (a = list_take(&over)) != NULL;)
        fail(s, a, s->base.status.sentence);
}

// ---- sending

static bool is_blocked(const remote_store *s) {
    return s->link.queued(s->link.user) + STORE_WIRE_PIECE_MAX > STORE_WIRE_QUEUED_MAX;
}

static void pump(remote_store *s) {
    uint8_t piece[STORE_WIRE_PIECE_MAX];
    uint64_t number;
    while (s->stream.first != NULL && !is_blocked(s)) {
        size_t len = store_wire_pull(&s->stream, piece, &number);
        bool is_sent = s->link.send(s->link.user, (mesh_bytes){piece, len});
        asked *a = number != 0 ? list_find(&s->sent, number) : NULL;
        if (a != NULL) a->is_begun = true; // also when it was not: nobody can tell
        if (!is_sent) return;              // its end is told
    }
}

static void say(remote_store *s, const Warren__Store__Store *message) {
    store_wire_push(&s->stream, store_wire_write(message), 0);
}

static void send_waiting(remote_store *s) {
    while (s->state == REMOTE_READY && s->sent_count < STORE_REMOTE_SENT_MAX) {
        asked *a = list_take(&s->waiting);
        if (a == NULL) return;
        if (a->request->reply.error != 0) { // told by the timer
            list_add(&s->sent, a);
            continue;
        }
        a->number = ++s->last_number; // another one each time: a late answer is not for it
        store_wire_push(&s->stream, store_wire_request(a->number, a->request), a->number);
        list_add(&s->sent, a);
        s->sent_count++;
    }
}

static void send_watch(remote_store *s, store_watch *watch) {
    if (watch->is_over) return;
    Warren__Store__Watch body = WARREN__STORE__WATCH__INIT;
    Warren__Store__Store message = WARREN__STORE__STORE__INIT;
    watch->number = ++s->last_watch;
    body.number = watch->number;
    body.prefix = (ProtobufCBinaryData){watch->prefix_len, watch->prefix};
    body.revision = watch->cursor.revision;
    body.position = watch->cursor.position;
    message.kind_case = WARREN__STORE__STORE__KIND_WATCH;
    message.watch = &body;
    say(s, &message);
}

// ---- time

static uint64_t first_deadline(const remote_store *s) {
    uint64_t at_ms = UINT64_MAX;
    for (const asked *a = s->sent.first; a != NULL; a = a->next)
        if (deadline_of(a->request) < at_ms) at_ms = deadline_of(a->request);
    for (const asked *a = s->waiting.first; a != NULL; a = a->next)
        if (deadline_of(a->request) < at_ms) at_ms = deadline_of(a->request);
    if (s->state == REMOTE_GREETS && s->greeted_at_ms + STORE_REMOTE_HELLO_MS < at_ms)
        at_ms = s->greeted_at_ms + STORE_REMOTE_HELLO_MS;
    return at_ms;
}

static void end_late_of(remote_store *s, asked_list *list, asked_list *out_late) {
    uint64_t now_ms = uv_now(s->base.loop);
    for (asked *a = list->first, *next; a != NULL; a = next) {
        next = a->next;
        if (deadline_of(a->request) > now_ms) continue;
        list_remove(list, a);
        if (a->number != 0 && !a->is_begun)
            store_wire_drop(&s->stream, a->number); // it is not done any more
        s->sent_count -= list == &s->sent && a->request->reply.error == 0;
        list_add(out_late, a);
    }
}

// A host that does not answer is away, whatever its link says. One that never says Welcome knows
// nothing of stores.
static void note_silence(remote_store *s, bool has_late) {
    bool is_mute = s->state == REMOTE_GREETS &&
                   uv_now(s->base.loop) >= s->greeted_at_ms + STORE_REMOTE_HELLO_MS;
    if (is_mute) {
        s->state = REMOTE_REFUSED;
        lose(s, "its agent does not answer (does it run an older version?)");
    } else if (has_late && s->state == REMOTE_READY && s->base.status.is_reachable) {
        lose(s, "its agent has not answered for 5 s");
    }
}

static void on_timer(uv_timer_t *timer) {
    remote_store *s = timer->data;
    asked_list late;
    list_init(&late);
    s->is_timer_set = false;
    end_late_of(s, &s->sent, &late);
    bool is_silent = false;
    for (const asked *a = late.first; a != NULL; a = a->next)
        is_silent = is_silent || a->is_begun;
    end_late_of(s, &s->waiting, &late);
    note_silence(s, is_silent);
    for (asked *a; (a = list_take(&late)) != NULL;)
        fail(s, a,
             s->base.status.is_reachable ? "the store has too much to do: ask again later"
                                         : s->base.status.sentence);
    work(s);
}

static void set_timer(remote_store *s) {
    uint64_t now_ms = uv_now(s->base.loop), at_ms = first_deadline(s);
    if (s->stream.first != NULL && s->state != REMOTE_DOWN && now_ms + BLOCKED_MS < at_ms)
        at_ms = now_ms + BLOCKED_MS;
    if (at_ms == UINT64_MAX)
        uv_timer_stop(&s->timer);
    else
        uv_timer_start(&s->timer, on_timer, at_ms > now_ms ? at_ms - now_ms : 0, 0);
}

static void work(remote_store *s) {
    if (s->base.is_closing) return;
    send_waiting(s);
    if (s->state != REMOTE_DOWN) pump(s);
    set_timer(s);
}

// ---- what comes

static void take_welcome(remote_store *s, const Warren__Store__Welcome *welcome) {
    if (s->state != REMOTE_GREETS) return;
    if (welcome->refusal[0] != '\0') {
        s->state = REMOTE_REFUSED;
        lose(s, welcome->refusal);
        return;
    }
    s->state = REMOTE_READY;
    for (store_watch *w = s->base.watches; w != NULL; w = w->next)
        send_watch(s, w);
    store_heard(&s->base, 0);
}

static void take_reply(remote_store *s, const Warren__Store__Reply *reply) {
    asked *a = list_find(&s->sent, reply->number);
    if (a == NULL) return; // it was late
    list_remove(&s->sent, a);
    s->sent_count--;
    store_wire_take_reply(reply, &a->request->reply);
    if (a->request->reply.error == STORE_EUNREACHABLE)
        store_lost(&s->base, a->request->reply.sentence);
    else
        store_heard(&s->base, a->request->reply.revision);
    finish(s, a);
}

static store_watch *find_watch(const remote_store *s, uint32_t number) {
    for (store_watch *w = s->base.watches; w != NULL; w = w->next)
        if (w->number == number && !w->is_over) return w;
    return NULL;
}

static void take_news(remote_store *s, const Warren__Store__News *message) {
    store_change changes[STORE_BATCH_MAX];
    store_watch *watch = message->number != 0 ? find_watch(s, message->number) : NULL;
    if (watch == NULL) return; // it was closed
    for (size_t i = 0; i < message->n_changes; i++) {
        const Warren__Store__Change *c = message->changes[i];
        changes[i] = (store_change){.key = store_wire_view(c->key),
                                    .is_delete = c->is_delete,
                                    .value = store_wire_view(c->value),
                                    .revision = c->revision,
                                    .created = c->created,
                                    .lease = c->lease};
    }
    bool is_over = message->code != WARREN__STORE__CODE__DONE;
    store_news news = {.error = store_wire_error(message->code),
                       .sentence = message->sentence,
                       .changes = changes,
                       .change_count = message->n_changes};
    if (!is_over) watch->cursor = (store_cursor){message->revision, message->position};
    if (is_over || news.change_count > 0) store_tell(watch, &news);
    if (!is_over && !s->base.is_closing) store_heard(&s->base, message->revision);
}

int store_remote_receive(store_db *db, mesh_bytes piece) {
    remote_store *s = (remote_store *)db;
    mesh_budget budget;
    if (s->state == REMOTE_DOWN) return 0;
    int whole = store_wire_take(&s->stream, piece);
    if (whole <= 0) return whole;
    Warren__Store__Store *message =
        store_wire_read((mesh_bytes){s->stream.in, s->stream.in_len}, &budget);
    if (message == NULL) return MESH_EPROTO;
    store_wire_taken(&s->stream);
    switch (message->kind_case) {
    case WARREN__STORE__STORE__KIND_WELCOME: take_welcome(s, message->welcome); break;
    case WARREN__STORE__STORE__KIND_REPLY: take_reply(s, message->reply); break;
    case WARREN__STORE__STORE__KIND_NEWS: take_news(s, message->news); break;
    default: break; // of a later version, or for one that has a store
    }
    store_wire_free(message, &budget);
    work(s);
    return 0;
}

// ---- the link

void store_remote_up(store_db *db) {
    remote_store *s = (remote_store *)db;
    if (s->state != REMOTE_DOWN) return;
    Warren__Store__Hello hello = WARREN__STORE__HELLO__INIT;
    Warren__Store__Store message = WARREN__STORE__STORE__INIT;
    hello.version = VERSION;
    message.kind_case = WARREN__STORE__STORE__KIND_HELLO;
    message.hello = &hello;
    s->state = REMOTE_GREETS;
    s->greeted_at_ms = uv_now(db->loop);
    say(s, &message);
    work(s);
}

void store_remote_down(store_db *db, const char *why) {
    remote_store *s = (remote_store *)db;
    s->state = REMOTE_DOWN;
    store_wire_reset(&s->stream);
    for (store_watch *w = db->watches; w != NULL; w = w->next)
        w->number = 0;
    lose(s, why);
    if (!db->is_closing) take_back(s);
    work(s);
}

// ---- its life

static void submit(store_db *db, store_request *request) {
    remote_store *s = (remote_store *)db;
    asked *a = mem_alloc(sizeof *a);
    store_reply *reply = &request->reply;
    a->request = request;
    for (size_t i = 0; i < request->op_count; i++)
        a->len += request->ops[i].key.len + request->ops[i].value.len;
    if (reply->error == 0 && request->kind == STORE_BACKUP)
        store_fail(reply, STORE_EINVAL, "a copy of the store is made on host %s, which has it",
                   s->host);
    if (reply->error == 0 && s->waiting_len > 0 &&
        s->waiting_len + a->len > STORE_REMOTE_WAITING_MAX)
        store_fail(reply, STORE_EFULL,
                   "changes of more than %d MiB wait for the store of host %s: ask again when some "
                   "were answered",
                   STORE_REMOTE_WAITING_MAX >> 20, s->host);
    s->waiting_len += a->len;
    if (reply->error != 0) request->now_ms = 0; // told by the timer, at once
    list_add(&s->waiting, a);
    work(s);
}

static void watch_it(store_watch *watch) {
    remote_store *s = (remote_store *)watch->db;
    if (s->state != REMOTE_READY) return;
    send_watch(s, watch);
    work(s);
}

static void unwatch(store_watch *watch) {
    remote_store *s = (remote_store *)watch->db;
    if (s->state != REMOTE_READY || watch->number == 0 || s->base.is_closing) return;
    Warren__Store__Unwatch body = WARREN__STORE__UNWATCH__INIT;
    Warren__Store__Store message = WARREN__STORE__STORE__INIT;
    body.number = watch->number;
    message.kind_case = WARREN__STORE__STORE__KIND_UNWATCH;
    message.unwatch = &body;
    say(s, &message);
    work(s);
}

static store_db *open_remote(const store_options *options) {
    remote_store *s = mem_alloc(sizeof *s);
    CHECK(options->link != NULL);
    s->link = *options->link;
    memcpy(s->host, options->place->host, sizeof s->host);
    list_init(&s->waiting);
    list_init(&s->sent);
    uv_timer_init(options->loop, &s->timer);
    s->timer.data = s;
    s->base.loop = options->loop;
    s->link.attach(s->link.user, &s->base);
    return &s->base;
}

static void on_closed(uv_handle_t *handle) {
    remote_store *s = handle->data;
    store_closed(&s->base);
}

static void free_list(asked_list *list) {
    for (asked *a; (a = list_take(list)) != NULL;) {
        store_request_free(a->request);
        free(a);
    }
}

static void close_remote(store_db *db) {
    remote_store *s = (remote_store *)db;
    s->link.attach(s->link.user, NULL);
    store_wire_reset(&s->stream);
    free_list(&s->waiting);
    free_list(&s->sent);
    uv_close((uv_handle_t *)&s->timer, on_closed);
}

const store_kind store_kind_remote = {open_remote, submit, watch_it, unwatch, close_remote};
