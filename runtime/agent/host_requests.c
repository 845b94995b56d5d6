// What the command line asks about the cluster.
#include <stdio.h>

#include "agent/client.h"
#include "core/mem.h"

enum { HOSTS_PER_PACKET = 256, NOT_IN_CLUSTER = 3 };

static const char no_cluster[] =
    "this host is in no cluster: `warren init` begins one, `warren join TOKEN` takes part in one";

// ---- the list

typedef struct host_batch {
    agent_client *client;
    Warren__Agent__Hosts hosts;
    Warren__Agent__HostInfo infos[HOSTS_PER_PACKET], *list[HOSTS_PER_PACKET];
} host_batch;

static void send_batch(host_batch *batch, bool has_more) {
    Warren__Agent__Reply reply = WARREN__AGENT__REPLY__INIT;
    batch->hosts.more = has_more;
    batch->hosts.hosts = batch->list;
    reply.kind_case = WARREN__AGENT__REPLY__KIND_HOSTS;
    reply.hosts = &batch->hosts;
    agent_client_send(batch->client, &reply);
    for (size_t i = 0; i < batch->hosts.n_hosts; i++) {
        free(batch->infos[i].host_id.data);
        free(batch->infos[i].name);
        free(batch->infos[i].address);
    }
    batch->hosts.n_hosts = 0;
}

static void add_host(const agent_host_info *from, void *user) {
    host_batch *batch = user;
    if (batch->hosts.n_hosts == HOSTS_PER_PACKET) send_batch(batch, true);
    Warren__Agent__HostInfo *info = &batch->infos[batch->hosts.n_hosts];
    batch->list[batch->hosts.n_hosts++] = info;
    warren__agent__host_info__init(info);
    info->host_id = (ProtobufCBinaryData){MESH_ID_LEN, mem_copy(from->host_id, MESH_ID_LEN)};
    info->name = mem_copy(from->name, strlen(from->name) + 1);
    info->address = mem_copy(from->address, strlen(from->address) + 1);
    info->state = (char *)(uintptr_t)from->state; // static
    info->since_ms = from->since_ms;
    info->nodes = from->node_count;
    info->is_self = from->is_self;
    info->is_linked = from->is_linked;
    info->is_unheard = from->is_unheard;
    info->is_foreign = from->is_foreign;
}

static agent_cluster *cluster_of(const agent_client *client) {
    const agent_clients_options *options = &client->clients->options;
    return options->cluster(options->user);
}

static void send_hosts(agent_client *client) {
    host_batch *batch = mem_alloc(sizeof *batch);
    batch->client = client;
    warren__agent__hosts__init(&batch->hosts);
    agent_cluster_each(cluster_of(client), add_host, batch);
    send_batch(batch, false);
    free(batch);
}

// Why there is nothing to say about hosts.
static void say_no_cluster(agent_client *client) {
    const agent_clients_options *options = &client->clients->options;
    const char *trouble = options->cluster_trouble(options->user);
    char text[AGENT_VAULT_TEXT_MAX + 64];
    if (trouble[0] == '\0') {
        agent_client_say_error(client, NOT_IN_CLUSTER, no_cluster);
        return;
    }
    (void)snprintf(text, sizeof text, "this host takes no part in its cluster: %s", trouble);
    agent_client_say_error(client, 1, text);
}

static void list_hosts(agent_client *client, bool is_watching) {
    if (cluster_of(client) == NULL) {
        say_no_cluster(client);
        return;
    }
    client->is_watching_hosts = is_watching;
    send_hosts(client);
}

void agent_clients_tell_hosts(agent_clients *clients) {
    for (agent_client *c = clients->first; c != NULL; c = c->next) {
        if (!c->is_watching_hosts) continue;
        if (cluster_of(c) == NULL)
            say_no_cluster(c);
        else
            send_hosts(c);
    }
}

// ---- where hosts are looked for

typedef struct source_list {
    Warren__Agent__SourceInfo infos[AGENT_SOURCES_MAX], *list[AGENT_SOURCES_MAX];
    size_t count;
} source_list;

