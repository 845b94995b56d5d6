// A store: this host writes its address under PREFIX/hosts/ID with a lease, and reads those of the
// others. One look is: keep the lease alive (or get one and write), then read. A host that died is
// there until its lease ends, which costs those who dial it a dial.
#include <stdio.h>

#include <sodium.h>

#include "core/mem.h"
#include "discovery/etcd_json.h"
#include "discovery/gateway.h"
#include "discovery/login.h"
#include "discovery/source.h"
#include "io/http.h"

enum { ADDRESSES_MAX = 8, RESOLVE_LEN_MAX = MESH_ENDPOINT_LEN_MAX + ADDRESSES_MAX * 50 };

typedef enum step { AUTHENTICATE, KEEP_ALIVE, GRANT, PUT, RANGE } step;

static const char *const step_paths[] = {
    [AUTHENTICATE] = "/v3/auth/authenticate",
    [KEEP_ALIVE] = "/v3/lease/keepalive",
    [GRANT] = "/v3/lease/grant",
    [PUT] = "/v3/kv/put",
    [RANGE] = "/v3/kv/range",
};

typedef struct etcd {
    mesh_source_options options;
    mesh_http *http;                         // NULL until the first look
    char store[MESH_ENDPOINT_LEN_MAX + 1];   // host:port
    char own_key[MESH_ETCD_KEY_LEN_MAX + 1]; // "": this host only reads
    char lease[MESH_LEASE_LEN_MAX + 1];      // "": none
    char token[MESH_ETCD_TOKEN_LEN_MAX + 1]; // of the login; "": none
    bool is_token_new;                       // it is of this look
    bool is_written;                         // own_key was as it should be at the last look
    char resolve[RESOLVE_LEN_MAX + 1];       // for libcurl; "": the store's address is numeric
    step step;
    char sentence[MESH_SENTENCE_LEN_MAX + 1];
} etcd;

static void *open_etcd(const mesh_source_options *options) {
    etcd *source = mem_alloc(sizeof *source);
    source->options = *options;
    mesh_endpoint_write(&options->spec->endpoints[0], source->store);
    if (options->own_id != NULL && options->own_address != NULL)
        (void)snprintf(source->own_key, sizeof source->own_key, "%s/hosts/%s",
                       options->spec->prefix, options->own_id);
    return source;
}

static void answer(etcd *source, const mesh_etcd_hosts *hosts) {
    mesh_answer found = {.error = source->sentence[0] != '\0' ? source->sentence : NULL};
    if (hosts != NULL) {
        found.endpoints = hosts->endpoints;
        found.count = hosts->count;
    }
    source->options.on_answer(&found, source->options.user);
}

static void fail(etcd *source, const char *what, const char *why) {
    (void)snprintf(source->sentence, sizeof source->sentence, "the store %.80s %s%.120s",
                   source->store, what, why);
    answer(source, NULL);
}

// ---- the login

// NULL: `source` has failed.
static char *write_login(etcd *source) {
    const char *path = source->options.spec->login_path, *why;
    char *body = mesh_login_read(path, &why);
    if (body != NULL) return body;
    (void)snprintf(source->sentence, sizeof source->sentence, "cannot log in with %.100s: %.100s",
                   path, why);
    answer(source, NULL);
    return NULL;
}

// ---- one request after the other

static char *body_of(etcd *source, step next) {
    switch (next) {
    case AUTHENTICATE: return write_login(source);
    case KEEP_ALIVE: return mesh_etcd_write_keep_alive(source->lease);
    case GRANT: return mesh_etcd_write_grant(source->options.lease_s);
    case PUT:
        return mesh_etcd_write_put(source->own_key, source->options.own_address, source->lease);
    case RANGE: return mesh_etcd_write_range(source->options.spec->prefix);
    }
    return NULL;
}

static void on_http(const mesh_http_answer *http, void *user);

static void post(etcd *source, step next) {
    char url[MESH_ENDPOINT_LEN_MAX + 40];
    (void)snprintf(url, sizeof url, "%s://%s%s", source->options.spec->is_https ? "https" : "http",
                   source->store, step_paths[next]);
    char *body = body_of(source, next);
    if (body == NULL) return; // it has failed
    source->step = next;
    const mesh_source_spec *spec = source->options.spec;
    mesh_http_request request = {
        .url = url,
        .body = body,
        .resolve = source->resolve[0] != '\0' ? source->resolve : NULL,
        .authorization = source->token[0] != '\0' ? source->token : NULL,
        .ca_path = spec->ca_path[0] != '\0' ? spec->ca_path : NULL,
    };
    mesh_http_post(source->http, &request, on_http, source);
    sodium_memzero(body, strlen(body));
    free(body);
}

