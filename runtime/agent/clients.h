// Who connects to STATE/agent.sock: checks that it is our own user, hears Hello, then serves the
// command line's requests, or hands the connection on as a member of the mesh.
#pragma once

#include <uv.h>

#include "agent/cluster.h"
#include "agent/deployer.h"
#include "agent/releases.h"
#include "agent/secrets.h"
#include "agent/services.h"
#include "agent/store.h"

enum { AGENT_CLIENTS_MAX = 256 };

typedef struct agent_clients agent_clients;

typedef struct agent_clients_options {
    uv_loop_t *loop;
    const char *dir;
    int listen_fd; // takes it
    agent_services *services;
    agent_secrets *secrets;
    agent_releases *releases;
    agent_store *store;
    agent_deployer *deployer;
    uint64_t number;                       // of this agent: no other one has it
    void (*on_changed)(void *user);        // one less
    void (*on_shutdown)(void *user);       // somebody asks the agent to end
    agent_cluster *(*cluster)(void *user); // that this host takes part in, or NULL
    const char *(*cluster_trouble)(
        void *user); // why it takes part in none, though it has keys; or ""
    // 0, or a negative error and a sentence; AGENT_CLUSTER_OPENING: agent_clients_tell_opened
    // follows.
    int (*on_open_cluster)(void *user, char text[AGENT_VAULT_TEXT_MAX]);
    void (*on_leave_cluster)(void *user);      // agent_clients_tell_left follows, or comes at once
    const agent_new_host *(*keys)(void *user); // of its next cluster; NULL while it is in one
    void *user;
} agent_clients_options;

int agent_clients_open(const agent_clients_options *options, agent_clients **out); // 0 or -errno
// Another socket takes the place of the one that listens, under the same number; takes fd.
void agent_clients_listen_on(agent_clients *clients, int fd);
// Closes every connection and frees all, later from the loop.
void agent_clients_close(agent_clients *clients);
uint32_t agent_clients_count(const agent_clients *clients); // command lines that said Hello
void agent_clients_tell_shutdown(agent_clients *clients);   // answers those who asked for it
// Whoever waits for the cluster to open hears what came of it.
void agent_clients_tell_opened(agent_clients *clients, int err, const char *text);
// Whoever took this host out of its cluster: it is out, and nothing of it is written any more.
void agent_clients_tell_left(agent_clients *clients);
void agent_clients_tell_hosts(agent_clients *clients); // who watches the hosts hears of a change
// Answers who is waiting in the queue of connections; true when somebody was.
bool agent_clients_accept_waiting(agent_clients *clients);
