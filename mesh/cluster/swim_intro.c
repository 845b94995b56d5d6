// Intro pages: all that one agent knows of hosts, for one that meets it over a link.
#include "cluster/swim_state.h"
#include "core/budget.h"
#include "core/error.h"
#include "gossip.pb-c.h"

enum {
    HOSTS_PER_PAGE = 48,
    ISSUERS_MAX = 8,
    PAGE_SLACK = 64, // heads of the fields of one host
    BUDGET = 512 << 10,
};

typedef struct page {
    Warren__Gossip__Intro intro;
    Warren__Gossip__IntroHost hosts[HOSTS_PER_PAGE], *pointers[HOSTS_PER_PAGE];
    uint8_t ends[HOSTS_PER_PAGE][MESH_RECORD_SIGNED_MAX];
    ProtobufCBinaryData issuers[ISSUERS_MAX];
    size_t len; // about
} page;

static bool add_issuer(page *p, ProtobufCBinaryData cert, uint32_t *out) {
    for (size_t i = 0; i < p->intro.n_issuers; i++) {
        *out = (uint32_t)i;
        bool is_same = p->issuers[i].len == cert.len;
        if (is_same && memcmp(p->issuers[i].data, cert.data, cert.len) == 0) return true;
    }
    if (p->intro.n_issuers == ISSUERS_MAX) return false;
    *out = (uint32_t)p->intro.n_issuers;
    p->issuers[p->intro.n_issuers++] = cert;
    p->len += cert.len + PAGE_SLACK;
    return true;
}

static ProtobufCBinaryData end_of(const mesh_host *host, uint8_t room[MESH_RECORD_SIGNED_MAX]) {
    if (host->left != NULL) return (ProtobufCBinaryData){host->left_len, host->left};
    size_t len = host->state == MESH_HOST_DOWN ? mesh_swim_out_dead(host, room) : 0;
    return (ProtobufCBinaryData){len, room};
}

// False: the page is full.
static bool add_host(page *p, const mesh_host *host) {
    size_t at = p->intro.n_hosts, cert_len = host->cert_lens[1];
    size_t len = host->record_len + cert_len + MESH_RECORD_SIGNED_MAX + MESH_CERT_LEN_MAX;
    if (at == HOSTS_PER_PAGE || p->len + len + 2 * (size_t)PAGE_SLACK > MESH_INTRO_LEN_MAX)
        return false;
    Warren__Gossip__IntroHost *out = p->pointers[at] = &p->hosts[at];
    warren__gossip__intro_host__init(out);
    if (!add_issuer(p, (ProtobufCBinaryData){host->cert_lens[0], host->certs}, &out->issuer))
        return false;
    out->alive = (ProtobufCBinaryData){host->record_len, host->record};
    out->cert = (ProtobufCBinaryData){cert_len, host->certs + host->cert_lens[0]};
    out->end = end_of(host, p->ends[at]);
    p->len += out->alive.len + out->cert.len + out->end.len + PAGE_SLACK;
    p->intro.n_hosts++;
    return true;
}

size_t mesh_swim_intro(const mesh_swim *s, uint32_t *cursor, uint8_t out[MESH_INTRO_LEN_MAX]) {
    if (*cursor == UINT32_MAX) return 0;
    page *p = mem_alloc(sizeof *p);
    warren__gossip__intro__init(&p->intro);
    p->intro.issuers = p->issuers;
    p->intro.hosts = p->pointers;
    uint32_t at = *cursor;
    while (at < s->host_cap) {
        const mesh_host *host = s->hosts[at];
        if (host != NULL && !host->is_expired && !add_host(p, host)) break;
        at++;
    }
    p->intro.is_last = at >= s->host_cap;
    *cursor = p->intro.is_last ? UINT32_MAX : at;
    CHECK(warren__gossip__intro__get_packed_size(&p->intro) <= MESH_INTRO_LEN_MAX);
    size_t len = warren__gossip__intro__pack(&p->intro, out);
    free(p);
    return len;
}

static void take_host(mesh_swim *s, const Warren__Gossip__Intro *intro,
                      const Warren__Gossip__IntroHost *host) {
    if (host->issuer >= intro->n_issuers) {
        s->stats.malformed++;
        return;
    }
    const ProtobufCBinaryData *issuer = &intro->issuers[host->issuer];
    mesh_introduction in = {
        .alive = {host->alive.data, host->alive.len},
        .certs = {{issuer->data, issuer->len}, {host->cert.data, host->cert.len}}};
    if (issuer->len > MESH_CERT_LEN_MAX || host->cert.len > MESH_CERT_LEN_MAX) return;
    if (mesh_swim_belief_take_host(s, NULL, &in) != 0) return;
    if (host->end.len > 0)
        mesh_swim_belief_take(s, NULL, (mesh_bytes){host->end.data, host->end.len});
}

int mesh_swim_intro_take(mesh_swim *s, mesh_bytes bytes) {
    if (bytes.len > MESH_INTRO_LEN_MAX) return MESH_EPROTO;
    mesh_budget budget;
    mesh_budget_init(&budget, BUDGET);
    Warren__Gossip__Intro *intro =
        warren__gossip__intro__unpack(&budget.allocator, bytes.len, bytes.data);
    if (intro == NULL) return MESH_EPROTO;
    for (size_t i = 0; i < intro->n_hosts; i++)
        take_host(s, intro, intro->hosts[i]);
    bool is_last = intro->is_last;
    warren__gossip__intro__free_unpacked(intro, &budget.allocator);
    s->want_count = 0; // nobody to ask: the next sync will
    // Only now: an Alive of ours that went out before we knew what is said of us could be dead
    // already.
    if (is_last && s->live_count > 0) mesh_swim_join(s);
    return 0;
}
