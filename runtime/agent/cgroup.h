// Groups of processes that the kernel keeps within limits (cgroup v2), one for each node that has
// some: BASE/warren/NODE_ID, where BASE is a group in which the agent may make others.
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

enum { AGENT_CGROUP_TEXT_MAX = 256 };

typedef struct agent_cgroup {
    char dir[PATH_MAX]; // BASE/warren; empty: there is none
    bool has_memory, has_cpu;
    char why_not[AGENT_CGROUP_TEXT_MAX]; // a clause, when one of them is missing
} agent_cgroup;

// Looks for BASE: what WARREN_CGROUP names; else the nearest group above this process's own in
// which no processes are and which it may change; else its own, when nobody else's processes are in
// it (they move into BASE/warren-agent). Moves, and makes, as needed.
void agent_cgroup_find(agent_cgroup *out);
// The same where cgroup v2 is mounted at `mount` and `own` is this process's group, "/a/b".
void agent_cgroup_find_at(agent_cgroup *out, const char *mount, const char *own);

typedef struct agent_cgroup_limits {
    uint64_t memory_max;  // bytes; 0: none
    uint32_t cpu_percent; // 100: one processor; 0: none
} agent_cgroup_limits;

// Makes the group of a node and writes its path. 0 or -errno: then there is none.
int agent_cgroup_make(const agent_cgroup *cgroup, uint64_t node_id,
                      const agent_cgroup_limits *limits, char path[PATH_MAX]);
// Whether the kernel has ended a process of the group because its memory was used up.
bool agent_cgroup_was_out_of_memory(const agent_cgroup *cgroup, uint64_t node_id);
// Leaves it alone while processes are left in it: the next agent looks again.
void agent_cgroup_remove(const agent_cgroup *cgroup, uint64_t node_id);
