// `warren agent install` and `uninstall`: the agent as a service of systemd.
#pragma once

#include <stdbool.h>

typedef struct cli_agent_install_options {
    bool is_user;   // in the systemd of this user, not of the whole system
    bool is_forced; // also over a unit that somebody else wrote
    bool is_json;
    const char *store;  // that the agent uses, as after --store; NULL: what is kept
    const char *labels; // as after --label; NULL: those that are kept
} cli_agent_install_options;

// These return exit codes.
int cli_agent_install(const cli_agent_install_options *options);
int cli_agent_install_print(const cli_agent_install_options *options); // the unit alone, on stdout
int cli_agent_uninstall(const cli_agent_install_options *options);
