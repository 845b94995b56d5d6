// The hosts of the cluster: what membership says of them, who they are for people, and this host's
// own certificate.
#include <stdio.h>

#include "agent/cluster_state.h"
#include "agent/say.h"
#include "core/control.h"
#include "core/mem.h"

enum {
    CERTIFICATE_EVERY_MS = 60000,
    CLOCK_EVERY_MS = 3600000,
    RENEW_EVERY_MS = 20000, // of one host: it asks once a minute
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

const agent_identity *agent_cluster_identity(const agent_cluster *c) {
    return c->identity;
}

const char *agent_cluster_host_name(const agent_cluster *c) {
    return c->identity->host.cert.name;
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

// Membership goes on between any two builds; links need a minor that both speak.
static bool is_foreign(const mesh_swim_host *host) {
    mesh_minors ours = mesh_minors_spoken();
    return host->minor_min > ours.max || host->minor_max < ours.min;
}

void agent_cluster_each(agent_cluster *c, agent_host_cb each, void *user) {
    uint64_t now_ms = cluster_now_ms(c);
    size_t count = 0;
    mesh_swim_host host;
    for (uint32_t cursor = 0; mesh_swim_each(c->swim, &cursor, &host);)
        count++;
    for (uint32_t cursor = 0; mesh_swim_each(c->swim, &cursor, &host);) {
        char address[MESH_ADDR_TEXT_MAX] = "";
        if (host.addr_count > 0) mesh_addr_text(&host.addrs[0], address);
        uint32_t nodes = host.is_self ? cluster_member_count(c)
                                      : (uint32_t)mesh_replica_node_count(c->replica, host.host_id);
        agent_host_info info = {.host_id = host.host_id,
                                .name = host.name,
                                .state = mesh_host_state_text(host.state),
                                .address = address,
                                .since_ms = now_ms > host.since_ms ? now_ms - host.since_ms : 0,
                                .node_count = nodes,
                                .is_self = host.is_self,
                                .is_unheard = is_unheard(c, &host, count),
                                .is_foreign = is_foreign(&host),
                                .is_linked = cluster_links_has(c, host.host_id)};
        each(&info, user);
    }
}

// ---- what is kept of each

struct cluster_host {
    uint8_t host_id[MESH_ID_LEN];
    mesh_host_state said;   // in the log, last
    mesh_cert *cert;        // as it was judged; NULL: not since it changed
    uint64_t renewed_at_ms; // its certificate, by us; 0: never
};

static cluster_host *kept_of(agent_cluster *c, const uint8_t host_id[MESH_ID_LEN]) {
    uint64_t hash = mesh_map_hash(&c->kept, host_id, MESH_ID_LEN);
    cluster_host *found;
    for (size_t cursor = 0; (found = mesh_map_next(&c->kept, hash, &cursor)) != NULL;)
        if (cluster_is_same(found->host_id, host_id)) return found;
    found = mem_alloc(sizeof *found);
    memcpy(found->host_id, host_id, MESH_ID_LEN);
    found->said = MESH_HOST_JOINING;
    mesh_map_add(&c->kept, hash, found);
    return found;
}

static void free_kept(cluster_host *h) {
    free(h->cert);
    free(h);
}

void cluster_hosts_forget(agent_cluster *c, const uint8_t host_id[MESH_ID_LEN]) {
    cluster_host *h = kept_of(c, host_id);
    (void)mesh_map_remove(&c->kept, mesh_map_hash(&c->kept, host_id, MESH_ID_LEN), h);
    free_kept(h);
}

const mesh_cert *cluster_hosts_cert(agent_cluster *c, const uint8_t host_id[MESH_ID_LEN]) {
    cluster_host *h = kept_of(c, host_id);
    mesh_bytes certs[2];
    mesh_chain chain;
    if (h->cert != NULL) return h->cert;
    if (!mesh_swim_chain_of(c->swim, host_id, certs) ||
        mesh_chain_verify(&c->identity->credentials.trust, certs, 2, cluster_now_s(), &chain) != 0)
        return NULL;
    return h->cert = mem_copy(&chain.host, sizeof chain.host);
}

bool cluster_hosts_may_renew(agent_cluster *c, const uint8_t host_id[MESH_ID_LEN]) {
    cluster_host *h = kept_of(c, host_id);
    uint64_t now_ms = cluster_now_ms(c);
    if (h->renewed_at_ms != 0 && now_ms < h->renewed_at_ms + RENEW_EVERY_MS) return false;
    h->renewed_at_ms = now_ms;
    return true;
}

// ---- what membership says

static bool is_worth_a_link(mesh_host_state state) {
    return state == MESH_HOST_JOINING || state == MESH_HOST_UP || state == MESH_HOST_SUSPECT;
}

// In the log.
static void say_state(cluster_host *h, const mesh_swim_host *host) {
    char address[MESH_ADDR_TEXT_MAX] = "-";
    if (h->said == host->state) return;
    h->said = host->state;
    if (host->addr_count > 0) mesh_addr_text(&host->addrs[0], address);
    agent_say("host %s (%s) is %s", host->name, address, mesh_host_state_text(host->state));
    if (host->state != MESH_HOST_UP || !is_foreign(host)) return;
    mesh_minors ours = mesh_minors_spoken();
    agent_say(
        "host %s speaks the minors %u to %u of the protocol and this host %u to %u: without a "
        "common one there are no links between them; run the same release of Warren on both",
        host->name, host->minor_min, host->minor_max, ours.min, ours.max);
}

void cluster_hosts_take(agent_cluster *c, const mesh_swim_host *host) {
    cluster_host *h = kept_of(c, host->host_id);
    c->are_hosts_changed = true;
    free(h->cert); // it may have another one
    h->cert = NULL;
    say_state(h, host);
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

static bool is_time(uint64_t now_ms, uint64_t *said_at_ms) {
    if (*said_at_ms != 0 && now_ms < *said_at_ms + CLOCK_EVERY_MS) return false;
    *said_at_ms = now_ms;
    return true;
}

// Nobody renewed it in time, and from now on nobody takes a new link. Those that there are go on.
static void say_expired(agent_cluster *c) {
    char text[AGENT_VAULT_TEXT_MAX];
    if (agent_identity_judge(c->identity, cluster_now_s(), text) == 0) return;
    if (is_time(cluster_now_ms(c), &c->said_expired_at_ms)) agent_say("%s", text);
}

void cluster_hosts_look_at_certificate(agent_cluster *c) {
    char text[AGENT_VAULT_TEXT_MAX] = "";
    c->certificate_at_ms = cluster_now_ms(c) + CERTIFICATE_EVERY_MS;
    if (!cluster_is_renewal_due(c)) return;
    if (!c->identity->is_issuer) {
        cluster_links_ask_renewal(c);
        say_expired(c);
        return;
    }
    uint64_t before_s = c->identity->host.cert.not_after_s;
    if (agent_identity_renew_own(c->identity, cluster_now_s(), text) != 0)
        agent_say("%s", text);
    else if (c->identity->host.cert.not_after_s != before_s)
        cluster_renewed(c);
}

void cluster_say_clock(agent_cluster *c) {
    if (!is_time(cluster_now_ms(c), &c->said_clock_at_ms)) return;
    agent_say("a certificate is not valid at this time: has it expired, or is one of the clocks "
              "wrong? (`warren doctor` compares them)");
}

void cluster_hosts_close(agent_cluster *c) {
    cluster_host *h;
    for (size_t cursor = 0; (h = mesh_map_each(&c->kept, &cursor)) != NULL;)
        free_kept(h);
    mesh_map_deinit(&c->kept);
}
