// Open files of the agent. Nodes, links and listening sockets take them, and whoever adds one of
// those asks here first: a few are always left, so that commands are still answered.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { AGENT_DESCRIPTORS_TEXT_MAX = 160 };

// Raises the soft limit of this process as far as the hard one goes. Once, at the start.
void agent_descriptors_raise(void);
// Between the two, a process that is started gets the limit this one was started with.
void agent_descriptors_lower(void);
void agent_descriptors_raise_again(void);

// Whether `count` (at most 64) can be opened and the reserve is left.
bool agent_descriptors_left(uint32_t count);
// What to say when they can't: the limit, and how it is raised.
void agent_descriptors_explain(char out[AGENT_DESCRIPTORS_TEXT_MAX]);
