// `warren secret`: what is asked, and what is answered. Values come in and never go out.
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "agent/client.h"
#include "agent/events.h"
#include "agent/sealed.h"
#include "agent/shared_secrets.h"
#include "core/mem.h"

static agent_secrets *secrets_of(const agent_client *client) {
    return client->clients->options.secrets;
}

// False: a sentence was said.
static bool has_secrets(agent_client *client) {
    if (secrets_of(client) != NULL) return true;
    agent_client_say_error(client, 1, "this agent keeps no secrets");
    return false;
}

static void on_changed(const char *sentence, void *user) {
    agent_client *client = user;
    if (sentence[0] != '\0')
        agent_client_say_error(client, 1, sentence);
    else
        agent_client_say_done(client);
}

static void on_set(const char *sentence, void *user) {
    agent_client *client = user;
    char why_not[AGENT_SECRETS_TEXT_MAX];
    if (sentence[0] != '\0') {
        agent_client_say_error(client, 1, sentence);
        return;
    }
    Warren__Agent__Done done = WARREN__AGENT__DONE__INIT;
    agent_shared_secrets_judge(agent_secrets_shared(secrets_of(client)), why_not);
    done.is_sharing = why_not[0] == '\0';
    Warren__Agent__Reply reply = WARREN__AGENT__REPLY__INIT;
    reply.kind_case = WARREN__AGENT__REPLY__KIND_DONE;
    reply.done = &done;
    agent_client_send(client, &reply);
}

static void on_shared(int exit_code, const char *sentence, void *user) {
    agent_client *client = user;
    if (exit_code != 0)
        agent_client_say_error(client, (uint32_t)exit_code, sentence);
    else
        agent_client_say_done(client);
}

// False: a sentence was said.
static bool judge(agent_client *client, const char *name) {
    char text[256];
    if (!has_secrets(client)) return false;
    if (agent_secrets_is_name(name)) return true;
    (void)snprintf(text, sizeof text,
                   "\"%.80s\" cannot be the name of a secret: up to %d letters, digits and _, no "
                   "digit first, and neither NODE_ nor WARREN_",
                   name, AGENT_SECRET_NAME_MAX - 1);
    agent_client_say_error(client, 2, text);
    return false;
}

static void record(const agent_client *client, const char *type, const char *name, bool is_shared,
                   const char *what) {
    agent_events_add(&(agent_entry){.type = type, .by = (pid_t)client->pid},
                     "the secret %s%s is %s", name, is_shared ? " of the cluster" : "", what);
}

// False: there is nothing to share, and a sentence was said.
static bool judge_sharing(agent_client *client) {
    char text[AGENT_SECRETS_TEXT_MAX];
    agent_shared_secrets_judge(agent_secrets_shared(secrets_of(client)), text);
    if (text[0] != '\0') agent_client_say_error(client, 1, text);
    return text[0] == '\0';
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
    } else if (body->is_shared) {
        if (judge_sharing(client)) {
            record(client, "secret-set", body->name, true, "set");
            agent_shared_secrets_set(agent_secrets_shared(secrets_of(client)), body->name, value,
                                     on_shared, client);
        }
    } else {
        record(client, "secret-set", body->name, false, "set");
        agent_secrets_set(secrets_of(client), body->name, value, on_set, client);
    }
    if (body->value.len > 0) sodium_memzero(body->value.data, body->value.len);
}

static void look_for(const agent_shared_secret *secret, void *user) {
    const char **name = user;
    if (*name != NULL && strcmp(secret->name, *name) == 0) *name = NULL;
}

static bool is_shared(const agent_secrets *secrets, const char *name) {
    const char *wanted = name;
    agent_shared_secrets_each(agent_secrets_shared(secrets), look_for, &wanted);
    return wanted == NULL;
}

