#include "cluster/swim.h"

#include <sodium.h>

#include "cluster/swim_state.h"
#include "core/be.h"
#include "core/error.h"

enum {
    LATE_MS = 200,  // a timer that fires so late says that this process was not running
    GRACE_MS = 300, // for answers that then wait in the socket
    REFRESH_MS = 60000,
    REFRESH_HOSTS = 32, // above so many hosts, rarer in proportion
    GOODBYES = 16,
    FIRST_SYNC_MS = 1000,
    EPOCH_MS = 1000,
    DOUBTS_MAX = 16, // false statements of one member
    DOUBT_MS = 10000,
    MS_PER_DAY = 86400000,
};

const char *mesh_host_state_text(mesh_host_state state) {
    static const char *const texts[] = {"joining", "up", "suspect", "unreachable", "down", "left"};
    return texts[state];
}

// ---- creating

static int real_chain(void *user, const mesh_trust *trust, const mesh_bytes *certs, size_t count,
                      uint64_t now_s, mesh_chain *out) {
    (void)user;
    return mesh_chain_verify(trust, certs, count, now_s, out);
}

static int real_shared(void *user, const uint8_t secret[32], const uint8_t public[32],
                       uint8_t out[32]) {
    (void)user;
    return crypto_scalarmult(out, secret, public) == 0 ? 0 : MESH_EINVAL;
}

static void set_defaults(mesh_swim_options *o) {
    static const mesh_swim_parameters defaults = {.probe_ms = 1000,
                                                  .timeout_ms = 500,
                                                  .suspicion_ms = 8000,
                                                  .gossip_ms = 200,
                                                  .sync_ms = 30000,
                                                  .reconnect_ms = 30000,
                                                  .tombstone_ms = MS_PER_DAY};
    mesh_swim_parameters *p = &o->parameters;
    if (p->probe_ms == 0) p->probe_ms = defaults.probe_ms;
    if (p->timeout_ms == 0) p->timeout_ms = defaults.timeout_ms;
    if (p->suspicion_ms == 0) p->suspicion_ms = defaults.suspicion_ms;
    if (p->gossip_ms == 0) p->gossip_ms = defaults.gossip_ms;
    if (p->sync_ms == 0) p->sync_ms = defaults.sync_ms;
    if (p->reconnect_ms == 0) p->reconnect_ms = defaults.reconnect_ms;
    if (p->tombstone_ms == 0) p->tombstone_ms = defaults.tombstone_ms;
    if (o->crypto.verify == NULL) o->crypto.verify = mesh_verify_signature;
    if (o->crypto.chain == NULL) o->crypto.chain = real_chain;
    if (o->crypto.shared == NULL) o->crypto.shared = real_shared;
}

static int judge_options(const mesh_swim_options *o) {
    if (o->addr_count < 1 || o->addr_count > MESH_HOST_ADDRS_MAX) return MESH_EINVAL;
    for (size_t i = 0; i < o->addr_count; i++)
        if ((o->addrs[i].family != 4 && o->addrs[i].family != 6) || o->addrs[i].port == 0)
            return MESH_EINVAL;
    if (o->zone == NULL) return 0;
    size_t len = strlen(o->zone);
    for (size_t i = 0; i < len; i++)
        if (o->zone[i] <= ' ' || o->zone[i] > '~') return MESH_EINVAL;
    return len <= MESH_ZONE_LEN_MAX ? 0 : MESH_EINVAL;
}

static void fill_self(mesh_swim *s) {
    mesh_host *self = s->self;
    const mesh_swim_options *o = &s->options;
    mesh_alive *alive = &self->alive;
    alive->stamp.generation = self->stamp.generation = o->generation;
    memcpy(alive->boot_public, s->boot_public, sizeof alive->boot_public);
    alive->minor_min = o->minor_min;
    alive->minor_max = o->minor_max;
    alive->features = o->features;
    if (o->zone != NULL) memcpy(alive->zone, o->zone, strlen(o->zone));
    memcpy(alive->addrs, o->addrs, sizeof alive->addrs);
    alive->addr_count = o->addr_count;
}

