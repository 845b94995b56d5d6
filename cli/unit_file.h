// The file of the agent's unit: where it is, whose it is; written whole or not at all.
#pragma once

#include <limits.h>
#include <stdbool.h>

typedef struct cli_unit_file {
    bool is_user; // of this user's systemd
    char dir[PATH_MAX], path[PATH_MAX];
    char wants[PATH_MAX]; // the link that `systemctl enable` makes
} cli_unit_file;

typedef enum cli_unit_owner {
    CLI_UNIT_NONE, // there is no file
    CLI_UNIT_OURS,
    CLI_UNIT_OTHERS, // somebody else wrote it, or it is no file, as that of a masked unit
} cli_unit_owner;

// These return exit codes, and print a sentence when it is not CLI_DONE.
int cli_unit_file_find(bool is_user, cli_unit_file *out);
int cli_unit_file_write(const cli_unit_file *file, const char *text);
int cli_unit_file_remove(const cli_unit_file *file); // and the link

cli_unit_owner cli_unit_file_owner(const cli_unit_file *file);
bool cli_unit_file_has(const cli_unit_file *file, const char *text); // that and nothing else
