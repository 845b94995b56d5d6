#include "agent/limits.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

#include "agent/say.h"

enum {
    YOUNG_LEN = 48 << 20, // of V8's heap, at most: not part of its limit of old objects
    SIZE_TEXT_MAX = 32,
    // An rlimit counts what could be written, the limit what is: stacks of threads and free parts
    // of the heap lie between. It is there for what grows faster than the agent looks.
    DATA_FACTOR = 2,
    DATA_EXTRA = 256 << 20,
};

static const agent_cgroup *cgroup(void) {
    static agent_cgroup found;
    static bool is_looked_for;
    if (is_looked_for) return &found;
    is_looked_for = true;
    agent_cgroup_find(&found);
    if (found.dir[0] != '\0')
        agent_say("nodes with limits are in groups below %s", found.dir);
    else
        agent_say("there are no cgroups for limits: %s", found.why_not);
    return &found;
}

// Three quarters for the heap, the young objects included: the rest is for buffers, code, stacks.
// V8 rarely takes all that it may for young ones: under a small limit the old get half all the
// same.
static uint64_t heap_max(const agent_limits *l) {
    uint64_t half = l->memory_max / 2, most = l->memory_max / 4 * 3;
    return most > half + YOUNG_LEN ? most - YOUNG_LEN : half;
}

static void format_size(char out[SIZE_TEXT_MAX], uint64_t size) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    int unit = 0;
    for (; size >= 1024 && (size % 1024 == 0 || size >= 10240) && unit < 4; unit++)
        size /= 1024;
    (void)snprintf(out, SIZE_TEXT_MAX, "%" PRIu64 " %s", size, units[unit]);
}

static void describe(agent_limits *l) {
    char size[SIZE_TEXT_MAX], *out = l->text;
    size_t cap = sizeof l->text, len = 0;
    format_size(size, l->memory_max);
    if (l->memory_max > 0)
        len = (size_t)snprintf(out, cap, "memory up to %s, by %s", size,
                               l->is_memory_grouped ? "cgroup"
                                                    : "V8's heap limit, rlimit and the agent");
    if (l->cpu_percent > 0)
        len += (size_t)snprintf(out + len, cap - len, "%s%u.%02u processors, by %s",
                                len > 0 ? "; " : "", l->cpu_percent / 100, l->cpu_percent % 100,
                                l->is_cpu_grouped ? "cgroup" : "a throttle in the process");
    bool is_whole =
        (l->memory_max == 0 || l->is_memory_grouped) && (l->cpu_percent == 0 || l->is_cpu_grouped);
    if (!is_whole) (void)snprintf(out + len, cap - len, " (%.200s)", cgroup()->why_not);
}

void agent_limits_plan(agent_limits *out, const Warren__Agent__Run *run) {
    *out = (agent_limits){.memory_max = run->memory_max, .cpu_percent = run->cpu_max_percent};
    if (out->memory_max == 0 && out->cpu_percent == 0) return;
    out->is_memory_grouped = out->memory_max > 0 && cgroup()->has_memory;
    out->is_cpu_grouped = out->cpu_percent > 0 && cgroup()->has_cpu;
    describe(out);
}

bool agent_limits_pack(const agent_limits *l, Warren__Agent__Limits *out) {
    if (l->memory_max == 0 && l->cpu_percent == 0) return false;
    *out = (Warren__Agent__Limits)WARREN__AGENT__LIMITS__INIT;
    out->memory_max = l->memory_max;
    out->cpu_max_percent = l->cpu_percent;
    out->is_memory_grouped = l->is_memory_grouped;
    out->is_cpu_grouped = l->is_cpu_grouped;
    out->text = (char *)(uintptr_t)l->text;
    return true;
}

int agent_limits_open(const agent_limits *l, uint64_t node_id, agent_launch_limits *out) {
    *out = (agent_launch_limits){.heap_max = heap_max(l)};
    agent_cgroup_limits grouped = {.memory_max = l->is_memory_grouped ? l->memory_max : 0,
                                   .cpu_percent = l->is_cpu_grouped ? l->cpu_percent : 0};
    if (l->memory_max > 0 && !l->is_memory_grouped)
        out->data_max = l->memory_max * DATA_FACTOR + DATA_EXTRA;
    if (!l->is_cpu_grouped) out->cpu_percent = l->cpu_percent;
    if (!l->is_memory_grouped && !l->is_cpu_grouped) return 0;
    int err = agent_cgroup_make(cgroup(), node_id, &grouped, out->cgroup);
    if (err != 0) agent_say("cannot make a group in %s: %s", cgroup()->dir, strerror(-err));
    return err;
}

void agent_limits_close(const agent_limits *l, uint64_t node_id) {
    if (l->is_memory_grouped || l->is_cpu_grouped) agent_cgroup_remove(cgroup(), node_id);
}

// ---- out of memory

static bool has(mesh_bytes text, const char *words) {
    return memmem(text.data, text.len, words, strlen(words)) != NULL;
}

void agent_oom_listen(agent_oom *oom, mesh_bytes lines) {
    // V8 and Node, from 18 to 26: "FATAL ERROR: Reached heap limit Allocation failed - JavaScript
    // heap out of memory", "# Fatal process out of memory: Zone", "# Fatal JavaScript out of
    // memory: Reached heap limit", and C++'s own.
    if (!has(lines, "FATAL ERROR: ") && !has(lines, "# Fatal ") && !has(lines, "std::bad_alloc"))
        return;
    if (has(lines, "JavaScript heap out of memory") || has(lines, "Fatal JavaScript out of memory"))
        oom->said = AGENT_OOM_HEAP;
    else if (has(lines, "process out of memory") || has(lines, "std::bad_alloc"))
        oom->said = AGENT_OOM_PROCESS;
}

bool agent_oom_judge(const agent_oom *oom, const agent_limits *l, uint64_t node_id, int signal,
                     char out[AGENT_OOM_TEXT_MAX]) {
    char limit[SIZE_TEXT_MAX], held[SIZE_TEXT_MAX], heap[64] = "";
    format_size(limit, l->memory_max);
    format_size(held, oom->held);
    if (l->memory_max > 0) {
        char size[SIZE_TEXT_MAX];
        format_size(size, heap_max(l));
        (void)snprintf(heap, sizeof heap, " (%.16s of the limit of %.16s)", size, limit);
    }
    if (signal == SIGKILL && oom->held > 0)
        (void)snprintf(out, AGENT_OOM_TEXT_MAX, "out of memory: it held %s, its limit is %s", held,
                       limit);
    else if (signal == SIGKILL && l->is_memory_grouped &&
             agent_cgroup_was_out_of_memory(cgroup(), node_id))
        (void)snprintf(out, AGENT_OOM_TEXT_MAX,
                       "out of memory: the kernel ended it at its limit of %s", limit);
    else if (signal != 0 && signal != SIGKILL && oom->said == AGENT_OOM_HEAP)
        (void)snprintf(out, AGENT_OOM_TEXT_MAX, "out of memory: V8's heap was full%s", heap);
    else if (signal != 0 && signal != SIGKILL && oom->said == AGENT_OOM_PROCESS)
        (void)snprintf(out, AGENT_OOM_TEXT_MAX, "out of memory: it was given no more%s%s",
                       l->memory_max > 0 ? ", with a limit of " : "",
                       l->memory_max > 0 ? limit : "");
    else
        return false;
    return true;
}