static void begin(etcd *source) {
    bool has_login = source->options.spec->login_path[0] != '\0';
    post(source, has_login && source->token[0] == '\0' ? AUTHENTICATE
                 : source->own_key[0] == '\0'          ? RANGE
                 : source->lease[0] == '\0'            ? GRANT
                                                       : KEEP_ALIVE);
}

static int take_token(etcd *source, mesh_bytes body) {
    int err = mesh_etcd_parse_token(body, source->token);
    source->is_token_new = err == 0;
    if (err == 0) begin(source);
    return err;
}

// A lease may end while the store is away, and a store may come back without its data.
static int take_keep_alive(etcd *source, mesh_bytes body) {
    bool is_there;
    int err = mesh_etcd_parse_keep_alive(body, &is_there);
    if (err != 0) return err;
    post(source, !is_there ? GRANT : source->is_written ? RANGE : PUT);
    return 0;
}

static int take_grant(etcd *source, mesh_bytes body) {
    int err = mesh_etcd_parse_grant(body, source->lease);
    if (err == 0) post(source, PUT);
    return err;
}

static int take_range(etcd *source, mesh_bytes body) {
    mesh_etcd_hosts hosts = {.endpoints = mem_alloc(MESH_ENDPOINTS_MAX * sizeof(mesh_endpoint))};
    const char *own_key = source->own_key[0] != '\0' ? source->own_key : NULL;
    int err = mesh_etcd_parse_range(body, own_key, source->options.own_address, &hosts);
    if (err == 0) {
        source->is_written = hosts.has_own; // others can write and remove there
        if (hosts.wrong_count > 0)
            (void)snprintf(source->sentence, sizeof source->sentence,
                           "%zu of %zu values under %.128s/hosts/ are not host:port",
                           hosts.wrong_count, hosts.wrong_count + hosts.count,
                           source->options.spec->prefix);
        answer(source, &hosts);
    }
    free(hosts.endpoints);
    return err;
}

static int take(etcd *source, mesh_bytes body) {
    switch (source->step) {
    case AUTHENTICATE: return take_token(source, body);
    case KEEP_ALIVE: return take_keep_alive(source, body);
    case GRANT: return take_grant(source, body);
    case PUT: post(source, RANGE); return 0;
    case RANGE: return take_range(source, body);
    }
    return 0;
}

static void fail_status(etcd *source, const mesh_http_answer *http) {
    char words[81], why[100];
    (void)mesh_gateway_error(http->body, words);
    (void)snprintf(why, sizeof why, "%ld%s%s", http->status, words[0] != '\0' ? ": " : "", words);
    source->lease[0] = source->token[0] = '\0'; // whatever is wrong: the next look gets others
    fail(source, "answered with HTTP status ", why);
}

static void begin_anew(etcd *source) {
    source->token[0] = '\0';
    begin(source);
}

static void on_http(const mesh_http_answer *http, void *user) {
    etcd *source = user;
    if (http->error != NULL)
        fail(source, "cannot be asked: ", http->error);
    else if (http->status == 401 && source->token[0] != '\0' && !source->is_token_new)
        begin_anew(source); // it was forgotten, by a store that was restarted or did not hear of us
    else if (http->status != 200)
        fail_status(source, http);
    else if (take(source, http->body) != 0)
        fail(source, "did not answer as etcd's JSON gateway does", "");
}

// ---- a look

// libcurl's own way to resolve a name would block the loop when it is ended in the midst.
static void write_resolve(etcd *source, const mesh_answer *found) {
    const mesh_endpoint *store = &source->options.spec->endpoints[0];
    source->resolve[0] = '\0';
    if (mesh_is_host_address(store->host)) return;
    int len = snprintf(source->resolve, sizeof source->resolve, "%s:%u:", store->host, store->port);
    for (size_t i = 0; i < found->count && i < ADDRESSES_MAX; i++)
        len += snprintf(source->resolve + len, sizeof source->resolve - (size_t)len, "%s%.*s",
                        i > 0 ? "," : "", 45, found->endpoints[i].host);
}

static void on_store_address(const mesh_answer *found, void *user) {
    etcd *source = user;
    if (found->error != NULL) {
        fail(source, "cannot be asked: ", found->error);
        return;
    }
    write_resolve(source, found);
    begin(source);
}

static void look(void *user) {
    etcd *source = user;
    const mesh_endpoint *store = &source->options.spec->endpoints[0];
    source->sentence[0] = '\0';
    source->is_token_new = false;
    if (source->http == NULL && mesh_http_open(source->options.loop, &source->http) != 0) {
        fail(source, "cannot be asked: ",
             "libcurl.so.4 cannot be loaded (Debian: apt-get install libcurl4)");
        return;
    }
    mesh_resolver_addresses(source->options.resolver, store->host, store->port, on_store_address,
                            source);
}

static void close_etcd(void *user) {
    etcd *source = user;
    mesh_http_close(source->http);
    free(source);
}

const mesh_source_kind mesh_source_etcd = {open_etcd, look, close_etcd};
