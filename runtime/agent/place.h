// The agent's place on disk: the state directory (0700, ours), the lock that makes the agent the
// only one, the socket.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

enum { AGENT_PLACE_TEXT_MAX = 512 };

// Makes DIR and DIR/logs, or checks that they are ours alone. 0, or -errno and a whole sentence.
int agent_place_prepare(const char *dir, char text[AGENT_PLACE_TEXT_MAX]);

// Only looks: -ENOENT, with no sentence: there is none yet; else as agent_place_prepare.
int agent_place_look(const char *dir, char text[AGENT_PLACE_TEXT_MAX]);

// Takes DIR/agent.lock. A descriptor (the lock lasts as long as it is open), or -errno and a
// sentence; -EWOULDBLOCK: another agent has it, -EBUSY: one that a `warren run` brought.
int agent_place_lock(const char *dir, bool is_ephemeral, char text[AGENT_PLACE_TEXT_MAX]);

// Listens on DIR/agent.sock, in place of one that a dead agent left. A descriptor, or -errno and a
// sentence.
int agent_place_listen(const char *dir, char text[AGENT_PLACE_TEXT_MAX]);

// Which file is at a path: one that was removed and made anew has another mark.
typedef struct agent_place_mark {
    dev_t device;
    ino_t inode; // 0: there is none
    struct timespec at;
} agent_place_mark;
agent_place_mark agent_place_mark_of(const char *path);
bool agent_place_mark_fits(const char *path, const agent_place_mark *mark);
