// The place on disk while the agent runs: somebody may remove the state directory, or sockets in it
// (one who cleans up /tmp). Then no command, and no later agent, would find the nodes that run. So
// it is looked at every two seconds, and made again. One per process.
#pragma once

#include <stdbool.h>
#include <uv.h>

typedef struct agent_place_watch_options {
    uv_loop_t *loop;
    const char *dir;
    int lock_fd; // of the lock file; stays the same descriptor
    bool is_ephemeral;
    void (*on_socket)(void *user, int fd); // takes the new one, that listens
    void (*on_look)(void *user);           // the place is this agent's
    void *user;
} agent_place_watch_options;

void agent_place_watch_open(const agent_place_watch_options *options);
// Removes the socket, unless it is another agent's by now.
void agent_place_watch_close(void);
