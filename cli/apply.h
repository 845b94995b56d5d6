// Carries out a plan, and waits until what should run is ready.
#pragma once

#include "cli/plan.h"

typedef struct cli_apply_options {
    bool is_json;
    bool waits; // until all is ready
} cli_apply_options;

// Goes on where one service fails, and tells of each. An exit code: CLI_FAILED when any did.
int cli_apply(cli_session *session, const cli_plan *plan, const cli_apply_options *options);
