// One life of a launched node, as a process: what it writes, its leash (it ends when the agent's
// end of that pipe closes, whatever happens), its pidfd. Who it is among the members is members.h.
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

#include "agent/supervisor.h"
#include "core/bytes.h"

enum { AGENT_NODE_NAME_LEN_MAX = 72 }; // "NAME.INSTANCE" with its end

typedef struct agent_node agent_node;

typedef struct agent_node_events {
    // Lines, or a piece of one that waited for its end for too long. Borrowed.
    void (*on_output)(agent_node *node, bool is_stderr, mesh_bytes piece, void *user);
    // The process has ended and everything it wrote has been told. Close it then, or later.
    void (*on_over)(agent_node *node, void *user);
} agent_node_events;

// The far ends, for the launch: the caller sends and closes them.
typedef struct agent_node_ends {
    int stdout_fd, stderr_fd, leash_fd;
} agent_node_ends;

// Makes pipes and leash. 0 or -errno.
int agent_node_open(uv_loop_t *loop, uint64_t node_id, const agent_node_events *events, void *user,
                    agent_node_ends *out_ends, agent_node **out);
// Ends the process by its leash if it still runs, and frees all, later from the loop. NULL is fine.
void agent_node_close(agent_node *node);

// A life that another agent began.
typedef struct agent_node_kept {
    uint64_t node_id;
    int stdout_fd, stderr_fd, leash_fd, pidfd; // pidfd -1: none
    pid_t pid;
    uint64_t started_at_ms;
} agent_node_kept;
// Takes the descriptors. `on_dead`: the process has ended, by its pidfd; how is not known so.
int agent_node_adopt(uv_loop_t *loop, const agent_node_events *events, void *user,
                     const agent_node_kept *kept, void (*on_dead)(agent_node *node, void *user),
                     agent_node **out);
// This end of all that: stdout, stderr, leash. Borrowed.
enum { AGENT_NODE_FDS = 3 };
void agent_node_fds(const agent_node *node, int out[AGENT_NODE_FDS]);
int agent_node_pidfd(const agent_node *node); // -1: none

void agent_node_launched(agent_node *node, pid_t pid, int pidfd, uint64_t now_ms); // takes pidfd
void agent_node_exited(agent_node *node, agent_exit how, uint64_t now_ms);
// No-op when it has ended; what is left of its output is then told even while paused.
void agent_node_signal(agent_node *node, int signal);
// Has its leash's thread look at what the agent asks (runtime/watchdog.h).
void agent_node_wake(agent_node *node);
// Stops reading what it writes (the reader of its output is slow): at some point it waits.
// What was read of a line that has no end yet is told.
void agent_node_flush(agent_node *node);
void agent_node_pause(agent_node *node, bool is_paused);

uint64_t agent_node_id(const agent_node *node);
pid_t agent_node_pid(const agent_node *node); // 0: not launched yet
uint64_t agent_node_started_at_ms(const agent_node *node);
uint64_t agent_node_exited_at_ms(const agent_node *node);
bool agent_node_has_exited(const agent_node *node); // its output may not be read to the end yet
agent_exit agent_node_how(const agent_node *node);  // once it has exited
bool agent_node_is_dead(const agent_node *node);    // asks the kernel
