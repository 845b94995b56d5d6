// What goes out: datagrams with news in them, and what the driver is told.
#include <sodium.h>

#include "cluster/swim_state.h"
#include "core/error.h"

enum { ITEMS_MAX = 8192, PER_DATAGRAM_MAX = 16, BURST = 64, BURST_FACTOR = 4, COUNTER_SHIFT = 16 };

// ---- outputs

static mesh_swim_output *push(mesh_swim *s, mesh_swim_output_kind kind, uint8_t *owned) {
    if (s->item_count == s->item_cap) {
        size_t cap = s->item_cap > 0 ? s->item_cap * 2 : 16;
        mesh_swim_item *items = mem_alloc(cap * sizeof *items);
        for (size_t i = 0; i < s->item_count; i++)
            items[i] = s->items[(s->item_head + i) & (s->item_cap - 1)];
        free(s->items);
        s->items = items;
        s->item_cap = cap;
        s->item_head = 0;
    }
    mesh_swim_item *item = &s->items[(s->item_head + s->item_count++) & (s->item_cap - 1)];
    *item = (mesh_swim_item){.output.kind = kind, .owned = owned};
    return &item->output;
}

bool mesh_swim_poll(mesh_swim *s, mesh_swim_output *out) {
    free(s->polled);
    s->polled = NULL;
    if (s->item_count == 0) return false;
    mesh_swim_item *item = &s->items[s->item_head];
    *out = item->output;
    s->polled = item->owned;
    s->item_head = (s->item_head + 1) & (s->item_cap - 1);
    s->item_count--;
    return true;
}

void mesh_swim_out_forget(mesh_swim *s) {
    mesh_swim_output output;
    while (mesh_swim_poll(s, &output)) {
    }
    free(s->items);
}

void mesh_swim_out_say(mesh_swim *s, mesh_swim_output_kind kind, const mesh_host *host,
                       const mesh_addr *addr) {
    mesh_swim_output *out = push(s, kind, NULL);
    if (host != NULL) mesh_swim_hosts_view(s, host, &out->host);
    if (addr != NULL) out->addr = *addr;
}

void mesh_swim_out_send_raw(mesh_swim *s, const mesh_addr *addr, mesh_bytes datagram) {
    // A driver that does not poll loses datagrams, as a full socket would.
    if (s->item_count >= ITEMS_MAX || s->is_stopped) return;
    uint8_t *owned = mem_copy(datagram.data, datagram.len);
    mesh_swim_output *out = push(s, MESH_SWIM_SEND, owned);
    out->addr = *addr;
    out->bytes = (mesh_bytes){owned, datagram.len};
    s->stats.sent++;
}

// ---- sealing

bool mesh_swim_out_pair(mesh_swim *s, mesh_host *host) {
    if (host->pair != NULL) return true;
    uint8_t shared[32];
    const mesh_swim_crypto *crypto = &s->options.crypto;
    if (crypto->shared(crypto->user, s->options.boot_secret, host->alive.boot_public, shared) != 0)
        return false;
    mesh_pair *pair = host->pair = mem_alloc(sizeof *pair);
    mesh_dgram_key(s->options.gossip_key, shared, s->boot_public, host->alive.boot_public,
                   pair->send_key);
    mesh_dgram_key(s->options.gossip_key, shared, host->alive.boot_public, s->boot_public,
                   pair->receive_key);
    // Higher than all before, also when the host was forgotten and came back with the same key.
    pair->counter = (s->now_ms + 1) << COUNTER_SHIFT;
    sodium_memzero(shared, sizeof shared);
    return true;
}

size_t mesh_swim_out_seal(mesh_swim *s, mesh_host *to, const mesh_body *body,
                          uint8_t out[MESH_DATAGRAM_LEN_MAX]) {
    if (!mesh_swim_out_pair(s, to)) return 0;
    uint8_t salt[MESH_DGRAM_SALT_LEN];
    s->options.random(s->options.random_user, salt, sizeof salt);
    mesh_dgram_head head = {.psk_id = s->options.psk_id,
                            .source = s->self->short_id,
                            .target = to->short_id,
                            .counter = ++to->pair->counter};
    return mesh_dgram_seal(&head, salt, to->pair->send_key, (mesh_bytes){body->data, body->len},
                           out);
}

const mesh_addr *mesh_swim_out_addr(const mesh_host *host) {
    return &host->alive.addrs[host->addr_at % host->alive.addr_count];
}

// ---- records into bodies

static bool put_record(mesh_body *body, const uint8_t *record, size_t len) {
    return mesh_body_put(body, MESH_ITEM_RECORD, (mesh_bytes){record, len});
}

size_t mesh_swim_out_dead(const mesh_host *host, uint8_t out[MESH_RECORD_SIGNED_MAX]) {
    return mesh_record_dead(host->alive.host_id, host->stamp, host->trial->witnesses,
                            host->trial->count, out);
}

