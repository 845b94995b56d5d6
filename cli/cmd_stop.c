#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/client.h"
#include "cli/json.h"

enum { OPTION_ALL, OPTION_KILL, OPTION_JSON };

static const cli_option options[] = {
    {'a', "all", NULL, "everything that runs"},
    {'k', "kill", NULL, "SIGKILL at once, without a grace time"},
    {0, "json", NULL, "as JSON: {\"stopped\": TARGET}"},
    {0, NULL, NULL, NULL},
};

static bool on_reply(const Warren__Agent__Reply *reply, void *user) {
    const bool *is_json = user;
    if (reply->kind_case == WARREN__AGENT__REPLY__KIND_EVENT && !*is_json &&
        reply->event->text[0] != '\0')
        cli_say("%s", reply->event->text);
    return false; // Done ends it
}

static int stop(const char *target, bool is_kill, bool is_json) {
    Warren__Agent__Stop body = WARREN__AGENT__STOP__INIT;
    body.target = (char *)(uintptr_t)target;
    body.kill = is_kill;
    CLI_REQUEST(request, STOP, stop, &body);
    int exit_code = cli_client_ask(&request, on_reply, &is_json);
    if (exit_code != CLI_DONE) return exit_code;
    if (is_json)
        cli_json_print(json_pack("{s:s}", "stopped", target));
    else
        (void)printf("stopped %s\n", target);
    return CLI_DONE;
}

static int run(int argc, char **argv) {
    cli_args args = {.command = &cli_stop, .argc = argc, .argv = argv};
    const char *target = NULL;
    bool is_all = false, is_kill = false, is_json = false;
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        switch (arg) {
        case CLI_ARG_BAD: return cli_args_exit_code(&args);
        case CLI_ARG_WORD:
            if (!cli_args_target(&args, &target)) return CLI_USAGE;
            break;
        case OPTION_ALL: is_all = true; break;
        case OPTION_KILL: is_kill = true; break;
        default: is_json = true;
        }
    }
    if (is_all == (target != NULL)) {
        cli_say(
            "stop what? `warren stop NAME`, `warren stop NAME.INSTANCE` or `warren stop --all`");
        return CLI_USAGE;
    }
    return stop(is_all ? "all" : target, is_kill, is_json);
}

const cli_command cli_stop = {
    .name = "stop",
    .usage = "TARGET|--all [--kill] [--json]",
    .summary = "Stops a service, or one instance of it, and waits until it has ended",
    .example = "  warren stop app       # SIGTERM, then SIGKILL after the grace time\n"
               "  warren stop app.2 --kill\n",
    .options = options,
    .run = run,
};
