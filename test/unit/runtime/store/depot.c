#include "depot.h"

#include <stdlib.h>
#include <unistd.h>

#include "core/mem.h"

enum { LIMIT_MS = 20000 };

static const char *waited_for = "";

static void on_limit(uv_timer_t *timer) {
    const depot *d = timer->data;
    (void)fprintf(stderr, "waited too long for %s; of the store is said: '%s'\n", waited_for,
                  d->db != NULL ? store_status_get(d->db)->sentence : "");
    abort();
}

static void on_status(const store_status *status, void *user) {
    (void)status;
    ((depot *)user)->status_count++;
}

store_place depot_place(const char *text) {
    store_place place;
    char sentence[STORE_SENTENCE_LEN_MAX + 1] = "";
    if (store_place_parse(text, &place, sentence) != 0) fail_msg("%s: %s", text, sentence);
    return place;
}

void depot_open(depot *d, const char *text) {
    store_place place = depot_place(text);
    memset(d, 0, sizeof *d);
    EXPECT_OK(uv_loop_init(&d->loop));
    uv_timer_init(&d->loop, &d->limit);
    uv_unref((uv_handle_t *)&d->limit);
    d->limit.data = d;
    d->db = store_open(&(store_options){.loop = &d->loop,
                                        .place = &place,
                                        .link = depot_link(&d->loop),
                                        .on_status = on_status,
                                        .user = d});
}

static void on_closed(void *user) {
    ((depot *)user)->is_closed = true;
}

void depot_close(depot *d) {
    store_close(d->db, on_closed, d);
    depot_unlink();
    uv_close((uv_handle_t *)&d->limit, NULL);
    uv_run(&d->loop, UV_RUN_DEFAULT);
    EXPECT_TRUE(d->is_closed);
    EXPECT_OK(uv_loop_close(&d->loop));
}

void depot_wait(depot *d, bool (*is_so)(const depot *d, const void *what), const void *what) {
    uv_timer_start(&d->limit, on_limit, LIMIT_MS, 0);
    while (!is_so(d, what))
        uv_run(&d->loop, UV_RUN_ONCE);
    uv_timer_stop(&d->limit);
}

static bool is_reachable(const depot *d, const void *what) {
    return store_status_get(d->db)->is_reachable == *(const bool *)what && d->status_count > 0;
}

void depot_wait_reachable(depot *d, bool is_it) {
    waited_for = is_it ? "the store to be reachable" : "the store to be unreachable";
    depot_wait(d, is_reachable, &is_it);
}

