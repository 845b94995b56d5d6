#include <stdio.h>

#include "cli/args.h"
#include "cli/json.h"

enum { OPTION_JSON };

static const cli_option options[] = {{0, "json", NULL, "as JSON: {\"version\": ...}"},
                                     {0, NULL, NULL, NULL}};

static int run(int argc, char **argv) {
    cli_args args = {.command = &cli_version, .argc = argc, .argv = argv};
    bool is_json = false;
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        if (arg == CLI_ARG_BAD) return cli_args_exit_code(&args);
        if (arg == CLI_ARG_WORD) {
            cli_say("version takes no word: \"%.40s\"", args.value);
            return CLI_USAGE;
        }
        is_json = true;
    }
    if (is_json)
        cli_json_print(json_pack("{s:s}", "version", WARREN_VERSION));
    else
        (void)printf("warren %s\n", WARREN_VERSION);
    return CLI_DONE;
}

const cli_command cli_version = {
    .name = "version",
    .usage = "[--json]",
    .summary = "Prints the version",
    .example = "  warren version\n",
    .options = options,
    .run = run,
};
