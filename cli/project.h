// A configuration (docs/config.md) as what the agent is asked for: a Run for each service.
#pragma once

#include <jansson.h>

#include "agent.pb-c.h"
#include "cli/config_file.h"

typedef struct cli_project_service {
    Warren__Agent__Run run;
    Warren__Agent__Budget budget;
    uint32_t parallel, drain_ms; // of an update
} cli_project_service;

typedef struct cli_project {
    json_t *json; // what the services borrow from
    const char *name, *file;
    cli_project_service *services;
    size_t count;
} cli_project;

// Reads it; tells its problems, and what is asked for that cannot be carried out. An exit code.
int cli_project_load(const cli_config_request *request, cli_project *out);
void cli_project_deinit(cli_project *project);
