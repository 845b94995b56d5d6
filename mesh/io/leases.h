// The leases of a member (node.proto): which it has, which it waits for, and until when each is
// valid by the clock that it shares with its agent. A member that stood still finds them over by
// looking, before anybody has told it.
#pragma once

#include "io/channel.h"
#include "node.pb-c.h"

typedef struct mesh_leases mesh_leases;

typedef struct mesh_lease_ask {
    uint32_t id;     // never used again
    mesh_bytes name; // 1 to MESH_NAME_LEN_MAX bytes, without blanks and control characters
    uint32_t ttl_s;
    bool is_waiting; // until it is free; else it is over at once when somebody has it
} mesh_lease_ask;

typedef enum mesh_lease_state {
    MESH_LEASE_WAITING, // for what: TAKEN or NO_QUORUM, and the text. May come again
    MESH_LEASE_HELD,    // once
    MESH_LEASE_OVER,    // the last; never while it is still valid here
} mesh_lease_state;

typedef enum mesh_lease_why {
    MESH_LEASE_ENDED, // as was asked
    MESH_LEASE_LOST,
    MESH_LEASE_TAKEN, // who does not wait finds that somebody has it
    MESH_LEASE_NO_QUORUM,
    MESH_LEASE_TOO_MANY,
} mesh_lease_why;

typedef struct mesh_lease_news { // borrowed until the call back returns
    uint32_t id;
    mesh_lease_state state;
    mesh_lease_why why;
    const char *text;
} mesh_lease_news;
typedef void (*mesh_lease_cb)(const mesh_lease_news *news, void *user);

mesh_leases *mesh_leases_create(mesh_channel *channel, mesh_lease_cb cb, void *user);
void mesh_leases_destroy(mesh_leases *leases); // fine with NULL

// MESH_EINVAL, MESH_EEXIST; MESH_EQUOTA: there are MESH_LEASES_MAX.
int mesh_leases_ask(mesh_leases *leases, const mesh_lease_ask *ask); // copies
// From now on it is not valid; OVER follows when others can have it, unless it was told already.
void mesh_leases_end(mesh_leases *leases, uint32_t id);
bool mesh_leases_is_valid(const mesh_leases *leases, uint32_t id);
uint64_t mesh_leases_token(const mesh_leases *leases, uint32_t id); // 0: it was never held

void mesh_leases_receive(mesh_leases *leases, const Warren__Node__Lease *message);
void mesh_leases_tick(mesh_leases *leases);
uint64_t mesh_leases_wait_ms(const mesh_leases *leases); // from now to the next tick; UINT64_MAX
void mesh_leases_say(const mesh_leases *leases);         // all of them, to another agent
void mesh_leases_drop(mesh_leases *leases);              // none is valid any more; tells nobody
