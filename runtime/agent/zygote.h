// A fork server: one `warren-node --warren-zygote=FD` that boots Node once and forks it for each
// node. The host's common one is restarted with backoff when it dies; its nodes live on and become
// children of the agent (PR_SET_CHILD_SUBREAPER), which then learns their exit codes itself. One of
// a service's own (zygotes.h) is started again when somebody asks for it.
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

#include "agent/limits.h"
#include "agent/supervisor.h"
#include "boot_key.h"

typedef struct agent_zygote agent_zygote;

enum { AGENT_LAUNCH_FDS = 6 }; // stdin, stdout, stderr, control socket, leash, heartbeat memory

typedef struct agent_launch {
    uint64_t node_id;
    const runtime_boot *boot; // what the node is to be
    const char *title;
    const char *cold_reason; // not empty: by exec, and why
    const agent_launch_limits *limits;
    int fds[AGENT_LAUNCH_FDS];
} agent_launch;

typedef struct agent_zygote_events { // `user` is the zygote's
    // It can launch now.
    void (*on_ready)(void *user);
    // It could not be started, keeps dying before it is ready, or cannot be forked (is_obstacle:
    // the text is a clause of why; else a whole sentence). The next agent_zygote_start tries again.
    void (*on_failed)(void *user, const char *text, bool is_obstacle);
    // An answer to a launch: pid and pidfd (the callee's) with cold_reason ("" when forked), or an
    // error.
    void (*on_launched)(void *user, uint64_t node_id, pid_t pid, int pidfd, const char *cold_reason,
                        const char *error);
    // Another answer: nothing was started, for this file is not what the zygote has read.
    void (*on_stale)(void *user, uint64_t node_id, const char *file);
    void (*on_exited)(void *user, uint64_t node_id, agent_exit how);
    void (*on_stopped)(void *user, uint64_t node_id); // its process, by a signal; it may go on
    // It died; everything it said was delivered before. What it started and did not report as
    // ended is the agent's child now, or its end is unknown. `unanswered`: launches.
    void (*on_died)(void *user, uint32_t unanswered);
} agent_zygote_events;

// `boot`: borrowed as long as the zygote lives, or NULL for the common one.
agent_zygote *agent_zygote_create(uv_loop_t *loop, const runtime_boot *boot,
                                  const agent_zygote_events *events, void *user);
// Makes sure that it runs or is being started. Events come later, from the loop.
void agent_zygote_start(agent_zygote *zygote);
bool agent_zygote_is_ready(const agent_zygote *zygote);
bool agent_zygote_is_running(const agent_zygote *zygote); // there is a process
// Launches without an answer, and nodes whose end it will tell.
uint32_t agent_zygote_load(const agent_zygote *zygote);
// Ends the process, for `why`, and starts no other: on_died follows, its nodes live on.
void agent_zygote_dismiss(agent_zygote *zygote, const char *why);
bool agent_zygote_is_dismissed(const agent_zygote *zygote); // ... and its end is still to come
pid_t agent_zygote_pid(const agent_zygote *zygote);         // 0: there is none
void agent_zygote_keep(const agent_zygote *zygote);         // tells the keeper of one that is ready
// Borrows everything; the descriptors are sent. MESH_ECLOSED when not ready, MESH_ETOOBIG for over
// 120 KiB of arguments and environment.
int agent_zygote_launch(agent_zygote *zygote, const agent_launch *launch);
// A child of this process ended (from waitpid): true when it was the zygote.
bool agent_zygote_reaped(agent_zygote *zygote, pid_t pid, int status);
// Ends the process (its nodes have ended) and frees all, later from the loop.
void agent_zygote_destroy(agent_zygote *zygote);

// The path of warren-node: $WARREN_NODE, else beside this program.
void agent_zygote_find_program(char out[PATH_MAX]);
