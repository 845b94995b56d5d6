// Hosts, neighbours, and the deltas of this host.
#include "cluster/replica.h"

#include <sodium.h>

#include "cluster/replica_state.h"
#include "core/be.h"
#include "core/error.h"
#include "core/mem.h"

enum { SUM_TEXT_LEN = MESH_ID_LEN + 16, SUM_HASH_LEN = 16, NAME_BUCKET_MASK = 15 };

// ---- hosts

mesh_replica_host *mesh_replica_find(const mesh_replica *r, const uint8_t id[MESH_ID_LEN]) {
    uint64_t hash = mesh_map_hash(&r->hosts, id, MESH_ID_LEN);
    mesh_replica_host *host;
    for (size_t cursor = 0; (host = mesh_map_next(&r->hosts, hash, &cursor)) != NULL;)
        if (memcmp(host->id, id, MESH_ID_LEN) == 0) return host;
    return NULL;
}

// The oldest generation goes first.
static bool forget_gone_host(mesh_replica *r) {
    mesh_replica_host *host, *oldest = NULL;
    for (size_t cursor = 0; (host = mesh_map_each(&r->hosts, &cursor)) != NULL;) {
        if (!mesh_replica_is_gone(host) || host->is_said || host->is_queued) continue;
        if (oldest == NULL || host->generation < oldest->generation) oldest = host;
    }
    if (oldest == NULL) return false;
    (void)mesh_map_remove(&r->hosts, mesh_map_hash(&r->hosts, oldest->id, MESH_ID_LEN), oldest);
    free(oldest);
    return true;
}

static mesh_replica_host *add_host(mesh_replica *r, const uint8_t id[MESH_ID_LEN]) {
    if (r->hosts.count == MESH_REPLICA_HOSTS_MAX && !forget_gone_host(r)) return NULL;
    mesh_replica_host *host = mem_alloc(sizeof *host);
    memcpy(host->id, id, MESH_ID_LEN);
    mesh_map_add(&r->hosts, mesh_map_hash(&r->hosts, id, MESH_ID_LEN), host);
    return host;
}

static uint64_t sum_of(const mesh_replica_host *host) {
    if (host->map == NULL) return 0;
    uint8_t text[SUM_TEXT_LEN], hash[SUM_HASH_LEN];
    memcpy(text, host->id, MESH_ID_LEN);
    (void)store_be64(store_be64(text + MESH_ID_LEN, host->generation), host->version);
    (void)crypto_generichash(hash, sizeof hash, text, sizeof text, NULL, 0);
    return load_be64(hash);
}

void mesh_replica_set_version(mesh_replica *r, mesh_replica_host *host, uint64_t version) {
    host->version = version;
    uint64_t sum = sum_of(host);
    r->sums[host->id[0] & NAME_BUCKET_MASK] ^= host->sum ^ sum;
    host->sum = sum;
}

// A life of its agent begins with a map that everybody knows: the empty one.
static void begin_life(mesh_replica *r, mesh_replica_host *host, uint64_t generation) {
    host->generation = generation;
    host->state = MESH_HOST_JOINING;
    host->map = mesh_host_map_create();
    host->wanted = host->hinted = 0;
    mesh_replica_set_version(r, host, MESH_REPLICA_EMPTY);
}

// ---- life

mesh_replica *mesh_replica_create(const mesh_replica_options *options) {
    mesh_replica *r = mem_alloc(sizeof *r);
    r->options = *options;
    mesh_rng_init(&r->rng, options->seed);
    uint8_t key[MESH_MAP_KEY_LEN];
    (void)store_be64(store_be64(key, mesh_rng_next(&r->rng)), mesh_rng_next(&r->rng));
    mesh_map_init(&r->hosts, key);
    mesh_map_init(&r->nodes, key);
    r->self = add_host(r, options->host_id);
    begin_life(r, r->self, options->generation);
    return r;
}

void mesh_replica_destroy(mesh_replica *r) {
    if (r == NULL) return;
    mesh_replica_output out;
    while (mesh_replica_poll(r, &out)) {
    }
    free(r->items);
    for (size_t i = 0; i < MESH_REPLICA_FETCHES_MAX; i++)
        mesh_host_map_destroy(r->fetches[i].map);
    mesh_replica_host *host;
    for (size_t cursor = 0; (host = mesh_map_each(&r->hosts, &cursor)) != NULL;) {
        mesh_host_map_destroy(host->map);
        free(host);
    }
    mesh_map_deinit(&r->hosts);
    mesh_map_deinit(&r->nodes);
    free(r->pending.data);
    free(r->wants.hosts);
    free(r->said.hosts);
    sodium_memzero(r->options.secret, sizeof r->options.secret);
    free(r);
}

