// The unit with which systemd runs `warren agent`: its text.
#pragma once

#include <stdbool.h>

#define CLI_AGENT_UNIT_NAME      "warren.service"
#define CLI_AGENT_UNIT_STATE_DIR "/var/lib/warren" // of the whole system's, if no other is chosen

typedef struct cli_agent_unit {
    const char *program; // an absolute path
    bool is_user;        // a user's own, in that user's systemd
    const char *store;   // as after --store; NULL: it is not said
    const char *labels;  // as after --label, likewise
} cli_agent_unit;

// Gives the text (free it): the agent gets those variables of this process that an agent reads.
// NULL after a sentence: one of them cannot be said in a unit.
char *cli_agent_unit_text(const cli_agent_unit *unit);

// Whether such a text begins so, whichever version of Warren wrote it.
bool cli_agent_unit_is_ours(const char *text);
