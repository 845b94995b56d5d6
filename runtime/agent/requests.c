// What the command line asks for, and what it is told.
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/client.h"
#include "agent/events.h"
#include "agent/inquiries.h"
#include "agent/node.h"
#include "agent/replacing.h"
#include "agent/say.h"
#include "agent/target.h"
#include "core/error.h"
#include "core/mem.h"
#include "io/packet.h"

enum {
    QUEUE_HIGH = 1 << 20,         // a foreground run's nodes are not read above
    QUEUE_LOW = 256 << 10,        // and are again below
    FOLLOWER_QUEUE_MAX = 8 << 20, // what comes for a follower of logs is left out above
    NODES_BATCH_LEN = 64 << 10,
};

// ---- answers

typedef Warren__Agent__Reply reply;

void agent_client_send(agent_client *client, const reply *message) {
    size_t len = warren__agent__reply__get_packed_size(message);
    uint8_t *bytes = mem_alloc(len);
    warren__agent__reply__pack(message, bytes);
    mesh_channel_send(client->channel, (mesh_bytes){bytes, len}, NULL, 0);
    free(bytes);
}

// A Reply whose KIND is BODY, a pointer to that kind's struct.
#define REPLY(NAME, KIND, MEMBER, BODY)                                                            \
    reply NAME = WARREN__AGENT__REPLY__INIT;                                                       \
    NAME.kind_case = WARREN__AGENT__REPLY__KIND_##KIND;                                            \
    NAME.MEMBER = (BODY)

void agent_client_say_error(agent_client *client, uint32_t exit_code, const char *text) {
    Warren__Agent__Error error = WARREN__AGENT__ERROR__INIT;
    error.exit_code = exit_code;
    error.text = (char *)(uintptr_t)text;
    REPLY(message, ERROR, error, &error);
    agent_client_send(client, &message);
}

void agent_client_refuse(int fd, uint32_t exit_code, const char *text) {
    uint8_t bytes[512];
    Warren__Agent__Error error = WARREN__AGENT__ERROR__INIT;
    error.exit_code = exit_code;
    error.text = (char *)(uintptr_t)text;
    REPLY(message, ERROR, error, &error);
    CHECK(warren__agent__reply__get_packed_size(&message) <= sizeof bytes);
    size_t len = warren__agent__reply__pack(&message, bytes);
    (void)mesh_packet_send(fd, (mesh_bytes){bytes, len}, NULL, 0); // if it is gone, it knows
}

void agent_client_greet(agent_client *client) {
    Warren__Agent__Greeting greeting = WARREN__AGENT__GREETING__INIT;
    greeting.pid = (uint32_t)getpid();
    greeting.version = (char *)(uintptr_t)WARREN_VERSION;
    REPLY(message, GREETING, greeting, &greeting);
    agent_client_send(client, &message);
}

void agent_client_say_done(agent_client *client) {
    Warren__Agent__Done done = WARREN__AGENT__DONE__INIT;
    REPLY(message, DONE, done, &done);
    agent_client_send(client, &message);
}

void agent_client_send_output(agent_client *client, const agent_log_piece *piece) {
    Warren__Agent__Output output = WARREN__AGENT__OUTPUT__INIT;
    output.node = (char *)(uintptr_t)piece->node;
    output.is_stderr = piece->is_stderr;
    output.data.data = (uint8_t *)(uintptr_t)piece->data.data;
    output.data.len = piece->data.len;
    output.at_ms = piece->at_ms;
    REPLY(message, OUTPUT, output, &output);
    agent_client_send(client, &message);
}

// ---- watches

static void set_blocking(agent_client *client, bool is_blocking);

static void watch_channel(agent_client *client, bool is_on);

static uint64_t count_lines(mesh_bytes piece) {
    uint64_t count = 0;
    for (const uint8_t *newline; (newline = memchr(piece.data, '\n', piece.len)) != NULL; count++)
        piece = mesh_bytes_skip(piece, (size_t)(newline - piece.data) + 1);
    return count + (piece.len > 0);
}

static void say_left_out(client_watch *w) {
    if (w->left_out == 0) return;
    Warren__Agent__Skipped skipped = WARREN__AGENT__SKIPPED__INIT;
    skipped.lines = w->left_out;
    w->left_out = 0;
    REPLY(message, SKIPPED, skipped, &skipped);
    agent_client_send(w->client, &message);
}

// It cannot hold up the nodes.
static void set_behind(agent_client *client, bool is_behind) {
    if (client->is_behind == is_behind) return;
    client->is_behind = is_behind;
    watch_channel(client, is_behind);
    for (client_watch *w = client->watches; w != NULL && !is_behind; w = w->next)
        say_left_out(w);
}

