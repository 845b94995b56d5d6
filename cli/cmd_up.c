#include <stdio.h>

#include "cli/apply.h"
#include "cli/args.h"
#include "cli/deployed.h"
#include "cli/duration.h"
#include "cli/ephemeral.h"
#include "cli/follow.h"
#include "cli/json.h"
#include "io/wall.h"

enum { AGENT_TRIES = 5 };
enum {
    OPTION_DETACH,
    OPTION_WAIT,
    OPTION_NO_WAIT,
    OPTION_DRY_RUN,
    OPTION_ENV,
    OPTION_TIMEOUT,
    OPTION_JSON
};

static const cli_option options[] = {
    {'d', "detach", NULL, "leave it running; `warren logs` and `warren down` know it"},
    {0, "wait", NULL, "with -d: end when all of it is ready (the default)"},
    {0, "no-wait", NULL, "with -d: end when all of it is started"},
    {'n', "dry-run", NULL, "show what would be done, and do nothing"},
    {0, "env", "NAME", "of an ecosystem.config.js: with the variables of env_NAME"},
    {0, "timeout", "TIME", "how long the file may take (default 30s)"},
    {0, "json", NULL, "each step as JSON, one object per line (docs/cli.md lists the fields)"},
    {0, NULL, NULL, NULL},
};

typedef struct up_command {
    cli_config_request request;
    bool is_detached, is_dry, is_json;
    cli_apply_options how;
    uint64_t began_at_ms;
} up_command;

static void tell_end(const up_command *command, const cli_project *project, bool is_changed) {
    uint64_t took_ms = mesh_wall_ms() - command->began_at_ms;
    if (command->is_json)
        cli_json_print(json_pack("{s:s, s:o, s:I, s:b, s:I}", "type", "up", "project",
                                 cli_json_string(project->name), "services",
                                 (json_int_t)project->count, "changed", is_changed, "afterMs",
                                 (json_int_t)took_ms));
    else if (!is_changed)
        (void)printf("%s is up already\n", project->name);
    else
        (void)printf("%s is %s: %zu %s in %.1f s (`warren ps`, `warren logs -f`, `warren down`)\n",
                     project->name, command->how.waits ? "up" : "starting", project->count,
                     project->count == 1 ? "service" : "services", (double)took_ms / 1000);
    (void)fflush(stdout);
}

static int bring_up(const up_command *command, cli_session *session, cli_project *project) {
    cli_plan plan;
    int exit_code = cli_plan_make(&plan, session, project->name, project);
    bool is_changed = !cli_plan_is_empty(&plan);
    if (exit_code == CLI_DONE) cli_plan_print(&plan, command->is_json);
    if (exit_code == CLI_DONE && !command->is_dry) {
        exit_code = cli_apply(session, &plan, &command->how);
        if (exit_code == CLI_DONE) tell_end(command, project, is_changed);
        if (exit_code == CLI_FAILED)
            cli_say(
                "%s is not up as the file says: mend what failed, then `warren up` goes on from "
                "here (`warren down` ends what runs)",
                project->name);
    }
    cli_plan_deinit(&plan);
    return exit_code;
}

// An agent that runs for a command may just be ending when we look.
static int open_session(bool is_dry, cli_session **out) {
    int err = -ENOENT;
    *out = NULL;
    for (int i = 0; i < AGENT_TRIES && (err == -ENOENT || err == -ECONNREFUSED); i++) {
        int exit_code = is_dry ? CLI_DONE : cli_ephemeral_ensure();
        if (exit_code != CLI_DONE) return exit_code;
        err = cli_session_open(out);
        if (is_dry && (err == -ENOENT || err == -ECONNREFUSED)) return CLI_DONE;
    }
    return err == 0 ? CLI_DONE : cli_client_explain(err);
}

