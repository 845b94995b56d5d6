#include <stdio.h>

#include "agent/reload.h"
#include "agent/supervisor.h"
#include "cli/args.h"
#include "cli/client.h"
#include "cli/duration.h"
#include "cli/reload_print.h"

enum { OPTION_PARALLEL, OPTION_DRAIN, OPTION_JSON };

static const cli_option options[] = {
    {'p', "parallel", "N", "how many new instances start at one time (default: all)"},
    {0, "drain", "TIME", "for an old instance to finish what it has: 30s, 500ms (default 10s)"},
    {0, "json", NULL, "each step as JSON, one object per line (docs/cli.md lists the fields)"},
    {0, NULL, NULL, NULL},
};

typedef struct reload_command {
    const char *target;
    uint32_t parallel;
    uint64_t drain_ms;
    bool is_json;
} reload_command;

static bool on_reply(const Warren__Agent__Reply *reply, void *user) {
    const reload_command *command = user;
    cli_reload_print(reply, command->is_json);
    return false; // Done ends it
}

static int reload(const reload_command *command) {
    Warren__Agent__Reload body = WARREN__AGENT__RELOAD__INIT;
    body.target = (char *)(uintptr_t)command->target;
    body.parallel = command->parallel;
    body.drain_ms = (uint32_t)command->drain_ms;
    CLI_REQUEST(request, RELOAD, reload, &body);
    return cli_client_ask(&request, on_reply, (void *)(uintptr_t)command);
}

static bool take_option(reload_command *command, const cli_args *args, int option) {
    switch (option) {
    case OPTION_PARALLEL:
        return cli_args_number(args, "parallel", 1, AGENT_INSTANCES_MAX, &command->parallel);
    case OPTION_DRAIN:
        if (!cli_duration_parse("drain", args->value, AGENT_RELOAD_DRAIN_MAX_MS,
                                &command->drain_ms))
            return false;
        if (command->drain_ms == 0) command->drain_ms = 1; // 0 stands for the default
        return true;
    default: command->is_json = true; return true;
    }
}

static int run(int argc, char **argv) {
    cli_args args = {.command = &cli_reload, .argc = argc, .argv = argv};
    reload_command command = {0};
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        if (arg == CLI_ARG_BAD) return cli_args_exit_code(&args);
        bool is_good = arg == CLI_ARG_WORD ? cli_args_target(&args, &command.target)
                                           : take_option(&command, &args, arg);
        if (!is_good) return CLI_USAGE;
    }
    if (command.target == NULL) {
        cli_say(
            "reload what? `warren reload NAME`, `warren reload NAME.INSTANCE` or `warren reload "
            "all`");
        return CLI_USAGE;
    }
    return reload(&command);
}

const cli_command cli_reload = {
    .name = "reload",
    .usage = "TARGET [--parallel N] [--drain TIME] [--json]",
    .summary = "Replaces the instances of a service by new ones, without losing a request",
    .example = "  warren reload api                 # new code, no request lost\n"
               "  warren reload api --parallel 1    # one after the other: least memory\n",
    .options = options,
    .run = run,
};