// The end of a host that is down or left, else its Alive.
bool mesh_swim_out_put_fate(mesh_swim *s, const mesh_host *host, mesh_body *body) {
    (void)s;
    uint8_t dead[MESH_RECORD_SIGNED_MAX];
    if (host->left != NULL) return put_record(body, host->left, host->left_len);
    if (host->state == MESH_HOST_DOWN)
        return put_record(body, dead, mesh_swim_out_dead(host, dead));
    return put_record(body, host->record, host->record_len);
}

bool mesh_swim_out_put_host(const mesh_host *host, mesh_body *body) {
    mesh_introduction introduction = {
        .alive = {host->record, host->record_len},
        .certs = {{host->certs, host->cert_lens[0]},
                  {host->certs + host->cert_lens[0], host->cert_lens[1]}}};
    return mesh_body_put_host(body, &introduction);
}

static bool put_accusation(const mesh_host *host, size_t witness, mesh_body *body) {
    uint8_t record[MESH_RECORD_SIGNED_MAX];
    size_t len = mesh_record_suspect(host->alive.host_id, host->stamp,
                                     &host->trial->witnesses[witness], record);
    return put_record(body, record, len);
}

// Whoever is accused, or held dead, is told so whenever it is spoken to: only it can answer.
static void put_own_fate(mesh_swim *s, mesh_host *to, mesh_body *body) {
    bool is_ended = to->state == MESH_HOST_DOWN || to->left != NULL;
    if (!is_ended && !mesh_host_is_accused(to)) return;
    if (to->addressed_ms != 0 && mesh_swim_since(s, to->addressed_ms) < ADDRESSED_MS) return;
    to->addressed_ms = s->now_ms;
    if (is_ended)
        (void)mesh_swim_out_put_fate(s, to, body);
    else
        (void)put_accusation(to, 0, body);
}

// ---- news

static uint32_t tries_max(const mesh_swim *s) {
    uint32_t digits = 0;
    for (size_t n = 1; n < mesh_swim_hosts_count(s) + 1; n *= 10)
        digits++; // ceil(log10(N + 1))
    return 4 * digits > 8 ? 4 * digits : 8;
}

static bool put_news(mesh_swim *s, const mesh_news *news, mesh_body *body) {
    mesh_host *host = s->hosts[news->host];
    if (news == &host->news) return mesh_swim_out_put_fate(s, host, body);
    return put_accusation(host, news->witness, body);
}

static void fill(mesh_swim *s, mesh_body *body) {
    uint32_t limit = tries_max(s), misses = 0;
    mesh_news_begin(&s->news);
    mesh_news *news = mesh_news_next(&s->news, NULL);
    for (int i = 0; i < PER_DATAGRAM_MAX && news != NULL && misses < 3; i++) {
        mesh_news at = *news; // its place now: told() moves it
        if (put_news(s, news, body)) {
            mesh_news_told(&s->news, news, limit);
            news = mesh_news_next(&s->news, at.previous);
        } else {
            misses++;
            news = mesh_news_next(&s->news, news);
        }
    }
}

void mesh_swim_out_tell(mesh_swim *s, mesh_news *news) {
    mesh_news_add(&s->news, news);
    if (!s->is_joined || s->is_stopped) return;
    uint64_t at_ms = s->now_ms + mesh_rng_below(&s->rng, s->options.parameters.gossip_ms / 4 + 1);
    if (s->news.count == 1) mesh_deadlines_set(&s->timers, TIMER_GOSSIP, at_ms);
}

void mesh_swim_out_gossip(mesh_swim *s) {
    if (s->news.count == 0) return;
    mesh_host *peers[GOSSIP_PEERS];
    size_t count = mesh_swim_hosts_pick(s, NULL, GOSSIP_PEERS, peers);
    for (size_t i = 0; i < count; i++) {
        mesh_body body = {.len = 0};
        mesh_swim_out_send(s, peers[i], &body, NULL);
    }
    uint32_t pace_ms = s->options.parameters.gossip_ms;
    if (s->news.count > BURST) pace_ms /= BURST_FACTOR;
    if (s->news.count > 0) mesh_deadlines_set(&s->timers, TIMER_GOSSIP, s->now_ms + pace_ms);
}

void mesh_swim_out_send(mesh_swim *s, mesh_host *to, mesh_body *body, const mesh_addr *addr) {
    uint8_t datagram[MESH_DATAGRAM_LEN_MAX];
    if (to->alive.addr_count == 0 || to == s->self) return;
    put_own_fate(s, to, body);
    fill(s, body);
    if (body->len == 0) return;
    size_t len = mesh_swim_out_seal(s, to, body, datagram);
    if (len == 0) return;
    mesh_swim_out_send_raw(s, addr != NULL ? addr : mesh_swim_out_addr(to),
                           (mesh_bytes){datagram, len});
}

void mesh_swim_out_tell_former(mesh_swim *s, mesh_host *host, mesh_bytes record) {
    mesh_body body = {.len = 0};
    uint8_t datagram[MESH_DATAGRAM_LEN_MAX];
    (void)put_record(&body, record.data, record.len);
    size_t len = mesh_swim_out_seal(s, host, &body, datagram);
    if (len > 0) mesh_swim_out_send_raw(s, mesh_swim_out_addr(host), (mesh_bytes){datagram, len});
}
