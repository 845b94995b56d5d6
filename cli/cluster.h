// What the commands that bring a host into a cluster share.
#pragma once

#include <stdbool.h>

#include "agent/identity.h"

// What this host is called, in the letters that a certificate has.
const char *cli_cluster_own_name(void);

// The value of --name. False: a sentence was printed.
bool cli_cluster_name(const char *value);

// The value of --listen or --advertise; the port may be left out: it is 7400 then. False: a
// sentence was printed.
bool cli_cluster_address(const char *option, const char *value, bool (*is_right)(const char *),
                         char out[MESH_ADDRESS_LEN_MAX + 1]);

// The value of --discover. False: a sentence was printed.
bool cli_cluster_discover(const char *source, agent_cluster_config *config);

// The keys that this host will have: of the agent that runs here, whose nodes have their ids of
// them, or new ones. Wipe them. An exit code.
int cli_cluster_keys(agent_new_host *out);

// Tells an agent that is running that keys have come into the state directory, or will go. An exit
// code; CLI_DONE also when none is running.
typedef enum cli_cluster_news { CLI_CLUSTER_OPEN, CLI_CLUSTER_LEAVE } cli_cluster_news;
int cli_cluster_ask(cli_cluster_news news);
