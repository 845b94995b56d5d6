// The agent's side of its keeper (keeper.h): says what is to be kept, and hands over what an agent
// before this one left. One per process; without one (an agent for a run) all of it does nothing.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "core/bytes.h"
#include "keeper.pb-c.h"

// What the agent before this one left; descriptors are taken by setting them to -1.
typedef void (*agent_keep_cb)(Warren__Keeper__Kind kind, uint64_t id, mesh_bytes state, int *fds,
                              size_t fd_count, void *user);

// Finds the keeper of this directory, or starts one; calls back for each thing that it has. 0, or
// -errno: then nothing is kept, and nodes end with their agent.
int agent_keep_open(uv_loop_t *loop, const char *dir, agent_keep_cb each, void *user);
// Nothing is left to keep: ends it.
void agent_keep_quit(void);
// Whether the keeper of this directory waits for an agent: the one before has died, and what it ran
// may run on. Disturbs nobody; one that is just ending is waited for.
bool agent_keep_waits(const char *dir);
bool agent_keep_is_open(void);
bool agent_keep_is_used(void); // there should be one
// Whether it is there, and where the next agent looks for it.
bool agent_keep_is_sound(void);
// Starts another one, in place of one that is not; it has nothing until it is told. 0 or -errno.
int agent_keep_again(void);
bool agent_keep_is_flushed(void); // it has all that was said

// Borrows all of it; the keeper gets duplicates.
void agent_keep_put(Warren__Keeper__Kind kind, uint64_t id, const ProtobufCMessage *state,
                    const int *fds, size_t fd_count);
void agent_keep_put_state(Warren__Keeper__Kind kind, uint64_t id, const ProtobufCMessage *state);
void agent_keep_drop(Warren__Keeper__Kind kind, uint64_t id);
