#include <stdio.h>

#include "cli/args.h"
#include "cli/client.h"
#include "cli/json.h"

enum { OPTION_ALL, OPTION_JSON };

static const cli_option options[] = {
    {'a', "all", NULL, "everything that runs"},
    {0, "json", NULL, "as JSON: {\"restarted\": TARGET}"},
    {0, NULL, NULL, NULL},
};

static bool on_reply(const Warren__Agent__Reply *reply, void *user) {
    const bool *is_json = user;
    if (reply->kind_case == WARREN__AGENT__REPLY__KIND_EVENT && !*is_json &&
        reply->event->text[0] != '\0')
        cli_say("%s", reply->event->text);
    return false; // Done ends it
}

static int restart(const char *target, bool is_json) {
    Warren__Agent__Restart body = WARREN__AGENT__RESTART__INIT;
    body.target = (char *)(uintptr_t)target;
    CLI_REQUEST(request, RESTART, restart, &body);
    int exit_code = cli_client_ask(&request, on_reply, &is_json);
    if (exit_code != CLI_DONE) return exit_code;
    if (is_json)
        cli_json_print(json_pack("{s:s}", "restarted", target));
    else
        (void)printf("restarted %s\n", target);
    return CLI_DONE;
}

static int run(int argc, char **argv) {
    cli_args args = {.command = &cli_restart, .argc = argc, .argv = argv};
    const char *target = NULL;
    bool is_all = false, is_json = false;
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        switch (arg) {
        case CLI_ARG_BAD: return cli_args_exit_code(&args);
        case CLI_ARG_WORD:
            if (!cli_args_target(&args, &target)) return CLI_USAGE;
            break;
        case OPTION_ALL: is_all = true; break;
        default: is_json = true;
        }
    }
    if (is_all == (target != NULL)) {
        cli_say("restart what? `warren restart NAME`, `warren restart NAME.INSTANCE` or `warren "
                "restart --all`");
        return CLI_USAGE;
    }
    return restart(is_all ? "all" : target, is_json);
}

const cli_command cli_restart = {
    .name = "restart",
    .usage = "TARGET|--all [--json]",
    .summary =
        "Stops a service, or one instance of it, starts it again, and waits until it is ready",
    .example = "  warren restart app    # also one that has failed\n"
               "  warren restart app.2\n",
    .options = options,
    .run = run,
};
