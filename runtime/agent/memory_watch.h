// Ends nodes that hold more memory than they may, where no cgroup does: looks at
// those that have such a limit, four times a second, more often at one that is near it.
#pragma once

#include "agent/services.h"

typedef struct agent_memory_watch agent_memory_watch;

agent_memory_watch *agent_memory_watch_create(agent_services *services);
void agent_memory_watch_start(
    agent_memory_watch *watch); // goes on until there is nobody to look at
void agent_memory_watch_destroy(agent_memory_watch *watch);