// ---- sending

void mesh_replica_send_bytes(mesh_replica *r, const uint8_t neighbour[MESH_ID_LEN],
                             mesh_bytes bytes) {
    uint8_t *copy = mem_copy(bytes.data, bytes.len);
    mesh_replica_push(r, MESH_REPLICA_SEND, neighbour, copy)->bytes = (mesh_bytes){copy, bytes.len};
}

void mesh_replica_send(mesh_replica *r, const uint8_t neighbour[MESH_ID_LEN],
                       const Warren__Overlay__Overlay *message) {
    size_t len = warren__overlay__overlay__get_packed_size(message);
    CHECK(len <= MESH_OVERLAY_LEN_MAX);
    uint8_t *bytes = mem_alloc(len);
    (void)warren__overlay__overlay__pack(message, bytes);
    mesh_replica_push(r, MESH_REPLICA_SEND, neighbour, bytes)->bytes = (mesh_bytes){bytes, len};
}

// ---- this host

void mesh_replica_flush(mesh_replica *r) {
    if (r->pending.len == 0) return;
    mesh_replica_host *self = r->self;
    mesh_head *head = &self->head;
    memcpy(head->host_id, self->id, MESH_ID_LEN);
    head->generation = self->generation;
    head->from = self->version;
    head->version = self->version + 1;
    mesh_host_map_hash(self->map, head->state_hash);
    mesh_ops_hash(mesh_ops_bytes(&r->pending), head->ops_hash);
    mesh_head_sign(head, r->options.secret);
    mesh_replica_set_version(r, self, head->version);

    Warren__Overlay__Head head_message = mesh_head_message(head);
    Warren__Overlay__Delta delta = WARREN__OVERLAY__DELTA__INIT;
    delta.head = &head_message;
    delta.ops = (ProtobufCBinaryData){r->pending.len, r->pending.data};
    Warren__Overlay__Overlay message = WARREN__OVERLAY__OVERLAY__INIT;
    message.kind_case = WARREN__OVERLAY__OVERLAY__KIND_DELTA;
    message.delta = &delta;
    for (size_t i = 0; i < r->neighbour_count; i++)
        mesh_replica_send(r, r->neighbours[i].id, &message);
    r->pending.len = 0;
    r->delta_at_ms = r->now_ms;
}

int mesh_replica_write(mesh_replica *r, const mesh_op *op) {
    mesh_replica_host *self = r->self;
    size_t before = self->map->bytes;
    if (r->pending.len + MESH_OP_LEN_MAX > MESH_OPS_LEN_MAX) mesh_replica_flush(r);
    int err = mesh_host_map_apply(self->map, op);
    if (err != 0) return err;
    r->stats.bytes += self->map->bytes - before;
    mesh_ops_add(&r->pending, op);
    return 0;
}

uint64_t mesh_replica_version(const mesh_replica *r) {
    return r->self->version;
}

// ---- membership

static void take_generation(mesh_replica *r, mesh_replica_host *host, uint64_t generation) {
    mesh_replica_end_fetch(r, host);
    mesh_replica_lose(r, host, "restarted");
    begin_life(r, host, generation);
    mesh_replica_say(r, host); // who knows more?
}

static void change_state(mesh_replica *r, mesh_replica_host *host, mesh_host_state state) {
    bool was_gone = mesh_replica_is_gone(host);
    host->state = state;
    if (mesh_replica_is_gone(host)) {
        mesh_replica_end_fetch(r, host);
        mesh_replica_lose(r, host, state == MESH_HOST_LEFT ? "left" : "unreachable");
        mesh_replica_set_version(r, host, host->version);
        return;
    }
    if (was_gone && host->map == NULL) mesh_replica_say(r, host); // it is back: who has its map?
    if (state == MESH_HOST_UNREACHABLE)
        mesh_replica_hide(r, host);
    else
        mesh_replica_show(r, host);
}

void mesh_replica_host_state(mesh_replica *r, const uint8_t host_id[MESH_ID_LEN],
                             uint64_t generation, mesh_host_state state) {
    mesh_replica_host *host = mesh_replica_find(r, host_id);
    if (host == r->self) return;
    if (host == NULL) host = add_host(r, host_id);
    if (host == NULL || generation < host->generation) return;
    bool is_new = host->version == 0;
    if (is_new || generation > host->generation) take_generation(r, host, generation);
    if (state != host->state) change_state(r, host, state);
}

