#pragma once

#include <stdint.h>
#include <sys/types.h>

// What a process alone holds: pages that it shares with the zygote do not count. 0: it has ended.
// The kernel looks at each page of the process, for about a millisecond.
uint64_t agent_memory_private(pid_t pid);
