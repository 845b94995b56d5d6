// The store of one host over the links to other agents: what store_links.h needs of a cluster.
#include "agent/cluster_state.h"

static bool has_store(const agent_cluster *c) {
    return c->options.store_links != NULL && c->is_storing;
}

static bool send_it(void *user, const uint8_t host_id[MESH_ID_LEN], mesh_bytes message) {
    return cluster_links_send_store(user, host_id, message);
}

void cluster_store_open(agent_cluster *c) {
    if (c->options.store_links == NULL) return;
    agent_link_net net = cluster_fetch_net(c);
    net.send = send_it;
    c->is_storing = true;
    agent_store_links_attach(c->options.store_links, &net, c->identity->host.cert.name, c->host_id);
}

void cluster_store_close(agent_cluster *c) {
    if (!has_store(c)) return;
    c->is_storing = false;
    agent_store_links_attach(c->options.store_links, NULL, NULL, NULL);
}

int cluster_store_take(agent_cluster *c, const uint8_t host_id[MESH_ID_LEN], mesh_bytes message) {
    return has_store(c) ? agent_store_links_receive(c->options.store_links, host_id, message) : 0;
}

void cluster_store_up(agent_cluster *c, const uint8_t host_id[MESH_ID_LEN]) {
    if (has_store(c)) agent_store_links_up(c->options.store_links, host_id);
}

void cluster_store_down(agent_cluster *c, const uint8_t host_id[MESH_ID_LEN]) {
    if (has_store(c)) agent_store_links_down(c->options.store_links, host_id);
}

bool cluster_store_is_busy(const agent_cluster *c, const uint8_t host_id[MESH_ID_LEN]) {
    return has_store(c) && agent_store_links_is_used(c->options.store_links, host_id);
}
