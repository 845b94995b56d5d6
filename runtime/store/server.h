// The store of this host, for others of its cluster (remote.h): their requests are carried out as
// if they were made here. Each has so many requests, watches and leases, and nothing of the keys
// below `hidden`.
#pragma once

#include "store/store.h"

enum {
    STORE_SERVER_PEER_LEN = 16,
    STORE_SERVER_PEERS_MAX = 256,
    STORE_SERVER_LEASES_MAX = 256,     // of one host, that it keeps alive
    STORE_SERVER_BEHIND_MAX = 4 << 20, // bytes that wait for one: its watches wait, too
    STORE_SERVER_PROGRESS_MS = 10000,  // how often a watch is told that only time has passed
};

typedef struct store_server store_server;

typedef struct store_server_options {
    uv_loop_t *loop;
    const char *hidden;          // the prefix of keys that are this host's own, "secrets/"; or NULL
    store_db *(*db)(void *user); // borrowed; asked when somebody needs it, and there until destroy
    // Neither calls back in the same call.
    bool (*send)(void *user, const uint8_t peer[STORE_SERVER_PEER_LEN], mesh_bytes piece);
    size_t (*queued)(void *user, const uint8_t peer[STORE_SERVER_PEER_LEN]);
    void *user;
} store_server_options;

store_server *store_server_create(const store_server_options *options);
// MESH_EPROTO: close its link.
int store_server_receive(store_server *server, const uint8_t peer[STORE_SERVER_PEER_LEN],
                         mesh_bytes piece);
// This store is not for others, a sentence, borrowed; NULL: it is. It begins as NULL.
void store_server_refuse(store_server *server, const char *why);
void store_server_gone(store_server *server, const uint8_t peer[STORE_SERVER_PEER_LEN]);
// Bytes that wait for it.
size_t store_server_waiting(const store_server *server, const uint8_t peer[STORE_SERVER_PEER_LEN]);
bool store_server_is_used_by(const store_server *server, const uint8_t peer[STORE_SERVER_PEER_LEN]);
void store_server_all_gone(store_server *server);
// All links are gone, the store is about to be closed: nothing is asked of it any more. Then close
// the store, and then destroy this.
void store_server_stop(store_server *server);
void store_server_destroy(
    store_server *server); // its memory goes later, from the loop; NULL is fine
