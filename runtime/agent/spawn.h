// What all programs that an agent starts begin with: no signal blocked or ignored, and a session of
// their own, so that Ctrl-C in the agent's terminal reaches the agent alone.
#pragma once

#include <spawn.h>

void agent_spawn_attributes(posix_spawnattr_t *out); // destroyed by the caller
