// STATE/cluster/config.json, for people to read and change: where this host listens for others, and
// under which address they reach it.
#pragma once

#include "agent/vault.h"
#include "secure/ticket.h"

enum { AGENT_CLUSTER_PORT = 7400, AGENT_SOURCES_MAX = 8, AGENT_SOURCE_LEN_MAX = 512 };

typedef struct agent_cluster_config {
    char listen[MESH_ADDRESS_LEN_MAX + 1];    // "0.0.0.0:7400", "[::]:7400"
    char advertise[MESH_ADDRESS_LEN_MAX + 1]; // "host:port"; empty: as agent_cluster_addresses says
    char discover[AGENT_SOURCES_MAX]
                 [AGENT_SOURCE_LEN_MAX + 1]; // where hosts may be found: discovery.md
    size_t discover_count;
} agent_cluster_config;

// Adds a source. False, and a sentence: it is none, too long, or there are too many.
bool agent_cluster_config_discover(agent_cluster_config *config, const char *source,
                                   char text[AGENT_VAULT_TEXT_MAX]);

// 0, or -errno and a sentence, as agent_vault_read.
int agent_cluster_config_read(const char *vault, agent_cluster_config *out,
                              char text[AGENT_VAULT_TEXT_MAX]);
int agent_cluster_config_write(const char *vault, const agent_cluster_config *config,
                               char text[AGENT_VAULT_TEXT_MAX]);

// An IP address and a port: what listen must be.
bool agent_is_listen_address(const char *text);

bool agent_is_any_address(const char *text); // 0.0.0.0 or [::]: to listen on, not to be found at

// Where others may reach this host, best first: what it advertises; else what it listens on, when
// that is one address; else the addresses of its network cards with that port. May be none.
size_t agent_cluster_addresses(const agent_cluster_config *config,
                               char out[MESH_TOKEN_ADDRESSES_MAX][MESH_ADDRESS_LEN_MAX + 1]);
