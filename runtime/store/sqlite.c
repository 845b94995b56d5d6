// A store in a file. One thread opens the file and carries out one request after the other, so that
// a slow disk stops nobody else; the loop makes the requests and hears their replies. Watches are
// the loop's: each asks for what it has not been told when the revision has grown.
#include "core/mem.h"
#include "store/sqlite_file.h"

enum { EXPIRE_AGAIN_MS = 1000 };

typedef struct request_queue {
    store_request *first, **last;
} request_queue;

typedef struct sqlite_store {
    store_db base; // the first
    char path[STORE_PATH_LEN_MAX + 1];
    uv_thread_t thread;
    uv_mutex_t mutex;
    uv_cond_t is_wanted;
    uv_async_t is_done;
    uv_timer_t expiry;
    store_request *expiring; // the EXPIRE under way
    uint64_t expire_after_ms;
    int open_handles;
    // Under the mutex:
    request_queue todo, done;
    bool is_ending, has_ended;
    uint64_t expiry_at_ms;
    // The thread's:
    store_file file;
} sqlite_store;

static void queue_add(request_queue *queue, store_request *request) {
    request->next = NULL;
    *queue->last = request;
    queue->last = &request->next;
}

static store_request *queue_take(request_queue *queue) {
    store_request *request = queue->first;
    if (request == NULL) return NULL;
    queue->first = request->next;
    if (queue->first == NULL) queue->last = &queue->first;
    return request;
}

// ---- the thread

// After its disk has failed the file is opened again: what it has then is what is true.
static void work(sqlite_store *s, store_request *request) {
    if (s->file.db != NULL && s->file.is_doubtful) store_file_close(&s->file);
    if (s->file.db == NULL && store_file_open(&s->file, request->now_ms, &request->reply) != 0)
        return;
    store_file_do(&s->file, request);
}

static store_request *next(sqlite_store *s) {
    while (s->todo.first == NULL && !s->is_ending)
        uv_cond_wait(&s->is_wanted, &s->mutex);
    return s->is_ending ? NULL : queue_take(&s->todo);
}

static void run(void *user) {
    sqlite_store *s = user;
    store_request *request;
    uv_mutex_lock(&s->mutex);
    while ((request = next(s)) != NULL) {
        uv_mutex_unlock(&s->mutex);
        if (request->reply.error == 0) work(s, request);
        uint64_t expiry_at_ms = store_file_expiry_ms(&s->file);
        uv_mutex_lock(&s->mutex);
        s->expiry_at_ms = expiry_at_ms;
        queue_add(&s->done, request);
        uv_async_send(&s->is_done);
    }
    uv_mutex_unlock(&s->mutex);
    store_file_close(&s->file);
    uv_mutex_lock(&s->mutex);
    s->has_ended = true;
    uv_async_send(&s->is_done);
    uv_mutex_unlock(&s->mutex);
}

// ---- requests, on the loop

static void submit(store_db *db, store_request *request) {
    sqlite_store *s = (sqlite_store *)db;
    uv_mutex_lock(&s->mutex);
    queue_add(&s->todo, request);
    uv_cond_signal(&s->is_wanted);
    uv_mutex_unlock(&s->mutex);
}

// One that this file makes itself.
static store_request *ask(sqlite_store *s, store_request_kind kind) {
    store_request *request = mem_alloc(sizeof *request);
    request->kind = kind;
    request->now_ms = uv_now(s->base.loop);
    s->base.request_count++;
    return request;
}

static void ask_changes(sqlite_store *s, store_watch *watch) {
    if (watch->asked != NULL || watch->is_over) return;
    store_request *request = ask(s, STORE_CHANGES);
    request->watch = watch;
    request->memory = mem_copy(watch->prefix, watch->prefix_len);
    request->key = (mesh_bytes){request->memory, watch->prefix_len};
    request->cursor = watch->cursor;
    watch->asked = request;
    submit(&s->base, request);
}

static void on_expiry(uv_timer_t *timer) {
    sqlite_store *s = timer->data;
    if (s->expiring != NULL) return;
    s->expiring = ask(s, STORE_EXPIRE);
    submit(&s->base, s->expiring);
}

static void set_expiry(sqlite_store *s, uint64_t at_ms) {
    uint64_t now_ms = uv_now(s->base.loop);
    if (s->expiring != NULL) return; // its reply comes here again
    if (s->base.is_closing || at_ms == UINT64_MAX) {
        uv_timer_stop(&s->expiry);
        return;
    }
    if (at_ms < s->expire_after_ms) at_ms = s->expire_after_ms;
    uv_timer_start(&s->expiry, on_expiry, at_ms > now_ms ? at_ms - now_ms : 0, 0);
}

// ---- replies

