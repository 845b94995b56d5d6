// Zygotes that an agent before this one started. They start nothing more; they report how their
// nodes end, and go when the last of them has ended.
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

#include "agent/supervisor.h"

typedef struct agent_elders agent_elders;

typedef struct agent_elders_events {
    void (*on_exited)(void *user, uint64_t node_id, agent_exit how);
    void (*on_stopped)(void *user, uint64_t node_id);
    // Of all that this zygote started, these have not ended (is_gone: it is not there any more, so
    // nobody knows). What has ended before and was reported to no one is not among them.
    void (*on_listed)(void *user, pid_t zygote, bool is_gone, const uint64_t *node_ids,
                      size_t count);
} agent_elders_events;

agent_elders *agent_elders_create(uv_loop_t *loop, const agent_elders_events *events, void *user);
void agent_elders_destroy(agent_elders *elders);                // NULL is fine
void agent_elders_add(agent_elders *elders, pid_t pid, int fd); // takes fd
void agent_elders_ask(agent_elders *elders);                    // each one: on_listed
void agent_elders_keep(const agent_elders *elders);             // tells the keeper of them
bool agent_elders_has(const agent_elders *elders, pid_t pid);
void agent_elders_release(agent_elders *elders, pid_t pid); // its last node has ended
