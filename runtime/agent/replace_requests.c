// `warren agent restart`.
#include <unistd.h>

#include "agent/client.h"
#include "agent/events.h"
#include "agent/replacing.h"

void agent_client_about(agent_client *client) {
    const agent_clients *clients = client->clients;
    Warren__Agent__Self self = WARREN__AGENT__SELF__INIT;
    Warren__Agent__Reply reply = WARREN__AGENT__REPLY__INIT;
    self.pid = (uint32_t)getpid();
    self.version = (char *)(uintptr_t)WARREN_VERSION;
    self.program = (char *)(uintptr_t)agent_successor_program();
    self.number = clients->options.number;
    self.trouble = (char *)(uintptr_t)agent_replacing_trouble();
    const agent_store *store = clients->options.store;
    self.store = (char *)(uintptr_t)agent_store_text(store);
    self.is_store_open = agent_store_is_open(store);
    self.store_trouble = (char *)(uintptr_t)agent_store_trouble(store);
    agent_services_adopted(clients->options.services, &self.adopted, &self.services);
    reply.kind_case = WARREN__AGENT__REPLY__KIND_SELF;
    reply.self = &self;
    agent_client_send(client, &reply);
}

static void on_failed(const char *text, void *user) {
    agent_client_say_error(user, 1, text);
}

static void on_start(void *user) {
    agent_client_say_done(user);
}

static const agent_replacing_events events = {on_failed, on_start};

void agent_client_replace(agent_client *client, bool is_forced) {
    char text[AGENT_SUCCESSOR_TEXT_MAX];
    if (agent_replacing_judge(is_forced, text) != 0)
        agent_client_say_error(client, 1, text);
    else {
        agent_events_add(&(agent_entry){.type = "agent-restart", .by = (pid_t)client->pid},
                         "the agent (pid %d) is replaced by the program that is on disk now",
                         (int)getpid());
        agent_replacing_begin(is_forced, &events, client);
    }
}
