#include "agent/successor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/descriptors.h"
#include "agent/place.h"
#include "agent/spawn.h"
#include "agent/store.h"
#include "agent/zygote.h"
#include "core/mem.h"

#define TAKES_OVER "WARREN_TAKES_OVER" // PID:LOCK:SOCKET, between the two

#define CAN_BE_ONE "can be an agent" // what one that passes says; so also in later versions

static char program[PATH_MAX];

static struct {
    pid_t pid; // 0: nobody is asked
    int output_fd;
    bool is_late;
    uv_timer_t patience;
    agent_successor_cb cb;
    void *user;
} check;

// ---- which program

// As it was called, so that a symbolic link leads to what it leads to now.
void agent_successor_note(void) {
    const char *called = (const char *)getauxval(AT_EXECFN);
    char here[PATH_MAX];
    bool is_magic =
        called == NULL || strncmp(called, "/proc/", 6) == 0 || strncmp(called, "/dev/", 5) == 0;
    if (is_magic) {
        ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
        program[len > 0 ? len : 0] = '\0';
    } else if (called[0] == '/' || getcwd(here, sizeof here) == NULL) {
        (void)snprintf(program, sizeof program, "%s", called);
    } else if (snprintf(program, sizeof program, "%s/%s", here,
                        called + (strncmp(called, "./", 2) == 0 ? 2 : 0)) >= PATH_MAX) {
        program[0] = '\0'; // it fails to start, and says so
    }
}

const char *agent_successor_program(void) {
    return program;
}

// ---- trying it

// Its standard output and error are `output_fd`; -1: nowhere.
static int spawn(const char *path, char *const argv[], int output_fd, pid_t *out_pid) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (output_fd >= 0)
        posix_spawn_file_actions_adddup2(&actions, output_fd, STDOUT_FILENO);
    else
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    agent_spawn_attributes(&attributes);
    int err = posix_spawn(out_pid, path, &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return -err;
}

static void on_late(uv_timer_t *timer) {
    (void)timer;
    check.is_late = true;
    (void)kill(check.pid, SIGKILL);
}

int agent_successor_check(uv_loop_t *loop, agent_successor_cb cb, void *user) {
    char *argv[] = {program, "agent", AGENT_CHECK_WORD, NULL};
    int fds[2];
    if (check.pid != 0) return -EBUSY;
    if (pipe2(fds, O_CLOEXEC) != 0) return -errno;
    int err = spawn(program, argv, fds[1], &check.pid);
    close(fds[1]);
    if (err != 0) {
        close(fds[0]);
        check.pid = 0;
        return err;
    }
    check.output_fd = fds[0];
    check.is_late = false;
    check.cb = cb;
    check.user = user;
    uv_timer_init(loop, &check.patience);
    uv_timer_start(&check.patience, on_late, AGENT_SUCCESSOR_CHECK_MS, 0);
    return 0;
}

// The last line that it wrote, which is what is wrong with it.
static void read_last_line(char out[AGENT_SUCCESSOR_TEXT_MAX]) {
    int flags = fcntl(check.output_fd, F_GETFL);
    (void)fcntl(check.output_fd, F_SETFL, flags | O_NONBLOCK); // its children may hold it open
    ssize_t len = read(check.output_fd, out, AGENT_SUCCESSOR_TEXT_MAX - 1);
    while (len > 0 && out[len - 1] == '\n')
        len--;
    out[len > 0 ? len : 0] = '\0';
    const char *newline = strrchr(out, '\n');
    if (newline != NULL) memmove(out, newline + 1, strlen(newline));
    static const char said_by[] = "warren: ";
    if (strncmp(out, said_by, sizeof said_by - 1) == 0)
        memmove(out, out + sizeof said_by - 1, strlen(out) - sizeof said_by + 2);
}

// 0: it can be an agent; else a sentence.
static int judge(int status, char text[AGENT_SUCCESSOR_TEXT_MAX]) {
    char line[AGENT_SUCCESSOR_TEXT_MAX], how[64];
    read_last_line(line);
    bool is_good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (is_good && strstr(line, CAN_BE_ONE) != NULL) return 0;
    if (check.is_late)
        (void)snprintf(how, sizeof how, "did not end within %d s", AGENT_SUCCESSOR_CHECK_MS / 1000);
    else if (WIFSIGNALED(status))
        (void)snprintf(how, sizeof how, "was ended by SIG%s", sigabbrev_np(WTERMSIG(status)));
    else
        (void)snprintf(how, sizeof how, "ended with exit code %d", WEXITSTATUS(status));
    (void)snprintf(text, AGENT_SUCCESSOR_TEXT_MAX,
                   "the agent runs on as it was: `%.300s agent " AGENT_CHECK_WORD "` %s%s%.400s",
                   program, how, line[0] != '\0' ? ": " : "", line);
    return -ENOEXEC;
}

