// `warren agent restart`: the agent that runs is replaced by the program that is on disk now; nodes
// run on.
#pragma once

#include <stdbool.h>

int cli_agent_replace(bool is_forced, bool is_json); // the exit code
