// What the files of a store in etcd share. etcd.c: requests; etcd_session.c: which endpoint is
// asked, and with which login; etcd_watch.c: watches.
#pragma once

#include "discovery/etcd_json.h"
#include "discovery/resolver.h"
#include "io/http.h"
#include "store/etcd_json.h"

enum {
    ETCD_CHANNELS_MAX = 8, // requests under way
    ETCD_TRY_MS = 2000,    // of one endpoint, when there are others
    ETCD_TRIES_MAX = 3,    // of a request that a login should help
    ETCD_PAUSE_MS = 100,   // when no endpoint answered; doubles
    ETCD_PAUSE_MAX_MS = 2000,
    ETCD_ADDRESSES_MAX = 8,
    ETCD_RESOLVE_LEN_MAX = MESH_ENDPOINT_LEN_MAX + ETCD_ADDRESSES_MAX * 50,
    ETCD_BODY_LEN_MAX = 16 << 20, // of an answer, and of a line of a watch
};

typedef enum etcd_state { ETCD_IDLE, ETCD_BUSY, ETCD_READY, ETCD_PAUSED } etcd_state;

typedef struct etcd_store etcd_store;

typedef struct etcd_channel {
    etcd_store *store;
    mesh_http *http;        // NULL until the first
    store_request *request; // NULL: free
    uint32_t session;       // of the request
    char where[MESH_ENDPOINT_LEN_MAX + 1];
} etcd_channel;

struct etcd_store {
    store_db base; // the first
    store_place place;
    mesh_resolver *resolver;
    int open_handles;
    // The session: an endpoint that is asked until it does not answer.
    etcd_state state;
    uint32_t session;      // grows with each
    size_t current;        // of the endpoints
    uint32_t failed_count; // in a row
    char where[MESH_ENDPOINT_LEN_MAX + 1];
    char resolve[ETCD_RESOLVE_LEN_MAX + 1]; // for libcurl; "": its address is numeric
    char token[MESH_ETCD_TOKEN_LEN_MAX + 1];
    mesh_http *login;
    uv_timer_t pause;
    // Requests.
    store_request *first, *last;
    uv_timer_t deadline; // of the first
    etcd_channel channels[ETCD_CHANNELS_MAX];
    uv_timer_t probe;
    uint64_t heard_at_ms;
    bool is_probing;
};

// ---- etcd.c
void etcd_dispatch(etcd_store *s); // what waits, when the session is ready
void etcd_fail_waiting(etcd_store *s, const store_reply *why); // all of them
void etcd_heard(etcd_store *s, int64_t revision);

// ---- etcd_session.c
void etcd_session_need(etcd_store *s); // begins one, if there is none
// Its endpoint does not answer. Nothing when that session is over already.
void etcd_session_lose(etcd_store *s, uint32_t session, const char *sentence);
void etcd_session_forget_login(etcd_store *s, uint32_t session);
// Posts to the endpoint. False: it cannot, and the session is lost.
bool etcd_session_post(etcd_store *s, mesh_http **http, mesh_http_request *request,
                       const char *path, mesh_http_cb cb, void *user);
void etcd_session_close(etcd_store *s);
void etcd_session_on_pause(uv_timer_t *timer);

// ---- etcd_watch.c
void etcd_watch_start_all(etcd_store *s);
void etcd_watch_stop_all(etcd_store *s);
void etcd_watch(store_watch *watch);
void etcd_unwatch(store_watch *watch);
