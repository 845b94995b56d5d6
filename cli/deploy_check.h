// What of a deployment can be known to fail before anything is packed and sent.
#pragma once

#include "cli/deployed.h"
#include "cli/pack.h"
#include "cli/project.h"

// Whether it could be accepted now, by what the store has below project/PROJECT, state/PROJECT and
// placed/. An exit code after a sentence: the project is being changed, or another one has a
// service of that name.
int cli_deploy_check(const cli_project *project, const cli_deployed *deployed);

// What of the directory its services cannot run without, once their paths are relative
// (cli_deploy_make_relative). Borrows from the project; free() it.
cli_pack_need *cli_deploy_needs(const cli_project *project, size_t *out_count);
