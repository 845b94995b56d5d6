// `warren secret`: what is asked, and what is answered. Values come in and never go out.
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "agent/client.h"
#include "agent/events.h"
#include "core/mem.h"

static agent_secrets *secrets_of(const agent_client *client) {
    return client->clients->options.secrets;
}

static void on_changed(const char *sentence, void *user) {
    agent_client *client = user;
    if (sentence[0] != '\0')
        agent_client_say_error(client, 1, sentence);
    else
        agent_client_say_done(client);
}

// False: a sentence was said.
static bool judge(agent_client *client, const char *name) {
    char text[256];
    if (agent_secrets_is_name(name)) return true;
    (void)snprintf(text, sizeof text,
                   "\"%.80s\" cannot be the name of a secret: up to %d letters, digits and _, no "
                   "digit first, and neither NODE_ nor WARREN_",
                   name, AGENT_SECRET_NAME_MAX - 1);
    agent_client_say_error(client, 2, text);
    return false;
}

static void record(const agent_client *client, const char *type, const char *name,
                   const char *what) {
    agent_events_add(&(agent_entry){.type = type, .by = (pid_t)client->pid}, "the secret %s is %s",
                     name, what);
}

void agent_client_set_secret(agent_client *client, Warren__Agent__SetSecret *body) {
    mesh_bytes value = {body->value.data, body->value.len};
    bool is_text = value.len == 0 || memchr(value.data, '\0', value.len) == NULL;
    if (!judge(client, body->name)) return;
    if (value.len > AGENT_SECRET_LEN_MAX || !is_text) {
        agent_client_say_error(client, 2,
                               is_text ? "the value of a secret has at most 32 KiB"
                                       : "the value of a secret is a variable's: a byte 0 cannot "
                                         "be in it");
    } else {
        record(client, "secret-set", body->name, "set");
        agent_secrets_set(secrets_of(client), body->name, value, on_changed, client);
    }
    if (body->value.len > 0) sodium_memzero(body->value.data, body->value.len);
}

void agent_client_remove_secret(agent_client *client, const char *name) {
    const agent_secrets *secrets = secrets_of(client);
    if (!judge(client, name)) return;
    if (agent_secrets_trouble(secrets)[0] == '\0' && agent_secrets_find(secrets, name) == NULL) {
        char text[160];
        (void)snprintf(text, sizeof text, "there is no secret %s (`warren secret list`)", name);
        agent_client_say_error(client, 3, text);
        return;
    }
    record(client, "secret-removed", name, "removed");
    agent_secrets_remove(secrets_of(client), name, on_changed, client);
}

static void add_name(const char *name, void *user) {
    Warren__Agent__Secrets *list = user;
    list->names[list->n_names++] = (char *)(uintptr_t)name;
}

void agent_client_list_secrets(agent_client *client) {
    char *names[AGENT_SECRETS_MAX];
    const char *trouble = agent_secrets_trouble(secrets_of(client));
    if (trouble[0] != '\0') {
        agent_client_say_error(client, 1, trouble);
        return;
    }
    Warren__Agent__Secrets list = WARREN__AGENT__SECRETS__INIT;
    list.names = names;
    agent_secrets_each(secrets_of(client), add_name, &list);
    Warren__Agent__Reply reply = WARREN__AGENT__REPLY__INIT;
    reply.kind_case = WARREN__AGENT__REPLY__KIND_SECRETS;
    reply.secrets = &list;
    agent_client_send(client, &reply);
}