static int take_own_chain(mesh_swim *s, const mesh_bytes certs[2]) {
    mesh_chain chain;
    int err = mesh_swim_belief_take_chain(s, certs, &chain);
    if (err != 0) return err;
    if (memcmp(chain.host.ed25519, s->options.sign_secret + 32, MESH_SIGN_KEY_LEN) != 0)
        return MESH_EINVAL;
    if (certs[0].len + certs[1].len + MESH_RECORD_SIGNED_MAX > MESH_DGRAM_BODY_MAX)
        return MESH_ETOOBIG;
    if (s->self == NULL) {
        memcpy(s->cluster_id, chain.host.cluster_id, MESH_ID_LEN);
        s->self = mesh_swim_hosts_add(s, chain.host.host_id);
    }
    mesh_swim_belief_keep_chain(s->self, certs, &chain);
    mesh_swim_belief_hash_certs(certs, s->self->alive.cert_hash);
    return 0;
}

static void init(mesh_swim *s, const mesh_swim_options *options) {
    uint64_t key[2];
    s->options = *options;
    set_defaults(&s->options);
    // Not 0, which means never; and there is room to go back.
    s->now_ms = options->now_ms + EPOCH_MS;
    s->paused_ms = (uint64_t)-EPOCH_MS;
    s->now_s = options->now_s;
    mesh_rng_init(&s->rng, options->seed);
    key[0] = mesh_rng_next(&s->rng);
    key[1] = mesh_rng_next(&s->rng);
    mesh_map_init(&s->by_id, (const uint8_t *)key);
    mesh_news_init(&s->news);
    mesh_deadlines_init(&s->timers);
    (void)crypto_scalarmult_base(s->boot_public, options->boot_secret);
}

int mesh_swim_create(const mesh_swim_options *options, mesh_swim **out) {
    int err = judge_options(options);
    if (err != 0) return err;
    mesh_swim *s = mem_alloc(sizeof *s);
    init(s, options);
    err = take_own_chain(s, options->chain);
    if (err != 0) {
        mesh_swim_destroy(s);
        return err;
    }
    s->options.chain[0] = s->options.chain[1] = (mesh_bytes){0}; // copied
    fill_self(s);
    mesh_swim_belief_issue(s, false);
    mesh_deadlines_set(&s->timers, TIMER_DIAL, s->now_ms);
    if (options->is_founder) mesh_swim_join(s);
    *out = s;
    return 0;
}

void mesh_swim_destroy(mesh_swim *s) {
    if (s == NULL) return;
    for (size_t i = 0; i < s->host_cap; i++) {
        if (s->hosts[i] != NULL && s->hosts[i]->pair != NULL)
            sodium_memzero(s->hosts[i]->pair, sizeof *s->hosts[i]->pair);
        mesh_swim_hosts_free(s->hosts[i]);
    }
    mesh_swim_out_forget(s);
    mesh_map_deinit(&s->by_id);
    mesh_deadlines_deinit(&s->timers);
    free(s->hosts);
    free(s->live);
    sodium_memzero(s, sizeof *s);
    free(s);
}

// Up from now on: probes, news and comparisons begin, each at another moment on each host.
void mesh_swim_join(mesh_swim *s) {
    if (s->is_joined || s->is_leaving) return;
    const mesh_swim_parameters *p = &s->options.parameters;
    s->is_joined = true;
    mesh_swim_hosts_set_state(s, s->self, MESH_HOST_UP);
    mesh_swim_out_tell(s, &s->self->news);
    mesh_deadlines_set(&s->timers, TIMER_PERIOD,
                       s->now_ms + p->probe_ms + mesh_rng_below(&s->rng, p->probe_ms));
    mesh_deadlines_set(&s->timers, TIMER_GOSSIP, s->now_ms);
    // Soon: who came at the same moment as we did is in nobody's pages.
    mesh_deadlines_set(&s->timers, TIMER_SYNC, s->now_ms + FIRST_SYNC_MS);
    mesh_deadlines_set(&s->timers, TIMER_RECONNECT,
                       s->now_ms + mesh_rng_below(&s->rng, p->reconnect_ms) + 1);
    mesh_swim_belief_sweep(s);
}

// ---- time

// s->now_ms counts only the time that this process was running. One that was stopped for a minute
// finds its timers overdue while the answers still wait in its socket: it would accuse everybody,
// or carry out verdicts that were answered long ago. So the clock of all timers stands still
// meanwhile, and goes back a little, for what waits to be read first.
static void enter(mesh_swim *s, uint64_t now_ms, uint64_t now_s) {
    uint64_t due_ms = mesh_deadlines_next_ms(&s->timers), time_ms = now_ms - s->paused_ms;
    s->now_s = now_s;
    if (due_ms < s->now_ms) due_ms = s->now_ms;
    if (due_ms != UINT64_MAX && time_ms > due_ms + LATE_MS) {
        s->now_ms = due_ms - GRACE_MS;
        s->paused_ms = now_ms - s->now_ms;
        s->stats.pauses++;
        mesh_swim_probe_worse(s);
    } else if (time_ms > s->now_ms) {
        s->now_ms = time_ms;
    }
}

