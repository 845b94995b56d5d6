// `warren reload`: begins one for each service that is meant and tells what becomes of them.
#include <stdio.h>

#include "agent/client.h"

static void on_progress(const agent_reload_progress *progress, void *user) {
    Warren__Agent__Reloading body = WARREN__AGENT__RELOADING__INIT;
    body.node = (char *)(uintptr_t)progress->node;
    body.step = (char *)(uintptr_t)progress->step;
    body.text = (char *)(uintptr_t)progress->text;
    body.pid = progress->pid;
    body.after_ms = progress->after_ms;
    Warren__Agent__Reply message = WARREN__AGENT__REPLY__INIT;
    message.kind_case = WARREN__AGENT__REPLY__KIND_RELOADING;
    message.reloading = &body;
    agent_client_send(user, &message);
}

static void note_failure(agent_client *client, const agent_reload_outcome *outcome) {
    if (client->reload_failure[0] != '\0') return;
    if (outcome->is_stopped) // nothing can be said of what serves
        (void)snprintf(client->reload_failure, sizeof client->reload_failure,
                       "%s is not %s: %.300s", outcome->service,
                       outcome->is_change ? "changed" : "reloaded", outcome->why);
    else if (outcome->is_change && outcome->replaced == 0)
        (void)snprintf(client->reload_failure, sizeof client->reload_failure,
                       "%s is not changed: %.300s; it runs as before", outcome->service,
                       outcome->why);
    else if (outcome->is_change)
        (void)snprintf(
            client->reload_failure, sizeof client->reload_failure,
            "%s is not changed: %.200s; but %u of %u could not be replaced again, and run "
            "the new program until they are restarted",
            outcome->service, outcome->why, outcome->replaced, outcome->wanted);
    else if (outcome->replaced == 0)
        (void)snprintf(client->reload_failure, sizeof client->reload_failure,
                       "%s is not reloaded: %.300s; what served before still does",
                       outcome->service, outcome->why);
    else
        (void)snprintf(client->reload_failure, sizeof client->reload_failure,
                       "%s is reloaded in part, %u of %u: %.300s; the others serve as before",
                       outcome->service, outcome->replaced, outcome->wanted, outcome->why);
}

static void finish(agent_client *client) {
    if (client->reload_failure[0] != '\0')
        agent_client_say_error(client, 1, client->reload_failure);
    else
        agent_client_say_done(client);
    client->reload_failure[0] = '\0';
}

static void on_over(const agent_reload_outcome *outcome, void *user) {
    agent_client *client = user;
    Warren__Agent__Reloaded body = WARREN__AGENT__RELOADED__INIT;
    body.service = (char *)(uintptr_t)outcome->service;
    body.wanted = outcome->wanted;
    body.replaced = outcome->replaced;
    body.is_failed = outcome->is_failed;
    body.why = (char *)(uintptr_t)(outcome->is_failed ? outcome->why : "");
    body.after_ms = outcome->after_ms;
    body.last_stderr = (ProtobufCBinaryData){outcome->last_stderr.len,
                                             (uint8_t *)(uintptr_t)outcome->last_stderr.data};
    Warren__Agent__Reply message = WARREN__AGENT__REPLY__INIT;
    message.kind_case = WARREN__AGENT__REPLY__KIND_RELOADED;
    message.reloaded = &body;
    agent_client_send(client, &message);
    if (outcome->is_failed) note_failure(client, outcome);
    if (--client->reloads_open == 0) finish(client);
}

static int begin(agent_client *client, const agent_reload_request *request,
                 agent_refusal *refusal) {
    static const agent_reload_watch events = {.on_progress = on_progress, .on_over = on_over};
    agent_reload_watch watch = events;
    watch.user = client;
    int err = agent_services_reload(client->clients->options.services, request, &watch, refusal);
    client->reloads_open += err == 0;
    return err;
}

typedef struct each {
    agent_client *client;
    agent_reload_request request;
} each;

static void begin_one(uint32_t service_id, void *user) {
    each *e = user;
    agent_refusal refusal;
    e->request.service_id = service_id;
    if (begin(e->client, &e->request, &refusal) != 0 && e->client->reload_failure[0] == '\0')
        (void)snprintf(e->client->reload_failure, sizeof e->client->reload_failure, "%s",
                       refusal.text);
}

// Takes the Run that is in it.
void agent_client_reload(agent_client *client, Warren__Agent__Reload *body) {
    agent_services *services = client->clients->options.services;
    agent_refusal refusal;
    agent_reload_request request = {
        .parallel = body->parallel, .drain_ms = body->drain_ms, .by = (pid_t)client->pid};
    if (client->reloads_open > 0) {
        agent_client_say_error(client, 2, "this connection waits for a reload already");
        return;
    }
    int err = agent_services_find(services, body->target, &request.service_id, &request.instance,
                                  &refusal);
    if (err == 0 && body->run != NULL &&
        (request.service_id == 0 || request.instance != AGENT_INSTANCE_ALL)) {
        agent_client_say_error(client, 2, "only a whole service can be changed");
        return;
    }
    if (err == 0 && body->run != NULL &&
        agent_client_refuses(client, request.service_id, "changed", "warren deploy"))
        return;
    if (err == 0) {
        request.run = body->run;
        body->run = NULL;
    }
    if (err == 0 && request.service_id != 0) err = begin(client, &request, &refusal);
    if (err != 0) {
        agent_client_say_error(client, refusal.exit_code, refusal.text);
        return;
    }
    each e = {client, request};
    if (request.service_id == 0) agent_services_each_running(services, begin_one, &e);
    if (client->reloads_open == 0) finish(client);
}
