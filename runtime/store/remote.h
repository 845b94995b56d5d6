// The store of another host: requests go there by a link between agents, which whoever opens the
// store has (runtime/agent/store_links.h). The same promises as of the other kinds:
// - While that host is away requests wait for their 5 s; a change that was on its way when the link
//   ended fails, and may have been done. Reads are asked again.
// - Watches wait without an end, and go on exactly where they were.
#pragma once

#include "store/store.h"

enum {
    STORE_REMOTE_SENT_MAX = 16,         // requests that the other host has at a time
    STORE_REMOTE_WAITING_MAX = 8 << 20, // bytes of changes that wait: more fail with STORE_EFULL
    STORE_REMOTE_HELLO_MS = 3000,       // then it counts as a host that has no store for others
};

struct store_link { // none of these calls back in the same call
    void *user;
    // From now on it is told of that host's link by the functions below; NULL: no longer.
    void (*attach)(void *user, store_db *db);
    bool (*send)(void *user, mesh_bytes piece); // false: there is no link
    size_t (*queued)(void *user);               // bytes that are on the way
};

void store_remote_up(store_db *db);
void store_remote_down(store_db *db, const char *why);    // or: it cannot be dialled
int store_remote_receive(store_db *db, mesh_bytes piece); // MESH_EPROTO: close the link