static void remove_shared(agent_client *client, const char *name) {
    if (!judge_sharing(client)) return;
    if (is_shared(secrets_of(client), name))
        record(client, "secret-removed", name, true, "removed");
    agent_shared_secrets_remove(agent_secrets_shared(secrets_of(client)), name, on_shared, client);
}

void agent_client_remove_secret(agent_client *client, const Warren__Agent__RemoveSecret *body) {
    const agent_secrets *secrets = secrets_of(client);
    const char *name = body->name;
    if (!judge(client, name)) return;
    if (body->is_shared) {
        remove_shared(client, name);
        return;
    }
    if (agent_secrets_trouble(secrets)[0] == '\0' && !agent_secrets_has_own(secrets, name)) {
        char text[256];
        (void)snprintf(text, sizeof text, "there is no secret %s%s (`warren secret list`)", name,
                       is_shared(secrets, name)
                           ? " of this host alone, but one of the cluster: `--cluster` removes it"
                           : "");
        agent_client_say_error(client, 3, text);
        return;
    }
    record(client, "secret-removed", name, false, "removed");
    agent_secrets_remove(secrets_of(client), name, on_changed, client);
}

void agent_client_revoke_host(agent_client *client, const char *host) {
    if (!has_secrets(client) || !judge_sharing(client)) return;
    if (agent_shared_secrets_has_host(agent_secrets_shared(secrets_of(client)), host))
        agent_events_add(&(agent_entry){.type = "host-revoked", .by = (pid_t)client->pid},
                         "the host %.64s gets no secrets of the cluster from now on", host);
    agent_shared_secrets_revoke(agent_secrets_shared(secrets_of(client)), host, on_shared, client);
}

// ---- what there is: names, and no value

typedef struct listing {
    Warren__Agent__Secrets body;
    char *names[AGENT_SECRETS_MAX], *hosts[AGENT_SEALED_HOSTS_MAX];
    Warren__Agent__SharedSecret shared[AGENT_SHARED_SECRETS_MAX];
    Warren__Agent__SharedSecret *list[AGENT_SHARED_SECRETS_MAX];
} listing;

static void add_name(const char *name, void *user) {
    listing *l = user;
    l->names[l->body.n_names++] = (char *)(uintptr_t)name;
}

static void add_host(const char *name, void *user) {
    listing *l = user;
    l->hosts[l->body.n_hosts++] = (char *)(uintptr_t)name;
}

static void add_shared(const agent_shared_secret *secret, void *user) {
    listing *l = user;
    Warren__Agent__SharedSecret *s = &l->shared[l->body.n_shared];
    warren__agent__shared_secret__init(s);
    s->name = (char *)(uintptr_t)secret->name;
    s->by = (char *)(uintptr_t)secret->by;
    s->version = secret->version;
    s->at_ms = secret->at_ms;
    s->hosts = secret->host_count;
    s->is_readable = secret->is_readable;
    l->list[l->body.n_shared++] = s;
}

void agent_client_list_secrets(agent_client *client) {
    static listing l;
    if (!has_secrets(client)) return;
    const agent_secrets *secrets = secrets_of(client);
    const agent_shared_secrets *shared = agent_secrets_shared(secrets);
    const char *trouble = agent_secrets_trouble(secrets);
    if (trouble[0] != '\0') {
        agent_client_say_error(client, 1, trouble);
        return;
    }
    l = (listing){.body = WARREN__AGENT__SECRETS__INIT};
    l.body.names = l.names;
    l.body.hosts = l.hosts;
    l.body.shared = l.list;
    agent_secrets_each(secrets, add_name, &l);
    agent_shared_secrets_each(shared, add_shared, &l);
    agent_shared_secrets_each_host(shared, add_host, &l);
    Warren__Agent__Reply reply = WARREN__AGENT__REPLY__INIT;
    reply.kind_case = WARREN__AGENT__REPLY__KIND_SECRETS;
    reply.secrets = &l.body;
    agent_client_send(client, &reply);
}
