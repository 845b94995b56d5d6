#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/deployer_state.h"
#include "agent/say.h"
#include "core/mem.h"
#include "io/wall.h"

enum { PATH_LEN_MAX = 4096, PUT_LEN_MAX = 8 << 10, TTL_ALONE_S = 300 };

bool deployer_key_rest(mesh_bytes key, const char *prefix, char out[STORE_KEY_LEN_MAX + 1]) {
    size_t len = strlen(prefix);
    if (key.len <= len || key.len > STORE_KEY_LEN_MAX || memcmp(key.data, prefix, len) != 0)
        return false;
    memcpy(out, key.data + len, key.len - len);
    out[key.len - len] = '\0';
    return true;
}

// ---- who watches and waits

static void tell_waiters(agent_deployer *d, const char *sentence) {
    for (deployer_waiter *w; (w = d->waiters) != NULL;) {
        d->waiters = w->next;
        w->ready(sentence, w->user);
        free(w);
    }
}

static void tell_settled(agent_deployer *d) {
    for (agent_deployer_watch *w = d->watches, *next; w != NULL; w = next) {
        next = w->next;
        w->on_settled(w->user);
    }
}

void agent_deployer_watch_begin(agent_deployer *d, agent_deployer_watch *watch) {
    watch->next = d->watches;
    d->watches = watch;
}

void agent_deployer_watch_end(agent_deployer *d, agent_deployer_watch *watch) {
    for (agent_deployer_watch **at = &d->watches; *at != NULL; at = &(*at)->next)
        if (*at == watch) {
            *at = watch->next;
            return;
        }
}

void agent_deployer_forget(agent_deployer *d, const void *user) {
    for (deployer_waiter **at = &d->waiters; *at != NULL;) {
        deployer_waiter *w = *at;
        if (w->user != user) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        free(w);
    }
}

// ---- this host

// Whether the store says that it is there. What it was ordered before that may be another host's
// business by now: its orders are those that are read after it.
static void look_whether_there(agent_deployer *d) {
    char key[STORE_KEY_LEN_MAX];
    bool was_there = d->is_host_there;
    (void)snprintf(key, sizeof key, "deploy/host/%s", d->host);
    const agent_mirror_pair *pair = agent_mirror_get(d->mirror, key);
    d->is_host_there = d->lease != 0 && pair != NULL && pair->lease == d->lease;
    if (d->is_host_there == was_there) return;
    agent_orders_cut_off(d->orders, !d->is_host_there);
    if (d->is_host_there) deployer_orders_read(d);
}

// Its name, as others know it too. An agent of a store that others have needs a cluster: two hosts
// would both be "local".
static void look_for_name(agent_deployer *d) {
    agent_cluster *cluster = d->options.cluster(d->options.user);
    const char *name = cluster != NULL                            ? agent_cluster_host_name(cluster)
                       : !agent_store_is_shared(d->options.store) ? AGENT_DEPLOYER_LOCAL
                                                                  : d->host;
    if (strcmp(name, d->host) == 0) return;
    (void)snprintf(d->host, sizeof d->host, "%s", name);
    look_whether_there(d);
}

static uint64_t memory_of_host(void) {
    uint64_t total = uv_get_total_memory(), limit = uv_get_constrained_memory();
    return limit > 0 && limit < total ? limit : total;
}

static void take_host_id(const agent_host_info *info, void *user) {
    if (info->is_self) memcpy(user, info->host_id, MESH_ID_LEN);
}

static size_t pack_host(const agent_deployer *d, uint8_t *out) {
    Warren__Deploy__Host host = WARREN__DEPLOY__HOST__INIT;
    Warren__Deploy__Label **labels;
    size_t count = deployer_labels_read(d->options.dir, &labels);
    agent_cluster *cluster = d->options.cluster(d->options.user);
    uint8_t id[MESH_ID_LEN] = {0};
    if (cluster != NULL) agent_cluster_each(cluster, take_host_id, id);
    host.host_id = (ProtobufCBinaryData){MESH_ID_LEN, id};
    host.labels = labels;
    host.n_labels = count;
    host.cpu_milli = uv_available_parallelism() * 1000;
    host.memory = memory_of_host();
    host.since_ms = d->since_ms;
    host.version = (char *)(uintptr_t)WARREN_VERSION;
    host.platform = (char *)(uintptr_t) "linux-x64";
    size_t len = warren__deploy__host__pack(&host, out);
    deployer_labels_free(labels, count);
    return len;
}

