// A watch in etcd is an answer without an end: one line for each message. When it is cut it begins
// again where it was told last, in the midst of a revision too.
#include <stdio.h>

#include "core/mem.h"
#include "store/etcd_state.h"

typedef struct stream {
    etcd_store *store;
    store_watch *watch; // NULL: closed in its own call
    uint32_t session;
    mesh_http *http;
    uint8_t *line; // that has not ended
    size_t line_len, line_cap;
    int64_t skip; // changes of the first revision that were told before
    bool is_in_call;
} stream;

static void drop(stream *st) {
    mesh_http_close(st->http);
    free(st->line);
    free(st);
}

static void stop(store_watch *watch) {
    stream *st = watch->stream;
    watch->stream = NULL;
    if (st == NULL) return;
    st->watch = NULL;
    if (!st->is_in_call) drop(st);
}

// ---- what comes

static bool is_told(stream *st, const store_change *change) {
    store_cursor *cursor = &st->watch->cursor;
    if (change->revision < cursor->revision) return true;
    if (change->revision > cursor->revision) {
        *cursor = (store_cursor){change->revision, 1};
        return false;
    }
    if (cursor->position == INT32_MAX) return true;
    if (st->skip > 0) {
        st->skip--;
        return true;
    }
    cursor->position++;
    return false;
}

static void tell_changes(stream *st, const store_reply *reply) {
    store_change some[STORE_BATCH_MAX];
    for (size_t i = 0; i < reply->change_count && st->watch != NULL;) {
        size_t count = 0;
        for (; i < reply->change_count && count < STORE_BATCH_MAX; i++)
            if (!is_told(st, &reply->changes[i])) some[count++] = reply->changes[i];
        store_news news = {.sentence = "", .changes = some, .change_count = count};
        if (count > 0) store_tell(st->watch, &news);
    }
}

static void tell_error(stream *st, int error, const char *sentence) {
    store_tell(st->watch, &(store_news){.error = error, .sentence = sentence});
}

static void take_end(stream *st, const store_etcd_news *news) {
    char sentence[STORE_SENTENCE_LEN_MAX + 1];
    if (news->compacted > 0) {
        (void)snprintf(sentence, sizeof sentence,
                       "etcd at %.80s does not remember the changes after revision %lld any more: "
                       "list again, and watch from the revision of that list",
                       st->store->where, (long long)st->watch->cursor.revision);
        tell_error(st, STORE_ECOMPACTED, sentence);
    } else if (strstr(news->words, "PermissionDenied") != NULL ||
               strstr(news->words, "permission denied") != NULL) {
        (void)snprintf(sentence, sizeof sentence,
                       "etcd at %.80s does not allow the watch: give the user of the login a role "
                       "with the keys of --store's prefix",
                       st->store->where);
        tell_error(st, STORE_EDENIED, sentence);
    } else if (strstr(news->words, "auth token") != NULL) {
        etcd_session_forget_login(st->store, st->session);
    } else {
        (void)snprintf(sentence, sizeof sentence,
                       "etcd at %.80s has ended a watch%s%s: it is asked "
                       "again",
                       st->store->where, news->words[0] != '\0' ? ": " : "", news->words);
        etcd_session_lose(st->store, st->session, sentence);
    }
}

static void take_line(stream *st, mesh_bytes line) {
    store_etcd_news news;
    if (!store_etcd_parse_news(line, st->store->place.prefix, &news)) {
        char sentence[STORE_SENTENCE_LEN_MAX + 1];
        (void)snprintf(sentence, sizeof sentence,
                       "%.80s does not answer as etcd's JSON gateway does: look at --store",
                       st->store->where);
        etcd_session_lose(st->store, st->session, sentence);
        return;
    }
    etcd_heard(st->store, news.told_revision);
    if (st->watch == NULL) { // the call back of the status closed it
        store_reply_clear(&news.reply);
        return;
    }
    store_cursor *cursor = &st->watch->cursor;
    if (news.told_revision > cursor->revision)
        *cursor = (store_cursor){news.told_revision, INT32_MAX};
    tell_changes(st, &news.reply);
    bool has_whole = news.reply.change_count > 0 && !news.is_fragment;
    if (st->watch != NULL && has_whole) cursor->position = INT32_MAX;
    store_reply_clear(&news.reply);
    if (st->watch != NULL && news.is_over) take_end(st, &news);
}

static void on_part(long status, mesh_bytes part, void *user) {
    stream *st = user;
    if (status != 200 && status != 0) return; // its end says so
    if (st->line_len + part.len > ETCD_BODY_LEN_MAX) {
        etcd_session_lose(st->store, st->session,
                          "etcd sent a line without an end: look at --store");
        return;
    }
    st->line = mem_grow(st->line, 1, st->line_len + part.len, &st->line_cap);
    memcpy(st->line + st->line_len, part.data, part.len);
    st->line_len += part.len;
    size_t at = 0;
    const uint8_t *end;
    st->is_in_call = true;
    while (st->watch != NULL && !st->watch->is_over &&
           (end = memchr(st->line + at, '\n', st->line_len - at)) != NULL) {
        size_t len = (size_t)(end - st->line) - at;
        take_line(st, (mesh_bytes){st->line + at, len});
        at += len + 1;
    }
    st->is_in_call = false;
    if (st->watch != NULL && st->watch->is_over) {
        st->watch->stream = NULL;
        st->watch = NULL;
    }
    if (st->watch == NULL) {
        drop(st);
        return;
    }
    st->line_len -= at;
    memmove(st->line, st->line + at, st->line_len);
}

static void on_end(const mesh_http_answer *answer, void *user) {
    stream *st = user;
    char sentence[STORE_SENTENCE_LEN_MAX + 1];
    if (answer->status == 401) {
        etcd_session_forget_login(st->store, st->session);
        return;
    }
    (void)snprintf(sentence, sizeof sentence,
                   "etcd at %.80s has ended a watch (%.100s): it is asked "
                   "again",
                   st->store->where, answer->error != NULL ? answer->error : "no error");
    etcd_session_lose(st->store, st->session, sentence);
}

// ---- its life

static void start(etcd_store *s, store_watch *watch) {
    if (watch->is_over || watch->stream != NULL) return;
    stream *st = mem_alloc(sizeof *st);
    *st = (stream){.store = s, .watch = watch, .session = s->session};
    st->skip = watch->cursor.position == INT32_MAX ? 0 : watch->cursor.position;
    watch->stream = st;
    char *body = store_etcd_write_watch(watch, s->place.prefix);
    mesh_http_request request = {.body = body, .on_part = on_part};
    (void)etcd_session_post(s, &st->http, &request, "/v3/watch", on_end, st);
    free(body);
}

void etcd_watch_start_all(etcd_store *s) {
    for (store_watch *w = s->base.watches; w != NULL && s->state == ETCD_READY; w = w->next)
        start(s, w);
}

void etcd_watch_stop_all(etcd_store *s) {
    for (store_watch *w = s->base.watches; w != NULL; w = w->next)
        stop(w);
}

void etcd_watch(store_watch *watch) {
    etcd_store *s = (etcd_store *)watch->db;
    if (s->state == ETCD_READY)
        start(s, watch);
    else
        etcd_session_need(s);
}

void etcd_unwatch(store_watch *watch) {
    stop(watch);
}
