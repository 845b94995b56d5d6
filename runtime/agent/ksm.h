// Whether the kernel may merge pages that are equal in several nodes (KSM, kernel samepage merging:
// the kernel's Documentation/admin-guide/mm/ksm.rst). WARREN_KSM=1 in the agent's environment asks
// for it; docs/limits-of-nodes.md says what it saves and what it costs.
#pragma once

#include <stdbool.h>

bool agent_ksm_is_wanted(void);
void agent_ksm_say(void); // what becomes of it on this host; nothing when it is not wanted
