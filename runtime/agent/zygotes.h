// The zygotes of this host: the common one, and those of services that want what only a boot can
// read (boot_key.h): options for Node, modules loaded before the fork. Few of those at once; one
// that nobody uses ends, as one whose files have changed does when its last node has ended.
#pragma once

#include "agent/zygote.h"

enum {
    AGENT_ZYGOTES_MAX = 8, // of services
    AGENT_ZYGOTE_IDLE_MS = 60000,
    AGENT_ZYGOTE_BOOT_MS = 30000, // more is too long: what it should have loaded is loaded cold
    AGENT_ZYGOTE_RETRY_MS = 10000,
};

typedef struct agent_zygotes agent_zygotes;

typedef struct agent_zygotes_events {                // as those of agent_zygote_events
    void (*on_changed)(void *user);                  // choices may be others now
    void (*on_failed)(void *user, const char *text); // the common one
    void (*on_launched)(void *user, uint64_t node_id, pid_t pid, int pidfd, const char *cold_reason,
                        const char *error);
    void (*on_stale)(void *user, uint64_t node_id); // not started: choose again
    void (*on_exited)(void *user, uint64_t node_id, agent_exit how);
    void (*on_stopped)(void *user, uint64_t node_id);
    void (*on_died)(void *user, const agent_zygote *zygote, uint32_t unanswered);
} agent_zygotes_events;

agent_zygotes *agent_zygotes_create(uv_loop_t *loop, const agent_zygotes_events *events,
                                    void *user);
void agent_zygotes_start(agent_zygotes *zygotes); // the common one

typedef struct agent_zygote_choice {
    agent_zygote *zygote;
    bool is_ready;           // else wait: on_changed or on_failed follows
    const char *cold_reason; // for agent_launch
} agent_zygote_choice;

// Who launches what boots with `wanted`; starts that zygote. `users`: how many instances of this
// host want the same; one alone starts cold, unless it has modules to load. Valid until the next
// event.
agent_zygote_choice agent_zygotes_choose(agent_zygotes *zygotes, const runtime_boot *wanted,
                                         uint32_t users);
void agent_zygotes_keep(const agent_zygotes *zygotes); // tells the keeper of them
// A child of this process ended (from waitpid): true when it was one of them.
bool agent_zygotes_reaped(agent_zygotes *zygotes, pid_t pid, int status);
void agent_zygotes_destroy(agent_zygotes *zygotes); // as agent_zygote_destroy
