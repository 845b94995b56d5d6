// The words of a Run (agent.proto), as people write them: on the command line and in a
// configuration.
#pragma once

#include <stdbool.h>

#include "agent.pb-c.h"
#include "cli/choice.h"

// In the order of their numbers there; of strategies, which have ANY before them, one is missing.
extern const cli_choice cli_run_restarts, cli_run_readies, cli_run_stalls, cli_run_strategies;

// The number of a signal: of "SIGTERM", "TERM" or "term"; of an other name that C or Node.js has
// for it, like SIGIO; of "15". 0: there is none.
int cli_run_signal(const char *text);

// Whether an agent takes so many words (AGENT_RUN_LEN_MAX, AGENT_RUN_WORDS_MAX).
bool cli_run_fits(const Warren__Agent__Run *run);
