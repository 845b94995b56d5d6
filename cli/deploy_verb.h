// Commands that change what is wanted of a deployed project, and follow what becomes of it: they
// have the same words.
#pragma once

#include "agent.pb-c.h"
#include "cli/args.h"

extern const cli_option cli_deploy_verb_options[];    // as these are, or
extern const cli_option cli_deploy_verb_to_options[]; // with --to

int cli_deploy_verb_run(const cli_command *command, Warren__Agent__ChangeProject__What what,
                        int argc, char **argv);
