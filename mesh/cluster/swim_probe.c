// Who answers: one host per period is asked directly, then through others, then by TCP. Those who
// pass a probe on see only sealed bytes, so a relay can lose an answer but never make one up.
#include "cluster/swim_state.h"

enum { TIMEOUT_MIN_MS = 300, RTT_FACTOR = 3, RTT_DECAY = 16 };

uint64_t mesh_swim_probe_stretch(const mesh_swim *s, uint64_t ms) {
    return ms * (1 + s->health);
}

void mesh_swim_probe_worse(mesh_swim *s) {
    if (s->health < HEALTH_MAX) s->health++;
}

// ---- asking

static mesh_ping own_ping(const mesh_swim *s, uint32_t sequence) {
    return (mesh_ping){
        .sequence = sequence, .stamp = s->self->stamp, .payload = s->self->alive.payload};
}

static uint64_t timeout_ms(const mesh_swim *s) {
    uint64_t ms = (uint64_t)RTT_FACTOR * s->rtt_ms;
    if (ms < TIMEOUT_MIN_MS) ms = TIMEOUT_MIN_MS;
    if (ms > s->options.parameters.timeout_ms) ms = s->options.parameters.timeout_ms;
    return mesh_swim_probe_stretch(s, ms);
}

static mesh_probe *find_probe(mesh_swim *s, const mesh_host *host) {
    for (size_t i = 0; i < PROBES_MAX; i++)
        if (s->probes[i].is_used && s->probes[i].host == host->index) return &s->probes[i];
    return NULL;
}

void mesh_swim_probe_begin(mesh_swim *s, mesh_host *host) {
    uint32_t slot = 0;
    while (slot < PROBES_MAX && s->probes[slot].is_used)
        slot++;
    if (slot == PROBES_MAX || find_probe(s, host) != NULL || s->is_leaving || !s->is_joined) return;
    s->probes[slot] = (mesh_probe){
        .is_used = true,
        .host = host->index,
        .sequence = ++s->sequence,
        .began_ms = s->now_ms,
        .ends_ms = s->now_ms + mesh_swim_probe_stretch(s, s->options.parameters.probe_ms)};
    mesh_deadlines_set(&s->timers, TIMER_PROBES + slot, s->now_ms + timeout_ms(s));
    mesh_body body = {.len = 0};
    mesh_ping ping = own_ping(s, s->sequence);
    (void)mesh_body_put_ping(&body, MESH_ITEM_PING, &ping);
    mesh_swim_out_send(s, host, &body, NULL);
}

void mesh_swim_probe_period(mesh_swim *s) {
    uint64_t period_ms = mesh_swim_probe_stretch(s, s->options.parameters.probe_ms);
    mesh_deadlines_set(&s->timers, TIMER_PERIOD, s->now_ms + period_ms);
    mesh_host *host = mesh_swim_hosts_next(s);
    if (host != NULL) mesh_swim_probe_begin(s, host);
}

static void send_through(mesh_swim *s, mesh_host *relay, mesh_host *target, mesh_item type,
                         mesh_ping *ping, uint32_t relay_sequence) {
    uint8_t inner[MESH_DATAGRAM_LEN_MAX];
    mesh_body sealed = {.len = 0}, body = {.len = 0};
    (void)mesh_body_put_ping(&sealed, type, ping);
    size_t len = mesh_swim_out_seal(s, target, &sealed, inner);
    if (len == 0) return;
    mesh_relay item = {.sequence = relay_sequence, .datagram = {inner, len}};
    memcpy(item.target, target->alive.host_id, MESH_ID_LEN);
    (void)mesh_body_put_relay(&body, &item);
    mesh_swim_out_send(s, relay, &body, NULL);
}

static void ask_others(mesh_swim *s, mesh_probe *probe, mesh_host *host) {
    mesh_host *relays[RELAYS + 1];
    size_t count = mesh_swim_hosts_pick(s, host, RELAYS, relays);
    probe->relay_sequence = ++s->sequence;
    for (size_t i = 0; i < count; i++) {
        mesh_ping ping = own_ping(s, probe->sequence);
        ping.is_relayed = true;
        memcpy(ping.relay, relays[i]->alive.host_id, MESH_ID_LEN);
        probe->relays[probe->asked++] = relays[i]->index;
        send_through(s, relays[i], host, MESH_ITEM_PING, &ping, probe->relay_sequence);
    }
    mesh_swim_out_say(s, MESH_SWIM_PROBE, host, NULL);
}

