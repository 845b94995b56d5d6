// The fork server: one `warren-node --warren-zygote=FD` that boots Node once and forks it for each
// node. It is restarted with backoff when it dies; its nodes live on and become children of the
// agent (PR_SET_CHILD_SUBREAPER), which then learns their exit codes itself.
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

#include "agent/supervisor.h"

typedef struct agent_zygote agent_zygote;

enum { AGENT_LAUNCH_FDS = 5 }; // stdin, stdout, stderr, control socket, leash

typedef struct agent_launch {
    uint64_t node_id;
    char *const *argv, *const *env, *const *exec_argv; // NULL-terminated
    const char *cwd, *title;
    int fds[AGENT_LAUNCH_FDS];
} agent_launch;

typedef struct agent_zygote_events {
    // It can launch now.
    void (*on_ready)(void *user);
    // It could not be started, or keeps dying before it is ready: launches can't be carried out. A
    // whole sentence. The next agent_zygote_start tries again.
    void (*on_failed)(void *user, const char *text);
    // An answer to a launch: pid and pidfd (the callee's) with cold_reason ("" when forked), or an
    // error.
    void (*on_launched)(void *user, uint64_t node_id, pid_t pid, int pidfd, const char *cold_reason,
                        const char *error);
    void (*on_exited)(void *user, uint64_t node_id, agent_exit how);
    // It died; everything it said was delivered before. What it started and did not report as
    // ended is the agent's child now, or its end is unknown.
    void (*on_died)(void *user);
} agent_zygote_events;

agent_zygote *agent_zygote_create(uv_loop_t *loop, const agent_zygote_events *events, void *user);
// Makes sure that it runs or is being started. Events come later, from the loop.
void agent_zygote_start(agent_zygote *zygote);
bool agent_zygote_is_ready(const agent_zygote *zygote);
// Borrows everything; the descriptors are sent. MESH_ECLOSED when not ready, MESH_ETOOBIG for over
// 120 KiB of arguments and environment.
int agent_zygote_launch(agent_zygote *zygote, const agent_launch *launch);
// A child of this process ended (from waitpid): true when it was the zygote.
bool agent_zygote_reaped(agent_zygote *zygote, pid_t pid, int status);
// Ends the process (its nodes have ended) and frees all, later from the loop.
void agent_zygote_destroy(agent_zygote *zygote);