static void refresh(mesh_swim *s) {
    if (s->is_changed && !s->is_leaving) mesh_swim_belief_issue(s, true);
}

static void fire(mesh_swim *s, uint32_t timer) {
    switch (timer) {
    case TIMER_PERIOD: mesh_swim_probe_period(s); return;
    case TIMER_GOSSIP: mesh_swim_out_gossip(s); return;
    case TIMER_SYNC: mesh_swim_sync_begin(s); return;
    case TIMER_RECONNECT: mesh_swim_sync_reconnect(s); return;
    case TIMER_DIAL: mesh_swim_sync_dial(s); return;
    case TIMER_REFUTE: mesh_swim_belief_refute(s); return;
    case TIMER_REFRESH: refresh(s); return;
    case TIMER_SWEEP: mesh_swim_belief_sweep(s); return;
    default: break;
    }
    if (timer < TIMER_HOSTS) {
        mesh_swim_probe_timeout(s, timer - TIMER_PROBES);
        return;
    }
    mesh_host *host = s->hosts[timer - TIMER_HOSTS];
    if (host != NULL) mesh_swim_trial_end(s, host);
}

void mesh_swim_tick(mesh_swim *s, uint64_t now_ms, uint64_t now_s) {
    uint32_t timer;
    enter(s, now_ms, now_s);
    while (!s->is_stopped && mesh_deadlines_take(&s->timers, s->now_ms, &timer))
        fire(s, timer);
}

uint64_t mesh_swim_wake_at_ms(const mesh_swim *s) {
    if (s->is_stopped) return UINT64_MAX;
    uint64_t at_ms = mesh_deadlines_next_ms(&s->timers);
    return at_ms == UINT64_MAX ? at_ms : at_ms + s->paused_ms;
}

// ---- datagrams

// A signature costs as much as a hundred datagrams. Members pass on only what they believe
// themselves, so whoever brings many that are false is lying, and is not read for a while.
static bool is_doubted(mesh_swim *s, mesh_host *from) {
    if (mesh_swim_since(s, from->doubted_ms) >= DOUBT_MS) {
        from->doubted_ms = s->now_ms;
        from->doubts = 0;
    }
    return from->doubts >= DOUBTS_MAX;
}

static bool take_statement(mesh_swim *s, mesh_host *from, mesh_item type, mesh_bytes content) {
    mesh_introduction host;
    if (type == MESH_ITEM_HOST && mesh_introduction_parse(content, &host) != 0) return false;
    if (is_doubted(s, from)) return true;
    uint64_t before = s->stats.disbelieved;
    if (type == MESH_ITEM_HOST)
        (void)mesh_swim_belief_take_host(s, from, &host);
    else
        mesh_swim_belief_take(s, from, content);
    from->doubts += (uint32_t)(s->stats.disbelieved - before);
    return true;
}

// True: `content` was what wire.md says of an item of this type.
static bool take_item(mesh_swim *s, mesh_host *from, const mesh_addr *addr, mesh_item type,
                      mesh_bytes content) {
    union {
        mesh_ping ping;
        mesh_relay relay;
        mesh_digest digest;
        mesh_list list;
        uint64_t ids[MESH_WANT_MAX];
    } in;
    size_t count;
    switch (type) {
    case MESH_ITEM_PING:
        if (mesh_ping_parse(content, &in.ping) != 0) return false;
        mesh_swim_probe_take_ping(s, from, addr, &in.ping);
        return true;
    case MESH_ITEM_PONG:
        if (mesh_ping_parse(content, &in.ping) != 0) return false;
        mesh_swim_probe_take_pong(s, from, &in.ping);
        return true;
    case MESH_ITEM_RELAY:
        if (mesh_relay_parse(content, &in.relay) != 0) return false;
        mesh_swim_probe_take_relay(s, from, &in.relay);
        return true;
    case MESH_ITEM_RELAYED:
        if (content.len != 4) return false;
        mesh_swim_probe_take_relayed(s, from, load_be32(content.data));
        return true;
    case MESH_ITEM_RECORD:
    case MESH_ITEM_HOST: return take_statement(s, from, type, content);
    case MESH_ITEM_WANT:
        if (mesh_want_parse(content, in.ids, &count) != 0) return false;
        mesh_swim_sync_take_want(s, from, in.ids, count);
        return true;
    case MESH_ITEM_DIGEST:
        if (mesh_digest_parse(content, &in.digest) != 0) return false;
        mesh_swim_sync_take_digest(s, from, &in.digest);
        return true;
    case MESH_ITEM_LIST:
        if (mesh_list_parse(content, &in.list) != 0) return false;
        mesh_swim_sync_take_list(s, from, &in.list);
        return true;
    }
    return true; // of a later version
}

