// Where other hosts may be: the sources of the configuration, and where they were last.
#include <stdio.h>

#include <sodium.h>

#include "agent/cluster_state.h"
#include "agent/say.h"

static void on_candidate(const mesh_candidate *candidate, void *user) {
    agent_cluster *c = user;
    char text[MESH_ADDR_TEXT_MAX];
    mesh_addr addr;
    bool is_v6 = strchr(candidate->address, ':') != NULL;
    (void)snprintf(text, sizeof text, is_v6 ? "[%s]:%u" : "%s:%u", candidate->address,
                   candidate->port);
    if (mesh_addr_parse(text, &addr) != 0) return; // an interface's: of use on one cable only
    mesh_swim_add_candidate(c->swim, &addr);
    cluster_wake(c);
}

static void on_say(const char *sentence, void *user) {
    (void)user;
    agent_say("%s", sentence);
}

static void add_peers(agent_cluster *c) {
    for (size_t i = 0; i < c->identity->peer_count; i++) {
        mesh_addr addr;
        if (mesh_addr_parse(c->identity->peers[i], &addr) == 0)
            mesh_swim_add_candidate(c->swim, &addr);
    }
}

int cluster_discovery_open(agent_cluster *c, char text[AGENT_VAULT_TEXT_MAX]) {
    const agent_cluster_config *config = &c->identity->config;
    const char *sources[AGENT_SOURCES_MAX];
    char id[2 * MESH_ID_LEN + 1], cache[AGENT_VAULT_PATH_MAX + 16], why[MESH_SENTENCE_LEN_MAX + 1],
        own[MESH_TOKEN_ADDRESSES_MAX][MESH_ADDRESS_LEN_MAX + 1];
    add_peers(c);
    if (config->discover_count == 0) return 0;
    for (size_t i = 0; i < config->discover_count; i++)
        sources[i] = config->discover[i];
    (void)sodium_bin2hex(id, sizeof id, c->host_id, MESH_ID_LEN);
    (void)snprintf(cache, sizeof cache, "%s/candidates", c->identity->vault);
    size_t own_count = agent_cluster_addresses(config, own);
    mesh_discovery_options options = {.loop = c->options.loop,
                                      .texts = sources,
                                      .text_count = config->discover_count,
                                      .own_id = id,
                                      .own_address = own_count > 0 ? own[0] : NULL,
                                      .cache_path = cache,
                                      .on_candidate = on_candidate,
                                      .on_say = on_say,
                                      .user = c};
    int err = mesh_discovery_open(&options, &c->discovery, why);
    if (err != 0) (void)snprintf(text, AGENT_VAULT_TEXT_MAX, "%s", why);
    return err;
}

void agent_cluster_each_source(const agent_cluster *c, agent_source_cb each, void *user) {
    mesh_source_status status;
    if (c->discovery == NULL) return;
    for (size_t i = 0; mesh_discovery_status(c->discovery, i, &status); i++)
        each(&status, user);
}

void cluster_discovery_close(agent_cluster *c) {
    mesh_discovery_close(c->discovery);
    c->discovery = NULL;
}

void cluster_discovery_look(agent_cluster *c) {
    mesh_swim_host host;
    bool is_alone = true;
    if (c->discovery == NULL) return;
    for (uint32_t cursor = 0; is_alone && mesh_swim_each(c->swim, &cursor, &host);)
        is_alone = host.is_self || host.state != MESH_HOST_UP;
    if (is_alone == c->is_searching) return;
    c->is_searching = is_alone;
    mesh_discovery_search(c->discovery, is_alone);
}