static void add_source(const mesh_source_status *status, void *user) {
    source_list *list = user;
    if (list->count == AGENT_SOURCES_MAX) return;
    Warren__Agent__SourceInfo *info = &list->infos[list->count];
    list->list[list->count++] = info;
    warren__agent__source_info__init(info);
    info->text = (char *)(uintptr_t)status->text; // borrowed: sent in this turn
    info->error = (char *)(uintptr_t)status->error;
    info->candidates = (uint32_t)status->candidate_count;
    info->is_from_disk = status->is_from_disk;
    info->success_at_ms = status->success_at_ms;
}

static void list_sources(agent_client *client) {
    source_list list = {.count = 0};
    Warren__Agent__Sources sources = WARREN__AGENT__SOURCES__INIT;
    Warren__Agent__Reply reply = WARREN__AGENT__REPLY__INIT;
    if (cluster_of(client) != NULL)
        agent_cluster_each_source(cluster_of(client), add_source, &list);
    sources.n_sources = list.count;
    sources.sources = list.list;
    reply.kind_case = WARREN__AGENT__REPLY__KIND_SOURCES;
    reply.sources = &sources;
    agent_client_send(client, &reply);
}

// ---- coming and going

static void say_opened(agent_client *client, int err, const char *text) {
    client->is_opening = false;
    if (err == 0)
        agent_client_say_done(client);
    else
        agent_client_say_error(client, 1, text);
}

static void open_cluster(agent_client *client) {
    const agent_clients_options *options = &client->clients->options;
    char text[AGENT_VAULT_TEXT_MAX] = "";
    int err = options->on_open_cluster(options->user, text);
    if (err == AGENT_CLUSTER_OPENING)
        client->is_opening = true;
    else
        say_opened(client, err, text);
}

void agent_clients_tell_opened(agent_clients *clients, int err, const char *text) {
    for (agent_client *c = clients->first; c != NULL; c = c->next)
        if (c->is_opening) say_opened(c, err, text);
}

static void leave_cluster(agent_client *client) {
    const agent_clients_options *options = &client->clients->options;
    client->is_leaving = true;
    options->on_leave_cluster(options->user);
}

void agent_clients_tell_left(agent_clients *clients) {
    for (agent_client *c = clients->first; c != NULL; c = c->next) {
        if (c->is_leaving) agent_client_say_done(c);
        c->is_leaving = false;
    }
}

static ProtobufCBinaryData borrow(const uint8_t *data, size_t len) {
    return (ProtobufCBinaryData){len, (uint8_t *)(uintptr_t)data};
}

static void list_keys(agent_client *client) {
    const agent_clients_options *options = &client->clients->options;
    const agent_new_host *next = options->keys(options->user);
    Warren__Agent__Keys keys = WARREN__AGENT__KEYS__INIT;
    Warren__Agent__Reply reply = WARREN__AGENT__REPLY__INIT;
    if (next != NULL) {
        keys.sign_seed = borrow(next->sign_seed, sizeof next->sign_seed);
        keys.link_secret = borrow(next->link_secret, sizeof next->link_secret);
    }
    reply.kind_case = WARREN__AGENT__REPLY__KIND_KEYS;
    reply.keys = &keys;
    agent_client_send(client, &reply);
}

bool agent_client_handle_hosts(agent_client *client, const Warren__Agent__Request *request) {
    switch (request->kind_case) {
    case WARREN__AGENT__REQUEST__KIND_LIST_HOSTS:
        list_hosts(client, request->list_hosts->watch);
        return true;
    case WARREN__AGENT__REQUEST__KIND_LIST_SOURCES: list_sources(client); return true;
    case WARREN__AGENT__REQUEST__KIND_LIST_KEYS: list_keys(client); return true;
    case WARREN__AGENT__REQUEST__KIND_OPEN_CLUSTER: open_cluster(client); return true;
    case WARREN__AGENT__REQUEST__KIND_LEAVE_CLUSTER: leave_cluster(client); return true;
    default: return false;
    }
}
