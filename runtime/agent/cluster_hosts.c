// The hosts of the cluster: what membership says of them, who they are for people, and this host's
// own certificate.
#include <stdio.h>

#include "agent/cluster_state.h"
#include "agent/say.h"
#include "core/mem.h"

enum {
    CERTIFICATE_EVERY_MS = 60000,
    CLOCK_EVERY_MS = 3600000,
    UNHEARD_MS = 10000,
    UNHEARD_PER_HOST_MS = 2000
};

// ---- who

void cluster_name_of(const agent_cluster *c, const uint8_t host_id[MESH_ID_LEN],
                     char out[MESH_CERT_NAME_LEN_MAX + 1]) {
    mesh_swim_host host;
    bool is_known = mesh_swim_find(c->swim, host_id, &host);
    (void)snprintf(out, MESH_CERT_NAME_LEN_MAX + 1, "%s", is_known ? host.name : "?");
}

const char *agent_cluster_host_name(const agent_cluster *c) {
    return c->identity->host.cert.name;
}

typedef struct host_row {
    mesh_swim_host host;
    uint32_t node_count;
} host_row;

typedef struct host_table {
    host_row *rows;
    size_t count, cap;
} host_table;

static void count_node(const mesh_replica_output *told, void *user) {
    host_table *table = user;
    if (told->kind != MESH_REPLICA_PEER_UP) return;
    for (size_t i = 0; i < table->count; i++)
        if (cluster_is_same(table->rows[i].host.host_id, told->host_id)) {
            table->rows[i].node_count++;
            return;
        }
}

static void count_member(const agent_member *member, void *user) {
    *(uint32_t *)user += agent_member_is_joined(member);
}

uint32_t cluster_member_count(const agent_cluster *c) {
    uint32_t count = 0;
    agent_members_each(c->options.members, count_member, &count);
    return count;
}

// In a large cluster two hosts speak with each other only now and then.
static bool is_unheard(const agent_cluster *c, const mesh_swim_host *host, size_t host_count) {
    uint64_t patience_ms = UNHEARD_MS + UNHEARD_PER_HOST_MS * host_count;
    uint64_t last_ms = host->heard_ms > host->since_ms ? host->heard_ms : host->since_ms;
    return !host->is_self && host->state == MESH_HOST_UP &&
           cluster_now_ms(c) > last_ms + patience_ms;
}

void agent_cluster_each(agent_cluster *c, agent_host_cb each, void *user) {
    host_table table = {0};
    mesh_swim_host host;
    for (uint32_t cursor = 0; mesh_swim_each(c->swim, &cursor, &host);) {
        table.rows = mem_grow(table.rows, sizeof *table.rows, table.count + 1, &table.cap);
        table.rows[table.count++] = (host_row){.host = host};
    }
    mesh_replica_each(c->replica, count_node, &table);
    if (table.count > 0) table.rows[0].node_count = cluster_member_count(c);
    for (size_t i = 0; i < table.count; i++) {
        const host_row *row = &table.rows[i];
        char address[MESH_ADDR_TEXT_MAX] = "";
        if (row->host.addr_count > 0) mesh_addr_text(&row->host.addrs[0], address);
        uint64_t now_ms = cluster_now_ms(c);
        agent_host_info info = {.host_id = row->host.host_id,
                                .name = row->host.name,
                                .state = mesh_host_state_text(row->host.state),
                                .address = address,
                                .since_ms =
                                    now_ms > row->host.since_ms ? now_ms - row->host.since_ms : 0,
                                .node_count = row->node_count,
                                .is_self = row->host.is_self,
                                .is_unheard = is_unheard(c, &row->host, table.count),
                                .is_linked = cluster_links_has(c, row->host.host_id)};
        each(&info, user);
    }
    free(table.rows);
}

// ---- the log

typedef struct said { // what was said last of a host
    uint8_t host_id[MESH_ID_LEN];
    mesh_host_state state;
} said;

static said *said_of(agent_cluster *c, const uint8_t host_id[MESH_ID_LEN]) {
    uint64_t hash = mesh_map_hash(&c->said, host_id, MESH_ID_LEN);
    said *found;
    for (size_t cursor = 0; (found = mesh_map_next(&c->said, hash, &cursor)) != NULL;)
        if (cluster_is_same(found->host_id, host_id)) return found;
    found = mem_alloc(sizeof *found);
    memcpy(found->host_id, host_id, MESH_ID_LEN);
    found->state = MESH_HOST_JOINING;
    mesh_map_add(&c->said, hash, found);
    return found;
}

static void say_state(agent_cluster *c, const mesh_swim_host *host) {
    char address[MESH_ADDR_TEXT_MAX] = "-";
    said *last = said_of(c, host->host_id);
    if (last->state == host->state) return;
    last->state = host->state;
    if (host->addr_count > 0) mesh_addr_text(&host->addrs[0], address);
    agent_say("host %s (%s) is %s", host->name, address, mesh_host_state_text(host->state));
}

