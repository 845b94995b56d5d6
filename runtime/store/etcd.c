// A store in etcd, asked by its JSON gateway. Requests wait for a session (etcd_session.c) and then
// for one of a few channels; one that finds the endpoint away is asked of the next, unless it may
// have been done already.
#include <stdio.h>

#include "core/mem.h"
#include "store/etcd_state.h"

// ---- the queue

static void add_last(etcd_store *s, store_request *request) {
    request->next = NULL;
    if (s->last != NULL)
        s->last->next = request;
    else
        s->first = request;
    s->last = request;
}

static void add_first(etcd_store *s, store_request *request) {
    request->next = s->first;
    s->first = request;
    if (s->last == NULL) s->last = request;
}

static store_request *take_first(etcd_store *s) {
    store_request *request = s->first;
    s->first = request->next;
    if (s->first == NULL) s->last = NULL;
    return request;
}

static uint64_t deadline_of(const store_request *request) {
    return request->now_ms + STORE_REQUEST_MS;
}

static void end_late(etcd_store *s, store_request *request) {
    if (request->reply.error == 0)
        store_fail(&request->reply, STORE_EUNREACHABLE, "%.300s",
                   s->base.status.is_reachable ? "etcd has too much to do: ask again later"
                                               : s->base.status.sentence);
    store_finish(&s->base, request);
}

static void set_deadline(etcd_store *s);

static void on_deadline(uv_timer_t *timer) {
    etcd_store *s = timer->data;
    uint64_t now_ms = uv_now(s->base.loop);
    while (s->first != NULL && deadline_of(s->first) <= now_ms && !s->base.is_closing)
        end_late(s, take_first(s));
    set_deadline(s);
}

static void set_deadline(etcd_store *s) {
    if (s->base.is_closing) return;
    if (s->first == NULL) {
        uv_timer_stop(&s->deadline);
        return;
    }
    uint64_t now_ms = uv_now(s->base.loop), at_ms = deadline_of(s->first);
    uv_timer_start(&s->deadline, on_deadline, at_ms > now_ms ? at_ms - now_ms : 0, 0);
}

void etcd_fail_waiting(etcd_store *s, const store_reply *why) {
    store_request *all = s->first;
    s->first = s->last = NULL;
    while (all != NULL) {
        store_request *request = all;
        all = request->next;
        if (request->reply.error == 0) store_fail(&request->reply, why->error, "%s", why->sentence);
        store_finish(&s->base, request);
    }
    set_deadline(s);
}

void etcd_heard(etcd_store *s, int64_t revision) {
    s->heard_at_ms = uv_now(s->base.loop);
    s->failed_count = 0;
    store_heard(&s->base, revision);
}

// ---- what came of a request

// To ask twice does no harm.
static bool is_repeatable(const store_request *request) {
    return request->kind == STORE_READ || request->kind == STORE_KEEP ||
           request->kind == STORE_GRANT;
}

// The endpoint is away; `request` has the sentence.
static void go_elsewhere(etcd_store *s, const etcd_channel *via, store_request *request,
                         bool may_be_done) {
    etcd_session_lose(s, via->session, request->reply.sentence);
    request->reply.is_maybe_done = may_be_done;
    if (s->base.is_closing) { // the call back of the status did that
        store_request_free(request);
        return;
    }
    bool is_late = deadline_of(request) <= uv_now(s->base.loop);
    if (is_late || (may_be_done && !is_repeatable(request))) {
        store_finish(&s->base, request);
        return;
    }
    add_first(s, request);
    set_deadline(s);
}

static void log_in_again(etcd_store *s, const etcd_channel *via, store_request *request) {
    bool has_login = s->place.login_path[0] != '\0';
    if (has_login && ++request->login_count < ETCD_TRIES_MAX) {
        add_first(s, request);
        set_deadline(s);
        etcd_session_forget_login(s, via->session);
        return;
    }
    store_fail(&request->reply, STORE_EDENIED, "etcd at %.80s %s (docs/store.md)", via->where,
               has_login ? "does not know its own login: look at its log"
                         : "asks for a login: add ?login=/FILE to --store");
    store_finish(&s->base, request);
}

static void take_status(etcd_store *s, const etcd_channel *via, store_request *request,
                        const mesh_http_answer *answer) {
    switch (store_etcd_explain(answer->status, answer->body, via->where, &request->reply)) {
    case STORE_ETCD_FINAL:
        etcd_heard(s, 0);
        store_finish(&s->base, request);
        break;
    case STORE_ETCD_NO_TOKEN: log_in_again(s, via, request); break;
    case STORE_ETCD_AWAY: go_elsewhere(s, via, request, false); break;
    case STORE_ETCD_UNKNOWN: go_elsewhere(s, via, request, true); break;
    }
}

static void take(etcd_store *s, const etcd_channel *via, store_request *request,
                 const mesh_http_answer *answer) {
    store_reply_clear(&request->reply);
    if (answer->error != NULL) {
        store_fail(&request->reply, STORE_EUNREACHABLE,
                   "etcd at %.80s cannot be asked: %.200s (look whether it runs, and at --store)",
                   via->where, answer->error);
        go_elsewhere(s, via, request, answer->was_sent);
    } else if (answer->status != 200) {
        take_status(s, via, request, answer);
    } else if (store_etcd_parse(request, s->place.prefix, answer->body, &request->reply)) {
        etcd_heard(s, request->reply.revision);
        store_finish(&s->base, request);
    } else {
        store_fail(&request->reply, STORE_EUNREACHABLE,
                   "%.80s does not answer as etcd's JSON gateway does: look at --store",
                   via->where);
        go_elsewhere(s, via, request, true);
    }
}