static void on_host_put(const store_answer *answer, void *user) {
    agent_deployer *d = user;
    d->is_host_asked = false;
    (void)answer; // until the mirror has it, it is tried again
}

static void put_host(agent_deployer *d) {
    char key[STORE_KEY_LEN_MAX];
    uint8_t value[PUT_LEN_MAX];
    (void)snprintf(key, sizeof key, "deploy/host/%s", d->host);
    if (d->is_host_asked || d->is_host_there) return;
    store_op op = {.kind = STORE_PUT,
                   .key = mesh_bytes_text(key),
                   .value = {value, pack_host(d, value)},
                   .lease = d->lease};
    d->is_host_asked = true;
    store_commit(d->db, &(store_transaction){.ops = &op, .op_count = 1}, on_host_put, d);
}

// ---- its lease

static void on_hold(const store_hold_news *news, void *user) {
    agent_deployer *d = user;
    d->lease = news->is_held ? news->lease : 0;
    if (!news->is_held) {
        store_hold_close(d->hold);
        d->hold = NULL;
        deployer_lead_look(d);
    }
    d->is_host_late = false;
    look_whether_there(d);
}

static void open_hold(agent_deployer *d) {
    // Nobody else looks at a store of this host alone: that it keeps its lease costs it writes.
    uint32_t ttl_s = agent_store_is_shared(d->options.store) ? AGENT_DEPLOYER_TTL_S : TTL_ALONE_S;
    d->hold = store_hold_open(d->db, ttl_s, on_hold, d);
}

static void take_trouble(agent_deployer *d) {
    const char *now = agent_deployer_trouble(d);
    const store_status *status = store_status_get(d->db);
    if (strcmp(now, d->trouble) != 0) {
        (void)snprintf(d->trouble, sizeof d->trouble, "%s", now);
        tell_settled(d);
    }
    // One that was just opened may answer in a moment. Who comes later is told the same.
    if (now[0] != '\0' && status->is_known && status->revision == 0) tell_waiters(d, now);
}

static void on_tick(uv_timer_t *timer) {
    agent_deployer *d = timer->data;
    look_for_name(d);
    take_trouble(d);
    if (d->hold == NULL) open_hold(d);
    if (!agent_mirror_is_whole(d->mirror) || d->host[0] == '\0') return;
    bool is_written = deployer_orders_tick(d);
    // Who reads that this host is there believes its reports: they have had a tick to be told.
    if (d->lease != 0 && is_written && d->is_host_late) put_host(d);
    d->is_host_late = true;
    deployer_lead_look(d);
    deployer_lead_tick(d);
    uv_timer_set_repeat(timer, d->is_host_there ? DEPLOYER_TICK_MS : DEPLOYER_FIRST_MS);
}

// ---- what the store has

static void on_pair(const agent_mirror_pair *pair, bool is_gone, void *user) {
    agent_deployer *d = user;
    if (d->is_host_there && !d->is_stopped) deployer_orders_pair(d, pair, is_gone);
    deployer_events_pair(d, pair, is_gone);
    if (d->token != 0) deployer_lead_pair(d, pair, is_gone);
    for (agent_deployer_watch *w = d->watches; w != NULL; w = w->next)
        w->on_pair(pair, is_gone, w->user);
}

static void on_settled(void *user) {
    agent_deployer *d = user;
    if (d->is_stopped) {
        tell_settled(d);
        return;
    }
    if (d->is_settling) { // read for the first time
        d->is_settling = false;
        look_for_name(d);
        tell_waiters(d, "");
    }
    deployer_orders_settled(d);
    look_whether_there(d);
    deployer_lead_look(d);
    deployer_lead_on(d);
    tell_settled(d);
}

// ---- taking part

static void take_part(agent_deployer *d) {
    if (d->db != NULL || d->is_stopped) return;
    d->db = agent_store_get(d->options.store);
    d->is_settling = true;
    d->mirror = agent_mirror_create(&(agent_mirror_options){.loop = d->options.loop,
                                                            .db = d->db,
                                                            .prefix = "deploy/",
                                                            .on_pair = on_pair,
                                                            .on_settled = on_settled,
                                                            .user = d});
    deployer_orders_begin(d);
    deployer_lead_open(d);
    open_hold(d);
    look_for_name(d);
    uv_timer_init(d->options.loop, &d->tick);
    d->tick.data = d;
    uv_timer_start(&d->tick, on_tick, DEPLOYER_FIRST_MS, DEPLOYER_FIRST_MS);
}

