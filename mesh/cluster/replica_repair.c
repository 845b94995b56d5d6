// What a delta did not bring: neighbours compare what they have, and whoever is behind fetches the
// whole map of that host.
#include "cluster/replica_state.h"
#include "core/error.h"
#include "core/mem.h"

typedef Warren__Overlay__Overlay overlay;
typedef Warren__Overlay__Version version;

enum { BUCKET_MASK = MESH_REPLICA_BUCKETS - 1 };

static void add(mesh_replica_list *list, mesh_replica_host *host) {
    list->hosts = mem_grow(list->hosts, sizeof(mesh_replica_host *), list->count + 1, &list->cap);
    list->hosts[list->count++] = host;
}

static ProtobufCBinaryData id_field(const uint8_t id[MESH_ID_LEN]) {
    return (ProtobufCBinaryData){MESH_ID_LEN, (uint8_t *)(uintptr_t)id};
}

// ---- Have

// Versions are collected and sent a thousand at a time.
typedef struct have_list {
    mesh_replica *r;
    const uint8_t *to; // NULL: to all neighbours
    size_t count;
    version versions[MESH_REPLICA_VERSIONS_MAX];
    version *pointers[MESH_REPLICA_VERSIONS_MAX];
} have_list;

static have_list *have_begin(mesh_replica *r, const uint8_t *to) {
    have_list *list = mem_check(malloc(sizeof *list));
    list->r = r;
    list->to = to;
    list->count = 0;
    return list;
}

static void have_send(have_list *list) {
    Warren__Overlay__Have have = WARREN__OVERLAY__HAVE__INIT;
    have.n_version = list->count;
    have.version = list->pointers;
    overlay message = WARREN__OVERLAY__OVERLAY__INIT;
    message.kind_case = WARREN__OVERLAY__OVERLAY__KIND_HAVE;
    message.have = &have;
    list->count = 0;
    if (list->to != NULL) {
        mesh_replica_send(list->r, list->to, &message);
        return;
    }
    for (size_t i = 0; i < list->r->neighbour_count; i++)
        mesh_replica_send(list->r, list->r->neighbours[i].id, &message);
}

static void have_add(have_list *list, const mesh_replica_host *host) {
    if (list->count == MESH_REPLICA_VERSIONS_MAX) have_send(list);
    version *v = &list->versions[list->count];
    warren__overlay__version__init(v);
    v->host_id = id_field(host->id);
    v->generation = host->generation;
    v->version = mesh_replica_has(host);
    list->pointers[list->count++] = v;
}

static void have_end(have_list *list) {
    if (list->count > 0) have_send(list);
    free(list);
}

void mesh_replica_say(mesh_replica *r, mesh_replica_host *host) {
    if (host->is_said) return;
    host->is_said = true;
    add(&r->said, host);
}

void mesh_replica_say_now(mesh_replica *r) {
    if (r->said.count == 0) return;
    have_list *list = have_begin(r, NULL);
    for (size_t i = 0; i < r->said.count; i++) {
        r->said.hosts[i]->is_said = false;
        have_add(list, r->said.hosts[i]);
    }
    r->said.count = 0;
    have_end(list);
}

// A host that is talked of, whose generation both know; NULL: nothing to compare.
static mesh_replica_host *host_of(const mesh_replica *r, const version *v) {
    mesh_replica_host *host = mesh_replica_find(r, v->host_id.data);
    if (host == NULL || mesh_replica_is_gone(host)) return NULL;
    return v->generation == host->generation ? host : NULL;
}

static bool is_version(const version *v) {
    return v != NULL && v->host_id.len == MESH_ID_LEN;
}

int mesh_replica_on_have(mesh_replica *r, const uint8_t from[MESH_ID_LEN],
                         const Warren__Overlay__Have *have) {
    if (have->n_version > MESH_REPLICA_VERSIONS_MAX) return MESH_EPROTO;
    have_list *answer = have_begin(r, from);
    int err = 0;
    for (size_t i = 0; i < have->n_version && err == 0; i++) {
        const version *v = have->version[i];
        if (!is_version(v)) err = MESH_EPROTO;
        mesh_replica_host *host = err == 0 ? host_of(r, v) : NULL;
        if (host == NULL) continue;
        if (v->version < mesh_replica_has(host)) have_add(answer, host);
        if (host == r->self) continue;
        if (v->version > mesh_replica_has(host) && v->version >= host->version)
            mesh_replica_want(r, host, v->version, from);
        else if (host->is_fetched)
            mesh_replica_nothing_newer(r, host, from);
    }
    have_end(answer);
    return err;
}

// ---- Summary

