// `warren restart`, and whoever else waits until all of a service is ready, or over.
#include <stdio.h>

#include "agent/client.h"

// One of those whose restart somebody waits for is done. `failed`: why it does not run; or NULL.
static void end(client_watch *w, const char *failed) {
    agent_client *client = w->client;
    if (failed != NULL && !client->has_failed_restart) {
        char text[512];
        (void)snprintf(text, sizeof text, "%s %s: %s",
                       agent_services_name(client->clients->options.services, w->watch.service_id),
                       client->is_await ? "did not start" : "did not come back", failed);
        agent_client_say_error(client, 1, text);
        client->has_failed_restart = true; // that is the answer
    }
    agent_client_remove_watch(w);
    if (--client->restarts_open == 0 && !client->has_failed_restart) agent_client_say_done(client);
}

static void settle(client_watch *w) {
    const char *failed;
    if (agent_services_is_settled(w->client->clients->options.services, w->watch.service_id,
                                  w->watch.instance, &failed))
        end(w, failed);
}

static void on_restart_over(agent_watch *watch, int exit_code) {
    (void)exit_code;
    settle((client_watch *)watch);
}

static void on_restart_event(agent_watch *watch, const agent_event *event) {
    agent_client_on_event(watch, event);
    // It is tried again, perhaps for ever: nobody waits for that.
    if (event->is_late)
        end((client_watch *)watch, event->text);
    else
        settle((client_watch *)watch);
}

static void await_restart(uint32_t service_id, void *user) {
    agent_client *client = user;
    client->restarts_open++;
    agent_client_add_watch(client, RESTARTER, service_id, AGENT_INSTANCE_ALL);
}

const agent_watch_events agent_restarter_events = {NULL, on_restart_event, on_restart_over};

static void await_all(agent_client *client, uint32_t service_id, uint32_t instance) {
    client->has_failed_restart = false;
    if (service_id == 0) {
        agent_services_each_running(client->clients->options.services, await_restart, client);
    } else {
        client->restarts_open++;
        agent_client_add_watch(client, RESTARTER, service_id, instance);
    }
    if (client->restarts_open == 0) agent_client_say_done(client);
    for (client_watch *w = client->watches, *next; w != NULL; w = next) {
        next = w->next; // what could not even be launched is over already
        if (w->kind == RESTARTER) settle(w);
    }
}

void agent_client_restart(agent_client *client, const char *target) {
    agent_services *services = client->clients->options.services;
    agent_refusal refusal;
    uint32_t service_id, instance;
    if (client->restarts_open > 0) {
        agent_client_say_error(client, 2, "this connection waits for a restart already");
        return;
    }
    if (agent_services_find(services, target, &service_id, &instance, &refusal) != 0 ||
        agent_services_restart(services, service_id, instance, &refusal) != 0) {
        agent_client_say_error(client, refusal.exit_code, refusal.text);
        return;
    }
    agent_services_record_all(services, service_id, "restart", (pid_t)client->pid,
                              "is restarted by hand");
    client->is_await = false;
    await_all(client, service_id, instance);
}

void agent_client_await(agent_client *client, const Warren__Agent__Await *body) {
    agent_services *services = client->clients->options.services;
    agent_refusal refusal;
    uint32_t service_id, instance;
    if (client->restarts_open > 0) {
        agent_client_say_error(client, 2, "this connection waits for something already");
        return;
    }
    if (agent_services_find(services, body->target, &service_id, &instance, &refusal) != 0) {
        agent_client_say_error(client, refusal.exit_code, refusal.text);
        return;
    }
    client->is_await = true;
    await_all(client, service_id, instance);
}
