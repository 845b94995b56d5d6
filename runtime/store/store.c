#include "store/store.h"

#include <stdio.h>

#include "core/mem.h"
#include "store/request.h"

// ---- what comes from a kind

static void set_status(store_db *db, bool is_reachable, const char *sentence) {
    bool is_new =
        db->status.is_reachable != is_reachable || strcmp(db->status.sentence, sentence) != 0;
    db->status.is_known = true;
    if (!is_new) return;
    db->status.is_reachable = is_reachable;
    (void)snprintf(db->status.sentence, sizeof db->status.sentence, "%s", sentence);
    if (db->on_status != NULL && !db->is_closing) db->on_status(&db->status, db->user);
}

void store_heard(store_db *db, int64_t revision) {
    if (revision > db->status.revision) db->status.revision = revision;
    set_status(db, true, "");
}

void store_lost(store_db *db, const char *sentence) {
    set_status(db, false, sentence);
}

void store_finish(store_db *db, store_request *request) {
    const store_reply *reply = &request->reply;
    store_answer answer = {
        .error = reply->error,
        .sentence = reply->sentence,
        .is_maybe_done = reply->is_maybe_done,
        .revision = reply->error == 0 ? reply->revision : 0,
        .pairs = reply->pairs,
        .pair_count = reply->pair_count,
        .has_more = reply->has_more,
        .lease = reply->lease,
        .ttl_s = reply->ttl_s,
    };
    db->request_count--;
    if (!db->is_closing && request->cb != NULL) request->cb(&answer, request->user);
    store_request_free(request);
}

void store_tell(store_watch *watch, const store_news *news) {
    if (watch->is_over || watch->db->is_closing) return;
    if (news->error != 0) watch->is_over = true;
    watch->cb(news, watch->user);
}

void store_closed(store_db *db) {
    void (*cb)(void *) = db->on_closed;
    void *user = db->closed_user;
    free(db);
    if (cb != NULL) cb(user);
}

// ---- its life

store_db *store_open(const store_options *options) {
    static const store_kind *const kinds[] = {[STORE_SQLITE] = &store_kind_sqlite,
                                              [STORE_ETCD] = &store_kind_etcd,
                                              [STORE_HOST] = &store_kind_remote};
    const store_kind *kind = kinds[options->place->type];
    store_db *db = kind->open(options);
    db->kind = kind;
    db->loop = options->loop;
    db->on_status = options->on_status;
    db->user = options->user;
    (void)snprintf(db->status.sentence, sizeof db->status.sentence, "it has not answered yet");
    return db;
}

void store_close(store_db *db, void (*cb)(void *user), void *user) {
    if (db == NULL || db->is_closing) return;
    db->is_closing = true;
    db->on_closed = cb;
    db->closed_user = user;
    for (store_watch *watch = db->watches, *next; watch != NULL; watch = next) {
        next = watch->next;
        db->kind->unwatch(watch);
        free(watch);
    }
    db->watches = NULL;
    store_hold_drop_all(db);
    db->kind->close(db);
}

const store_status *store_status_get(const store_db *db) {
    return &db->status;
}

// ---- requests

typedef struct copier {
    store_request *request;
    size_t used;
} copier;

static copier begin(store_request_kind kind, size_t len, store_cb cb, void *user) {
    store_request *request = mem_alloc(sizeof *request);
    request->kind = kind;
    request->cb = cb;
    request->user = user;
    request->memory = mem_alloc(len);
    return (copier){.request = request};
}

static mesh_bytes copy(copier *c, mesh_bytes bytes) {
    uint8_t *to = c->request->memory + c->used;
    if (bytes.len > 0) memcpy(to, bytes.data, bytes.len);
    c->used += bytes.len;
    return (mesh_bytes){to, bytes.len};
}

static void submit(store_db *db, store_request *request) {
    request->now_ms = uv_now(db->loop);
    if (request->reply.error == 0 && db->request_count >= STORE_REQUESTS_MAX)
        store_fail(&request->reply, STORE_EFULL,
                   "%d requests to the store wait already: ask again when some were answered",
                   STORE_REQUESTS_MAX);
    db->request_count++;
    db->kind->submit(db, request); // one that has failed comes back at once, from the loop
}