static void on_output(agent_watch *watch, const agent_log_piece *piece) {
    client_watch *w = (client_watch *)watch;
    agent_client *client = w->client;
    if (client->is_behind && w->kind == FOLLOWER) {
        w->left_out += count_lines(piece->data);
        return;
    }
    agent_client_send_output(client, piece);
    size_t queued = mesh_channel_queued(client->channel);
    if (w->kind == OWNER) {
        if (queued > QUEUE_HIGH) set_blocking(client, true);
    } else if (queued > FOLLOWER_QUEUE_MAX) {
        set_behind(client, true);
    }
}

void agent_client_on_event(agent_watch *watch, const agent_event *event) {
    const client_watch *w = (client_watch *)watch;
    // Who stops the service that it runs hears of it as its owner.
    if (w->kind == STOPPER && watch->service_id == w->client->owned_service_id) return;
    Warren__Agent__NodeEvent body = WARREN__AGENT__NODE_EVENT__INIT;
    body.node = (char *)(uintptr_t)event->node;
    body.state = (char *)(uintptr_t)event->state;
    body.text = (char *)(uintptr_t)event->text;
    body.code = event->how.code;
    body.signal = (uint32_t)event->how.signal;
    REPLY(message, EVENT, event, &body);
    agent_client_send(w->client, &message);
}

void agent_client_remove_watch(client_watch *w) {
    agent_services_unwatch(w->client->clients->options.services, &w->watch);
    for (client_watch **at = &w->client->watches; *at != NULL; at = &(*at)->next) {
        if (*at != w) continue;
        *at = w->next;
        break;
    }
    free(w);
}

static void on_over(agent_watch *watch, int exit_code) {
    client_watch *w = (client_watch *)watch;
    agent_client *client = w->client;
    agent_services *services = client->clients->options.services;
    watch_kind kind = w->kind;
    uint32_t service_id = watch->service_id;
    say_left_out(w);
    agent_client_remove_watch(w);
    if (kind == STOPPER) {
        // Stopped by hand as a whole: it need not stay in lists to be found.
        if (agent_services_is_over(services, service_id, AGENT_INSTANCE_ALL))
            agent_services_forget(services, service_id);
        if (--client->stops_open == 0) agent_client_say_done(client);
        return;
    }
    Warren__Agent__Ended ended = WARREN__AGENT__ENDED__INIT;
    ended.service = (char *)(uintptr_t)agent_services_name(services, service_id);
    ended.exit_code = exit_code;
    REPLY(message, ENDED, ended, &ended);
    agent_client_send(client, &message);
    if (kind != OWNER) return;
    client->owned_service_id = 0;
    set_blocking(client, false);
    agent_services_forget(services, service_id);
}

static const agent_watch_events owner_events = {on_output, agent_client_on_event, on_over};
static const agent_watch_events follower_events = {on_output, NULL, on_over};
static const agent_watch_events stopper_events = {NULL, agent_client_on_event, on_over};

void agent_client_add_watch(agent_client *client, watch_kind kind, uint32_t service_id,
                            uint32_t instance) {
    static const agent_watch_events *const events[] = {&owner_events, &follower_events,
                                                       &stopper_events, &agent_restarter_events};
    client_watch *w = mem_alloc(sizeof *w);
    *w = (client_watch){
        .watch = {.service_id = service_id, .instance = instance, .events = events[kind]},
        .client = client,
        .kind = kind,
        .next = client->watches};
    client->watches = w;
    agent_services_watch(client->clients->options.services, &w->watch);
}

// ---- back-pressure

// Between the turns of the loop channels write what they can; there is no other sign of room.
void agent_client_drain(uv_check_t *check) {
    agent_clients *clients = check->data;
    for (agent_client *c = clients->first; c != NULL; c = c->next)
        if (mesh_channel_queued(c->channel) < QUEUE_LOW) {
            set_blocking(c, false);
            set_behind(c, false);
        }
}

static void watch_channel(agent_client *client, bool is_on) {
    agent_clients *clients = client->clients;
    if (is_on && clients->blocking_count++ == 0)
        uv_check_start(&clients->drain, agent_client_drain);
    else if (!is_on && --clients->blocking_count == 0)
        uv_check_stop(&clients->drain);
}

static void set_blocking(agent_client *client, bool is_blocking) {
    agent_clients *clients = client->clients;
    if (client->is_blocking == is_blocking) return;
    client->is_blocking = is_blocking;
    if (client->owned_service_id != 0)
        agent_services_pause(clients->options.services, client->owned_service_id, is_blocking);
    watch_channel(client, is_blocking);
}

// ---- requests

