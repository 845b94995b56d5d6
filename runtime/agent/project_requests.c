// What `warren up`, `down` and `scale` ask for.
#include <stdio.h>

#include "agent/client.h"

bool agent_client_refuses(agent_client *client, uint32_t service_id, const char *what,
                          const char *way) {
    const Warren__Agent__Run *run =
        agent_services_deployed(client->clients->options.services, service_id);
    char down[128], text[512];
    if (run == NULL) return false;
    (void)snprintf(down, sizeof down, "warren down --project %s", run->project);
    (void)snprintf(text, sizeof text,
                   "%s was deployed with %s, and is not %s by hand: `%s` does it", run->name,
                   run->project, what, way != NULL ? way : down);
    agent_client_say_error(client, 1, text);
    return true;
}

void agent_client_scale(agent_client *client, const Warren__Agent__Scale *body) {
    agent_services *services = client->clients->options.services;
    agent_refusal refusal;
    uint32_t service_id, instance;
    int err = agent_services_find(services, body->target, &service_id, &instance, &refusal);
    if (err == 0 && (service_id == 0 || instance != AGENT_INSTANCE_ALL)) {
        agent_client_say_error(client, 2, "only a service can be scaled: api=4, api=+2, api=-1");
        return;
    }
    if (err == 0 && agent_client_refuses(client, service_id, "scaled on one host", "warren scale"))
        return;
    agent_scale scale = {.count = body->count,
                         .is_relative = body->is_relative,
                         .drain_ms = body->drain_ms,
                         .by = (pid_t)client->pid};
    if (err == 0) err = agent_services_scale(services, service_id, &scale, &refusal);
    if (err != 0)
        agent_client_say_error(client, refusal.exit_code, refusal.text);
    else
        agent_client_say_done(client);
}

static void send_described(const Warren__Agent__Described *described, void *user) {
    Warren__Agent__Reply message = WARREN__AGENT__REPLY__INIT;
    message.kind_case = WARREN__AGENT__REPLY__KIND_DESCRIBED;
    message.described = (Warren__Agent__Described *)(uintptr_t)described;
    agent_client_send(user, &message);
}

void agent_client_describe(agent_client *client) {
    agent_services_describe(client->clients->options.services, send_described, client);
    agent_client_say_done(client);
}