static void check_key(store_request *request, mesh_bytes key) {
    if (request->reply.error != 0) return;
    if (key.len > STORE_KEY_LEN_MAX)
        store_fail(&request->reply, STORE_ETOOLARGE,
                   "a key of the store has at most %d bytes, and this one has %zu: shorten it",
                   STORE_KEY_LEN_MAX, key.len);
    else if (key.len == 0)
        store_fail(&request->reply, STORE_EINVAL, "a key of the store has at least one byte");
}

void store_get(store_db *db, mesh_bytes key, store_cb cb, void *user) {
    copier c = begin(STORE_READ, key.len, cb, user);
    c.request->key = copy(&c, key);
    c.request->limit = 1;
    check_key(c.request, key);
    submit(db, c.request);
}

void store_list(store_db *db, const store_range *range, store_cb cb, void *user) {
    copier c = begin(STORE_READ, range->prefix.len + range->after.len, cb, user);
    store_request *request = c.request;
    request->is_prefix = true;
    request->key = copy(&c, range->prefix);
    request->after = copy(&c, range->after);
    request->limit =
        range->limit == 0 || range->limit > STORE_PAGE_MAX ? STORE_PAGE_MAX : range->limit;
    if (range->prefix.len > 0) check_key(request, range->prefix);
    if (range->after.len > 0) check_key(request, range->after);
    submit(db, request);
}

static void check_value(store_request *request, const store_op *op) {
    if (request->reply.error != 0 || op->value.len <= STORE_VALUE_LEN_MAX) return;
    store_fail(&request->reply, STORE_ETOOLARGE,
               "a value of the store has at most %d bytes, and that of '%.*s' has %zu: split it",
               STORE_VALUE_LEN_MAX, (int)(op->key.len < 80 ? op->key.len : 80),
               (const char *)op->key.data, op->value.len);
}

static int compare_keys(const void *a, const void *b) {
    const store_op *x = a, *y = b;
    size_t len = x->key.len < y->key.len ? x->key.len : y->key.len;
    int order = len > 0 ? memcmp(x->key.data, y->key.data, len) : 0;
    return order != 0 ? order : (x->key.len > y->key.len) - (x->key.len < y->key.len);
}

// Which of the two it should be nobody can know.
static void check_twice(store_request *request) {
    store_op *sorted = mem_copy(request->ops, request->op_count * sizeof *sorted);
    if (request->op_count > 1) qsort(sorted, request->op_count, sizeof *sorted, compare_keys);
    for (size_t i = 1; i < request->op_count && request->reply.error == 0; i++)
        if (compare_keys(&sorted[i - 1], &sorted[i]) == 0)
            store_fail(&request->reply, STORE_EINVAL,
                       "a transaction changes '%.*s' twice: say only what it should be at the end",
                       (int)(sorted[i].key.len < 80 ? sorted[i].key.len : 80),
                       (const char *)sorted[i].key.data);
    free(sorted);
}

static size_t length_of(const store_transaction *t) {
    size_t len = 0;
    for (size_t i = 0; i < t->compare_count; i++)
        len += t->compares[i].key.len;
    for (size_t i = 0; i < t->op_count; i++)
        len += t->ops[i].key.len + t->ops[i].value.len;
    return len;
}

static void copy_transaction(copier *c, const store_transaction *t) {
    store_request *request = c->request;
    request->compare_count = t->compare_count;
    request->op_count = t->op_count;
    request->compares = mem_copy(t->compares, t->compare_count * sizeof *t->compares);
    request->ops = mem_copy(t->ops, t->op_count * sizeof *t->ops);
    for (size_t i = 0; i < t->compare_count; i++) {
        request->compares[i].key = copy(c, t->compares[i].key);
        check_key(request, t->compares[i].key);
    }
    for (size_t i = 0; i < t->op_count; i++) {
        request->ops[i].key = copy(c, t->ops[i].key);
        request->ops[i].value = copy(c, t->ops[i].value);
        check_key(request, t->ops[i].key);
        check_value(request, &t->ops[i]);
    }
    check_twice(request);
}

