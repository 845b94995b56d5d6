// What has to be done so that what runs is what a configuration says.
#pragma once

#include <stdbool.h>

#include "cli/client.h"
#include "cli/project.h"

typedef enum cli_plan_action {
    CLI_PLAN_KEEP,
    CLI_PLAN_START,   // it does not run
    CLI_PLAN_UPDATE,  // other rules, or another program: reloaded where that needs new processes
    CLI_PLAN_REPLACE, // stopped and started: its group is another one
    CLI_PLAN_REVIVE,  // some instances were given up, or stopped by hand
    CLI_PLAN_STOP,    // no longer in the file
} cli_plan_action;

typedef struct cli_plan_step {
    cli_plan_action action;
    const char *name;
    cli_project_service *wanted; // NULL: STOP
    uint32_t from, to;           // instances; differ: it is scaled
    json_t *keys;                // settings that differ, as strings; variables as "env.NAME"
    const uint32_t *missing;     // REVIVE
    size_t missing_count;
} cli_plan_step;

typedef struct cli_plan {
    const char *project;
    Warren__Agent__Described **present; // all services of the agent
    size_t present_count, present_cap;
    cli_plan_step *steps;
    size_t count, cap;
} cli_plan;

// Asks the agent (NULL: there is none, so nothing runs) and compares. An exit code: a service of
// this name may be somebody else's. `project` NULL: everything of `name` is to be stopped.
int cli_plan_make(cli_plan *out, cli_session *session, const char *name, cli_project *project);
void cli_plan_deinit(cli_plan *plan);
bool cli_plan_is_empty(const cli_plan *plan); // there is nothing to do
void cli_plan_print(const cli_plan *plan, bool is_json);
// Gives the settings that differ, as strings; variables as "env.NAME", for a value may be a secret.
json_t *cli_plan_compare(const Warren__Agent__Run *a, const Warren__Agent__Run *b);
