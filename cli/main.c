// warren: the command line, and the agent in the same binary.
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <sodium.h>

#include "agent/target.h"
#include "cli/args.h"
#include "cli/streams.h"

static const cli_command *const commands[] = {
    &cli_run,      &cli_ps,      &cli_logs,     &cli_stop,     &cli_restart, &cli_agent,
    &cli_init,     &cli_issuer,  &cli_token,    &cli_join,     &cli_leave,   &cli_hosts,
    &cli_doctor,   &cli_version, &cli_services, &cli_call,     &cli_pub,     &cli_sub,
    &cli_bench,    &cli_reload,  &cli_inspect,  &cli_config,   &cli_up,      &cli_down,
    &cli_scale,    &cli_events,  &cli_secret,   &cli_bundle,   &cli_bundles, &cli_status,
    &cli_rollback, &cli_promote, &cli_abort,    &cli_releases, &cli_drain,   &cli_undrain,
    &cli_store,    &cli_deploy};
enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static void print_commands(FILE *out) {
    (void)fprintf(out, "Warren turns many single-threaded Node.js processes into one network.\n\n"
                       "Usage: warren COMMAND [OPTIONS]\n\nCommands:\n");
    for (int i = 0; i < COMMAND_COUNT; i++)
        (void)fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    (void)fprintf(out, "  %-10s %s\n\n", "help", "Says more about a command");
    (void)fprintf(out, "Example:\n  warren run app.js -i 4\n\n"
                       "`warren COMMAND --help` says more. State is kept in $WARREN_DIR, else "
                       "~/.warren.\n");
}

static const cli_command *find(const char *name) {
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i]->name, name) == 0) return commands[i];
    return NULL;
}

static int unknown(const char *name) {
    const char *names[COMMAND_COUNT + 1] = {"help"};
    for (int i = 0; i < COMMAND_COUNT; i++)
        names[i + 1] = commands[i]->name;
    const char *nearest = agent_target_nearest(name, names, COMMAND_COUNT + 1);
    if (nearest != NULL)
        cli_say("there is no command %.40s: did you mean %s?", name, nearest);
    else
        cli_say("there is no command %.40s (`warren help` lists them)", name);
    return CLI_USAGE;
}

static bool is_help(const char *word) {
    return strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static int help(int argc, char **argv) {
    if (argc == 0 || is_help(argv[0])) {
        print_commands(stdout);
        return CLI_DONE;
    }
    const cli_command *command = find(argv[0]);
    if (command == NULL) return unknown(argv[0]);
    cli_print_help(command);
    return CLI_DONE;
}

// The agent and its nodes live in other directories: they must all mean the same place.
static int make_dir_absolute(void) {
    const char *dir = getenv("WARREN_DIR");
    char here[PATH_MAX], whole[2 * PATH_MAX];
    if (dir == NULL || dir[0] == '\0' || dir[0] == '/') return 0;
    if (getcwd(here, sizeof here) == NULL) {
        cli_say("WARREN_DIR is %.200s, but this directory is gone: %s", dir, strerror(errno));
        return CLI_USAGE;
    }
    (void)snprintf(whole, sizeof whole, "%s/%.4000s", here,
                   dir); // a longer one fails by its length
    return setenv("WARREN_DIR", whole, 1) == 0 ? 0 : CLI_FAILED;
}

static int dispatch(int argc, char **argv) {
    (void)signal(SIGPIPE, SIG_IGN); // a reader that went away is an error of a write, handled there
    // Before any thread; it chooses the fastest code for this processor.
    if (sodium_init() < 0) {
        cli_say("this machine gives no random numbers");
        return CLI_FAILED;
    }
    if (argc < 2) {
        print_commands(stderr);
        return CLI_USAGE;
    }
    const char *name = argv[1];
    if (is_help(name)) return help(argc - 2, argv + 2);
    if (strcmp(name, "--version") == 0 || strcmp(name, "-v") == 0) name = "version";
    const cli_command *command = find(name);
    if (command == NULL) return unknown(name);
    if (command->has_secrets) (void)prctl(PR_SET_DUMPABLE, 0);
    int err = make_dir_absolute();
    return err != 0 ? err : command->run(argc - 2, argv + 2);
}

int main(int argc, char **argv) {
    cli_streams_open();
    return cli_streams_close(dispatch(argc, argv));
}
