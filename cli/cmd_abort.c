#include "cli/deploy_verb.h"

static int run(int argc, char **argv) {
    return cli_deploy_verb_run(&cli_abort, WARREN__AGENT__CHANGE_PROJECT__WHAT__ABORT, argc, argv);
}

const cli_command cli_abort = {
    .name = "abort",
    .usage = "[PROJECT] [--no-wait] [--timeout TIME] [--json]",
    .summary = "Takes back the deployment of a project that is under way",
    .example = "  warren abort shop\n",
    .options = cli_deploy_verb_options,
    .run = run,
};
