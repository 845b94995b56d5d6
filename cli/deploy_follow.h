// A deployment, followed until it has come to its end.
#pragma once

#include "cli/client.h"

typedef struct cli_deploy_follow {
    const char *project;
    uint64_t deployment;
    bool is_json;
    bool is_abort; // that all is as it was before is what is wanted
    uint64_t began_at_ms;
    uint64_t timeout_ms; // 0: none; the deployment goes on
} cli_deploy_follow;

// Tells what becomes of it: progress on a terminal, an object per change with is_json. An exit
// code: CLI_DONE only when every instance is ready.
int cli_deploy_follow_it(const cli_deploy_follow *follow);

// Waits until nothing of these services runs that is not wanted any more, on hosts that are there.
// An exit code.
int cli_deploy_await_gone(char *const *services, size_t count);

// Asks for a change, and follows it unless it is not to be waited for. An exit code.
typedef struct cli_deploy_change {
    Warren__Agent__ChangeProject *body;
    bool is_json, waits;
    uint64_t timeout_ms;
} cli_deploy_change;
int cli_deploy_change_it(const cli_deploy_change *change);
