// A configuration (docs/config.md) as what the agent is asked for: a Run for each service.
#pragma once

#include <jansson.h>

#include "agent.pb-c.h"
#include "cli/config_file.h"
#include "deploy.pb-c.h"

typedef struct cli_project_service {
    Warren__Agent__Run run;
    Warren__Agent__Budget budget;
    uint32_t parallel, drain_ms; // of an update of this host; parallel 0: all
    Warren__Deploy__Spec spec;   // for a cluster: its run is the one above
    Warren__Deploy__Update update;
} cli_project_service;

typedef struct cli_project {
    json_t *json; // what the services borrow from
    const char *name, *file;
    cli_project_service *services;
    size_t count;
} cli_project;

// Adds to the problems of an answer of cli_config_load what nobody would run: what is not carried
// out (its `planned`), and a service that is too long for the agent.
void cli_project_judge(json_t *answer);
// Reads it; tells its problems. An exit code.
int cli_project_load(const cli_config_request *request, cli_project *out);
// The same of an answer of cli_config_load without problems, which it takes.
void cli_project_take(cli_project *out, json_t *answer);
void cli_project_deinit(cli_project *project);

// ---- what says something about several hosts (project_deploy.c)

// Borrows the strings of the service as `warren config show --json` has it.
void cli_project_take_spec(cli_project_service *service, const json_t *json);
void cli_project_free_spec(cli_project_service *service);
// Says, in one line, what the configuration asks for that `warren up` does without.
void cli_project_say_deploy_only(const cli_project *project);
