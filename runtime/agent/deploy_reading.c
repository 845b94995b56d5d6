// What a connection reads of deployments: what the store has below some prefixes, and then each
// change of it, as the mirror has it in memory.
#include <stdlib.h>
#include <string.h>

#include "agent/deploy_client.h"
#include "core/mem.h"

enum {
    PACKET_LEN = 48 << 10, // a pair more still fits
    QUEUE_MAX = 4 << 20,   // a watcher that does not read
};

void deploy_reading_init(agent_client_deploy *c) {
    warren__agent__deployed__init(&c->batch);
}

static void drop_pairs(agent_client_deploy *c) {
    for (size_t i = 0; i < c->batch.n_pairs; i++)
        warren__agent__pair__free_unpacked(c->batch.pairs[i], NULL);
    c->batch.n_pairs = c->batch_len = 0;
}

void deploy_reading_end(agent_client_deploy *c) {
    if (c->is_watching) agent_deployer_watch_end(c->deployer, &c->watch);
    c->is_watching = false;
}

void deploy_reading_free(agent_client_deploy *c) {
    for (size_t i = 0; i < c->prefix_count; i++)
        free(c->prefixes[i]);
    drop_pairs(c);
    free(c->batch.pairs);
}

static bool is_asked_for(const agent_client_deploy *c, mesh_bytes key) {
    for (size_t i = 0; i < c->prefix_count; i++) {
        size_t len = strlen(c->prefixes[i]);
        if (key.len >= len && memcmp(key.data, c->prefixes[i], len) == 0) return true;
    }
    return c->prefix_count == 0;
}

static void send_batch(agent_client_deploy *c, bool has_more) {
    Warren__Agent__Reply reply = WARREN__AGENT__REPLY__INIT;
    const agent_store *store = c->client->clients->options.store;
    c->batch.more = has_more;
    c->batch.store = (char *)(uintptr_t)agent_store_text(store);
    c->batch.trouble = (char *)(uintptr_t)agent_deployer_trouble(c->deployer);
    c->batch.host = (char *)(uintptr_t)agent_deployer_host(c->deployer);
    reply.kind_case = WARREN__AGENT__REPLY__KIND_DEPLOYED;
    reply.deployed = &c->batch;
    agent_client_send(c->client, &reply);
    drop_pairs(c);
}

static void add_pair(agent_client_deploy *c, const agent_mirror_pair *pair, bool is_gone) {
    mesh_bytes key = mesh_bytes_skip(pair->key, strlen("deploy/"));
    if (!is_asked_for(c, key)) return;
    if (c->batch_len + pair->value.len > PACKET_LEN && c->batch_len > 0) send_batch(c, true);
    Warren__Agent__Pair *copy = mem_alloc(sizeof *copy);
    warren__agent__pair__init(copy);
    copy->key = mem_alloc(key.len + 1);
    memcpy(copy->key, key.data, key.len);
    copy->value =
        (ProtobufCBinaryData){pair->value.len, mem_copy(pair->value.data, pair->value.len)};
    copy->is_gone = is_gone;
    c->batch.pairs = mem_grow(c->batch.pairs, sizeof(void *), c->batch.n_pairs + 1, &c->batch_cap);
    c->batch.pairs[c->batch.n_pairs++] = copy;
    c->batch_len += key.len + pair->value.len + 16;
}

static void add_present(const agent_mirror_pair *pair, void *user) {
    add_pair(user, pair, false);
}

static void on_pair(const agent_mirror_pair *pair, bool is_gone, void *user) {
    add_pair(user, pair, is_gone);
}

static void on_settled(void *user) {
    agent_client_deploy *c = user;
    if (mesh_channel_queued(c->client->channel) > QUEUE_MAX) {
        deploy_reading_end(c);
        deploy_client_say_error(c, 1,
                                "what happens is read too slowly: look again with `warren status`");
        return;
    }
    send_batch(c, false);
}

static void send_all(const char *sentence, void *user) {
    agent_client_deploy *c = user;
    const agent_mirror *mirror = agent_deployer_mirror(c->deployer);
    if (sentence[0] != '\0') {
        deploy_client_say_error(c, 1, sentence);
        return;
    }
    if (mirror != NULL) agent_mirror_each(mirror, "deploy/", add_present, c);
    send_batch(c, false);
    if (!c->is_reading || c->is_watching) return;
    c->watch = (agent_deployer_watch){.on_pair = on_pair, .on_settled = on_settled, .user = c};
    c->is_watching = true;
    agent_deployer_watch_begin(c->deployer, &c->watch);
}

static void set_prefixes(agent_client_deploy *c, const Warren__Agent__ReadDeployed *body) {
    while (c->prefix_count > 0)
        free(c->prefixes[--c->prefix_count]);
    for (; c->prefix_count < body->n_prefixes && c->prefix_count < DEPLOY_CLIENT_PREFIXES_MAX;
         c->prefix_count++)
        c->prefixes[c->prefix_count] =
            mem_copy(body->prefixes[c->prefix_count], strlen(body->prefixes[c->prefix_count]) + 1);
}

void deploy_reading_begin(agent_client *client, const Warren__Agent__ReadDeployed *body) {
    agent_client_deploy *c = deploy_client_of(client);
    char text[AGENT_DEPLOYER_TEXT_MAX];
    if (c->is_watching) {
        agent_client_say_error(client, 2, "this connection is told of deployments already");
        return;
    }
    set_prefixes(c, body);
    c->is_reading = body->watch;
    if (body->if_any && agent_deployer_mirror(c->deployer) == NULL) {
        send_all("", c);
        return;
    }
    int exit_code = agent_deployer_join(c->deployer, send_all, c, text);
    if (exit_code != 0) agent_client_say_error(client, (uint32_t)exit_code, text);
}
