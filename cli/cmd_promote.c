#include "cli/deploy_verb.h"

static int run(int argc, char **argv) {
    return cli_deploy_verb_run(&cli_promote, WARREN__AGENT__CHANGE_PROJECT__WHAT__PROMOTE, argc,
                               argv);
}

const cli_command cli_promote = {
    .name = "promote",
    .usage = "[PROJECT] [--no-wait] [--timeout TIME] [--json]",
    .summary = "Says that the canaries of a deployment are good: all others follow",
    .example = "  warren promote shop   # when `warren deploy --canary 1` says that it waits\n",
    .options = cli_deploy_verb_options,
    .run = run,
};
