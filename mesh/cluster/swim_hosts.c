// The table of hosts, and the order in which the live ones are probed.
#include "cluster/swim_state.h"
#include "core/be.h"

uint64_t mesh_swim_hosts_short(const uint8_t host_id[MESH_ID_LEN]) {
    return load_be64(host_id);
}

mesh_host *mesh_swim_hosts_by_short(const mesh_swim *s, uint64_t short_id) {
    size_t cursor = 0;
    uint64_t hash = mesh_map_hash_u64(&s->by_id, short_id);
    for (mesh_host *host; (host = mesh_map_next(&s->by_id, hash, &cursor)) != NULL;)
        if (host->short_id == short_id) return host;
    return NULL;
}

mesh_host *mesh_swim_hosts_find(const mesh_swim *s, const uint8_t host_id[MESH_ID_LEN]) {
    mesh_host *host = mesh_swim_hosts_by_short(s, mesh_swim_hosts_short(host_id));
    return host != NULL && mesh_swim_same_id(host->alive.host_id, host_id) ? host : NULL;
}

static uint32_t free_place(mesh_swim *s) {
    for (size_t i = s->host_cap; i > 0 && s->host_count < s->host_cap; i--)
        if (s->hosts[i - 1] == NULL) return (uint32_t)(i - 1);
    size_t old_cap = s->host_cap;
    s->hosts = mem_grow(s->hosts, sizeof(mesh_host *), old_cap + 1, &s->host_cap);
    memset(s->hosts + old_cap, 0, (s->host_cap - old_cap) * sizeof(mesh_host *));
    return (uint32_t)old_cap;
}

mesh_host *mesh_swim_hosts_add(mesh_swim *s, const uint8_t host_id[MESH_ID_LEN]) {
    uint64_t short_id = mesh_swim_hosts_short(host_id);
    // Two hosts with the same short id: somebody searched for such a key. The first one stays.
    if (s->host_count >= MESH_HOSTS_MAX || mesh_swim_hosts_by_short(s, short_id) != NULL) {
        s->stats.overflowed++;
        return NULL;
    }
    mesh_host *host = mem_alloc(sizeof *host);
    host->index = free_place(s);
    host->live_at = NOT_LIVE;
    host->short_id = short_id;
    memcpy(host->alive.host_id, host_id, MESH_ID_LEN);
    host->news.host = host->index;
    host->learned_ms = s->now_ms;
    s->hosts[host->index] = host;
    s->host_count++;
    mesh_map_add(&s->by_id, mesh_map_hash_u64(&s->by_id, short_id), host);
    return host;
}

void mesh_swim_hosts_free(mesh_host *host) {
    if (host == NULL) return;
    free(host->record);
    free(host->left);
    free(host->certs);
    free(host->trial);
    free(host->pair);
    free(host);
}

// ---- live ones

static void put_live(mesh_swim *s, size_t at, uint32_t index) {
    s->live[at] = index;
    s->hosts[index]->live_at = (uint32_t)at;
}

static void swap_live(mesh_swim *s, size_t a, size_t b) {
    uint32_t index = s->live[a];
    put_live(s, a, s->live[b]);
    put_live(s, b, index);
}

static void set_live(mesh_swim *s, mesh_host *host, bool is_live) {
    if (host == s->self || (host->live_at != NOT_LIVE) == is_live) return;
    if (is_live) {
        // Somewhere in the order, or those who come together would be probed together.
        s->live = mem_grow(s->live, sizeof *s->live, s->live_count + 1, &s->live_cap);
        put_live(s, s->live_count++, host->index);
        swap_live(s, s->live_count - 1, mesh_rng_below(&s->rng, (uint32_t)s->live_count));
        return;
    }
    uint32_t at = host->live_at;
    put_live(s, at, s->live[--s->live_count]);
    host->live_at = NOT_LIVE;
}

void mesh_swim_hosts_remove(mesh_swim *s, mesh_host *host) {
    set_live(s, host, false);
    mesh_swim_trial_drop(s, host);
    mesh_news_drop(&s->news, &host->news);
    (void)mesh_map_remove(&s->by_id, mesh_map_hash_u64(&s->by_id, host->short_id), host);
    s->hosts[host->index] = NULL;
    s->host_count--;
    mesh_swim_hosts_free(host);
}

void mesh_swim_hosts_set_state(mesh_swim *s, mesh_host *host, mesh_host_state state) {
    if (host->state != state) host->since_ms = s->now_ms;
    host->state = state;
    set_live(s, host, state != MESH_HOST_DOWN && state != MESH_HOST_LEFT);
    mesh_swim_out_say(s, MESH_SWIM_HOST, host, NULL);
}

size_t mesh_swim_hosts_count(const mesh_swim *s) {
    return s->live_count + 1;
}

size_t mesh_swim_hosts_pick(mesh_swim *s, const mesh_host *but, size_t max, mesh_host **out) {
    size_t count = 0, left = s->live_count;
    // A repeat is drawn again; a few draws more than needed find nearly all where few are live.
    for (size_t draws = 0; count < max && draws < 4 * max && left > 0; draws++) {
        mesh_host *host = s->hosts[s->live[mesh_rng_below(&s->rng, (uint32_t)s->live_count)]];
        bool is_taken = host == but;
        for (size_t i = 0; i < count; i++)
            is_taken |= out[i] == host;
        if (!is_taken) out[count++] = host;
    }
    return count;
}

mesh_host *mesh_swim_hosts_next(mesh_swim *s) {
    if (s->live_count == 0) return NULL;
    if (s->live_next >= s->live_count) {
        for (size_t i = s->live_count; i > 1; i--)
            swap_live(s, i - 1, mesh_rng_below(&s->rng, (uint32_t)i));
        s->live_next = 0;
    }
    return s->hosts[s->live[s->live_next++]];
}

void mesh_swim_hosts_view(const mesh_swim *s, const mesh_host *host, mesh_swim_host *out) {
    *out = (mesh_swim_host){.state = host->state,
                            .is_self = host == s->self,
                            .stamp = host->stamp,
                            .since_ms = host->since_ms + s->paused_ms,
                            .heard_ms = host->heard_ms == 0 ? 0 : host->heard_ms + s->paused_ms,
                            .payload = host->alive.payload,
                            .addr_count = host->alive.addr_count,
                            .minor_min = host->alive.minor_min,
                            .minor_max = host->alive.minor_max,
                            .not_after_s = host->not_after_s};
    memcpy(out->host_id, host->alive.host_id, MESH_ID_LEN);
    memcpy(out->name, host->name, sizeof out->name);
    memcpy(out->zone, host->alive.zone, sizeof out->zone);
    memcpy(out->addrs, host->alive.addrs, sizeof out->addrs);
}
