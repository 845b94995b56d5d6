// `--store host:NAME`: all hosts of a cluster have the store of one of them, its file
// STATE/store.db, by the links between agents (docs/store.md). Each is started with the same
// words, that host too, so that nobody has a store of its own by mistake: it serves the others, and
// itself in the same way.
#pragma once

#include "agent/link_net.h"
#include "agent/store.h"

typedef struct agent_store_links agent_store_links;

// Before agent_store_start.
agent_store_links *agent_store_links_create(uv_loop_t *loop, agent_store *store);
// This host is in a cluster now, under this name (borrowed until then); or (NULLs) no longer.
void agent_store_links_attach(agent_store_links *links, const agent_link_net *net, const char *name,
                              const uint8_t host_id[MESH_ID_LEN]);
void agent_store_links_up(agent_store_links *links, const uint8_t host_id[MESH_ID_LEN]);
void agent_store_links_down(agent_store_links *links, const uint8_t host_id[MESH_ID_LEN]);
// MESH_EPROTO: close its link.
int agent_store_links_receive(agent_store_links *links, const uint8_t host_id[MESH_ID_LEN],
                              mesh_bytes message);
// One of the two has the other's store: their link stays.
bool agent_store_links_is_used(const agent_store_links *links, const uint8_t host_id[MESH_ID_LEN]);
// First: nothing is asked of the store any more. Then the store goes, and then this.
void agent_store_links_stop(agent_store_links *links);
void agent_store_links_destroy(agent_store_links *links); // its memory later, from the loop