static void end_check(void) {
    close(check.output_fd);
    uv_close((uv_handle_t *)&check.patience, NULL);
    check.pid = 0;
}

bool agent_successor_reaped(pid_t pid, int status) {
    char text[AGENT_SUCCESSOR_TEXT_MAX];
    if (check.pid == 0 || pid != check.pid) return false;
    int err = judge(status, text);
    end_check();
    check.cb(err == 0 ? NULL : text, check.user);
    return true;
}

void agent_successor_close(void) {
    if (check.pid == 0) return;
    (void)kill(check.pid, SIGKILL);
    end_check();
}

// ---- taking its place

static void signals_of_agent(sigset_t *out) {
    sigemptyset(out);
    sigaddset(out, SIGTERM);
    sigaddset(out, SIGINT);
    sigaddset(out, SIGHUP);
}

int agent_successor_start(int lock_fd, int listen_fd) {
    char *argv[] = {program, "agent", NULL}, text[64];
    sigset_t signals;
    (void)snprintf(text, sizeof text, "%d:%d:%d", (int)getpid(), lock_fd, listen_fd);
    (void)setenv(TAKES_OVER, text, 1);
    signals_of_agent(&signals);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL); // they wait for whoever comes
    (void)fcntl(lock_fd, F_SETFD, 0);
    (void)fcntl(listen_fd, F_SETFD, 0);
    agent_descriptors_lower(); // what nodes are to have
    (void)execv(program, argv);
    int err = -errno;
    agent_descriptors_raise_again();
    (void)fcntl(lock_fd, F_SETFD, FD_CLOEXEC);
    (void)fcntl(listen_fd, F_SETFD, FD_CLOEXEC);
    agent_successor_hear();
    (void)unsetenv(TAKES_OVER);
    return err;
}

bool agent_successor_take(int *out_lock_fd, int *out_listen_fd) {
    const char *text = getenv(TAKES_OVER);
    int pid, lock_fd, listen_fd;
    bool is_ours = text != NULL && sscanf(text, "%d:%d:%d", &pid, &lock_fd, &listen_fd) == 3 &&
                   pid == (int)getpid();
    (void)unsetenv(TAKES_OVER);
    if (!is_ours) return false;
    (void)fcntl(lock_fd, F_SETFD, FD_CLOEXEC);
    (void)fcntl(listen_fd, F_SETFD, FD_CLOEXEC);
    *out_lock_fd = lock_fd;
    *out_listen_fd = listen_fd;
    return true;
}

void agent_successor_hear(void) {
    sigset_t signals;
    signals_of_agent(&signals);
    (void)sigprocmask(SIG_UNBLOCK, &signals, NULL);
}

// ---- being tried

static int check_runtime(char text[AGENT_PLACE_TEXT_MAX]) {
    char path[PATH_MAX];
    char *argv[] = {"warren-node", "--version", NULL};
    pid_t pid;
    int status = 0;
    agent_zygote_find_program(path);
    int err = spawn(path, argv, -1, &pid);
    if (err == 0 && waitpid(pid, &status, 0) == pid && status == 0) return 0;
    (void)snprintf(text, AGENT_PLACE_TEXT_MAX, "%.300s --version %s", path,
                   err != 0 ? strerror(-err) : "fails");
    return err != 0 ? err : -ENOEXEC;
}

int agent_successor_check_main(const char *dir) {
    char text[AGENT_PLACE_TEXT_MAX] = "";
    char why[AGENT_VAULT_TEXT_MAX] = "";
    int err = agent_place_prepare(dir, text);
    if (err == 0) err = check_runtime(text);
    if (err == 0) {
        err = agent_store_check(dir, why);
        (void)snprintf(text, sizeof text, "%.*s", (int)sizeof text - 1, why);
    }
    if (err != 0)
        (void)fprintf(stderr, "warren: %s\n", text);
    else
        (void)printf("warren %s " CAN_BE_ONE "\n", WARREN_VERSION);
    return err != 0;
}