agent_deployer *agent_deployer_create(const agent_deployer_options *options) {
    agent_deployer *d = mem_alloc(sizeof *d);
    d->options = *options;
    d->since_ms = mesh_wall_ms();
    return d;
}

static bool has_file(const char *dir, const char *name) {
    char path[PATH_LEN_MAX];
    struct stat info;
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return lstat(path, &info) == 0;
}

static void on_looked(const store_answer *answer, void *user) {
    if (answer->pair_count > 0) take_part(user);
}

void agent_deployer_start(agent_deployer *d) {
    struct stat info;
    if (d->options.is_ephemeral) return;
    if (agent_store_is_shared(d->options.store) || has_file(d->options.dir, "deploy"))
        take_part(d);
    else if (lstat(agent_store_local_path(d->options.store), &info) == 0)
        store_list(agent_store_get(d->options.store),
                   &(store_range){.prefix = mesh_bytes_text("deploy/project/"), .limit = 1},
                   on_looked, d);
}

static void on_closed(uv_handle_t *handle) {
    agent_deployer *d = handle->data;
    if (--d->open_count == 0) free(d);
}

void agent_deployer_stop(agent_deployer *d) {
    d->is_stopped = true;
    if (d->mirror == NULL) return;
    store_hold_close(d->hold);
    d->hold = NULL;
    d->lease = 0;
    deployer_lead_look(d);
    deployer_orders_end(d);
    uv_timer_stop(&d->tick);
}

void agent_deployer_destroy(agent_deployer *d) {
    if (d == NULL) return;
    while (d->waiters != NULL)
        agent_deployer_forget(d, d->waiters->user);
    if (d->db == NULL || d->mirror == NULL) {
        free(d);
        return;
    }
    d->open_count = 2;
    deployer_events_close(d);
    deployer_orders_end(d);
    deployer_orders_close(d);
    agent_mirror_destroy(d->mirror);
    deployer_lead_close(d, on_closed);
    uv_close((uv_handle_t *)&d->tick, on_closed);
}

int agent_deployer_join(agent_deployer *d, agent_deployer_cb ready, void *user,
                        char text[AGENT_DEPLOYER_TEXT_MAX]) {
    if (d->is_stopped) {
        (void)snprintf(text, AGENT_DEPLOYER_TEXT_MAX, "the agent here ends");
        return 4;
    }
    if (d->options.is_ephemeral) {
        (void)snprintf(text, AGENT_DEPLOYER_TEXT_MAX,
                       "the agent here ends with the `warren run` or `warren up` that brought it, "
                       "and deployments need one that lasts: end that, then `warren agent "
                       "install` has systemd run one, `warren agent` runs one in a terminal");
        return 4;
    }
    if (agent_store_is_shared(d->options.store) && d->options.cluster(d->options.user) == NULL) {
        (void)snprintf(text, AGENT_DEPLOYER_TEXT_MAX,
                       "other hosts use the store %.200s too, and this one is in no cluster with "
                       "them: `warren init` begins one, `warren join TOKEN` takes part in one",
                       agent_store_text(d->options.store));
        return 1;
    }
    take_part(d);
    deployer_waiter *w = mem_alloc(sizeof *w);
    *w = (deployer_waiter){.ready = ready, .user = user, .next = d->waiters};
    d->waiters = w;
    if (agent_mirror_is_whole(d->mirror)) tell_waiters(d, "");
    return 0;
}

// ---- what it is

const agent_mirror *agent_deployer_mirror(const agent_deployer *d) {
    return d->mirror;
}

const char *agent_deployer_host(const agent_deployer *d) {
    return d->host;
}

agent_releases *agent_deployer_releases(const agent_deployer *d) {
    return d->options.releases;
}

store_db *agent_deployer_store(const agent_deployer *d) {
    return d->db;
}

const char *agent_deployer_trouble(const agent_deployer *d) {
    return d->db != NULL ? agent_store_trouble(d->options.store) : "";
}