// Ctrl-C in the midst of it: what this terminal would have shown is stopped, as it is later on.
static void end_interrupted(const up_command *command, const cli_project *project) {
    cli_session *session;
    cli_plan plan;
    if (command->is_detached) {
        cli_say("%s is up in part: `warren up` goes on from here, `warren down` ends what runs",
                project->name);
        return;
    }
    cli_say("stopping %s", project->name);
    if (cli_session_open(&session) != 0) return; // its agent has gone, and all with it
    if (cli_plan_make(&plan, session, project->name, NULL) == CLI_DONE)
        (void)cli_apply(session, &plan, &(cli_apply_options){.is_json = command->is_json});
    cli_plan_deinit(&plan);
    cli_session_close(session);
}

// A project that was deployed is not this host's alone.
static int judge_deployed(cli_session *session, const cli_project *project) {
    static const char *const prefixes[] = {"project/", "state/", NULL};
    cli_deployed deployed = {0};
    if (session == NULL) return CLI_DONE;
    int exit_code = cli_deployed_read(session, prefixes, true, &deployed);
    if (exit_code == CLI_DONE && cli_deployed_is_deployed(&deployed, project->name)) {
        cli_say("%s is deployed: `warren deploy` changes it, on all its hosts, and `warren down "
                "--project %s` ends it",
                project->name, project->name);
        exit_code = CLI_FAILED;
    }
    cli_deployed_deinit(&deployed);
    return exit_code;
}

static int up(const up_command *command, cli_project *project) {
    cli_session *session;
    int exit_code = open_session(command->is_dry, &session);
    if (exit_code == CLI_DONE) exit_code = judge_deployed(session, project);
    if (exit_code == CLI_DONE) exit_code = bring_up(command, session, project);
    if (exit_code == CLI_INTERRUPTED && !command->is_dry) end_interrupted(command, project);
    if (exit_code == CLI_DONE && !command->is_dry && !command->is_detached)
        exit_code = cli_follow(project, command->began_at_ms, command->is_json);
    cli_session_close(session);
    return exit_code;
}

static bool take_option(up_command *command, const cli_args *args, int option) {
    switch (option) {
    case CLI_ARG_WORD: return cli_args_target(args, &command->request.file);
    case OPTION_DETACH: command->is_detached = true; return true;
    case OPTION_WAIT: command->how.waits = true; return true;
    case OPTION_NO_WAIT: command->how.waits = false; return true;
    case OPTION_DRY_RUN: command->is_dry = true; return true;
    case OPTION_ENV: command->request.env = args->value; return true;
    case OPTION_TIMEOUT:
        return cli_duration_parse("timeout", args->value, CLI_CONFIG_TIMEOUT_MAX_MS,
                                  &command->request.timeout_ms);
    default: command->is_json = command->how.is_json = true; return true;
    }
}

static int run(int argc, char **argv) {
    cli_args args = {.command = &cli_up, .argc = argc, .argv = argv};
    up_command command = {.request = {.what = "show", .timeout_ms = CLI_CONFIG_TIMEOUT_MS},
                          .how = {.waits = true},
                          .began_at_ms = mesh_wall_ms()};
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        if (arg == CLI_ARG_BAD) return cli_args_exit_code(&args);
        if (!take_option(&command, &args, arg)) return CLI_USAGE;
    }
    cli_project project;
    int exit_code = cli_project_load(&command.request, &project);
    if (exit_code == CLI_DONE) cli_project_say_deploy_only(&project);
    if (exit_code == CLI_DONE) exit_code = up(&command, &project);
    cli_project_deinit(&project);
    return exit_code;
}

const cli_command cli_up = {
    .name = "up",
    .usage = "[FILE] [-d] [--no-wait] [--dry-run] [--json]",
    .summary = "Makes what runs what a warren.config.mjs says: starts, updates and stops services",
    .example = "  warren up              # shows what they write, Ctrl-C stops them\n"
               "  warren up -d --wait    # ends when all is ready\n"
               "  warren up --dry-run    # only what would be done\n",
    .options = options,
    .run = run,
};
