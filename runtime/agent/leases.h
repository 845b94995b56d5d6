// Leases of nodes (docs/leases.md): asked for on their control sockets, kept alive in the store of
// this agent, and told to the node with the moment until which they are valid. A node that does not
// say that it knows of that moment gets no later one, so that one which stands still loses its
// lease when it passes, by its own clock and by ours, which are the same.
#pragma once

#include "agent/members.h"
#include "agent/store.h"

enum { AGENT_LEASES_MAX = 4096 }; // of all nodes of this host, had or waited for

typedef struct agent_leases agent_leases;

typedef struct agent_leases_options {
    uv_loop_t *loop;
    agent_store *store;
    agent_members *members;
    // There are other hosts, or would be: a store of this host alone can promise nothing.
    bool (*is_in_cluster)(void *user);
    void (*on_idle)(void *user); // agent_leases_is_busy is false again
    void *user;
} agent_leases_options;

agent_leases *agent_leases_create(const agent_leases_options *options); // opens no store yet
// Before members and store, which go in the same turn of the loop. NULL is fine.
void agent_leases_destroy(agent_leases *leases);
// Something that nobody has any more is not yet free for others.
bool agent_leases_is_busy(const agent_leases *leases);