void store_commit(store_db *db, const store_transaction *t, store_cb cb, void *user) {
    bool is_large = t->compare_count > STORE_OPS_MAX || t->op_count > STORE_OPS_MAX;
    size_t len = is_large ? 0 : length_of(t);
    copier c = begin(STORE_COMMIT, len <= STORE_TRANSACTION_LEN_MAX ? len : 0, cb, user);
    if (is_large)
        store_fail(&c.request->reply, STORE_ETOOLARGE,
                   "a transaction has at most %d comparisons and %d changes, and this one has %zu "
                   "and %zu: split it",
                   STORE_OPS_MAX, STORE_OPS_MAX, t->compare_count, t->op_count);
    else if (len > STORE_TRANSACTION_LEN_MAX)
        store_fail(&c.request->reply, STORE_ETOOLARGE,
                   "a transaction has at most %d bytes of keys and values, and this one has %zu: "
                   "split it",
                   STORE_TRANSACTION_LEN_MAX, len);
    else
        copy_transaction(&c, t);
    submit(db, c.request);
}

void store_grant(store_db *db, uint32_t ttl_s, store_cb cb, void *user) {
    store_request *request = begin(STORE_GRANT, 0, cb, user).request;
    request->ttl_s = ttl_s;
    if (ttl_s < STORE_TTL_MIN_S || ttl_s > STORE_TTL_MAX_S)
        store_fail(&request->reply, STORE_EINVAL, "a lease lasts from %d to %d seconds, and not %u",
                   STORE_TTL_MIN_S, STORE_TTL_MAX_S, ttl_s);
    submit(db, request);
}

static void ask_lease(store_db *db, store_request_kind kind, int64_t lease, store_cb cb,
                      void *user) {
    store_request *request = begin(kind, 0, cb, user).request;
    request->lease = lease;
    submit(db, request);
}

void store_keep(store_db *db, int64_t lease, store_cb cb, void *user) {
    ask_lease(db, STORE_KEEP, lease, cb, user);
}

void store_revoke(store_db *db, int64_t lease, store_cb cb, void *user) {
    ask_lease(db, STORE_REVOKE, lease, cb, user);
}

void store_backup(store_db *db, const char *path, store_cb cb, void *user) {
    size_t len = strlen(path) + 1;
    copier c = begin(STORE_BACKUP, len, cb, user);
    c.request->key = copy(&c, (mesh_bytes){(const uint8_t *)path, len});
    if (len > STORE_PATH_LEN_MAX)
        store_fail(&c.request->reply, STORE_EINVAL, "a path has at most %d bytes",
                   STORE_PATH_LEN_MAX - 1);
    submit(db, c.request);
}

// ---- watches

static store_watch *open_watch(store_db *db, const store_watch_options *options,
                               store_cursor cursor, bool is_own) {
    bool is_over = db->watch_count == STORE_SERVED_WATCHES_MAX ||
                   (is_own && db->own_watch_count == STORE_WATCHES_MAX);
    if (is_over || options->prefix.len > STORE_KEY_LEN_MAX) return NULL;
    store_watch *watch = mem_alloc(sizeof *watch);
    watch->db = db;
    watch->cb = options->cb;
    watch->user = options->user;
    if (options->prefix.len > 0) memcpy(watch->prefix, options->prefix.data, options->prefix.len);
    watch->prefix_len = options->prefix.len;
    watch->cursor = cursor;
    watch->is_own = is_own;
    watch->next = db->watches;
    db->watches = watch;
    db->watch_count++;
    db->own_watch_count += is_own;
    db->kind->watch(watch);
    return watch;
}

store_watch *store_watch_open(store_db *db, const store_watch_options *options) {
    return open_watch(db, options, (store_cursor){options->after, INT32_MAX}, true);
}

store_watch *store_watch_open_at(store_db *db, const store_watch_options *options,
                                 store_cursor cursor) {
    return open_watch(db, options, cursor, false);
}

void store_watch_close(store_watch *watch) {
    if (watch == NULL) return;
    store_db *db = watch->db;
    store_watch **at = &db->watches;
    while (*at != watch)
        at = &(*at)->next;
    *at = watch->next;
    db->watch_count--;
    db->own_watch_count -= watch->is_own;
    db->kind->unwatch(watch);
    free(watch);
}