static void take_body(mesh_swim *s, mesh_host *from, const mesh_addr *addr, mesh_bytes body) {
    mesh_item type;
    mesh_bytes content;
    bool is_fine = true;
    s->served = 0;
    from->heard_ms = s->now_ms;
    while (is_fine && body.len > 0 && !s->is_stopped) {
        is_fine = mesh_body_take(&body, &type, &content) && take_item(s, from, addr, type, content);
    }
    if (!is_fine) s->stats.malformed++;
    mesh_swim_sync_send_wants(s, from);
    // It speaks, though it is accused or held dead: it is told, and can answer.
    bool is_untold = mesh_host_is_accused(from) || from->state == MESH_HOST_DOWN;
    if (!is_untold || mesh_swim_since(s, from->addressed_ms) < ADDRESSED_MS) return;
    mesh_body answer = {.len = 0};
    mesh_swim_out_send(s, from, &answer, NULL);
}

// Opens what only the host that it names can have sealed. NULL: drop it without a word.
static mesh_host *open_datagram(mesh_swim *s, mesh_bytes datagram, uint8_t *body, size_t *len) {
    mesh_dgram_head head;
    mesh_host *from = NULL;
    bool is_ours = mesh_dgram_parse(datagram, &head) == 0 && head.psk_id == s->options.psk_id &&
                   head.target == s->self->short_id;
    if (is_ours) from = mesh_swim_hosts_by_short(s, head.source);
    if (from == NULL || from == s->self || from->record == NULL || from->is_expired) {
        s->stats.strangers++;
        if (is_ours && from == NULL) mesh_swim_sync_ask_about(s, head.source);
        return NULL;
    }
    if (!mesh_swim_out_pair(s, from) ||
        mesh_dgram_open(datagram, from->pair->receive_key, body, len) != 0) {
        s->stats.unsealed++;
        mesh_swim_sync_ask_about(s, head.source);
        return NULL;
    }
    if (!mesh_window_is_new(&from->pair->window, head.counter)) {
        s->stats.repeated++;
        return NULL;
    }
    mesh_window_take(&from->pair->window, head.counter);
    return from;
}

void mesh_swim_receive(mesh_swim *s, uint64_t now_ms, uint64_t now_s, const mesh_addr *from,
                       mesh_bytes datagram) {
    uint8_t body[MESH_DGRAM_BODY_MAX];
    size_t len;
    enter(s, now_ms, now_s);
    if (s->is_stopped) return;
    mesh_host *host = open_datagram(s, datagram, body, &len);
    if (host == NULL) return;
    s->stats.received++;
    take_body(s, host, from, (mesh_bytes){body, len});
}

// ---- from the driver

int mesh_swim_take_intro(mesh_swim *s, uint64_t now_ms, uint64_t now_s, mesh_bytes page) {
    enter(s, now_ms, now_s);
    return s->is_stopped ? MESH_ECLOSED : mesh_swim_intro_take(s, page);
}

int mesh_swim_learn(mesh_swim *s, uint64_t now_ms, uint64_t now_s, mesh_bytes alive,
                    const mesh_bytes chain[2]) {
    enter(s, now_ms, now_s);
    mesh_introduction in = {.alive = alive, .certs = {chain[0], chain[1]}};
    int err = s->is_stopped ? MESH_ECLOSED : mesh_swim_belief_take_host(s, NULL, &in);
    s->want_count = 0;
    return err;
}

