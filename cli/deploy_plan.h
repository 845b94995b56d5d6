// What a deployment will make of what runs: the services of a configuration as those of a release,
// and how they differ from the one that runs.
#pragma once

#include "cli/deployed.h"
#include "cli/project.h"

// Makes the paths of all services "./...", within `root`, which is what is deployed. An exit code:
// one is outside of it. The paths borrow from the project's.
int cli_deploy_make_relative(cli_project *project, const char *root);

// Prints it, service by service: +, ~, -, =.
void cli_deploy_plan_print(const cli_project *project, const cli_deployed *deployed, bool is_json);
