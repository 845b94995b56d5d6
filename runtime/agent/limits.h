// How much memory and processor time each instance of a service may use, and who sees to it: the
// kernel by a cgroup where the agent can make one; else, for memory, V8's heap limit, an rlimit and
// the agent, which looks how much there is (memory_watch.c); for processor time a thread in the
// node (runtime/throttle.c). docs/limits-of-nodes.md.
#pragma once

#include "agent.pb-c.h"
#include "agent/cgroup.h"
#include "core/bytes.h"

#define AGENT_MEMORY_MIN (32ULL << 20)
#define AGENT_MEMORY_MAX (1ULL << 50)
enum { AGENT_CPU_PERCENT_MAX = 100000, AGENT_OOM_TEXT_MAX = 112 };

typedef struct agent_limits { // of a service; zeroed: none
    uint64_t memory_max;
    uint32_t cpu_percent;
    bool is_memory_grouped, is_cpu_grouped; // by a cgroup
    char text[512];                         // for people: what keeps it; empty: there are no limits
} agent_limits;

// Finds out, once for all services, whether there are cgroups.
void agent_limits_plan(agent_limits *out, const Warren__Agent__Run *run);
// False: there are none. Borrows from `limits`.
bool agent_limits_pack(const agent_limits *limits, Warren__Agent__Limits *out);

// What a launch says of them; zeroed: nothing.
typedef struct agent_launch_limits {
    char cgroup[PATH_MAX]; // empty: none
    uint64_t heap_max;     // of V8's old generation
    uint64_t data_max;     // private memory beyond what the process begins with
    uint32_t cpu_percent;
} agent_launch_limits;
// 0 or -errno: the group of the node cannot be made.
int agent_limits_open(const agent_limits *limits, uint64_t node_id, agent_launch_limits *out);
void agent_limits_close(const agent_limits *limits, uint64_t node_id); // the life is over

// What is known of a life that may end for lack of memory; zeroed at its beginning.
typedef struct agent_oom {
    enum { AGENT_OOM_NO, AGENT_OOM_HEAP, AGENT_OOM_PROCESS } said; // by V8, on stderr
    uint64_t held;       // bytes for which the agent killed it; 0: it did not
    uint64_t look_at_ms; // loop time: how much it holds is looked at then
} agent_oom;
void agent_oom_listen(agent_oom *oom, mesh_bytes lines); // what it writes to stderr
// True when memory is what it ended for, with the sentence. Before agent_limits_close.
bool agent_oom_judge(const agent_oom *oom, const agent_limits *limits, uint64_t node_id, int signal,
                     char out[AGENT_OOM_TEXT_MAX]);