void mesh_swim_add_candidate(mesh_swim *s, const mesh_addr *addr) {
    for (size_t i = 0; i < s->candidate_count; i++)
        if (mesh_addr_equal(&s->candidates[i], addr)) return;
    if (s->candidate_count == MESH_CANDIDATES_MAX) {
        s->candidate_count--;
        memmove(s->candidates, s->candidates + 1, s->candidate_count * sizeof *s->candidates);
    }
    s->candidates[s->candidate_count++] = *addr;
    if (s->live_count == 0 && !s->is_leaving) mesh_deadlines_set(&s->timers, TIMER_DIAL, s->now_ms);
}

void mesh_swim_probed(mesh_swim *s, uint64_t now_ms, const uint8_t host_id[MESH_ID_LEN],
                      bool has_answered) {
    enter(s, now_ms, s->now_s);
    mesh_host *host = mesh_swim_hosts_find(s, host_id);
    if (has_answered && host != NULL) mesh_swim_probe_answered(s, host);
}

const uint8_t *mesh_swim_key_of(const mesh_swim *s, const uint8_t host_id[MESH_ID_LEN]) {
    const mesh_host *host = mesh_swim_hosts_find(s, host_id);
    return host != NULL ? host->sign_key : NULL;
}

bool mesh_swim_chain_of(const mesh_swim *s, const uint8_t host_id[MESH_ID_LEN], mesh_bytes out[2]) {
    const mesh_host *host = mesh_swim_hosts_find(s, host_id);
    if (host == NULL || host->certs == NULL) return false;
    out[0] = (mesh_bytes){host->certs, host->cert_lens[0]};
    out[1] = (mesh_bytes){host->certs + host->cert_lens[0], host->cert_lens[1]};
    return true;
}

void mesh_swim_set_payload(mesh_swim *s, const mesh_payload *payload) {
    mesh_payload *own = &s->self->alive.payload;
    if (mesh_payload_equal(own, payload)) return;
    *own = *payload;
    if (s->is_changed) return;
    s->is_changed = true;
    uint64_t every_ms = REFRESH_MS;
    if (mesh_swim_hosts_count(s) > REFRESH_HOSTS)
        every_ms = every_ms * mesh_swim_hosts_count(s) / REFRESH_HOSTS;
    mesh_deadlines_set(&s->timers, TIMER_REFRESH, s->refreshed_ms + every_ms);
}

int mesh_swim_renew(mesh_swim *s, uint64_t now_ms, uint64_t now_s, const mesh_bytes chain[2]) {
    enter(s, now_ms, now_s);
    int err = take_own_chain(s, chain);
    if (err == 0) mesh_swim_belief_issue(s, true);
    return err;
}

void mesh_swim_leave(mesh_swim *s, uint64_t now_ms) {
    enter(s, now_ms, s->now_s);
    if (s->is_leaving || s->is_stopped) return;
    s->is_leaving = true;
    s->self->left = mem_alloc(MESH_RECORD_SIGNED_MAX);
    s->self->left_len = mesh_record_left(s->self->alive.host_id, s->self->stamp, s->cluster_id,
                                         s->options.sign_secret, s->self->left);
    for (uint32_t timer = 0; timer < TIMER_HOSTS; timer++)
        if (timer != TIMER_GOSSIP) mesh_deadlines_clear(&s->timers, timer);
    mesh_swim_hosts_set_state(s, s->self, MESH_HOST_LEFT);
    mesh_swim_out_tell(s, &s->self->news);
    mesh_host *peers[GOODBYES];
    size_t count = mesh_swim_hosts_pick(s, NULL, GOODBYES, peers);
    for (size_t i = 0; i < count; i++) {
        mesh_body body = {.len = 0};
        (void)mesh_swim_out_put_fate(s, s->self, &body);
        mesh_swim_out_send(s, peers[i], &body, NULL);
    }
}

// ---- looking

bool mesh_swim_each(const mesh_swim *s, uint32_t *cursor, mesh_swim_host *out) {
    while (*cursor < s->host_cap) {
        const mesh_host *host = s->hosts[(*cursor)++];
        if (host == NULL) continue;
        mesh_swim_hosts_view(s, host, out);
        return true;
    }
    return false;
}

bool mesh_swim_find(const mesh_swim *s, const uint8_t host_id[MESH_ID_LEN], mesh_swim_host *out) {
    const mesh_host *host = mesh_swim_hosts_find(s, host_id);
    if (host != NULL) mesh_swim_hosts_view(s, host, out);
    return host != NULL;
}

void mesh_swim_get_stats(const mesh_swim *s, mesh_swim_stats *out) {
    *out = s->stats;
    out->health = s->health;
}
