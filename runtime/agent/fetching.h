// agent_fetch on the agent's loop: it gives it its time. After anything was told to the core, call
// agent_fetching_work.
#pragma once

#include <uv.h>

#include "agent/fetch.h"

typedef struct agent_fetching agent_fetching;

agent_fetching *agent_fetching_create(uv_loop_t *loop, const agent_fetch_chunks *chunks);
// Nobody is called back; its memory goes later, from the loop. NULL is fine.
void agent_fetching_destroy(agent_fetching *fetching);
agent_fetch *agent_fetching_core(agent_fetching *fetching); // borrowed
void agent_fetching_work(agent_fetching *fetching);

// As agent_fetch_begin, at this time.
uint64_t agent_fetching_begin(agent_fetching *fetching, const agent_fetch_options *options);
