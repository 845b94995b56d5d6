// This host's part in deployments (docs/deploy.md): it says in the store that it is there, carries
// out the leader's orders (orders.h) and writes what became of them, and competes for being the
// leader, which decides (deploy/conductor.h). What the store has of deployments is here in memory
// (mirror.h), so commands that ask are answered also while the store is away.
//
// An agent with a store of its own and without deployments opens nothing and keeps no timer.
#pragma once

#include "agent/cluster.h"
#include "agent/fetching.h"
#include "agent/mirror.h"
#include "agent/releases.h"
#include "agent/services.h"
#include "agent/store.h"
#include "deploy.pb-c.h"

enum {
    AGENT_DEPLOYER_TEXT_MAX = 768,
    AGENT_DEPLOYER_TTL_S = 10, // of what a host says, and of the leader, where hosts share a store
    AGENT_DEPLOYER_LABELS_MAX = 32,
    AGENT_DEPLOYER_LABEL_LEN_MAX = 63, // of its key, and of its value
};

#define AGENT_DEPLOYER_LOCAL "local" // the name of a host that is in no cluster

typedef struct agent_deployer agent_deployer;

typedef struct agent_deployer_options {
    uv_loop_t *loop;
    const char *dir; // the state directory
    agent_store *store;
    agent_services *services; // live longer
    agent_releases *releases;
    agent_fetching *fetching;
    bool is_ephemeral;                     // an agent that ends with its runs takes no part
    agent_cluster *(*cluster)(void *user); // NULL: this host is in none
    void *user;
} agent_deployer_options;

agent_deployer *agent_deployer_create(const agent_deployer_options *options);
// Takes part, if there is something to take part in; `services` has adopted what runs.
void agent_deployer_start(agent_deployer *deployer);
// This host takes part no more, and says so: all that it runs is about to be ended.
void agent_deployer_stop(agent_deployer *deployer);
// When the store is closed. Ends nothing that runs. NULL is fine.
void agent_deployer_destroy(agent_deployer *deployer);

// Somebody wants to see or change deployments: takes part from now on. 0 and ready() later, from
// the loop, with a sentence when the store cannot be read; or an exit code and a sentence.
typedef void (*agent_deployer_cb)(const char *sentence, void *user);
int agent_deployer_join(agent_deployer *deployer, agent_deployer_cb ready, void *user,
                        char text[AGENT_DEPLOYER_TEXT_MAX]);
// Whoever waits or watches is gone.
void agent_deployer_forget(agent_deployer *deployer, const void *user);

// All below "deploy/"; NULL: it takes no part.
const agent_mirror *agent_deployer_mirror(const agent_deployer *deployer);
const char *agent_deployer_host(const agent_deployer *deployer); // what this one is called; or ""
agent_releases *agent_deployer_releases(const agent_deployer *deployer);
store_db *agent_deployer_store(const agent_deployer *deployer);
// Tells the releases which of them deployments need on this host, or may go back to
// (agent_releases_keep); all, while that cannot be known.
void agent_deployer_keep(agent_deployer *deployer);
// Why the store cannot be used now; or "".
const char *agent_deployer_trouble(const agent_deployer *deployer);

// Told of each change of the mirror, then that all of them were told, or that the trouble is
// another one. In the caller's memory.
typedef struct agent_deployer_watch {
    void (*on_pair)(const agent_mirror_pair *pair, bool is_gone, void *user);
    void (*on_settled)(void *user);
    void *user;
    struct agent_deployer_watch *next; // ours
} agent_deployer_watch;
void agent_deployer_watch_begin(agent_deployer *deployer, agent_deployer_watch *watch);
void agent_deployer_watch_end(agent_deployer *deployer, agent_deployer_watch *watch);

// ---- labels, kept in STATE/labels

// "zone=a,disk=ssd". False: a sentence.
bool agent_deployer_labels_parse(const char *labels, char text[AGENT_DEPLOYER_TEXT_MAX]);
// Keeps these, which are sound, instead of what is kept. 0, or -errno and a sentence.
int agent_deployer_keep_labels(const char *dir, const char *labels,
                               char text[AGENT_DEPLOYER_TEXT_MAX]);