void mesh_replica_hint(mesh_replica *r, const uint8_t host_id[MESH_ID_LEN], uint64_t generation,
                       uint64_t version) {
    mesh_replica_host *host = mesh_replica_find(r, host_id);
    if (host == NULL || host == r->self || generation != host->generation) return;
    if (mesh_replica_is_gone(host)) return;
    // The delta may be under way: only what is missing for the second time is asked for.
    if (mesh_replica_has(host) < host->hinted) mesh_replica_say(r, host);
    host->hinted = version;
}

// ---- neighbours

mesh_replica_neighbour *mesh_replica_neighbour_find(mesh_replica *r,
                                                    const uint8_t id[MESH_ID_LEN]) {
    for (size_t i = 0; i < r->neighbour_count; i++)
        if (memcmp(r->neighbours[i].id, id, MESH_ID_LEN) == 0) return &r->neighbours[i];
    return NULL;
}

void mesh_replica_neighbour_up(mesh_replica *r, uint64_t now_ms,
                               const uint8_t host_id[MESH_ID_LEN]) {
    r->now_ms = now_ms;
    if (mesh_replica_neighbour_find(r, host_id) != NULL) return;
    if (r->neighbour_count == MESH_REPLICA_NEIGHBOURS_MAX) return;
    mesh_replica_neighbour *neighbour = &r->neighbours[r->neighbour_count++];
    *neighbour = (mesh_replica_neighbour){.given = 0};
    memcpy(neighbour->id, host_id, MESH_ID_LEN);
    mesh_replica_send_summary(r, host_id);
}

void mesh_replica_neighbour_down(mesh_replica *r, const uint8_t host_id[MESH_ID_LEN]) {
    mesh_replica_neighbour *neighbour = mesh_replica_neighbour_find(r, host_id);
    if (neighbour == NULL) return;
    *neighbour = r->neighbours[--r->neighbour_count];
    mesh_replica_fetches_of(r, host_id);
}

// ---- time

static void send_summaries(mesh_replica *r) {
    for (size_t i = 0; i < r->neighbour_count; i++)
        mesh_replica_send_summary(r, r->neighbours[i].id);
    // Not all at once: a fifth earlier or later.
    uint32_t spread = MESH_REPLICA_SUMMARY_MS * 2 / 5;
    r->summary_at_ms =
        r->now_ms + MESH_REPLICA_SUMMARY_MS * 4 / 5 + mesh_rng_below(&r->rng, spread);
}

static uint64_t flush_at_ms(const mesh_replica *r) {
    return r->delta_at_ms == 0 ? 0 : r->delta_at_ms + MESH_REPLICA_GATHER_MS;
}

void mesh_replica_tick(mesh_replica *r, uint64_t now_ms) {
    r->now_ms = now_ms;
    if (now_ms >= flush_at_ms(r)) mesh_replica_flush(r);
    mesh_replica_expire_fetches(r);
    mesh_replica_send_waiting(r);
    mesh_replica_say_now(r);
    mesh_replica_start_fetches(r);
    if (now_ms >= r->summary_at_ms) send_summaries(r);
}

uint64_t mesh_replica_wake_at_ms(const mesh_replica *r) {
    if (r->said.count > 0) return 0;
    uint64_t at_ms = r->summary_at_ms;
    if (r->pending.len > 0 && flush_at_ms(r) < at_ms) at_ms = flush_at_ms(r);
    uint64_t look_at_ms = r->looked_at_ms + MESH_REPLICA_LOOK_MS;
    for (size_t i = 0; i < r->neighbour_count; i++)
        if (r->neighbours[i].waiting_count > 0 && look_at_ms < at_ms) at_ms = look_at_ms;
    for (size_t i = 0; i < MESH_REPLICA_FETCHES_MAX; i++) {
        uint64_t expires_at_ms = r->fetches[i].last_ms + MESH_REPLICA_FETCH_MS;
        if (r->fetches[i].host != NULL && expires_at_ms < at_ms) at_ms = expires_at_ms;
    }
    return at_ms;
}

mesh_replica_stats mesh_replica_stats_get(const mesh_replica *r) {
    mesh_replica_stats stats = r->stats;
    stats.hosts = r->hosts.count;
    stats.nodes = r->nodes.count;
    return stats;
}
