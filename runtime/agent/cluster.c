// The life of a cluster in its agent: time, what membership says, and the end.
#include <time.h>

#include <sodium.h>

#include "agent/cluster_state.h"
#include "agent/say.h"
#include "core/mem.h"

enum {
    SAVE_EVERY_MS = 10000,
    LEAVE_MS = 300,
};

uint64_t cluster_now_s(void) {
    return (uint64_t)time(NULL);
}

// This host cannot go on in the cluster; the agent closes it from the loop.
static void give_up(agent_cluster *c, const char *why) {
    if (c->is_lost || c->is_closing) return;
    c->is_lost = true;
    c->options.on_lost(c->options.user, why);
}

static void keep_generation(agent_cluster *c, uint64_t generation) {
    char text[AGENT_VAULT_TEXT_MAX] = "";
    if (agent_identity_keep_generation(c->identity, generation, text) != 0) give_up(c, text);
}

static void take_output(agent_cluster *c, const mesh_swim_output *out) {
    switch (out->kind) {
    case MESH_SWIM_SEND: cluster_datagrams_send(c, &out->addr, out->bytes); return;
    case MESH_SWIM_HOST: cluster_hosts_take(c, &out->host); return;
    case MESH_SWIM_FORGOTTEN:
        c->are_hosts_changed = true;
        cluster_hosts_forget(c, out->host.host_id);
        return;
    case MESH_SWIM_DIAL: cluster_links_dial_seed(c, &out->addr); return;
    case MESH_SWIM_PROBE: cluster_links_probe(c, &out->host); return;
    case MESH_SWIM_GENERATION: keep_generation(c, out->host.stamp.generation); return;
    case MESH_SWIM_CLONED:
        give_up(c, "another machine is in the cluster with the keys of this host (a copied state "
                   "directory?): `warren leave` and `warren join` give this one keys of its own");
        return;
    }
}

// ---- time and work

static void on_timer(uv_timer_t *timer);
static void finish_close(agent_cluster *c);

static void arm(agent_cluster *c) {
    uint64_t at_ms = mesh_swim_wake_at_ms(c->swim), now_ms = cluster_now_ms(c);
    uint64_t others[] = {mesh_replica_wake_at_ms(c->replica),
                         mesh_overlay_wake_at_ms(c->overlay),
                         c->are_peers_unsaved ? c->saved_at_ms + SAVE_EVERY_MS : UINT64_MAX,
                         c->certificate_at_ms,
                         cluster_fetch_wake_at_ms(c),
                         c->is_closing ? c->close_at_ms : UINT64_MAX};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (others[i] < at_ms) at_ms = others[i];
    if (at_ms == UINT64_MAX)
        uv_timer_stop(&c->timer);
    else
        uv_timer_start(&c->timer, on_timer, at_ms > now_ms ? at_ms - now_ms : 0, 0);
}

static void poll_overlay(agent_cluster *c) {
    mesh_overlay_output out;
    while (mesh_overlay_poll(c->overlay, &out)) {
        if (out.kind == MESH_OVERLAY_DIAL)
            cluster_links_dial(c, out.host_id);
        else
            cluster_links_hang_up(c, out.host_id);
    }
}

static void say_own_version(agent_cluster *c) {
    uint64_t version = mesh_replica_version(c->replica);
    if (version == c->said_version || c->is_closing) return;
    c->said_version = version;
    uint32_t count = cluster_member_count(c);
    mesh_payload payload = {.registry_version = version,
                            .node_count = (uint16_t)(count < UINT16_MAX ? count : UINT16_MAX)};
    mesh_swim_set_payload(c->swim, &payload);
}

static void work(agent_cluster *c) {
    mesh_swim_output out;
    while (!c->is_lost && mesh_swim_poll(c->swim, &out))
        take_output(c, &out);
    poll_overlay(c);
    cluster_registry_work(c);
    say_own_version(c);
}

void cluster_work(agent_cluster *c) {
    if (c->is_working || c->is_lost) return;
    c->is_working = true;
    work(c);
    work(c); // what the first round caused: a host that is new is dialled in this turn
    c->is_working = false;
    if (c->are_hosts_changed) {
        c->are_hosts_changed = false;
        c->are_peers_unsaved = true;
        cluster_discovery_look(c);
        if (!c->is_closing) c->options.on_changed(c->options.user);
    }
    arm(c);
}

void cluster_wake(agent_cluster *c) {
    if (!c->is_working && !c->is_lost) arm(c);
}

static void on_timer(uv_timer_t *timer) {
    agent_cluster *c = timer->data;
    uint64_t now_ms = cluster_now_ms(c);
    if (c->is_closing && now_ms >= c->close_at_ms) {
        finish_close(c);
        return;
    }
    mesh_swim_tick(c->swim, now_ms, cluster_now_s());
    mesh_replica_tick(c->replica, now_ms);
    mesh_overlay_tick(c->overlay, now_ms);
    cluster_fetch_tick(c);
    if (c->are_peers_unsaved && now_ms >= c->saved_at_ms + SAVE_EVERY_MS) cluster_hosts_save(c);
    if (now_ms >= c->certificate_at_ms) cluster_hosts_look_at_certificate(c);
    cluster_work(c);
}

// ---- closing

static void free_all(agent_cluster *c) {
    cluster_hosts_close(c);
    mesh_overlay_destroy(c->overlay);
    mesh_replica_destroy(c->replica);
    mesh_swim_destroy(c->swim);
    agent_identity_free(c->identity);
    agent_cluster_options options = c->options;
    sodium_memzero(&c->tickets, sizeof c->tickets);
    free(c);
    if (options.on_closed != NULL) options.on_closed(options.user);
}

void cluster_handle_closed(agent_cluster *c) {
    if (--c->handles == 0) free_all(c);
}

static void on_closed(uv_handle_t *handle) {
    cluster_handle_closed(handle->data);
}

static void finish_close(agent_cluster *c) {
    c->is_lost = true;
    cluster_discovery_close(c);
    cluster_enrol_close(c);
    cluster_links_close(c);
    mesh_resolver_close(c->resolver);
    uv_close((uv_handle_t *)&c->timer, on_closed);
    uv_close((uv_handle_t *)&c->udp, on_closed);
}

void agent_cluster_close(agent_cluster *c) {
    if (c == NULL || c->is_closing) return;
    c->is_closing = true;
    // Others are freed while the good-bye below is still under way.
    cluster_fetch_close(c);
    cluster_store_close(c);
    if (c->links != NULL) cluster_links_forget_members(c);
    if (c->replica != NULL) cluster_registry_close(c);
    if (c->is_lost) {
        finish_close(c);
        return;
    }
    // A moment more, so that the good-bye spreads and the others need not find out.
    c->close_at_ms = cluster_now_ms(c) + LEAVE_MS;
    if (c->are_peers_unsaved) cluster_hosts_save(c);
    mesh_swim_leave(c->swim, cluster_now_ms(c));
    cluster_work(c);
}
