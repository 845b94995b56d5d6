// What a node says to its agent (proto/node.proto), each as one packet on the control channel.
#pragma once

#include "core/node.h"
#include "io/abroad.h"
#include "io/channel.h"
#include "node.pb-c.h"

void mesh_agent_link_join(mesh_channel *channel);
void mesh_agent_link_leave(mesh_channel *channel);
void mesh_agent_link_checked(mesh_channel *channel, uint32_t number, bool is_healthy,
                             mesh_bytes why);
void mesh_agent_link_drained(mesh_channel *channel, uint32_t connections); // that are left
void mesh_agent_link_restated(mesh_channel *channel, uint32_t links, uint64_t adoption);
void mesh_agent_link_ready(mesh_channel *channel, Warren__Node__Ready__Way way);
void mesh_agent_link_announce(mesh_channel *channel, const mesh_entry *entry);
void mesh_agent_link_withdraw(mesh_channel *channel, uint32_t entry_id);
// `links` is how many Link messages came so far (node.proto, Connect).
void mesh_agent_link_connect(mesh_channel *channel, uint64_t node_id, uint32_t links);
void mesh_agent_link_ask_lease(mesh_channel *channel, const Warren__Node__LeaseAsk *ask);
void mesh_agent_link_saw_lease(mesh_channel *channel, uint32_t lease_id, uint64_t until_ms);
void mesh_agent_link_end_lease(mesh_channel *channel, uint32_t lease_id);
void mesh_agent_link_failed(mesh_channel *channel, uint64_t node_id, const char *text);

void mesh_agent_link_ask_credentials(mesh_channel *channel,
                                     const uint8_t link_key[MESH_LINK_KEY_LEN]);
// What the agent answers; borrows it. MESH_EPROTO: it cannot be that.
int mesh_agent_link_credentials(const Warren__Node__Credentials *from,
                                mesh_abroad_credentials *out);

typedef struct mesh_listen_request {
    uint32_t request_id, port, backlog;
    const char *address;
    bool is_ipv6_only;
} mesh_listen_request;
void mesh_agent_link_listen(mesh_channel *channel, const mesh_listen_request *request);

// Introduces a process that connected to the agent's path (agent.proto's Hello). 0 or -errno.
int mesh_agent_link_hello(int fd, const char *name);
