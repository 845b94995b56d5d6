#include "cli/deploy_verb.h"

#include <stdio.h>

#include "cli/deploy_follow.h"
#include "cli/deployed.h"
#include "cli/duration.h"

enum { OPTION_DETACH, OPTION_TIMEOUT, OPTION_JSON, OPTION_TO, TIMEOUT_MAX_MS = 86400000 };

#define COMMON                                                                                     \
    {'d', "no-wait", NULL, "do not wait for what becomes of it"},                                  \
        {0, "timeout", "TIME", "wait so long at most; it goes on, and the exit code is 124"}, {    \
        0, "json", NULL, "what becomes of it as JSON, one object per line (docs/deploy.md)"        \
    }

const cli_option cli_deploy_verb_options[] = {COMMON, {0, NULL, NULL, NULL}};
const cli_option cli_deploy_verb_to_options[] = {
    COMMON,
    {0, "to", "N",
     "to release N (`warren releases` lists them), not the one that served last before"},
    {0, NULL, NULL, NULL}};

// The project, when it was not said: the only one. NULL after a sentence; it lives as long as
// `deployed`.
static const char *find_project(cli_deployed *deployed, const cli_command *command,
                                int *out_exit_code) {
    static const char *const prefixes[] = {"project/", NULL};
    cli_session *session;
    int err = cli_session_open(&session);
    *out_exit_code =
        err != 0 ? cli_client_explain(err) : cli_deployed_read(session, prefixes, false, deployed);
    if (err == 0) cli_session_close(session);
    if (*out_exit_code != CLI_DONE) return NULL;
    const char *project = cli_deployed_only_project(deployed, command->name);
    if (project == NULL) *out_exit_code = deployed->count == 0 ? CLI_NOT_FOUND : CLI_USAGE;
    return project;
}

static int change(const cli_command *command, const char *project, cli_deploy_change *how) {
    cli_deployed deployed = {0};
    int exit_code = CLI_DONE;
    if (project == NULL) project = find_project(&deployed, command, &exit_code);
    if (project != NULL) {
        how->body->project = (char *)(uintptr_t)project;
        exit_code = cli_deploy_change_it(how);
    }
    cli_deployed_deinit(&deployed);
    return exit_code;
}

int cli_deploy_verb_run(const cli_command *command, Warren__Agent__ChangeProject__What what,
                        int argc, char **argv) {
    cli_args args = {.command = command, .argc = argc, .argv = argv};
    Warren__Agent__ChangeProject body = WARREN__AGENT__CHANGE_PROJECT__INIT;
    cli_deploy_change how = {.body = &body, .waits = true};
    const char *project = NULL;
    uint32_t to = 0;
    body.what = what;
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        switch (arg) {
        case CLI_ARG_BAD: return cli_args_exit_code(&args);
        case CLI_ARG_WORD:
            if (!cli_args_target(&args, &project)) return CLI_USAGE;
            break;
        case OPTION_DETACH: how.waits = false; break;
        case OPTION_TIMEOUT:
            if (!cli_duration_parse("timeout", args.value, TIMEOUT_MAX_MS, &how.timeout_ms))
                return CLI_USAGE;
            break;
        case OPTION_JSON: how.is_json = true; break;
        default:
            if (!cli_args_number(&args, "to", 1, UINT32_MAX, &to)) return CLI_USAGE;
            body.release = to;
        }
    }
    return change(command, project, &how);
}