void cluster_hosts_forget(agent_cluster *c, const uint8_t host_id[MESH_ID_LEN]) {
    said *last = said_of(c, host_id);
    (void)mesh_map_remove(&c->said, mesh_map_hash(&c->said, host_id, MESH_ID_LEN), last);
    free(last);
}

// ---- what membership says

static bool is_worth_a_link(mesh_host_state state) {
    return state == MESH_HOST_JOINING || state == MESH_HOST_UP || state == MESH_HOST_SUSPECT;
}

void cluster_hosts_take(agent_cluster *c, const mesh_swim_host *host) {
    c->are_hosts_changed = true;
    say_state(c, host);
    if (host->is_self) return;
    mesh_overlay_host(c->overlay, host->host_id, is_worth_a_link(host->state));
    mesh_replica_host_state(c->replica, host->host_id, host->stamp.generation, host->state);
    mesh_replica_hint(c->replica, host->host_id, host->stamp.generation,
                      host->payload.registry_version);
}

// ---- the addresses of the others, on disk

// On a thread, for a disk may take seconds and membership must not wait for it.
typedef struct saving {
    uv_work_t work;
    agent_cluster *cluster;
    char vault[AGENT_VAULT_PATH_MAX], text[AGENT_VAULT_TEXT_MAX];
    char addresses[AGENT_PEERS_MAX][MESH_ADDR_TEXT_MAX];
    size_t count;
    int err;
} saving;

static void save(uv_work_t *work) {
    saving *s = work->data;
    const char *list[AGENT_PEERS_MAX];
    for (size_t i = 0; i < s->count; i++)
        list[i] = s->addresses[i];
    s->err = agent_identity_save_peers(s->vault, list, s->count, s->text);
}

static void on_saved(uv_work_t *work, int status) {
    saving *s = work->data;
    agent_cluster *c = s->cluster;
    (void)status; // it is not cancelled
    if (s->err != 0) agent_say("%s", s->text);
    free(s);
    c->is_saving = false;
    cluster_handle_closed(c);
}

void cluster_hosts_save(agent_cluster *c) {
    c->saved_at_ms = cluster_now_ms(c);
    if (c->is_saving) return; // the disk is slow: later
    saving *s = mem_alloc(sizeof *s);
    mesh_swim_host host;
    c->are_peers_unsaved = false;
    for (uint32_t cursor = 0;
         s->count < AGENT_PEERS_MAX && mesh_swim_each(c->swim, &cursor, &host);) {
        if (host.is_self || host.state != MESH_HOST_UP || host.addr_count == 0) continue;
        (void)mesh_addr_text(&host.addrs[0], s->addresses[s->count++]);
    }
    if (s->count == 0) { // nobody is up: those of before may be again
        free(s);
        return;
    }
    s->work.data = s;
    s->cluster = c;
    memcpy(s->vault, c->identity->vault, sizeof s->vault);
    c->is_saving = true;
    c->handles++;                                                         // it is not freed before
    CHECK(uv_queue_work(c->options.loop, &s->work, save, on_saved) == 0); // it has a function
}

// ---- the certificate

void cluster_renewed(agent_cluster *c) {
    mesh_bytes chain[2] = {c->identity->chain[0], c->identity->chain[1]};
    agent_say("the certificate of this host is a new one");
    (void)mesh_swim_renew(c->swim, cluster_now_ms(c), cluster_now_s(), chain); // it was checked
}

bool cluster_is_renewal_due(const agent_cluster *c) {
    return cluster_now_s() >= mesh_cert_renew_at_s(&c->identity->host.cert);
}

void cluster_hosts_look_at_certificate(agent_cluster *c) {
    char text[AGENT_VAULT_TEXT_MAX] = "";
    c->certificate_at_ms = cluster_now_ms(c) + CERTIFICATE_EVERY_MS;
    if (!cluster_is_renewal_due(c)) return;
    if (!c->identity->is_issuer) {
        cluster_links_ask_renewal(c);
        return;
    }
    uint64_t before_s = c->identity->host.cert.not_after_s;
    if (agent_identity_renew_own(c->identity, cluster_now_s(), text) != 0)
        agent_say("%s", text);
    else if (c->identity->host.cert.not_after_s != before_s)
        cluster_renewed(c);
}

void cluster_say_clock(agent_cluster *c) {
    uint64_t now_ms = cluster_now_ms(c);
    if (c->said_clock_at_ms != 0 && now_ms < c->said_clock_at_ms + CLOCK_EVERY_MS) return;
    c->said_clock_at_ms = now_ms;
    agent_say("a certificate is not valid at this time: has it expired, or is one of the clocks "
              "wrong? (`warren doctor` compares them)");
}

void cluster_hosts_close(agent_cluster *c) {
    said *s;
    for (size_t cursor = 0; (s = mesh_map_each(&c->said, &cursor)) != NULL;)
        free(s);
    mesh_map_deinit(&c->said);
}
