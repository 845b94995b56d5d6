// What some hosts know and others don't: compared with a random one every 30 s, and lost members
// are tried again for ever, or a healed partition would stay two clusters.
#include <sodium.h>

#include "cluster/swim_state.h"

enum {
    PER_SUM = 8, // hosts in one part of the digest, about
    LISTS_MAX = 4,
    ANSWERS_MAX = 32,
    SERVED_MAX = 32,
    RECONNECTS_MAX = 8,
    STRANGER_MS = 500,
    SYNC_SOON_MS = 1000,
    DIAL_MIN_MS = 1000,
    DIAL_MAX_MS = 5000,
    DIAL_JOINED_MS = 30000,
};

// ---- digests

// Ends that are half forgotten are compared no more: who forgot them first would learn them again
// from who did not.
static bool is_fading(const mesh_swim *s, const mesh_host *host) {
    return host != s->self && host->live_at == NOT_LIVE &&
           mesh_swim_since(s, host->since_ms) > s->options.parameters.tombstone_ms / 2;
}

static uint32_t listed_hash(const mesh_host *host) {
    return mesh_swim_belief_rank(host) == 0 ? host->record_hash : 0;
}

static struct mesh_listed listed(const mesh_host *host) {
    return (struct mesh_listed){.id = host->short_id,
                                .stamp = host->stamp,
                                .rank = mesh_swim_belief_rank(host),
                                .hash = listed_hash(host)};
}

static uint64_t sum_of(const mesh_swim *s, const mesh_host *host) {
    struct {
        uint64_t id, generation;
        uint32_t incarnation, rank, hash, zero;
    } text = {host->short_id,          host->stamp.generation,
              host->stamp.incarnation, mesh_swim_belief_rank(host),
              listed_hash(host),       0};
    uint64_t sum;
    (void)crypto_shorthash((uint8_t *)&sum, (const uint8_t *)&text, sizeof text, s->cluster_id);
    return sum;
}

static size_t part_of(uint64_t short_id, size_t count) {
    return count == 1 ? 0 : (size_t)(short_id >> (64 - __builtin_ctzll(count)));
}

static void make_digest(const mesh_swim *s, size_t count, mesh_digest *out) {
    *out = (mesh_digest){.count = count};
    for (size_t i = 0; i < s->host_cap; i++) {
        const mesh_host *host = s->hosts[i];
        if (host == NULL || is_fading(s, host)) continue;
        out->sums[part_of(host->short_id, count)] ^= sum_of(s, host);
    }
}

void mesh_swim_sync_begin(mesh_swim *s) {
    uint32_t every_ms = s->options.parameters.sync_ms;
    uint64_t wait_ms = every_ms * UINT64_C(4) / 5 + mesh_rng_below(&s->rng, every_ms * 2 / 5 + 1);
    mesh_deadlines_set(&s->timers, TIMER_SYNC, s->now_ms + wait_ms);
    mesh_host *peer;
    if (mesh_swim_hosts_pick(s, NULL, 1, &peer) == 0) return;
    size_t parts = 1;
    while (parts < MESH_DIGEST_SUMS_MAX && parts * PER_SUM < s->host_count)
        parts *= 2;
    mesh_digest digest;
    mesh_body body = {.len = 0};
    make_digest(s, parts, &digest);
    (void)mesh_body_put_digest(&body, &digest);
    mesh_swim_out_send(s, peer, &body, NULL);
}

// ---- lists

static int compare_ids(const void *a, const void *b) {
    uint64_t left = (*(mesh_host *const *)a)->short_id, right = (*(mesh_host *const *)b)->short_id;
    return left < right ? -1 : left > right;
}

// All with a short id in [from, to], in order. Gives the array.
static mesh_host **collect(const mesh_swim *s, uint64_t from, uint64_t to, size_t *out_count) {
    mesh_host **hosts = mem_alloc((s->host_count + 1) * sizeof(mesh_host *));
    size_t count = 0;
    for (size_t i = 0; i < s->host_cap; i++) {
        mesh_host *host = s->hosts[i];
        if (host == NULL || is_fading(s, host)) continue;
        if (host->short_id >= from && host->short_id <= to) hosts[count++] = host;
    }
    qsort(hosts, count, sizeof(mesh_host *), compare_ids);
    *out_count = count;
    return hosts;
}