// Takes `body` and the descriptor.
static void run(agent_client *client, Warren__Agent__Run *body, int stdin_fd) {
    agent_services *services = client->clients->options.services;
    agent_refusal refusal;
    uint32_t service_id, instances = body->instances;
    bool is_detached = body->detach;
    char entry[PATH_MAX];
    (void)snprintf(entry, sizeof entry, "%s", body->entry);
    if (client->owned_service_id != 0) {
        if (stdin_fd >= 0) close(stdin_fd);
        warren__agent__run__free_unpacked(body, NULL);
        agent_client_say_error(client, 2, "this connection runs a service already");
        return;
    }
    if (agent_services_run(services, body, stdin_fd, &service_id, &refusal) != 0) {
        agent_client_say_error(client, refusal.exit_code, refusal.text);
        return;
    }
    char what[PATH_MAX + 64];
    (void)snprintf(what, sizeof what, "is started: %u x %s", instances, entry);
    agent_services_record_all(services, service_id, "run", (pid_t)client->pid, what);
    Warren__Agent__Started started = WARREN__AGENT__STARTED__INIT;
    started.service = (char *)(uintptr_t)agent_services_name(services, service_id);
    started.instances = instances;
    Warren__Agent__Limits limits;
    if (agent_services_limits(services, service_id, &limits)) started.limits = &limits;
    REPLY(message, STARTED, started, &started);
    agent_client_send(client, &message);
    if (is_detached) return;
    client->owned_service_id = service_id;
    agent_client_add_watch(client, OWNER, service_id, AGENT_INSTANCE_ALL);
}

typedef struct node_batch {
    agent_client *client;
    uint32_t instance;   // or AGENT_INSTANCE_ALL
    const char *service; // NULL: all
    Warren__Agent__Nodes nodes;
    size_t len, cap;
} node_batch;

static void send_batch(node_batch *batch, bool has_more) {
    batch->nodes.more = has_more;
    REPLY(message, NODES, nodes, &batch->nodes);
    agent_client_send(batch->client, &message);
    for (size_t i = 0; i < batch->nodes.n_nodes; i++)
        warren__agent__node_info__free_unpacked(batch->nodes.nodes[i], NULL);
    batch->nodes.n_nodes = batch->len = 0;
}

// What we are given is borrowed: a copy by way of its own bytes.
static void add_node(const Warren__Agent__NodeInfo *info, void *user) {
    node_batch *batch = user;
    if (batch->service != NULL && strcmp(batch->service, info->service) != 0) return;
    if (batch->instance != AGENT_INSTANCE_ALL && batch->instance != info->instance) return;
    size_t len = warren__agent__node_info__get_packed_size(info);
    uint8_t *bytes = mem_alloc(len);
    warren__agent__node_info__pack(info, bytes);
    if (batch->len + len > NODES_BATCH_LEN && batch->len > 0) send_batch(batch, true);
    batch->nodes.nodes =
        mem_grow(batch->nodes.nodes, sizeof(void *), batch->nodes.n_nodes + 1, &batch->cap);
    batch->nodes.nodes[batch->nodes.n_nodes++] = warren__agent__node_info__unpack(NULL, len, bytes);
    batch->len += len + 8;
    free(bytes);
}

static void ps(agent_client *client, const char *target) {
    agent_services *services = client->clients->options.services;
    node_batch batch = {
        .client = client, .instance = AGENT_INSTANCE_ALL, .nodes = WARREN__AGENT__NODES__INIT};
    agent_refusal refusal;
    uint32_t service_id = 0;
    if (target[0] != '\0' &&
        agent_services_find(services, target, &service_id, &batch.instance, &refusal) != 0) {
        agent_client_say_error(client, refusal.exit_code, refusal.text);
        return;
    }
    if (service_id != 0) batch.service = agent_services_name(services, service_id);
    agent_services_each(services, add_node, &batch);
    send_batch(&batch, false);
    free(batch.nodes.nodes);
}

static void stop_one(uint32_t service_id, void *user) {
    agent_client *client = user;
    client->stops_open++;
    agent_client_add_watch(client, STOPPER, service_id, AGENT_INSTANCE_ALL);
}

static void tell_and_stop(agent_client *client, uint32_t service_id, uint32_t instance,
                          bool is_kill) {
    agent_services *services = client->clients->options.services;
    char what[64] = "is stopped";
    if (instance != AGENT_INSTANCE_ALL)
        (void)snprintf(what, sizeof what, "has its instance %u stopped", instance);
    agent_services_record_all(services, service_id, "stop", (pid_t)client->pid, what);
    agent_services_stop(services, service_id, instance, is_kill);
}

