// Which endpoint is asked, and with which login. One is asked until it does not answer; then the
// next, and when none of them did there is a pause.
#include <stdio.h>

#include <sodium.h>

#include "core/mem.h"
#include "discovery/login.h"
#include "store/etcd_state.h"

static const mesh_endpoint *endpoint_of(const etcd_store *s) {
    return &s->place.endpoints[s->current];
}

static void pause_for(etcd_store *s, uint32_t ms) {
    s->state = ETCD_PAUSED;
    uv_timer_start(&s->pause, etcd_session_on_pause, ms, 0);
}

static bool is_wanted(const etcd_store *s) {
    return s->first != NULL || s->base.watches != NULL;
}

void etcd_session_lose(etcd_store *s, uint32_t session, const char *sentence) {
    if (session != s->session || s->base.is_closing) return;
    s->session++;
    s->state = ETCD_IDLE;
    s->resolve[0] = '\0';
    s->current = (s->current + 1) % s->place.endpoint_count;
    s->failed_count++;
    etcd_watch_stop_all(s);
    uint32_t rounds = s->failed_count / (uint32_t)s->place.endpoint_count;
    if (s->failed_count % s->place.endpoint_count == 0) {
        uint32_t ms = ETCD_PAUSE_MS << (rounds < 6 ? rounds - 1 : 5);
        pause_for(s, ms < ETCD_PAUSE_MAX_MS ? ms : ETCD_PAUSE_MAX_MS);
    }
    store_lost(&s->base, sentence); // may ask, or close
    if (is_wanted(s)) etcd_session_need(s);
}

void etcd_session_on_pause(uv_timer_t *timer) {
    etcd_store *s = timer->data;
    s->state = ETCD_IDLE;
    if (is_wanted(s)) etcd_session_need(s);
}

static void lose(etcd_store *s, const char *why) {
    char sentence[STORE_SENTENCE_LEN_MAX + 1];
    (void)snprintf(sentence, sizeof sentence,
                   "etcd at %.80s cannot be asked: %.200s (look whether it runs, and at --store)",
                   s->where, why);
    etcd_session_lose(s, s->session, sentence);
}

bool etcd_session_post(etcd_store *s, mesh_http **http, mesh_http_request *request,
                       const char *path, mesh_http_cb cb, void *user) {
    char url[MESH_ENDPOINT_LEN_MAX + 60];
    if (*http == NULL && mesh_http_open(s->base.loop, http) != 0) {
        lose(s, "libcurl.so.4 cannot be loaded (Debian: apt-get install libcurl4)");
        return false;
    }
    (void)snprintf(url, sizeof url, "%s://%s%s", s->place.is_tls ? "https" : "http", s->where,
                   path);
    request->url = url;
    request->resolve = s->resolve[0] != '\0' ? s->resolve : NULL;
    request->authorization = s->token[0] != '\0' ? s->token : NULL;
    request->ca_path = s->place.ca_path[0] != '\0' ? s->place.ca_path : NULL;
    request->cert_path = s->place.cert_path[0] != '\0' ? s->place.cert_path : NULL;
    request->key_path = s->place.key_path[0] != '\0' ? s->place.key_path : NULL;
    request->body_len_max = ETCD_BODY_LEN_MAX;
    mesh_http_post(*http, request, cb, user);
    return true;
}

// ---- the steps of a beginning: an address, a login

static void be_ready(etcd_store *s) {
    s->state = ETCD_READY;
    etcd_watch_start_all(s);
    if (s->state == ETCD_READY) etcd_dispatch(s);
}

// No endpoint would take this login: who waits is told, and it is tried again when asked.
static void refuse_login(etcd_store *s, const store_reply *why) {
    pause_for(s, ETCD_PAUSE_MAX_MS);
    store_lost(&s->base, why->sentence);
    etcd_fail_waiting(s, why);
}

static void on_login(const mesh_http_answer *answer, void *user) {
    etcd_store *s = user;
    store_reply reply = {.error = 0};
    if (answer->error != NULL) {
        lose(s, answer->error);
    } else if (answer->status == 200) {
        if (mesh_etcd_parse_token(answer->body, s->token) == 0)
            be_ready(s);
        else
            lose(s, "it does not answer as etcd's JSON gateway does");
    } else if (store_etcd_explain(answer->status, answer->body, s->where, &reply) ==
               STORE_ETCD_FINAL) {
        // That it knows no logins is said in words of its own.
        refuse_login(s, &reply);
    } else {
        etcd_session_lose(s, s->session, reply.sentence);
    }
}

static void log_in(etcd_store *s) {
    const char *why;
    store_reply reply = {.error = 0};
    if (s->place.login_path[0] == '\0' || s->token[0] != '\0') {
        be_ready(s);
        return;
    }
    char *body = mesh_login_read(s->place.login_path, &why);
    if (body == NULL) {
        store_fail(&reply, STORE_EDENIED, "cannot log in to etcd with %.200s: %.100s",
                   s->place.login_path, why);
        refuse_login(s, &reply);
        return;
    }
    mesh_http_request request = {.body = body, .timeout_ms = ETCD_TRY_MS};
    (void)etcd_session_post(s, &s->login, &request, "/v3/auth/authenticate", on_login, s);
    sodium_memzero(body, strlen(body));
    free(body);
}

// libcurl's own way to resolve a name would block the loop when it is ended in the midst.
static void on_address(const mesh_answer *found, void *user) {
    etcd_store *s = user;
    if (s->base.is_closing) return;
    if (found->error != NULL) {
        lose(s, found->error);
        return;
    }
    int len = snprintf(s->resolve, sizeof s->resolve, "%s:%u:", endpoint_of(s)->host,
                       endpoint_of(s)->port);
    for (size_t i = 0; i < found->count && i < ETCD_ADDRESSES_MAX; i++)
        len += snprintf(s->resolve + len, sizeof s->resolve - (size_t)len, "%s%.*s",
                        i > 0 ? "," : "", 45, found->endpoints[i].host);
    log_in(s);
}

void etcd_session_need(etcd_store *s) {
    if (s->state != ETCD_IDLE || s->base.is_closing) return;
    s->state = ETCD_BUSY;
    mesh_endpoint_write(endpoint_of(s), s->where);
    if (mesh_is_host_address(endpoint_of(s)->host) || s->resolve[0] != '\0')
        log_in(s);
    else
        mesh_resolver_addresses(s->resolver, endpoint_of(s)->host, endpoint_of(s)->port, on_address,
                                s);
}

void etcd_session_forget_login(etcd_store *s, uint32_t session) {
    if (session != s->session) return;
    s->session++;
    s->token[0] = '\0';
    s->state = ETCD_IDLE;
    etcd_watch_stop_all(s);
    etcd_session_need(s);
}

void etcd_session_close(etcd_store *s) {
    sodium_memzero(s->token, sizeof s->token);
    mesh_http_close(s->login);
    mesh_resolver_close(s->resolver);
}
