// What the nodes of a service wrote, for those who ask, and what they write from now on.
#include <stdio.h>

#include "agent/client.h"
#include "agent/target.h"
#include "core/error.h"
#include "core/mem.h"

enum { NODE_WORD_MAX = AGENT_NAME_LEN_MAX + 12 }; // "app.0"

static void on_tail(const agent_log_piece *piece, void *user) {
    agent_client_send_output(user, piece);
}

typedef struct tail_all {
    agent_client *client;
    const Warren__Agent__Logs *body;
    char last[AGENT_SERVICE_NAME_LEN_MAX];
} tail_all;

static void tail_service(const Warren__Agent__NodeInfo *info, void *user) {
    tail_all *all = user;
    if (info->service[0] == '\0' || strcmp(info->service, all->last) == 0) return;
    (void)snprintf(all->last, sizeof all->last, "%s", info->service);
    agent_log_query query = {.dir = all->client->clients->options.dir,
                             .service = info->service,
                             .line_count = all->body->tail_lines,
                             .since_ms = all->body->since_ms};
    (void)agent_log_tail(&query, on_tail, all->client); // one that wrote nothing has no file
}

// The one node that the target means; NULL when it means several.
static const char *node_of(const agent_target *target, char out[NODE_WORD_MAX]) {
    if (target->instance == UINT32_MAX) return NULL;
    (void)snprintf(out, NODE_WORD_MAX, "%s.%u", target->name, target->instance);
    return out;
}

static void note_piece(const agent_log_piece *piece, void *user) {
    (void)piece;
    *(bool *)user = true;
}

// What a service wrote that is not in the lists any more is still there to be read, and so is what
// an instance wrote that it does not have now.
static bool has_log(const char *dir, const char *target) {
    agent_target parsed;
    char name[NODE_WORD_MAX];
    bool has_piece = false;
    if (agent_target_parse(target, &parsed) != 0 || parsed.name[0] == '\0') return false;
    agent_log_query query = {
        .dir = dir, .service = parsed.name, .node = node_of(&parsed, name), .line_count = 1};
    int err = agent_log_tail(&query, note_piece, &has_piece);
    return err == 0 && (query.node == NULL || has_piece);
}

static void tail(agent_client *client, const Warren__Agent__Logs *body) {
    agent_target target;
    CHECK(agent_target_parse(body->target, &target) == 0); // it was found
    if (target.name[0] == '\0') {
        tail_all all = {.client = client, .body = body};
        agent_services_each(client->clients->options.services, tail_service, &all);
        return;
    }
    char name[NODE_WORD_MAX];
    agent_log_query query = {.dir = client->clients->options.dir,
                             .service = target.name,
                             .node = node_of(&target, name),
                             .line_count = body->tail_lines,
                             .since_ms = body->since_ms};
    (void)agent_log_tail(&query, on_tail, client); // one that wrote nothing has no file
}

void agent_client_handle_logs(agent_client *client, const Warren__Agent__Logs *body) {
    agent_services *services = client->clients->options.services;
    agent_refusal refusal;
    uint32_t service_id, instance;
    int err = agent_services_find(services, body->target, &service_id, &instance, &refusal);
    bool is_past = err == MESH_ENOTFOUND && has_log(client->clients->options.dir, body->target);
    if (err != 0 && !is_past) {
        agent_client_say_error(client, refusal.exit_code, refusal.text);
        return;
    }
    tail(client, body);
    if (!body->follow || is_past ||
        (service_id != 0 && agent_services_is_over(services, service_id, instance)))
        agent_client_say_done(client);
    else
        agent_client_add_watch(client, FOLLOWER, service_id, instance);
}
