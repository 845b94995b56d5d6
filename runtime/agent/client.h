// Inside of clients.c and requests.c: one connection of the command line.
#pragma once

#include "agent/clients.h"
#include "agent/logs.h"
#include "io/channel.h"

typedef struct client_watch client_watch;
typedef struct agent_client_deploy agent_client_deploy;

typedef enum watch_kind { OWNER, FOLLOWER, STOPPER, RESTARTER } watch_kind;

typedef struct agent_client {
    struct agent_clients *clients;
    mesh_channel *channel;
    uint32_t pid;
    uint64_t since_ms;
    bool is_ready;    // it said Hello
    bool is_behind;   // a follower that is too slow: what comes is counted and left out
    bool is_blocking; // its run's nodes are not read
    bool wants_shutdown;
    bool is_watching_hosts;
    bool is_opening, is_leaving; // waits for the cluster
    uint32_t owned_service_id;   // 0: none
    uint32_t stops_open, restarts_open, inspections_open;
    bool has_failed_restart, is_await; // not of a restart
    uint32_t reloads_open;
    char reload_failure[AGENT_RELOAD_TEXT_MAX]; // of the first that failed; or ""
    client_watch *watches;
    struct agent_upload *upload; // NULL: it brings no release
    agent_client_deploy *deploy; // what it asks about deployments; NULL: nothing
    struct agent_client *next;
} agent_client;

// What a client waits for. One who stops `all` has several.
struct client_watch {
    agent_watch watch; // first: a watch is one of these
    struct agent_client *client;
    watch_kind kind;
    uint64_t left_out; // lines, of a follower that is behind
    client_watch *next;
};

struct agent_clients {
    uv_loop_t *loop;
    agent_clients_options options;
    uv_poll_t poll;
    uv_timer_t pause; // no accepts until then
    uv_check_t drain; // runs while a client is blocking: its channel may have room again
    agent_client *first;
    uint32_t count, blocking_count, handles;
    bool is_out_of_fds; // said so
    int spare_fd;       // given up to answer one more connection; -1: it is
};

// requests.c
void agent_client_handle(agent_client *client, Warren__Agent__Request *request,
                         mesh_packet *packet);
void agent_client_greet(agent_client *client); // the answer to Hello
void agent_client_say_error(agent_client *client, uint32_t exit_code, const char *text);
// The same to a connection that becomes no client.
void agent_client_refuse(int fd, uint32_t exit_code, const char *text);
void agent_client_say_done(agent_client *client);
void agent_client_send(agent_client *client, const Warren__Agent__Reply *reply);

void agent_client_send_output(agent_client *client, const agent_log_piece *piece);
void agent_client_add_watch(agent_client *client, watch_kind kind, uint32_t service_id,
                            uint32_t instance);
void agent_client_remove_watch(client_watch *watch);
void agent_client_on_event(agent_watch *watch, const agent_event *event); // tells it

// restart_requests.c
void agent_client_restart(agent_client *client, const char *target);
void agent_client_await(agent_client *client, const Warren__Agent__Await *body);
extern const agent_watch_events agent_restarter_events;

// inspect_requests.c
void agent_client_inspect(agent_client *client, const char *target);

// log_requests.c
void agent_client_handle_logs(agent_client *client, const Warren__Agent__Logs *body);

// reload_requests.c
void agent_client_reload(agent_client *client, Warren__Agent__Reload *body); // takes its run

// project_requests.c
// One that was deployed would be brought back to what is ordered (0: any is): says so. `way`: the
// command that does it instead; NULL: the one that ends its project.
bool agent_client_refuses(agent_client *client, uint32_t service_id, const char *what,
                          const char *way);
void agent_client_scale(agent_client *client, const Warren__Agent__Scale *body);
void agent_client_describe(agent_client *client);

// secret_requests.c
void agent_client_set_secret(agent_client *client,
                             Warren__Agent__SetSecret *body); // wipes the value
void agent_client_remove_secret(agent_client *client, const Warren__Agent__RemoveSecret *body);
void agent_client_revoke_host(agent_client *client, const char *host);
void agent_client_list_secrets(agent_client *client);

// release_requests.c. False: it is something else.
bool agent_client_handle_releases(agent_client *client, const Warren__Agent__Request *request);
void agent_client_forget_upload(agent_client *client);
// deploy_requests.c: what is asked about deployments, which it may take. False: it is something
// else.
bool agent_client_handle_deploy(agent_client *client, Warren__Agent__Request *request);
void agent_client_forget_deploy(agent_client *client);

// replace_requests.c
void agent_client_about(agent_client *client);
void agent_client_replace(agent_client *client, bool is_forced);

// host_requests.c: what is asked about the cluster. False: it is something else.
bool agent_client_handle_hosts(agent_client *client, const Warren__Agent__Request *request);

// Its connection is over: what it owned is stopped, what it waited for is forgotten.
void agent_client_let_go(agent_client *client);
void agent_client_drain(uv_check_t *check); // runs while a client is blocking
