// The program that takes the place of this agent in its process, so that whoever started it
// (systemd, a shell) sees the same pid: what is at the path that this one was started from, now. It
// is tried first; it gets the lock and the listening socket, so no connection is refused; the rest
// is adoption (kept.h).
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

enum {
    AGENT_SUCCESSOR_TEXT_MAX = 1024,
    AGENT_SUCCESSOR_CHECK_MS = 20000,
};

#define AGENT_CHECK_WORD "--check" // `warren agent` with it tells whether it could be one

// In the agent that may be replaced, once and first: notes the path.
void agent_successor_note(void);
const char *agent_successor_program(void);

// Runs `PROGRAM agent --check`. `error` is a sentence, NULL: it can start.
typedef void (*agent_successor_cb)(const char *error, void *user);
// 0: cb follows, from the loop; -EBUSY: one is being checked; -errno.
int agent_successor_check(uv_loop_t *loop, agent_successor_cb cb, void *user);
bool agent_successor_reaped(pid_t pid, int status); // true: it was that one
void agent_successor_close(void);                   // whoever waits is not called any more

// Returns only when it failed, with -errno.
int agent_successor_start(int lock_fd, int listen_fd);
// In the successor: what it got. False: this is none.
bool agent_successor_take(int *out_lock_fd, int *out_listen_fd);
// It hears signals now: those that came meanwhile are delivered.
void agent_successor_hear(void);

// `warren agent --check`: the exit code of the process.
int agent_successor_check_main(const char *dir);