static void send_list(mesh_swim *s, mesh_host *to, size_t part, size_t parts) {
    uint64_t span = parts == 1 ? UINT64_MAX : (UINT64_C(1) << (64 - __builtin_ctzll(parts))) - 1;
    mesh_list list = {.from = parts == 1 ? 0 : part * (span + 1)};
    uint64_t end = list.from + span;
    size_t count, done = 0;
    mesh_host **hosts = collect(s, list.from, end, &count);
    do {
        list.count = 0;
        while (done < count && list.count < MESH_LIST_MAX)
            list.hosts[list.count++] = listed(hosts[done++]);
        list.to = done == count ? end : list.hosts[list.count - 1].id;
        mesh_body body = {.len = 0};
        (void)mesh_body_put_list(&body, &list);
        mesh_swim_out_send(s, to, &body, NULL);
        list.from = list.to + 1;
    } while (done < count);
    free(hosts);
}

void mesh_swim_sync_take_digest(mesh_swim *s, mesh_host *from, const mesh_digest *theirs) {
    mesh_digest ours;
    make_digest(s, theirs->count, &ours);
    size_t first = mesh_rng_below(&s->rng, (uint32_t)theirs->count), sent = 0;
    for (size_t i = 0; i < theirs->count && sent < LISTS_MAX; i++) {
        size_t part = (first + i) % theirs->count;
        if (ours.sums[part] == theirs->sums[part]) continue;
        send_list(s, from, part, theirs->count);
        sent++;
    }
}

// ---- what the other lacks

static void send_host(mesh_swim *s, mesh_host *to, const mesh_host *host) {
    mesh_body body = {.len = 0};
    if (host->record == NULL || host->is_expired) return;
    (void)mesh_swim_out_put_host(host, &body);
    if (mesh_swim_belief_rank(host) > 0 && !mesh_swim_out_put_fate(s, host, &body)) {
        mesh_swim_out_send(s, to, &body, NULL);
        body.len = 0;
        (void)mesh_swim_out_put_fate(s, host, &body);
    }
    mesh_swim_out_send(s, to, &body, NULL);
}

// Ours compared with theirs: above 0, ours dominates.
static int compare_listed(const mesh_host *host, const struct mesh_listed *theirs) {
    int order = mesh_stamp_compare(host->stamp, theirs->stamp);
    int rank = mesh_swim_belief_rank(host);
    bool is_same_life = host->stamp.generation == theirs->stamp.generation;
    if (is_same_life && rank != theirs->rank && (rank == 2 || theirs->rank == 2))
        return rank - theirs->rank; // Left is the end of a life, whatever the incarnation
    return order != 0 ? order : rank - theirs->rank;
}

static size_t settle(mesh_swim *s, mesh_host *from, const struct mesh_listed *theirs) {
    const mesh_host *host = mesh_swim_hosts_by_short(s, theirs->id);
    int order = host != NULL ? compare_listed(host, theirs) : -1;
    bool is_other = order == 0 && listed_hash(host) != theirs->hash;
    if (order < 0 || is_other) mesh_swim_belief_want(s, theirs->id);
    if (order <= 0 && !is_other) return 0;
    send_host(s, from, host);
    return 1;
}

static bool has_listed(const mesh_list *list, uint64_t id) {
    for (size_t i = 0; i < list->count; i++)
        if (list->hosts[i].id == id) return true;
    return false;
}

void mesh_swim_sync_take_list(mesh_swim *s, mesh_host *from, const mesh_list *list) {
    size_t sent = 0, count;
    for (size_t i = 0; i < list->count && sent < ANSWERS_MAX; i++)
        sent += settle(s, from, &list->hosts[i]);
    mesh_host **hosts = collect(s, list->from, list->to, &count);
    for (size_t i = 0; i < count && sent < ANSWERS_MAX; i++) {
        if (has_listed(list, hosts[i]->short_id)) continue;
        send_host(s, from, hosts[i]);
        sent++;
    }
    free(hosts);
    // There may be more: not in half a minute.
    if (sent + s->want_count > 0 && s->is_joined && !s->is_leaving)
        mesh_deadlines_set(&s->timers, TIMER_SYNC, s->now_ms + SYNC_SOON_MS);
}

void mesh_swim_sync_take_want(mesh_swim *s, mesh_host *from, const uint64_t *ids, size_t count) {
    for (size_t i = 0; i < count && s->served < SERVED_MAX; i++) {
        const mesh_host *host = mesh_swim_hosts_by_short(s, ids[i]);
        if (host == NULL) continue;
        s->served++;
        send_host(s, from, host);
    }
}