static void stop(agent_client *client, const Warren__Agent__Stop *body) {
    agent_services *services = client->clients->options.services;
    agent_refusal refusal;
    uint32_t service_id, instance;
    if (agent_services_find(services, body->target, &service_id, &instance, &refusal) != 0) {
        agent_client_say_error(client, refusal.exit_code, refusal.text);
        return;
    }
    bool is_over = service_id != 0 && agent_services_is_over(services, service_id, instance);
    if (!is_over && agent_client_refuses(client, service_id, "stopped", NULL)) return;
    if (service_id == 0) {
        agent_services_each_running(services, stop_one, client);
    } else if (!is_over) {
        client->stops_open++;
        agent_client_add_watch(client, STOPPER, service_id, instance);
    } else if (agent_services_is_over(services, service_id, AGENT_INSTANCE_ALL)) {
        agent_services_forget(services, service_id);
    }
    if (client->stops_open == 0)
        agent_client_say_done(client);
    else
        tell_and_stop(client, service_id, instance, body->kill);
}

static void shut_down(agent_client *client) {
    agent_events_add(&(agent_entry){.type = "agent-stop", .by = (pid_t)client->pid},
                     "the agent (pid %d) is told to stop", (int)getpid());
    client->wants_shutdown = true;
    client->clients->options.on_shutdown(client->clients->options.user);
}

static void take_run(agent_client *client, Warren__Agent__Request *request, mesh_packet *packet) {
    int stdin_fd = -1;
    if (packet->fd_count > 0 && request->run->instances == 1) {
        stdin_fd = packet->fds[0];
        packet->fds[0] = -1;
    }
    Warren__Agent__Run *body = request->run;
    request->kind_case = WARREN__AGENT__REQUEST__KIND__NOT_SET; // taken out of it
    request->run = NULL;
    run(client, body, stdin_fd);
}

void agent_client_handle(agent_client *client, Warren__Agent__Request *request,
                         mesh_packet *packet) {
    switch (request->kind_case) {
    case WARREN__AGENT__REQUEST__KIND_RUN: take_run(client, request, packet); return;
    case WARREN__AGENT__REQUEST__KIND_PS: ps(client, request->ps->target); return;
    case WARREN__AGENT__REQUEST__KIND_STOP: stop(client, request->stop); return;
    case WARREN__AGENT__REQUEST__KIND_INSPECT:
        agent_client_inspect(client, request->inspect->target);
        return;
    case WARREN__AGENT__REQUEST__KIND_RESTART:
        agent_client_restart(client, request->restart->target);
        return;
    case WARREN__AGENT__REQUEST__KIND_LOGS: agent_client_handle_logs(client, request->logs); return;
    case WARREN__AGENT__REQUEST__KIND_RELOAD: agent_client_reload(client, request->reload); return;
    case WARREN__AGENT__REQUEST__KIND_SCALE: agent_client_scale(client, request->scale); return;
    case WARREN__AGENT__REQUEST__KIND_DESCRIBE: agent_client_describe(client); return;
    case WARREN__AGENT__REQUEST__KIND_SET_SECRET:
        agent_client_set_secret(client, request->set_secret);
        return;
    case WARREN__AGENT__REQUEST__KIND_REMOVE_SECRET:
        agent_client_remove_secret(client, request->remove_secret);
        return;
    case WARREN__AGENT__REQUEST__KIND_REVOKE_HOST:
        agent_client_revoke_host(client, request->revoke_host->host);
        return;
    case WARREN__AGENT__REQUEST__KIND_LIST_SECRETS: agent_client_list_secrets(client); return;
    case WARREN__AGENT__REQUEST__KIND_AWAIT: agent_client_await(client, request->await); return;
    case WARREN__AGENT__REQUEST__KIND_SHUTDOWN: shut_down(client); return;
    case WARREN__AGENT__REQUEST__KIND_ABOUT: agent_client_about(client); return;
    case WARREN__AGENT__REQUEST__KIND_REPLACE:
        agent_client_replace(client, request->replace->force);
        return;
    default:
        if (!agent_client_handle_hosts(client, request) &&
            !agent_client_handle_releases(client, request) &&
            !agent_client_handle_deploy(client, request))
            agent_client_say_error(client, 2, "the agent does not know this request");
        return;
    }
}

void agent_client_let_go(agent_client *client) {
    agent_services *services = client->clients->options.services;
    uint32_t owned = client->owned_service_id;
    agent_services_forget_inspections(services, client);
    agent_secrets_forget(client->clients->options.secrets, client);
    agent_client_forget_upload(client);
    agent_replacing_forget(client);
    agent_client_forget_deploy(client);
    set_blocking(client, false);
    if (client->is_behind) watch_channel(client, false);
    client->is_behind = false;
    agent_services_reload_forget(services, client);
    for (client_watch *w; (w = client->watches) != NULL;) {
        client->watches = w->next;
        agent_services_unwatch(services, &w->watch);
        free(w);
    }
    client->owned_service_id = 0;
    if (owned == 0) return;
    agent_services_record_all(services, owned, "stop", (pid_t)client->pid,
                              "lost its owner: it is stopped");
    agent_services_forget(services, owned);
    agent_services_stop(services, owned, AGENT_INSTANCE_ALL, false);
}