void mesh_replica_send_summary(mesh_replica *r, const uint8_t neighbour[MESH_ID_LEN]) {
    Warren__Overlay__Summary summary = WARREN__OVERLAY__SUMMARY__INIT;
    summary.n_sum = MESH_REPLICA_BUCKETS;
    summary.sum = r->sums;
    overlay message = WARREN__OVERLAY__OVERLAY__INIT;
    message.kind_case = WARREN__OVERLAY__OVERLAY__KIND_SUMMARY;
    message.summary = &summary;
    mesh_replica_send(r, neighbour, &message);
}

int mesh_replica_on_summary(mesh_replica *r, const uint8_t from[MESH_ID_LEN],
                            const Warren__Overlay__Summary *summary) {
    if (summary->n_sum != MESH_REPLICA_BUCKETS) return MESH_EPROTO;
    have_list *answer = have_begin(r, from);
    const mesh_replica_host *host;
    for (size_t cursor = 0; (host = mesh_map_each(&r->hosts, &cursor)) != NULL;) {
        size_t bucket = host->id[0] & BUCKET_MASK;
        if (summary->sum[bucket] == r->sums[bucket] || mesh_replica_is_gone(host)) continue;
        have_add(answer, host);
    }
    have_end(answer);
    return 0;
}

// ---- asking for a map

void mesh_replica_want(mesh_replica *r, mesh_replica_host *host, uint64_t wanted,
                       const uint8_t from[MESH_ID_LEN]) {
    if (wanted <= mesh_replica_has(host) || wanted <= host->wanted) return;
    host->wanted = wanted;
    memcpy(host->wanted_from, from, MESH_ID_LEN);
    if (host->is_queued || host->is_fetched) return;
    host->is_queued = true;
    add(&r->wants, host);
}

static mesh_replica_fetch *fetch_of(mesh_replica *r, const mesh_replica_host *host) {
    for (size_t i = 0; i < MESH_REPLICA_FETCHES_MAX; i++)
        if (r->fetches[i].host == host) return &r->fetches[i];
    return NULL;
}

static void clear(mesh_replica_fetch *fetch) {
    mesh_host_map_destroy(fetch->map);
    fetch->host->is_fetched = false;
    fetch->host->wanted = 0;
    *fetch = (mesh_replica_fetch){0};
}

void mesh_replica_end_fetch(mesh_replica *r, mesh_replica_host *host) {
    if (host->is_fetched) clear(fetch_of(r, host));
}

static void send_fetch(mesh_replica *r, const mesh_replica_host *host) {
    version mine = WARREN__OVERLAY__VERSION__INIT;
    mine.host_id = id_field(host->id);
    mine.generation = host->generation;
    mine.version = mesh_replica_has(host);
    Warren__Overlay__Fetch fetch = WARREN__OVERLAY__FETCH__INIT;
    fetch.mine = &mine;
    overlay message = WARREN__OVERLAY__OVERLAY__INIT;
    message.kind_case = WARREN__OVERLAY__OVERLAY__KIND_FETCH;
    message.fetch = &fetch;
    mesh_replica_send(r, host->wanted_from, &message);
    r->stats.fetches++;
}

static void start_fetch(mesh_replica *r, mesh_replica_fetch *fetch, mesh_replica_host *host) {
    *fetch = (mesh_replica_fetch){.host = host, .last_ms = r->now_ms};
    memcpy(fetch->neighbour, host->wanted_from, MESH_ID_LEN);
    host->is_fetched = true;
    send_fetch(r, host);
}

void mesh_replica_start_fetches(mesh_replica *r) {
    size_t taken = 0;
    mesh_replica_fetch *fetch;
    while (taken < r->wants.count && (fetch = fetch_of(r, NULL)) != NULL) {
        mesh_replica_host *host = r->wants.hosts[taken++];
        host->is_queued = false;
        bool is_needed = !mesh_replica_is_gone(host) && host->wanted > mesh_replica_has(host);
        if (is_needed && mesh_replica_neighbour_find(r, host->wanted_from) != NULL)
            start_fetch(r, fetch, host);
        else
            host->wanted = 0;
    }
    r->wants.count -= taken;
    if (taken > 0)
        memmove(r->wants.hosts, r->wants.hosts + taken,
                r->wants.count * sizeof(mesh_replica_host *));
}

// It did not come: whoever has it may say so.
static void ask_again(mesh_replica *r, mesh_replica_fetch *fetch) {
    mesh_replica_host *host = fetch->host;
    clear(fetch);
    mesh_replica_say(r, host);
}

