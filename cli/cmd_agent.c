#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "agent/agent.h"
#include "cli/args.h"
#include "cli/client.h"
#include "cli/ephemeral.h"
#include "io/paths.h"

enum { OPTION_STOP, END_TRIES = 500 };

static const cli_option options[] = {
    {0, "stop", NULL, "stop all services, then the agent that is running"}, {0, NULL, NULL, NULL}};

static bool on_reply(const Warren__Agent__Reply *reply, void *user) {
    (void)reply;
    (void)user;
    return false; // Done ends it
}

// It has answered, and says good-bye to other hosts: whoever starts the next one needs its lock.
static void wait_for_end(const char *dir) {
    static const struct timespec pause = {.tv_nsec = 10 * 1000000L};
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/agent.lock", dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return;
    for (int i = 0; i < END_TRIES && flock(fd, LOCK_SH | LOCK_NB) != 0; i++)
        (void)nanosleep(&pause, NULL);
    close(fd);
}

static int stop(void) {
    Warren__Agent__Shutdown shutdown = WARREN__AGENT__SHUTDOWN__INIT;
    CLI_REQUEST(request, SHUTDOWN, shutdown, &shutdown);
    int exit_code = cli_client_ask(&request, on_reply, NULL);
    char dir[MESH_PATHS_LEN_MAX];
    if (exit_code == CLI_DONE && mesh_paths_dir(dir) == 0) wait_for_end(dir);
    return exit_code;
}

static int run(int argc, char **argv) {
    cli_args args = {.command = &cli_agent, .argc = argc, .argv = argv};
    bool is_stop = false, is_ephemeral = argc == 1 && strcmp(argv[0], CLI_EPHEMERAL_WORD) == 0;
    for (int arg; !is_ephemeral && (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        if (arg == CLI_ARG_BAD) return cli_args_exit_code(&args);
        if (arg == CLI_ARG_WORD) {
            cli_say("agent takes no word: \"%.40s\" (`warren run` runs programs)", args.value);
            return CLI_USAGE;
        }
        is_stop = true;
    }
    if (is_stop) return stop();
    char dir[MESH_PATHS_LEN_MAX], path[MESH_PATHS_LEN_MAX];
    int err = mesh_paths_socket(path);
    if (err == 0) err = mesh_paths_dir(dir);
    if (err != 0) return cli_client_explain(err);
    if (is_ephemeral) return cli_ephemeral_main(dir);
    return agent_run(&(agent_options){.dir = dir, .ready_fd = -1});
}

const cli_command cli_agent = {
    .name = "agent",
    .usage = "[--stop]",
    .summary = "Runs the agent of this host in the foreground, until SIGTERM or Ctrl-C",
    .example = "  warren agent &            # a system service would run this\n"
               "  warren run -d app.js -i 4\n"
               "  warren agent --stop\n",
    .options = options,
    .run = run,
};