void mesh_swim_sync_send_wants(mesh_swim *s, mesh_host *from) {
    for (size_t done = 0; done < s->want_count; done += MESH_WANT_MAX) {
        size_t left = s->want_count - done;
        mesh_body body = {.len = 0};
        (void)mesh_body_put_want(&body, s->wants + done,
                                 left < MESH_WANT_MAX ? left : MESH_WANT_MAX);
        mesh_swim_out_send(s, from, &body, NULL);
    }
    s->want_count = 0;
}

// Somebody we don't know, or who sealed with keys we don't know, perhaps a host that has just come
// or started again: a member may know it. Nothing goes to the stranger, and whatever strangers
// send, no more than two questions per second go to anybody.
void mesh_swim_sync_ask_about(mesh_swim *s, uint64_t short_id) {
    mesh_host *peer;
    if (!s->is_joined || s->is_leaving) return;
    if (s->stranger_ms != 0 && mesh_swim_since(s, s->stranger_ms) < STRANGER_MS) return;
    if (mesh_swim_hosts_pick(s, NULL, 1, &peer) == 0) return;
    s->stranger_ms = s->now_ms;
    mesh_body body = {.len = 0};
    (void)mesh_body_put_want(&body, &short_id, 1);
    mesh_swim_out_send(s, peer, &body, NULL);
}

// ---- again and again

// It hears that we are there, and that it is held dead.
static void knock(mesh_swim *s, mesh_host *host) {
    mesh_body body = {.len = 0};
    mesh_ping ping = {
        .sequence = ++s->sequence, .stamp = s->self->stamp, .payload = s->self->alive.payload};
    host->addressed_ms = 0;
    host->addr_at++;
    (void)mesh_body_put_ping(&body, MESH_ITEM_PING, &ping);
    (void)mesh_swim_out_put_fate(s, s->self, &body);
    mesh_swim_out_send(s, host, &body, NULL);
}

void mesh_swim_sync_reconnect(mesh_swim *s) {
    uint32_t every_ms = s->options.parameters.reconnect_ms, seen = 0;
    mesh_deadlines_set(&s->timers, TIMER_RECONNECT,
                       s->now_ms + every_ms * UINT64_C(4) / 5 +
                           mesh_rng_below(&s->rng, every_ms * 2 / 5 + 1));
    mesh_host *chosen[RECONNECTS_MAX];
    for (size_t i = 1; i < s->host_cap; i++) {
        mesh_host *host = s->hosts[i];
        if (host == NULL || host->state != MESH_HOST_DOWN) continue;
        uint32_t at = seen < RECONNECTS_MAX ? seen : mesh_rng_below(&s->rng, seen + 1);
        if (at < RECONNECTS_MAX) chosen[at] = host;
        seen++;
    }
    for (uint32_t i = 0; i < seen && i < RECONNECTS_MAX; i++)
        knock(s, chosen[i]);
}

static bool is_known(const mesh_swim *s, const mesh_addr *addr) {
    for (size_t i = 0; i < s->host_cap; i++) {
        const mesh_host *host = s->hosts[i];
        bool is_there = host != NULL && (host == s->self || host->live_at != NOT_LIVE);
        for (size_t a = 0; is_there && a < host->alive.addr_count; a++)
            if (mesh_addr_equal(&host->alive.addrs[a], addr)) return true;
    }
    return false;
}

void mesh_swim_sync_dial(mesh_swim *s) {
    uint64_t wait_ms = DIAL_JOINED_MS;
    if (s->live_count == 0) {
        wait_ms = (uint64_t)DIAL_MIN_MS * ++s->dials;
        if (wait_ms > DIAL_MAX_MS) wait_ms = DIAL_MAX_MS;
    }
    wait_ms = wait_ms * 4 / 5 + mesh_rng_below(&s->rng, (uint32_t)wait_ms * 2 / 5);
    mesh_deadlines_set(&s->timers, TIMER_DIAL, s->now_ms + wait_ms);
    for (size_t tried = 0; tried < s->candidate_count; tried++) {
        const mesh_addr *addr = &s->candidates[s->candidate_next++ % s->candidate_count];
        if (is_known(s, addr)) continue;
        mesh_swim_out_say(s, MESH_SWIM_DIAL, NULL, addr);
        return;
    }
}