void mesh_replica_fetches_of(mesh_replica *r, const uint8_t neighbour[MESH_ID_LEN]) {
    for (size_t i = 0; i < MESH_REPLICA_FETCHES_MAX; i++) {
        mesh_replica_fetch *fetch = &r->fetches[i];
        if (fetch->host != NULL && memcmp(fetch->neighbour, neighbour, MESH_ID_LEN) == 0)
            ask_again(r, fetch);
    }
}

void mesh_replica_expire_fetches(mesh_replica *r) {
    for (size_t i = 0; i < MESH_REPLICA_FETCHES_MAX; i++) {
        mesh_replica_fetch *fetch = &r->fetches[i];
        if (fetch->host != NULL && r->now_ms >= fetch->last_ms + MESH_REPLICA_FETCH_MS)
            ask_again(r, fetch);
    }
}

void mesh_replica_nothing_newer(mesh_replica *r, mesh_replica_host *host,
                                const uint8_t from[MESH_ID_LEN]) {
    mesh_replica_fetch *fetch = fetch_of(r, host);
    if (memcmp(fetch->neighbour, from, MESH_ID_LEN) == 0) clear(fetch);
}

// ---- giving a map

static void send_page(mesh_replica *r, const uint8_t to[MESH_ID_LEN], const mesh_head *head,
                      Warren__Overlay__Page *page, mesh_ops *ops) {
    Warren__Overlay__Head head_message = mesh_head_message(head);
    page->head = &head_message;
    page->ops = (ProtobufCBinaryData){ops->len, ops->data};
    overlay message = WARREN__OVERLAY__OVERLAY__INIT;
    message.kind_case = WARREN__OVERLAY__OVERLAY__KIND_PAGE;
    message.page = page;
    mesh_replica_send(r, to, &message);
    page->index++;
    ops->len = 0;
}

static void send_map(mesh_replica *r, const uint8_t to[MESH_ID_LEN],
                     const mesh_replica_host *host) {
    Warren__Overlay__Page page = WARREN__OVERLAY__PAGE__INIT;
    mesh_ops ops = {0};
    mesh_host_cursor cursor = {0};
    mesh_op op;
    while (mesh_host_map_each(host->map, &cursor, &op)) {
        mesh_ops_add(&ops, &op);
        if (ops.len + MESH_OP_LEN_MAX > MESH_OPS_LEN_MAX)
            send_page(r, to, &host->head, &page, &ops);
    }
    page.is_last = true;
    send_page(r, to, &host->head, &page, &ops);
    free(ops.data);
}

// A neighbour whose link is full already waits for more of it: what it asked for is not lost, and
// the queue stays below where the driver gives the link up.
static bool is_full(const mesh_replica *r, const mesh_replica_neighbour *neighbour) {
    size_t queued = r->options.queued ? r->options.queued(neighbour->id, r->options.user) : 0;
    return queued + neighbour->given > MESH_REPLICA_QUEUED_MAX;
}

static bool give_map(mesh_replica *r, mesh_replica_neighbour *to, mesh_replica_host *host) {
    if (is_full(r, to)) return false;
    if (host == r->self) mesh_replica_flush(r); // the head must be of the map that is sent
    to->given += host->map->bytes;
    send_map(r, to->id, host);
    return true;
}

static bool is_giveable(const mesh_replica_host *host) {
    return mesh_replica_has(host) > MESH_REPLICA_EMPTY;
}

static void send_waiting_to(mesh_replica *r, mesh_replica_neighbour *neighbour) {
    size_t done = 0;
    for (; done < neighbour->waiting_count; done++) {
        mesh_replica_host *host = mesh_replica_find(r, neighbour->waiting[done]);
        if (host != NULL && is_giveable(host) && !give_map(r, neighbour, host)) break;
    }
    neighbour->waiting_count -= done;
    memmove(neighbour->waiting, neighbour->waiting + done, neighbour->waiting_count * MESH_ID_LEN);
}

void mesh_replica_send_waiting(mesh_replica *r) {
    r->looked_at_ms = r->now_ms;
    for (size_t i = 0; i < r->neighbour_count; i++)
        send_waiting_to(r, &r->neighbours[i]);
}

