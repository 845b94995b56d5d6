// Inside of deploy_requests.c, deploy_drain.c, deploy_forget.c and deploy_reading.c: what one
// connection asks about deployments.
#pragma once

#include "agent/client.h"
#include "agent/deploy_change.h"
#include "agent/deployer.h"

enum {
    DEPLOY_CLIENT_PREFIXES_MAX = 8,
    DEPLOY_CLIENT_SPECS_MAX = 256,
    DEPLOY_CLIENT_BY_LEN_MAX = 60,
};

typedef struct deploy_client_spec {
    char *service;
    uint8_t *bytes;
    size_t len;
} deploy_client_spec;

// What a connection asks for, while it lasts. One that is gone while the store is asked stays until
// that has answered.
struct agent_client_deploy {
    agent_client *client; // NULL: gone
    agent_deployer *deployer;
    bool is_busy; // changing something
    // What it reads.
    agent_deployer_watch watch;
    char *prefixes[DEPLOY_CLIENT_PREFIXES_MAX];
    size_t prefix_count;
    bool is_reading, is_watching;
    Warren__Agent__Deployed batch; // what is to be sent
    size_t batch_len, batch_cap;
    // The change that is under way.
    deploy_client_spec specs[DEPLOY_CLIENT_SPECS_MAX]; // of the release that a Deploy brings
    size_t spec_count;
    Warren__Agent__Request *request; // a copy
    uint64_t number;                 // of the release
    size_t specs_put;
    bool has_specs; // they are in the store
    agent_deploy_wanted *wanted;
};

// deploy_requests.c
agent_client_deploy *deploy_client_of(agent_client *client); // makes it
void deploy_client_say_error(agent_client_deploy *c, uint32_t exit_code, const char *text);

// Takes the request, which somebody wants for a project, and takes part in deployments; or says why
// not. After ready: deploy_client_end.
void deploy_client_begin(agent_client *client, Warren__Agent__Request *request, const char *project,
                         const char *by, agent_deployer_cb ready);
// The same without a project. Takes the request: what it holds is needed until the store has
// answered.
void deploy_client_join(agent_client_deploy *c, Warren__Agent__Request *request,
                        agent_deployer_cb ready);
void deploy_client_end(agent_client_deploy *c); // the change is over, and an answer was given
void deploy_client_fail(agent_client_deploy *c, uint32_t exit_code, const char *text); // says so
// What the mirror has of deploy/KIND/NAME; NULL: nothing.
const agent_mirror_pair *deploy_client_get(const agent_client_deploy *c, const char *kind,
                                           const char *name);
// Of a STORE_ECONFLICT; what: "nothing was done".
void deploy_client_print_conflict(const char *project, const char *what,
                                  char out[AGENT_DEPLOYER_TEXT_MAX]);

// deploy_drain.c
void deploy_drain_begin(agent_client *client, Warren__Agent__Request *request);

// deploy_forget.c
void deploy_forget_begin(agent_client *client, Warren__Agent__Request *request);

// deploy_reading.c
void deploy_reading_init(agent_client_deploy *c);
void deploy_reading_begin(agent_client *client, const Warren__Agent__ReadDeployed *body);
void deploy_reading_end(agent_client_deploy *c); // it is told of nothing more
void deploy_reading_free(agent_client_deploy *c);
