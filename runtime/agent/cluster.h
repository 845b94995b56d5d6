// The agent among the agents of other hosts: membership (swim), the registry of all hosts
// (replica), links to other agents (overlay), and discovery, wired to sockets and to the members of
// this host. Opened when this host is one of a cluster (identity.h); without it the agent is alone.
#pragma once

#include <uv.h>

#include "agent/fetching.h"
#include "agent/identity.h"
#include "agent/members.h"
#include "agent/store_links.h"
#include "discovery/discovery.h"

typedef struct agent_cluster agent_cluster;

enum { AGENT_CLUSTER_OPENING = 1 };

typedef struct agent_cluster_options {
    uv_loop_t *loop;
    const char *dir; // the state directory
    agent_members *members;
    agent_fetching *fetching; // both are attached while it is open; or NULL
    agent_store_links *store_links;
    void (*on_closed)(void *user); // it is gone, and writes nothing any more
    // After AGENT_CLUSTER_OPENING, from the loop: 0, or a negative error and a sentence (close it).
    void (*on_opened)(void *user, int err, const char *text);
    void (*on_changed)(void *user); // something about the hosts has changed
    void (*on_lost)(void *user,
                    const char *text); // this host cannot go on in the cluster: close it
    void *user;
} agent_cluster_options;

// 0: it is open. AGENT_CLUSTER_OPENING, and a sentence: a name is looked up first; until on_opened
// it can be closed, nothing else. -ENOENT, with no sentence: this host is in no cluster; else a
// negative error and a sentence.
int agent_cluster_open(const agent_cluster_options *options, agent_cluster **out,
                       char text[AGENT_VAULT_TEXT_MAX]);
// Says good-bye to the others, tells the members here that all others are gone (`members` is not
// used afterwards), and frees all, later from the loop. NULL is fine.
void agent_cluster_close(agent_cluster *cluster);

typedef struct agent_host_info {
    const uint8_t *host_id;   // MESH_ID_LEN bytes
    const char *name, *state; // of its certificate; "up", "suspect" ...
    const char *address;      // where the others reach it
    uint64_t since_ms;        // how long in this state
    uint32_t node_count;
    bool is_self, is_linked;
    bool is_unheard; // up, for it answers on connections, but its datagrams do not come here
    bool is_foreign; // it speaks no minor that this host speaks: there are no links
} agent_host_info;
typedef void (*agent_host_cb)(const agent_host_info *info, void *user);
// Every host that is known, this one first.
void agent_cluster_each(agent_cluster *cluster, agent_host_cb each, void *user);
typedef void (*agent_source_cb)(const mesh_source_status *status, void *user);
void agent_cluster_each_source(const agent_cluster *cluster, agent_source_cb each, void *user);
// Who this host is in it; borrowed until the cluster is closed.
const agent_identity *agent_cluster_identity(const agent_cluster *cluster);
const char *agent_cluster_host_name(const agent_cluster *cluster); // of this host