int mesh_replica_on_fetch(mesh_replica *r, const uint8_t from[MESH_ID_LEN],
                          const Warren__Overlay__Fetch *fetch) {
    const version *theirs = fetch->mine;
    if (!is_version(theirs)) return MESH_EPROTO;
    mesh_replica_host *host = mesh_replica_find(r, theirs->host_id.data);
    if (host == NULL) return 0;
    bool is_newer =
        host->generation == theirs->generation && mesh_replica_has(host) > theirs->version;
    if (!is_newer || !is_giveable(host)) {
        have_list *answer = have_begin(r, from);
        have_add(answer, host);
        have_end(answer);
        return 0;
    }
    mesh_replica_neighbour *neighbour = mesh_replica_neighbour_find(r, from);
    if (neighbour->waiting_count == 0 && give_map(r, neighbour, host)) return 0;
    if (neighbour->waiting_count == MESH_REPLICA_FETCHES_MAX)
        r->stats.refused_fetches++; // more than it may ask for at once
    else
        memcpy(neighbour->waiting[neighbour->waiting_count++], host->id, MESH_ID_LEN);
    return 0;
}

// ---- taking a map

static int begin_map(mesh_replica *r, mesh_replica_fetch *fetch, const mesh_head *head) {
    const mesh_replica_host *host = fetch->host;
    if (head->generation != host->generation) return MESH_EAGAIN; // a new life has begun meanwhile
    if (head->version <= mesh_replica_has(host) || head->version < host->version)
        return MESH_EAGAIN;
    if (!mesh_replica_is_signed(r, head)) {
        r->stats.bad_signatures++;
        return MESH_EPROTO;
    }
    fetch->head = *head;
    mesh_host_map_destroy(fetch->map);
    fetch->map = mesh_host_map_create();
    fetch->next_index = 0;
    return 0;
}

static int build(mesh_replica_fetch *fetch, const Warren__Overlay__Page *page) {
    mesh_budget budget;
    mesh_budget_init(&budget, MESH_OVERLAY_BUDGET);
    Warren__Overlay__Ops *ops =
        warren__overlay__ops__unpack(&budget.allocator, page->ops.len, page->ops.data);
    if (ops == NULL) return MESH_EPROTO;
    int err = 0;
    mesh_op op;
    for (size_t i = 0; i < ops->n_op && err == 0; i++)
        err = mesh_ops_read(ops->op[i], &op) ? mesh_host_map_apply(fetch->map, &op) : MESH_EPROTO;
    warren__overlay__ops__free_unpacked(ops, &budget.allocator);
    return err;
}

static void finish_map(mesh_replica *r, mesh_replica_fetch *fetch) {
    mesh_replica_host *host = fetch->host;
    uint8_t hash[MESH_HASH_LEN];
    mesh_host_map_hash(fetch->map, hash);
    bool is_good = memcmp(hash, fetch->head.state_hash, MESH_HASH_LEN) == 0 &&
                   r->stats.bytes + fetch->map->bytes <= MESH_REPLICA_BYTES_MAX &&
                   mesh_replica_replace(r, host, fetch->map);
    if (!is_good) {
        r->stats.bad_maps++;
        clear(fetch);
        return;
    }
    uint64_t wanted = host->wanted;
    fetch->map = NULL; // the host's now
    host->head = fetch->head;
    mesh_replica_set_version(r, host, fetch->head.version);
    r->stats.maps++;
    clear(fetch);
    mesh_replica_say(r, host); // others behind this one wait for it too
    mesh_replica_want(r, host, wanted, host->wanted_from);
}

// Maps of one neighbour come one after the other: while one moves the others only wait for it.
static void stay_patient(mesh_replica *r, const uint8_t neighbour[MESH_ID_LEN]) {
    for (size_t i = 0; i < MESH_REPLICA_FETCHES_MAX; i++)
        if (memcmp(r->fetches[i].neighbour, neighbour, MESH_ID_LEN) == 0)
            r->fetches[i].last_ms = r->now_ms;
}

int mesh_replica_on_page(mesh_replica *r, const uint8_t from[MESH_ID_LEN],
                         const Warren__Overlay__Page *page) {
    mesh_head head;
    if (mesh_head_read(page->head, &head) != 0) return MESH_EPROTO;
    mesh_replica_host *host = mesh_replica_find(r, head.host_id);
    if (host == NULL || !host->is_fetched) return 0; // it came too late
    mesh_replica_fetch *fetch = fetch_of(r, host);
    if (memcmp(fetch->neighbour, from, MESH_ID_LEN) != 0) return 0;

    int err = page->index == 0 ? begin_map(r, fetch, &head) : 0;
    bool is_next = fetch->map != NULL && page->index == fetch->next_index &&
                   head.version == fetch->head.version;
    if (err == 0 && is_next) err = build(fetch, page);
    if (err != 0 || !is_next) {
        clear(fetch);
        return err == MESH_EPROTO ? MESH_EPROTO : 0;
    }
    fetch->next_index++;
    stay_patient(r, from);
    if (page->is_last) finish_map(r, fetch);
    return 0;
}
