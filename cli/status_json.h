// `warren status --json`: all that is known of deployments as one object (docs/deploy.md).
#pragma once

#include <jansson.h>

#include "cli/deployed.h"

// `project` NULL: all of them.
json_t *cli_status_json(const cli_deployed *deployed, const char *project);
const char *cli_status_host_state(const cli_deployed *deployed, const char *host);
const char *cli_status_phase(const Warren__Deploy__State *state);
