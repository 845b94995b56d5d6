// Commands, their options, and how words on the command line become them.
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct cli_option {
    char letter;       // 0: none
    const char *name;  // without dashes; the list ends with NULL
    const char *value; // what --help calls its value; NULL: it takes none
    const char *help;
} cli_option;

typedef struct cli_command {
    const char *name, *usage, *summary, *example;
    const cli_option *options;
    bool has_secrets;                  // keys or tokens in its memory: it leaves no core file
    int (*run)(int argc, char **argv); // argv[0] is the first word after the command's name
} cli_command;

extern const cli_command cli_init, cli_issuer, cli_token, cli_join, cli_leave, cli_hosts,
    cli_doctor, cli_run, cli_agent, cli_ps, cli_logs, cli_stop, cli_restart, cli_version, cli_call,
    cli_pub, cli_sub, cli_services, cli_bench, cli_reload, cli_inspect, cli_config, cli_up,
    cli_down, cli_scale, cli_events, cli_secret, cli_bundle, cli_bundles, cli_status, cli_rollback,
    cli_promote, cli_abort, cli_releases, cli_drain, cli_undrain, cli_deploy, cli_store;

// Exit codes (DESIGN.md 7).
enum {
    CLI_DONE = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
    CLI_NOT_FOUND = 3,
    CLI_NO_AGENT = 4,
    CLI_TIMED_OUT = 124,
    CLI_INTERRUPTED = 130,
};

typedef struct cli_args { // a walk over the words of one command
    const cli_command *command;
    int argc;
    char **argv;
    const char *cluster;  // the rest of -abc
    bool is_rest;         // after --: everything is a word
    const char *value;    // of the option that was returned last, or the word
    bool wants_help_only; // --help was said: the answer is printed
} cli_args;

enum { CLI_ARG_END = -1, CLI_ARG_WORD = -2, CLI_ARG_BAD = -3 };

// The index of the next option in command->options, CLI_ARG_WORD, CLI_ARG_END, or CLI_ARG_BAD (a
// sentence was printed, or the help when wants_help_only). --help is known by itself.
int cli_args_next(cli_args *args);
// What to return for CLI_ARG_BAD.
int cli_args_exit_code(const cli_args *args);

// A number in [min, max]; else a sentence is printed and false returned.
bool cli_args_number(const cli_args *args, const char *option, uint32_t min, uint32_t max,
                     uint32_t *out);

// Takes the present word as the one target of its command; a second one is told and false returned.
bool cli_args_target(const cli_args *args, const char **target);

void cli_print_help(const cli_command *command);

// "warren: sentence" on stderr.
__attribute__((format(printf, 1, 2))) void cli_say(const char *format, ...);
