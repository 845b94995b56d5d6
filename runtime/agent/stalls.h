// Looks at the loops of all nodes, by the memory each of them has for it (heartbeat.h): notices
// those that have stalled, tells of them, and asks what they do.
#pragma once

#include "agent/services.h"

typedef struct agent_stalls agent_stalls;
struct slot;

agent_stalls *agent_stalls_create(agent_services *services);
void agent_stalls_start(agent_stalls *stalls); // goes on until there is nobody to look at
void agent_stalls_destroy(agent_stalls *stalls);

// A life begins: *out_fd is what its process maps, the caller's to close. 0 or -errno.
int agent_stalls_open(struct slot *slot, int *out_fd);
void agent_stalls_close(struct slot *slot); // it is over
