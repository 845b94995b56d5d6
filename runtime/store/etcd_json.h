// What a store says to etcd's JSON gateway, and what that answers. Pure. Keys get the prefix of the
// store and a slash before them, and lose both on their way back.
#pragma once

#include "store/request.h"

// Both give a text, free().
char *store_etcd_write(const store_request *request, const char *prefix);
char *store_etcd_write_watch(const store_watch *watch, const char *prefix);
const char *store_etcd_path(const store_request *request); // of the gateway

// An answer with HTTP status 200. False: it is not what etcd answers, and the reply is as it was.
bool store_etcd_parse(const store_request *request, const char *prefix, mesh_bytes body,
                      store_reply *reply);

typedef struct store_etcd_news {
    bool is_over;          // the server has ended it
    int64_t compacted;     // the first revision that it remembers; 0: that is not why
    char words[81];        // why
    int64_t told_revision; // all up to it was told, now or before; 0: it does not say
    bool is_fragment;      // what follows may be of the same revision
    store_reply reply;     // its changes
} store_etcd_news;

// One line of a watch. False: it is none; `out` needs no clear then.
bool store_etcd_parse_news(mesh_bytes line, const char *prefix, store_etcd_news *out);

typedef enum store_etcd_fault {
    STORE_ETCD_FINAL,    // the reply says it
    STORE_ETCD_NO_TOKEN, // not done: log in again
    STORE_ETCD_AWAY,     // not done: ask another
    STORE_ETCD_UNKNOWN,  // done or not: ask another, where that does no harm
} store_etcd_fault;

// An answer with another HTTP status. `where`: the endpoint, for the sentence.
store_etcd_fault store_etcd_explain(long status, mesh_bytes body, const char *where,
                                    store_reply *reply);
