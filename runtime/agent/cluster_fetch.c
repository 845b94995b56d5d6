// Chunks of releases over the links to other agents: what fetch.h needs of a cluster.
#include "agent/cluster_state.h"
#include "core/control.h"
#include "core/mem.h"

enum { SPARED_LOOK_MS = 1000 };

struct cluster_spared { // a link that the overlay does not need, but chunks go over it
    uint8_t host_id[MESH_ID_LEN];
    struct cluster_spared *next;
};

static bool has_fetch(const agent_cluster *c) {
    return c->options.fetching != NULL && c->is_fetching;
}

static void work(const agent_cluster *c) {
    agent_fetching_work(c->options.fetching);
}

// ---- what the core asks for

static void each_host(void *user, agent_link_host_cb each, void *each_user) {
    const agent_cluster *c = user;
    mesh_minors ours = mesh_minors_spoken();
    mesh_swim_host host;
    for (uint32_t cursor = 0; mesh_swim_each(c->swim, &cursor, &host);) {
        bool is_foreign = host.minor_min > ours.max || host.minor_max < ours.min;
        if (host.is_self || host.state != MESH_HOST_UP || host.addr_count == 0 || is_foreign)
            continue;
        each(host.host_id, host.name, cluster_links_has(c, host.host_id), each_user);
    }
}

static bool send_it(void *user, const uint8_t host_id[MESH_ID_LEN], mesh_bytes message) {
    return cluster_links_send_fetch(user, host_id, message);
}

static size_t queued(void *user, const uint8_t host_id[MESH_ID_LEN]) {
    const agent_cluster *c = user;
    return mesh_agent_peers_queued(agent_links_peers(c->links), host_id);
}

static void dial(void *user, const uint8_t host_id[MESH_ID_LEN]) {
    cluster_links_dial(user, host_id);
}

// ---- what happens

agent_link_net cluster_fetch_net(agent_cluster *c) {
    return (agent_link_net){c, each_host, send_it, queued, dial};
}

void cluster_fetch_open(agent_cluster *c) {
    if (c->options.fetching == NULL) return;
    agent_link_net net = cluster_fetch_net(c);
    c->is_fetching = true;
    agent_fetching_attach(c->options.fetching, &net, &c->identity->credentials.trust);
}

void cluster_fetch_close(agent_cluster *c) {
    for (cluster_spared *s; (s = c->spared) != NULL;) {
        c->spared = s->next;
        free(s);
    }
    if (!has_fetch(c)) return;
    c->is_fetching = false;
    agent_fetching_attach(c->options.fetching, NULL, NULL);
}

int cluster_fetch_take(agent_cluster *c, const uint8_t host_id[MESH_ID_LEN], mesh_bytes message) {
    if (!has_fetch(c)) return 0;
    agent_fetch *core = agent_fetching_core(c->options.fetching);
    int err = agent_fetch_receive(core, cluster_now_ms(c), host_id, message);
    work(c);
    return err;
}

void cluster_fetch_up(agent_cluster *c, const uint8_t host_id[MESH_ID_LEN]) {
    if (!has_fetch(c)) return;
    agent_fetch_linked(agent_fetching_core(c->options.fetching), cluster_now_ms(c), host_id);
    work(c);
}

static cluster_spared **place_of(agent_cluster *c, const uint8_t host_id[MESH_ID_LEN]) {
    cluster_spared **at = &c->spared;
    while (*at != NULL && !cluster_is_same((*at)->host_id, host_id))
        at = &(*at)->next;
    return at;
}

static void forget_spared(agent_cluster *c, const uint8_t host_id[MESH_ID_LEN]) {
    cluster_spared **at = place_of(c, host_id), *s = *at;
    if (s == NULL) return;
    *at = s->next;
    free(s);
}

void cluster_fetch_down(agent_cluster *c, const uint8_t host_id[MESH_ID_LEN]) {
    forget_spared(c, host_id);
    if (!has_fetch(c)) return;
    agent_fetch_unlinked(agent_fetching_core(c->options.fetching), cluster_now_ms(c), host_id);
    work(c);
}

// ---- links that are in use

static bool is_busy(const agent_cluster *c, const uint8_t host_id[MESH_ID_LEN]) {
    if (cluster_store_is_busy(c, host_id)) return true;
    return has_fetch(c) && agent_fetch_is_busy(agent_fetching_core(c->options.fetching), host_id);
}

bool cluster_fetch_spares(agent_cluster *c, const uint8_t host_id[MESH_ID_LEN]) {
    if (!is_busy(c, host_id)) return false;
    if (*place_of(c, host_id) != NULL) return true;
    cluster_spared *s = mem_alloc(sizeof *s);
    memcpy(s->host_id, host_id, MESH_ID_LEN);
    s->next = c->spared;
    if (c->spared == NULL) c->spared_at_ms = cluster_now_ms(c) + SPARED_LOOK_MS;
    c->spared = s;
    return true;
}

uint64_t cluster_fetch_wake_at_ms(const agent_cluster *c) {
    return c->spared != NULL ? c->spared_at_ms : UINT64_MAX;
}

void cluster_fetch_tick(agent_cluster *c) {
    if (cluster_now_ms(c) < cluster_fetch_wake_at_ms(c)) return;
    c->spared_at_ms = cluster_now_ms(c) + SPARED_LOOK_MS;
    for (cluster_spared **at = &c->spared, *s; (s = *at) != NULL;) {
        if (is_busy(c, s->host_id)) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        cluster_links_hang_up(c, s->host_id); // on_down follows from the loop
        free(s);
    }
}
