#include "io/http.h"

#include <curl/curl.h>
#include <dlfcn.h>

#include "core/error.h"
#include "core/mem.h"
#include "io/watch.h"

// ---- libcurl

#define FUNCTIONS(X)                                                                               \
    X(curl_global_init)                                                                            \
    X(curl_easy_init)                                                                              \
    X(curl_easy_setopt)                                                                            \
    X(curl_easy_getinfo)                                                                           \
    X(curl_easy_strerror)                                                                          \
    X(curl_easy_cleanup)                                                                           \
    X(curl_multi_init)                                                                             \
    X(curl_multi_setopt)                                                                           \
    X(curl_multi_add_handle)                                                                       \
    X(curl_multi_remove_handle)                                                                    \
    X(curl_multi_socket_action)                                                                    \
    X(curl_multi_info_read)                                                                        \
    X(curl_multi_cleanup)                                                                          \
    X(curl_slist_append)                                                                           \
    X(curl_slist_free_all)

// Its header makes macros of these two, which check types; a pointer has no such macro.
#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt

static struct {
#define X(name) __typeof__(name) *name;
    FUNCTIONS(X)
#undef X
} lib;

static bool load(void) {
    static bool is_loaded;
    if (is_loaded) return true;
    void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) return false;
#define X(name)                                                                                    \
    *(void **)&lib.name = dlsym(library, #name);                                                   \
    if (lib.name == NULL) return false;
    FUNCTIONS(X)
#undef X
    is_loaded = lib.curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    return is_loaded;
}

// ---- the request

struct mesh_http {
    CURLM *multi;
    CURL *easy; // NULL between requests
    struct curl_slist *headers, *resolve;
    mesh_watch watch;
    uv_timer_t timer;
    uint8_t *body;
    size_t body_len, body_cap;
    size_t body_len_max;
    bool is_too_long, is_closing;
    mesh_http_cb cb;
    mesh_http_part_cb on_part;
    void *user;
};

static size_t on_body(char *bytes, size_t size, size_t count, void *user) {
    mesh_http *http = user;
    size_t len = size * count;
    http->is_too_long = len > http->body_len_max - http->body_len;
    if (http->is_too_long) return 0; // libcurl ends the request
    http->body = mem_grow(http->body, 1, http->body_len + len, &http->body_cap);
    memcpy(http->body + http->body_len, bytes, len);
    http->body_len += len;
    return len;
}

static void drop_request(mesh_http *http) {
    if (http->easy == NULL) return;
    lib.curl_multi_remove_handle(http->multi, http->easy);
    lib.curl_easy_cleanup(http->easy);
    lib.curl_slist_free_all(http->headers);
    lib.curl_slist_free_all(http->resolve);
    http->easy = NULL;
    http->headers = http->resolve = NULL;
}

// To be freed.
static mesh_bytes take_body(mesh_http *http) {
    mesh_bytes body = {http->body, http->body_len};
    http->body = NULL;
    http->body_len = http->body_cap = 0;
    return body;
}

// Both outside of libcurl's own calls, so the callee may close, and at the end post the next.
static void tell_part(mesh_http *http) {
    long status = 0;
    lib.curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &status);
    mesh_bytes part = take_body(http);
    http->on_part(status, part, http->user);
    free((void *)(uintptr_t)part.data);
}

static void tell_end(mesh_http *http, CURLcode result) {
    mesh_http_answer answer = {.error = result == CURLE_OK ? NULL : lib.curl_easy_strerror(result)};
    long sent_len = 0;
    if (http->is_too_long) answer.error = "the answer is too long";
    lib.curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &answer.status);
    lib.curl_easy_getinfo(http->easy, CURLINFO_REQUEST_SIZE, &sent_len);
    answer.was_sent = sent_len > 0;
    drop_request(http);
    answer.body = take_body(http);
    http->cb(&answer, http->user);
    free((void *)(uintptr_t)answer.body.data);
}

static void act(mesh_http *http, int fd, int events) {
    int running, left;
    lib.curl_multi_socket_action(http->multi, fd, events, &running);
    if (http->easy != NULL && http->on_part != NULL && http->body_len > 0) tell_part(http);
    if (http->is_closing) return;
    const CURLMsg *message = lib.curl_multi_info_read(http->multi, &left);
    if (message != NULL && message->msg == CURLMSG_DONE) tell_end(http, message->data.result);
}

