#include "cli/systemctl.h"

#include <errno.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

bool cli_systemctl_is_there(void) {
    return access("/run/systemd/system", F_OK) == 0; // sd_booted(3)
}

static int wait_for(pid_t pid) {
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return -errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int cli_systemctl_run(bool is_user, const char *const words[CLI_SYSTEMCTL_WORDS_MAX]) {
    char *argv[CLI_SYSTEMCTL_WORDS_MAX + 3] = {(char *)(uintptr_t) "systemctl"};
    int count = 1;
    if (is_user) argv[count++] = (char *)(uintptr_t) "--user";
    for (int i = 0; i < CLI_SYSTEMCTL_WORDS_MAX && words[i] != NULL; i++)
        argv[count++] = (char *)(uintptr_t)words[i];
    posix_spawn_file_actions_t actions;
    pid_t pid;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    int err = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return err != 0 ? -err : wait_for(pid);
}
