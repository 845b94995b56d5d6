// `warren inspect`: what nodes do now.
#include "agent/client.h"
#include "agent/inquiries.h"

static const char *const states[] = {"running", "waiting", "blocked", "ended"};

static void on_answer(const agent_answer *answer, void *user) {
    agent_client *client = user;
    Warren__Agent__Inspected body = WARREN__AGENT__INSPECTED__INIT;
    body.node = (char *)(uintptr_t)answer->node;
    body.pid = (uint32_t)answer->pid;
    body.activity = (char *)(uintptr_t)states[answer->activity];
    body.stalled_ms = answer->stalled_ms;
    body.text = (char *)(uintptr_t)answer->text;
    Warren__Agent__Reply reply = WARREN__AGENT__REPLY__INIT;
    reply.kind_case = WARREN__AGENT__REPLY__KIND_INSPECTED;
    reply.inspected = &body;
    agent_client_send(client, &reply);
    if (--client->inspections_open == 0) agent_client_say_done(client);
}

void agent_client_inspect(agent_client *client, const char *target) {
    agent_refusal refusal;
    if (client->inspections_open > 0) {
        agent_client_say_error(client, 2, "this connection inspects something already");
        return;
    }
    client->inspections_open = agent_services_inspect(client->clients->options.services, target,
                                                      on_answer, client, &refusal);
    if (client->inspections_open == 0)
        agent_client_say_error(client, refusal.exit_code, refusal.text);
}