static void on_http(const mesh_http_answer *answer, void *user) {
    etcd_channel *channel = user;
    etcd_store *s = channel->store;
    store_request *request = channel->request;
    channel->request = NULL;
    take(s, channel, request, answer);
    if (!s->base.is_closing) etcd_dispatch(s);
}

// ---- sending

static etcd_channel *free_channel(etcd_store *s) {
    for (size_t i = 0; i < ETCD_CHANNELS_MAX; i++)
        if (s->channels[i].request == NULL) return &s->channels[i];
    return NULL;
}

static bool send_first(etcd_store *s, etcd_channel *channel) {
    store_request *request = take_first(s);
    uint64_t left_ms = deadline_of(request) - uv_now(s->base.loop);
    bool has_others = s->place.endpoint_count > 1;
    char *body = store_etcd_write(request, s->place.prefix);
    mesh_http_request http = {
        .body = body,
        .timeout_ms = has_others && left_ms > ETCD_TRY_MS ? ETCD_TRY_MS : (uint32_t)left_ms,
    };
    channel->request = request;
    channel->session = s->session;
    memcpy(channel->where, s->where, sizeof channel->where);
    bool is_sent =
        etcd_session_post(s, &channel->http, &http, store_etcd_path(request), on_http, channel);
    free(body);
    if (is_sent) return true;
    channel->request = NULL;
    add_first(s, request);
    return false;
}

static bool is_due(const etcd_store *s) {
    return s->first != NULL && deadline_of(s->first) > uv_now(s->base.loop);
}

void etcd_dispatch(etcd_store *s) {
    if (s->first != NULL) etcd_session_need(s);
    etcd_channel *channel;
    while (s->state == ETCD_READY && is_due(s) && (channel = free_channel(s)) != NULL)
        if (!send_first(s, channel)) break;
    set_deadline(s);
}

static void submit(store_db *db, store_request *request) {
    etcd_store *s = (etcd_store *)db;
    if (request->kind == STORE_BACKUP && request->reply.error == 0)
        store_fail(&request->reply, STORE_EINVAL,
                   "a copy of etcd is made by its own tools: run `etcdctl snapshot save FILE`");
    if (request->reply.error != 0) {
        request->now_ms = 0; // it has failed already, and is told from the loop
        add_first(s, request);
        set_deadline(s);
        return;
    }
    add_last(s, request);
    etcd_dispatch(s);
}

// ---- does it still answer

static void on_probed(const store_answer *answer, void *user) {
    (void)answer;
    ((etcd_store *)user)->is_probing = false;
}

static void on_probe(uv_timer_t *timer) {
    etcd_store *s = timer->data;
    bool is_asked = s->base.watches != NULL || !s->base.status.is_reachable;
    if (s->is_probing || !is_asked || uv_now(s->base.loop) - s->heard_at_ms < STORE_REQUEST_MS)
        return;
    store_request *request = mem_alloc(sizeof *request);
    *request = (store_request){.kind = STORE_READ, .is_prefix = true, .limit = 1};
    request->cb = on_probed;
    request->user = s;
    request->now_ms = uv_now(s->base.loop);
    s->base.request_count++;
    s->is_probing = true;
    submit(&s->base, request);
}

// ---- its life

static void on_handle_closed(uv_handle_t *handle) {
    etcd_store *s = handle->data;
    if (--s->open_handles == 0) store_closed(&s->base);
}

static void add_timer(etcd_store *s, uv_timer_t *timer) {
    uv_timer_init(s->base.loop, timer);
    timer->data = s;
    s->open_handles++;
}

static store_db *open_etcd(const store_options *options) {
    etcd_store *s = mem_alloc(sizeof *s);
    s->place = *options->place;
    s->base.loop = options->loop;
    for (size_t i = 0; i < ETCD_CHANNELS_MAX; i++)
        s->channels[i].store = s;
    add_timer(s, &s->pause);
    add_timer(s, &s->deadline);
    add_timer(s, &s->probe);
    CHECK(mesh_resolver_open(options->loop, NULL, &s->resolver) == 0);
    // The first at once: who asks for nothing hears of its state too.
    uv_timer_start(&s->probe, on_probe, 0, STORE_REQUEST_MS);
    return &s->base;
}

static void close_etcd(store_db *db) {
    etcd_store *s = (etcd_store *)db;
    for (size_t i = 0; i < ETCD_CHANNELS_MAX; i++) {
        mesh_http_close(s->channels[i].http);
        store_request_free(s->channels[i].request);
    }
    while (s->first != NULL)
        store_request_free(take_first(s));
    etcd_session_close(s);
    uv_close((uv_handle_t *)&s->pause, on_handle_closed);
    uv_close((uv_handle_t *)&s->deadline, on_handle_closed);
    uv_close((uv_handle_t *)&s->probe, on_handle_closed);
}

const store_kind store_kind_etcd = {open_etcd, submit, etcd_watch, etcd_unwatch, close_etcd};
