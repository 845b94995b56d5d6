#include "agent/memory_watch.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/private_memory.h"
#include "agent/say.h"
#include "agent/service.h"
#include "core/mem.h"

enum {
    LOOK_MS = 250,
    LOOK_NEAR_MS = 50,     // at one that holds half of what it may
    SHARED_LEN = 48 << 20, // about what a node shares with the zygote
};

struct agent_memory_watch {
    agent_services *services;
    uv_timer_t timer;
};

// All that it has in memory: at least what it alone holds, and fast to read.
static uint64_t resident(pid_t pid) {
    char path[64], text[128];
    uint64_t pages = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t len = read(fd, text, sizeof text - 1);
    close(fd);
    text[len > 0 ? len : 0] = '\0';
    if (sscanf(text, "%*u %" SCNu64, &pages) != 1) return 0;
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

// True when it is near its limit.
static bool look_at(agent_service *service, uint32_t instance) {
    slot *sl = &service->slots[instance];
    pid_t pid = agent_node_pid(sl->node);
    uint64_t max = sl->runs->limits.memory_max;
    uint64_t all = resident(pid);
    if (all <= max) return all > max / 2 + SHARED_LEN;
    uint64_t held = agent_memory_private(pid);
    if (held <= max) return held > max / 2;
    char name[AGENT_NODE_NAME_LEN_MAX];
    agent_service_node_name(service, instance, name);
    agent_say("%s is killed: it holds %" PRIu64 " MiB of memory, its limit is %" PRIu64 " MiB",
              name, held >> 20, max >> 20);
    sl->oom.held = held;
    agent_node_signal(sl->node, SIGKILL);
    return false;
}

static bool look_if_due(agent_service *service, uint32_t instance, uint64_t now_ms) {
    agent_oom *oom = &service->slots[instance].oom;
    if (now_ms + LOOK_NEAR_MS < oom->look_at_ms) return false;
    bool is_near = look_at(service, instance);
    oom->look_at_ms = now_ms + (is_near ? LOOK_NEAR_MS : LOOK_MS);
    return is_near;
}

static void on_timer(uv_timer_t *timer) {
    agent_memory_watch *watch = timer->data;
    bool has_any = false, is_near = false;
    for (agent_service *service = watch->services->first; service != NULL;
         service = service->next) {
        for (uint32_t i = 0; i < service->slot_cap; i++) {
            const slot *sl = &service->slots[i];
            const agent_limits *limits = &agent_slot_runs(sl)->limits;
            if (limits->memory_max == 0 || limits->is_memory_grouped) continue;
            has_any |= !service->is_over;
            bool is_there = sl->node != NULL && agent_node_pid(sl->node) != 0 &&
                            !agent_node_has_exited(sl->node) && sl->oom.held == 0;
            if (is_there) is_near |= look_if_due(service, i, uv_now(timer->loop));
        }
    }
    if (has_any) uv_timer_start(timer, on_timer, is_near ? LOOK_NEAR_MS : LOOK_MS, 0);
}

agent_memory_watch *agent_memory_watch_create(agent_services *services) {
    agent_memory_watch *watch = mem_alloc(sizeof *watch);
    watch->services = services;
    uv_timer_init(services->loop, &watch->timer);
    watch->timer.data = watch;
    return watch;
}

void agent_memory_watch_start(agent_memory_watch *watch) {
    uv_timer_start(&watch->timer, on_timer, LOOK_MS, 0);
}

static void on_closed(uv_handle_t *handle) {
    free(handle->data);
}

void agent_memory_watch_destroy(agent_memory_watch *watch) {
    uv_timer_stop(&watch->timer);
    uv_close((uv_handle_t *)&watch->timer, on_closed);
}
