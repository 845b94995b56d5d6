#include "cli/deploy_verb.h"

static int run(int argc, char **argv) {
    return cli_deploy_verb_run(&cli_rollback, WARREN__AGENT__CHANGE_PROJECT__WHAT__ROLLBACK, argc,
                               argv);
}

const cli_command cli_rollback = {
    .name = "rollback",
    .usage = "[PROJECT] [--to N] [--no-wait] [--timeout TIME] [--json]",
    .summary = "Brings back the release of a project that served last before, as a deployment does",
    .example = "  warren rollback shop\n"
               "  warren rollback shop --to 12    # `warren releases shop` lists them\n",
    .options = cli_deploy_verb_to_options,
    .run = run,
};