void mesh_swim_probe_timeout(mesh_swim *s, uint32_t slot) {
    mesh_probe *probe = &s->probes[slot];
    mesh_host *host = s->hosts[probe->host];
    if (!probe->is_used) return;
    if (host == NULL || host->live_at == NOT_LIVE) {
        probe->is_used = false;
        return;
    }
    if (!probe->is_indirect) {
        probe->is_indirect = true;
        mesh_deadlines_set(&s->timers, TIMER_PROBES + slot, probe->ends_ms);
        ask_others(s, probe, host);
        return;
    }
    probe->is_used = false;
    // Those who were asked to help and were not heard either: perhaps it is we who hear badly.
    if (probe->asked > probe->confirmed) mesh_swim_probe_worse(s);
    host->addr_at++;
    mesh_swim_trial_accuse(s, host);
}

// ---- answers

static void note(mesh_swim *s, mesh_host *from, const mesh_ping *ping) {
    if (mesh_stamp_compare(ping->stamp, from->stamp) > 0) mesh_swim_belief_want(s, from->short_id);
    if (ping->stamp.generation != from->stamp.generation) return;
    if (mesh_payload_equal(&from->alive.payload, &ping->payload)) return;
    from->alive.payload = ping->payload;
    mesh_swim_out_say(s, MESH_SWIM_HOST, from, NULL);
}

void mesh_swim_probe_take_ping(mesh_swim *s, mesh_host *from, const mesh_addr *addr,
                               const mesh_ping *ping) {
    note(s, from, ping);
    if (s->is_leaving) return;
    mesh_ping pong = own_ping(s, ping->sequence);
    if (ping->is_relayed) {
        mesh_host *relay = mesh_swim_hosts_find(s, ping->relay);
        if (relay != NULL && relay != s->self && relay->alive.addr_count > 0)
            send_through(s, relay, from, MESH_ITEM_PONG, &pong, 0);
        return;
    }
    mesh_body body = {.len = 0};
    (void)mesh_body_put_ping(&body, MESH_ITEM_PONG, &pong);
    mesh_swim_out_send(s, from, &body, addr);
}

void mesh_swim_probe_answered(mesh_swim *s, mesh_host *host) {
    mesh_probe *probe = find_probe(s, host);
    if (probe == NULL) return;
    uint64_t rtt_ms = mesh_swim_since(s, probe->began_ms);
    // The highest of late: it falls slowly, so that one quick answer does not shorten the wait.
    if (!probe->is_indirect || rtt_ms < s->options.parameters.timeout_ms) {
        s->rtt_ms -= s->rtt_ms / RTT_DECAY;
        if (rtt_ms > s->rtt_ms) s->rtt_ms = (uint32_t)rtt_ms;
    }
    if (!probe->is_indirect && s->health > 0) s->health--;
    probe->is_used = false;
    mesh_deadlines_clear(&s->timers, TIMER_PROBES + (uint32_t)(probe - s->probes));
}

void mesh_swim_probe_take_pong(mesh_swim *s, mesh_host *from, const mesh_ping *pong) {
    note(s, from, pong);
    const mesh_probe *probe = find_probe(s, from);
    if (probe != NULL && probe->sequence == pong->sequence) mesh_swim_probe_answered(s, from);
}

// ---- passing on

// Only a datagram from the one who asks to the one it names: we carry probes for members, nothing
// else for nobody else.
void mesh_swim_probe_take_relay(mesh_swim *s, mesh_host *from, const mesh_relay *relay) {
    mesh_dgram_head head;
    mesh_host *target = mesh_swim_hosts_find(s, relay->target);
    if (target == NULL || target == s->self || target->alive.addr_count == 0 || s->is_leaving)
        return;
    if (mesh_dgram_parse(relay->datagram, &head) != 0 || head.source != from->short_id ||
        head.target != target->short_id)
        return;
    mesh_swim_out_send_raw(s, mesh_swim_out_addr(target), relay->datagram);
    if (relay->sequence == 0) return; // an answer on its way back
    uint8_t sequence[4] = {(uint8_t)(relay->sequence >> 24), (uint8_t)(relay->sequence >> 16),
                           (uint8_t)(relay->sequence >> 8), (uint8_t)relay->sequence};
    mesh_body body = {.len = 0};
    (void)mesh_body_put(&body, MESH_ITEM_RELAYED, (mesh_bytes){sequence, sizeof sequence});
    mesh_swim_out_send(s, from, &body, NULL);
}

void mesh_swim_probe_take_relayed(mesh_swim *s, const mesh_host *from, uint32_t sequence) {
    for (size_t i = 0; i < PROBES_MAX; i++) {
        mesh_probe *probe = &s->probes[i];
        if (!probe->is_used || probe->relay_sequence != sequence) continue;
        for (size_t r = 0; r < probe->asked; r++) {
            if (probe->relays[r] != from->index) continue;
            probe->confirmed++;
            probe->relays[r] = NOT_LIVE; // once
        }
    }
}
