#include <stdio.h>

#include "cli/args.h"
#include "cli/drain.h"
#include "cli/json.h"

enum { OPTION_JSON };

static const cli_option options[] = {
    {0, "json", NULL, "as JSON: {\"undrained\": HOST}"},
    {0, NULL, NULL, NULL},
};

static int undrain(const char *host, bool is_json) {
    cli_session *session;
    int err = cli_session_open(&session);
    if (err != 0) return cli_client_explain(err);
    int exit_code = cli_drain_ask(session, host, true);
    cli_session_close(session);
    if (exit_code != CLI_DONE) return exit_code;
    if (is_json)
        cli_json_print(json_pack("{s:o}", "undrained", cli_json_string(host)));
    else
        (void)printf("%s takes instances again\n", host);
    return CLI_DONE;
}

static int run(int argc, char **argv) {
    cli_args args = {.command = &cli_undrain, .argc = argc, .argv = argv};
    const char *host = NULL;
    bool is_json = false;
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        if (arg == CLI_ARG_BAD) return cli_args_exit_code(&args);
        if (arg == OPTION_JSON)
            is_json = true;
        else if (!cli_args_target(&args, &host))
            return CLI_USAGE;
    }
    if (host != NULL) return undrain(host, is_json);
    cli_say("undrain which host? `warren status` lists them");
    return CLI_USAGE;
}

const cli_command cli_undrain = {
    .name = "undrain",
    .usage = "HOST [--json]",
    .summary = "Lets a drained host take instances again",
    .example = "  warren undrain h2\n",
    .options = options,
    .run = run,
};
