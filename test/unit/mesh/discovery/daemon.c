#include "daemon.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

enum { START_TRIES = 2000, TRY_MS = 10 };

static struct sockaddr_in address_of(uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static void nap(void) {
    nanosleep(&(struct timespec){.tv_nsec = TRY_MS * 1000000L}, NULL);
}

static bool accepts(uint16_t port) {
    struct sockaddr_in address = address_of(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_there = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return is_there;
}

static void become(char *const argv[], const char *log) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)setsid();
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    execvp(argv[0], argv);
    _exit(127);
}

// The one that runs, for a test that fails. dnsmasq gives up rights, and with them
// PR_SET_PDEATHSIG.
static pid_t running;

static void kill_running(void) {
    if (running != 0) kill(-running, SIGKILL);
}

daemon_process daemon_launch(char *const argv[], uint16_t port, const char *log) {
    static bool has_exit_hook;
    daemon_process process = {.pid = fork(), .port = port};
    if (process.pid == 0) become(argv, log);
    if (!has_exit_hook) atexit(kill_running);
    has_exit_hook = true;
    running = process.pid;
    return process;
}

daemon_process daemon_start(char *const argv[], uint16_t port, const char *log) {
    daemon_process process = daemon_launch(argv, port, log);
    for (int i = 0; i < START_TRIES; i++) {
        if (accepts(port)) return process;
        if (waitpid(process.pid, NULL, WNOHANG) != 0) break;
        nap();
    }
    char command[300];
    (void)snprintf(command, sizeof command, "tail -n 5 '%s' >&2", log);
    (void)!system(command);
    fail_msg("%s does not run: is it installed (tools/setup.sh test)?", argv[0]);
    return process;
}

void daemon_stop(daemon_process *process) {
    if (process->pid == 0) return;
    // With those it forked for a connection of TCP, which hold its listening socket (dnsmasq).
    kill(-process->pid, SIGKILL);
    waitpid(process->pid, NULL, 0);
    running = 0;
    while (accepts(process->port))
        nap();
    process->pid = 0;
}