const char *depot_path(const char *name) {
    static char directory[64], path[200];
    if (directory[0] == '\0') {
        (void)snprintf(directory, sizeof directory, "/tmp/warren-store-XXXXXX");
        EXPECT_TRUE(mkdtemp(directory) != NULL);
    }
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

// ---- answers

static void copy_text(char out[DEPOT_TEXT_MAX], mesh_bytes bytes) {
    (void)snprintf(out, DEPOT_TEXT_MAX, "%.*s", (int)bytes.len, (const char *)bytes.data);
}

void depot_on_answer(const store_answer *answer, void *user) {
    depot_answer *to = user;
    to->count++;
    to->error = answer->error;
    (void)snprintf(to->sentence, sizeof to->sentence, "%s", answer->sentence);
    to->is_maybe_done = answer->is_maybe_done;
    to->has_more = answer->has_more;
    to->revision = answer->revision;
    to->lease = answer->lease;
    to->ttl_s = answer->ttl_s;
    to->pair_count = answer->pair_count;
    for (size_t i = 0; i < answer->pair_count; i++) {
        const store_pair *pair = &answer->pairs[i];
        depot_pair *p = &to->pairs[i];
        *p = (depot_pair){.value_len = pair->value.len,
                          .created = pair->created,
                          .changed = pair->changed,
                          .lease = pair->lease};
        copy_text(p->key, pair->key);
        copy_text(p->value, pair->value);
    }
}

typedef struct awaited {
    const depot_answer *answer;
    int count;
} awaited;

static bool is_answered(const depot *d, const void *what) {
    (void)d;
    const awaited *a = what;
    return a->answer->count >= a->count;
}

void depot_wait_answer(depot *d, const depot_answer *answer, int count) {
    waited_for = "an answer";
    depot_wait(d, is_answered, &(awaited){answer, count});
}

static const depot_answer *wait_own(depot *d) {
    depot_wait_answer(d, &d->answer, 1);
    EXPECT_EQ(1, d->answer.count);
    return &d->answer;
}

const depot_answer *depot_get(depot *d, const char *key) {
    d->answer.count = 0;
    store_get(d->db, mesh_bytes_text(key), depot_on_answer, &d->answer);
    return wait_own(d);
}

int64_t depot_now(depot *d) {
    EXPECT_DONE(depot_get(d, "now"));
    return d->answer.revision;
}

const depot_answer *depot_list(depot *d, const char *prefix, const char *after, uint32_t limit) {
    d->answer.count = 0;
    store_range range = {mesh_bytes_text(prefix), mesh_bytes_text(after), limit};
    store_list(d->db, &range, depot_on_answer, &d->answer);
    return wait_own(d);
}

const depot_answer *depot_commit(depot *d, const store_transaction *transaction) {
    d->answer.count = 0;
    store_commit(d->db, transaction, depot_on_answer, &d->answer);
    return wait_own(d);
}

const depot_answer *depot_put(depot *d, const char *key, const char *value, int64_t lease) {
    store_op op = {STORE_PUT, mesh_bytes_text(key), mesh_bytes_text(value), lease};
    return depot_commit(d, &(store_transaction){.ops = &op, .op_count = 1});
}

const depot_answer *depot_delete(depot *d, const char *key) {
    store_op op = {.kind = STORE_DELETE, .key = mesh_bytes_text(key)};
    return depot_commit(d, &(store_transaction){.ops = &op, .op_count = 1});
}

const depot_answer *depot_grant(depot *d, uint32_t ttl_s) {
    d->answer.count = 0;
    store_grant(d->db, ttl_s, depot_on_answer, &d->answer);
    return wait_own(d);
}

const depot_answer *depot_keep(depot *d, int64_t lease) {
    d->answer.count = 0;
    store_keep(d->db, lease, depot_on_answer, &d->answer);
    return wait_own(d);
}

const depot_answer *depot_revoke(depot *d, int64_t lease) {
    d->answer.count = 0;
    store_revoke(d->db, lease, depot_on_answer, &d->answer);
    return wait_own(d);
}

int64_t depot_fill(depot *d, const char *prefix, size_t count) {
    static char keys[STORE_OPS_MAX][DEPOT_TEXT_MAX];
    static store_op ops[STORE_OPS_MAX];
    int64_t revision = 0;
    for (size_t done = 0; done < count;) {
        size_t n = 0;
        for (; n < STORE_OPS_MAX && done < count; n++, done++) {
            (void)snprintf(keys[n], sizeof keys[n], "%s%05zu", prefix, done);
            ops[n] = (store_op){STORE_PUT, mesh_bytes_text(keys[n]), mesh_bytes_text(keys[n]), 0};
        }
        EXPECT_DONE(depot_commit(d, &(store_transaction){.ops = ops, .op_count = n}));
        revision = d->answer.revision;
    }
    return revision;
}

// ---- watches

static void on_news(const store_news *news, void *user) {
    depot_told *told = user;
    told->error = news->error;
    (void)snprintf(told->sentence, sizeof told->sentence, "%s", news->sentence);
    for (size_t i = 0; i < news->change_count; i++) {
        const store_change *c = &news->changes[i];
        EXPECT_TRUE(told->count < DEPOT_TOLD_MAX);
        told->revisions[told->count] = c->revision;
        (void)snprintf(told->texts[told->count++], sizeof told->texts[0],
                       c->is_delete ? "-%.*s" : "%.*s=%.*s", (int)c->key.len,
                       (const char *)c->key.data, (int)c->value.len, (const char *)c->value.data);
    }
    if (!told->closes_itself) return;
    store_watch_close(told->watch);
    told->watch = NULL;
}

void depot_watch(depot *d, depot_told *told, const char *prefix, int64_t after) {
    told->count = 0;
    told->error = 0;
    told->watch = store_watch_open(
        d->db, &(store_watch_options){
                   .prefix = mesh_bytes_text(prefix), .after = after, .cb = on_news, .user = told});
    EXPECT_TRUE(told->watch != NULL);
}

typedef struct awaited_told {
    const depot_told *told;
    size_t count;
    int error;
} awaited_told;

static bool is_told(const depot *d, const void *what) {
    (void)d;
    const awaited_told *a = what;
    return a->told->count >= a->count && a->told->error == a->error;
}

void depot_wait_told(depot *d, const depot_told *told, size_t count) {
    waited_for = "changes";
    depot_wait(d, is_told, &(awaited_told){told, count, 0});
    EXPECT_EQ(count, told->count);
}

void depot_wait_error(depot *d, const depot_told *told, int error) {
    waited_for = "the end of a watch";
    depot_wait(d, is_told, &(awaited_told){told, 0, error});
}

void expect_told(const depot_told *told, const char *const *texts, size_t count) {
    EXPECT_EQ(count, told->count);
    for (size_t i = 0; i < count; i++) {
        EXPECT_TEXT(texts[i], told->texts[i]);
        if (i > 0) EXPECT_TRUE(told->revisions[i] >= told->revisions[i - 1]);
    }
}
