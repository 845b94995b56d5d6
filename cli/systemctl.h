// systemd, by way of its `systemctl`: what it prints goes to stderr.
#pragma once

#include <stdbool.h>

bool cli_systemctl_is_there(void); // systemd runs this system

enum { CLI_SYSTEMCTL_WORDS_MAX = 4 };

// Runs `systemctl [--user] WORDS...` (up to NULL). Its exit code, or -errno: it could not be run.
int cli_systemctl_run(bool is_user, const char *const words[CLI_SYSTEMCTL_WORDS_MAX]);
