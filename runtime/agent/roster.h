// Who is there and what they serve, as Registry packets: as many in one as fit.
#pragma once

#include <stddef.h>

#include "node.pb-c.h"

typedef void (*agent_roster_cb)(const Warren__Node__Registry *registry, void *user);

typedef struct agent_roster { // the caller sets the callback; the rest begins as zeros
    agent_roster_cb on_packet;
    void *user;
    Warren__Node__Peer *up;
    Warren__Node__OwnedEntry *put;
    size_t up_count, up_cap, put_count, put_cap;
    size_t len; // of the packet so far
} agent_roster;

// Both borrow until finish; they hand over a packet when it is full.
void agent_roster_up(agent_roster *roster, const Warren__Node__Peer *peer);
void agent_roster_put(agent_roster *roster, uint64_t node_id, Warren__Node__Entry *entry);
// Hands over what is left and frees all.
void agent_roster_finish(agent_roster *roster);
