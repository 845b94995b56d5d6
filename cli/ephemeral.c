#include "cli/ephemeral.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/keep.h"
#include "agent/place.h"
#include "cli/args.h"
#include "cli/client.h"
#include "io/packet.h"
#include "io/paths.h"

enum { READY_FD = 3 };

enum {
    TRIES_MAX = 500, // of 10 ms: another agent is starting, or is just ending
    TRY_MS = 10,
};

static int open_log(const char *dir) {
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/agent.log", dir);
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    struct stat info;
    bool is_file = fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
    if (is_file) return fd;
    if (fd >= 0) close(fd);
    return open("/dev/null", O_WRONLY | O_CLOEXEC); // a log is no reason not to run
}

static void become_agent(const char *dir, int ready_fd) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setsid(); // Ctrl-C in the terminal is for the command line, which asks us to stop
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC), log_fd = open_log(dir);
    (void)dup2(null_fd, STDIN_FILENO);
    (void)dup2(log_fd, STDOUT_FILENO);
    (void)dup2(log_fd, STDERR_FILENO);
    // The pipes and files of whoever ran us stay open no longer than the run.
    (void)dup2(ready_fd, READY_FD);
    (void)close_range(READY_FD + 1, UINT_MAX, 0);
    (void)fcntl(READY_FD, F_SETFD, 0);
    (void)!chdir("/");
    // A fresh process: this one may have had a loop before, which libuv does not carry over a fork.
    (void)execl("/proc/self/exe", "warren", "agent", CLI_EPHEMERAL_WORD, (char *)NULL);
    _exit(1);
}

// Starts one. AGENT_READY, AGENT_BUSY (there is another one, or was until now) or
// AGENT_FAILED_TO_START and a sentence.
static char start(const char *dir, char text[AGENT_PLACE_TEXT_MAX]) {
    int fds[2];
    if (agent_place_prepare(dir, text) != 0) return AGENT_FAILED_TO_START;
    if (pipe2(fds, O_CLOEXEC) != 0) {
        (void)snprintf(text, AGENT_PLACE_TEXT_MAX, "cannot start an agent: %s", strerror(errno));
        return AGENT_FAILED_TO_START;
    }
    pid_t pid = fork();
    if (pid == 0) become_agent(dir, fds[1]);
    close(fds[1]);
    char answer = AGENT_FAILED_TO_START;
    (void)snprintf(text, AGENT_PLACE_TEXT_MAX, "cannot start an agent: %s",
                   pid < 0 ? strerror(errno) : "it ended at once (agent.log says more)");
    if (pid > 0 && read(fds[0], &answer, 1) == 1) {
        ssize_t len = read(fds[0], text, AGENT_PLACE_TEXT_MAX - 1);
        text[len > 0 ? len : 0] = '\0';
    }
    close(fds[0]);
    return answer;
}

int cli_ephemeral_main(const char *dir) {
    (void)fcntl(READY_FD, F_SETFD, FD_CLOEXEC);
    return agent_run(&(agent_options){.dir = dir, .is_ephemeral = true, .ready_fd = READY_FD});
}

static int try_connect(const char *path) {
    int fd;
    int err = mesh_packet_connect(path, &fd);
    if (err == 0) close(fd);
    return err;
}

static void wait_a_little(void) {
    struct timespec pause = {.tv_nsec = TRY_MS * 1000000L};
    (void)nanosleep(&pause, NULL);
}

int cli_ephemeral_ensure(void) {
    char dir[MESH_PATHS_LEN_MAX], path[MESH_PATHS_LEN_MAX], text[AGENT_PLACE_TEXT_MAX] = "";
    int err = mesh_paths_socket(path);
    if (err == 0) err = mesh_paths_dir(dir);
    if (err != 0) return cli_client_explain(err);
    for (int i = 0; i < TRIES_MAX; i++) {
        err = try_connect(path);
        if (err == 0) return 0;
        if (err != -ENOENT && err != -ECONNREFUSED) return cli_client_explain(err);
        if (i == 0 && agent_keep_waits(dir)) return cli_client_explain(err); // it says so
        char answer = start(dir, text);
        if (answer == AGENT_READY) return 0;
        if (answer == AGENT_FAILED_TO_START) {
            cli_say("%s", text);
            return CLI_FAILED;
        }
        wait_a_little();
    }
    cli_say("%s, but it does not answer", text);
    return CLI_NO_AGENT;
}
