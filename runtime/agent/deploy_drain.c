// A host that is drained, or is not any more: its key in the store, which the leader goes by.
#include <stdio.h>
#include <string.h>

#include "agent/deploy_client.h"
#include "io/wall.h"

static void on_drained(const store_answer *answer, void *user) {
    agent_client_deploy *c = user;
    if (answer->error != 0) {
        deploy_client_fail(c, 1, answer->sentence);
        return;
    }
    if (c->client != NULL) agent_client_say_done(c->client);
    deploy_client_end(c);
}

static void on_joined(const char *sentence, void *user) {
    agent_client_deploy *c = user;
    const Warren__Agent__DrainHost *body = c->request->drain_host;
    char key[STORE_KEY_LEN_MAX], text[AGENT_DEPLOYER_TEXT_MAX];
    uint8_t value[128];
    if (sentence[0] != '\0') {
        deploy_client_fail(c, 1, sentence);
        return;
    }
    bool is_drained = deploy_client_get(c, "drained", body->host) != NULL;
    if (deploy_client_get(c, "host", body->host) == NULL && !(body->is_undo && is_drained)) {
        (void)snprintf(text, sizeof text,
                       "no host %.100s takes part in deployments (`warren status` lists them)",
                       body->host);
        deploy_client_fail(c, 3, text);
        return;
    }
    (void)snprintf(key, sizeof key, "deploy/drained/%s", body->host);
    Warren__Deploy__Drained drained = WARREN__DEPLOY__DRAINED__INIT;
    drained.by = body->by;
    drained.at_ms = mesh_wall_ms();
    store_op op = {.kind = body->is_undo ? STORE_DELETE : STORE_PUT, .key = mesh_bytes_text(key)};
    if (!body->is_undo)
        op.value = (mesh_bytes){value, warren__deploy__drained__pack(&drained, value)};
    store_commit(agent_deployer_store(c->deployer), &(store_transaction){.ops = &op, .op_count = 1},
                 on_drained, c);
}

void deploy_drain_begin(agent_client *client, Warren__Agent__Request *request) {
    agent_client_deploy *c = deploy_client_of(client);
    if (c->is_busy || strlen(request->drain_host->host) > 100 ||
        request->drain_host->host[0] == 0 ||
        strlen(request->drain_host->by) > DEPLOY_CLIENT_BY_LEN_MAX) {
        agent_client_say_error(client, 2, "drain wants the name of one host");
        return;
    }
    deploy_client_join(c, request, on_joined);
}