static void on_ready(int fd, bool can_read, bool can_write, void *user) {
    act(user, fd, (can_read ? CURL_CSELECT_IN : 0) | (can_write ? CURL_CSELECT_OUT : 0));
}

static void on_timer(uv_timer_t *timer) {
    act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

// ---- what libcurl waits for

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *of_socket) {
    (void)easy;
    (void)of_socket;
    mesh_http *http = user;
    bool is_over = what == CURL_POLL_REMOVE;
    mesh_watch_set(&http->watch, fd, !is_over && (what & CURL_POLL_IN),
                   !is_over && (what & CURL_POLL_OUT));
    return 0;
}

static int on_timeout(CURLM *multi, long ms, void *user) {
    (void)multi;
    mesh_http *http = user;
    if (ms < 0)
        uv_timer_stop(&http->timer);
    else
        uv_timer_start(&http->timer, on_timer, (uint64_t)ms, 0);
    return 0;
}

int mesh_http_open(uv_loop_t *loop, mesh_http **out) {
    if (!load()) return MESH_ENOTFOUND;
    mesh_http *http = mem_alloc(sizeof *http);
    http->multi = mem_check(lib.curl_multi_init());
    mesh_watch_init(&http->watch, loop, on_ready, http);
    uv_timer_init(loop, &http->timer);
    http->timer.data = http;
    lib.curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    lib.curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
    lib.curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    lib.curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
    *out = http;
    return 0;
}

static void add_authorization(mesh_http *http, const char *value) {
    static const char name[] = "Authorization: ";
    char *line = mem_alloc(sizeof name + strlen(value));
    memcpy(line, name, sizeof name - 1);
    memcpy(line + sizeof name - 1, value, strlen(value) + 1);
    http->headers = lib.curl_slist_append(http->headers, line);
    free(line);
}

void mesh_http_post(mesh_http *http, const mesh_http_request *request, mesh_http_cb cb,
                    void *user) {
    CHECK(http->easy == NULL);
    CURL *easy = mem_check(lib.curl_easy_init());
    http->easy = easy;
    http->cb = cb;
    http->user = user;
    http->on_part = request->on_part;
    http->body_len_max = request->body_len_max > 0 ? request->body_len_max : MESH_HTTP_BODY_LEN_MAX;
    http->is_too_long = false;
    http->headers = lib.curl_slist_append(NULL, "Content-Type: application/json");
    if (request->authorization != NULL) add_authorization(http, request->authorization);
    if (request->resolve != NULL) http->resolve = lib.curl_slist_append(NULL, request->resolve);
    lib.curl_easy_setopt(easy, CURLOPT_URL, request->url);
    lib.curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, request->body);
    lib.curl_easy_setopt(easy, CURLOPT_HTTPHEADER, http->headers);
    lib.curl_easy_setopt(easy, CURLOPT_RESOLVE, http->resolve);
    lib.curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    if (request->ca_path != NULL) lib.curl_easy_setopt(easy, CURLOPT_CAINFO, request->ca_path);
    lib.curl_easy_setopt(easy, CURLOPT_SSLCERT, request->cert_path);
    lib.curl_easy_setopt(easy, CURLOPT_SSLKEY, request->key_path);
    lib.curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    lib.curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    lib.curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)MESH_HTTP_CONNECT_MS);
    uint32_t timeout_ms = request->timeout_ms > 0 ? request->timeout_ms : MESH_HTTP_REQUEST_MS;
    lib.curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, request->on_part != NULL ? 0L : timeout_ms);
    lib.curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L); // a host that is gone says nothing
    lib.curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 10L);
    lib.curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 5L);
    lib.curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    lib.curl_easy_setopt(easy, CURLOPT_WRITEDATA, http);
    lib.curl_multi_add_handle(http->multi, easy); // starts by on_timeout
}

static void on_closed(uv_handle_t *handle) {
    free(handle->data);
}

void mesh_http_close(mesh_http *http) {
    if (http == NULL || http->is_closing) return;
    http->is_closing = true;
    drop_request(http);
    lib.curl_multi_cleanup(http->multi);
    mesh_watch_deinit(&http->watch);
    free(http->body);
    uv_close((uv_handle_t *)&http->timer, on_closed);
}
