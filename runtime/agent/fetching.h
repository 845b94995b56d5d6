// agent_fetch on the agent's loop, with its store of chunks: it gives the core its time, and hands
// on what releases.h answers. After anything was told to the core, call agent_fetching_work.
#pragma once

#include "agent/fetch.h"
#include "agent/releases.h"

typedef struct agent_fetching agent_fetching;

agent_fetching *agent_fetching_create(uv_loop_t *loop, agent_releases *releases); // outlives it
// Nobody is called back; its memory goes later, from the loop. NULL is fine.
void agent_fetching_destroy(agent_fetching *fetching);
agent_fetch *agent_fetching_core(agent_fetching *fetching); // borrowed
void agent_fetching_work(agent_fetching *fetching);

// This host is in a cluster with these roots (borrowed until then) now, or (NULLs) no longer.
void agent_fetching_attach(agent_fetching *fetching, const agent_link_net *net,
                           const mesh_trust *trust);
const mesh_trust *agent_fetching_trust(const agent_fetching *fetching); // NULL: in none

// As agent_fetch_begin, agent_fetch_cancel, at this time.
uint64_t agent_fetching_begin(agent_fetching *fetching, const agent_fetch_options *options);
void agent_fetching_cancel(agent_fetching *fetching, uint64_t job);