static void tell_changes(store_watch *watch, const store_reply *reply) {
    store_news news = {
        .error = reply->error,
        .sentence = reply->sentence,
        .changes = reply->changes,
        .change_count = reply->change_count,
    };
    watch->asked = NULL;
    // Not now, says the file: the next reply from it asks again.
    if (reply->error != 0 && reply->error != STORE_ECOMPACTED) return;
    if (reply->error == 0) watch->cursor = reply->cursor;
    if (reply->error != 0 || reply->change_count > 0) store_tell(watch, &news);
}

// It says something of the store, and not only of the request.
static bool is_of_store(int error) {
    return error == STORE_EUNREACHABLE || error == STORE_ECORRUPT || error == STORE_EDENIED;
}

static void take(sqlite_store *s, store_request *request) {
    const store_reply *reply = &request->reply;
    bool was_tried = reply->error == 0 || reply->revision > 0;
    if (is_of_store(reply->error))
        store_lost(&s->base, reply->sentence);
    else if (was_tried)
        store_heard(&s->base, reply->revision);
    if (request == s->expiring) {
        s->expiring = NULL;
        // The disk has failed, and what is due stays due.
        s->expire_after_ms = reply->error != 0 ? uv_now(s->base.loop) + EXPIRE_AGAIN_MS : 0;
    }
    if (request->watch != NULL) tell_changes(request->watch, reply);
    store_finish(&s->base, request);
}

// A call back may close any watch, so that the list is gone through from the start each time.
static void ask_all_changes(sqlite_store *s) {
    for (store_watch *w = s->base.watches; w != NULL; w = w->next)
        if (w->cursor.revision < s->base.status.revision || w->cursor.position < INT32_MAX)
            ask_changes(s, w);
}

static void on_handle_closed(uv_handle_t *handle) {
    sqlite_store *s = handle->data;
    if (--s->open_handles > 0) return;
    uv_cond_destroy(&s->is_wanted);
    uv_mutex_destroy(&s->mutex);
    store_closed(&s->base);
}

static void end(sqlite_store *s) {
    uv_thread_join(&s->thread);
    store_request *request;
    while ((request = queue_take(&s->done)) != NULL)
        store_request_free(request);
    while ((request = queue_take(&s->todo)) != NULL)
        store_request_free(request);
    uv_close((uv_handle_t *)&s->is_done, on_handle_closed);
    uv_close((uv_handle_t *)&s->expiry, on_handle_closed);
}

static void on_done(uv_async_t *async) {
    sqlite_store *s = async->data;
    uv_mutex_lock(&s->mutex);
    request_queue done = {NULL, &done.first};
    store_request *request;
    while ((request = queue_take(&s->done)) != NULL)
        queue_add(&done, request);
    bool has_ended = s->has_ended;
    uint64_t expiry_at_ms = s->expiry_at_ms;
    uv_mutex_unlock(&s->mutex);
    while ((request = queue_take(&done)) != NULL)
        take(s, request);
    if (has_ended) {
        end(s);
        return;
    }
    set_expiry(s, expiry_at_ms);
    if (!s->base.is_closing) ask_all_changes(s);
}

// ---- its life

static void watch_it(store_watch *watch) {
    ask_changes((sqlite_store *)watch->db, watch);
}

static void unwatch(store_watch *watch) {
    if (watch->asked != NULL) watch->asked->watch = NULL;
}

static store_db *open_sqlite(const store_options *options) {
    sqlite_store *s = mem_alloc(sizeof *s);
    memcpy(s->path, options->place->path, sizeof s->path);
    s->file.path = s->path;
    s->todo.last = &s->todo.first;
    s->done.last = &s->done.first;
    s->expiry_at_ms = UINT64_MAX;
    s->open_handles = 2;
    CHECK(uv_mutex_init(&s->mutex) == 0 && uv_cond_init(&s->is_wanted) == 0);
    CHECK(uv_async_init(options->loop, &s->is_done, on_done) == 0);
    uv_timer_init(options->loop, &s->expiry);
    s->is_done.data = s->expiry.data = s;
    s->base.loop = options->loop;
    CHECK(uv_thread_create(&s->thread, run, s) == 0);
    // The first opens the file: who asks for nothing hears of its state too.
    submit(&s->base, ask(s, STORE_EXPIRE));
    return &s->base;
}

static void close_sqlite(store_db *db) {
    sqlite_store *s = (sqlite_store *)db;
    uv_timer_stop(&s->expiry);
    uv_mutex_lock(&s->mutex);
    s->is_ending = true;
    uv_cond_signal(&s->is_wanted);
    uv_mutex_unlock(&s->mutex);
}

const store_kind store_kind_sqlite = {open_sqlite, submit, watch_it, unwatch, close_sqlite};
