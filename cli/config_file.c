#include "cli/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/poll.h> // not <poll.h>: runtime/poll.h is on the path
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/zygote.h"
#include "cli/args.h"
#include "core/mem.h"

enum { RESULT_FD = 3, RESULT_LEN_MAX = 16 << 20, PIECE_LEN = 64 << 10 };

// import() as programs have it: in modules that are built in there is none.
static const char script[] =
    "require('warren/config').answer(process.argv.slice(1), (url) => import(url))";

typedef struct answer {
    char *bytes;
    size_t len, cap;
} answer;

static void become_reader(const cli_config_request *request, const char *program, int result_fd) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); // one that never ends does not outlive us
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    (void)dup2(null_fd, STDIN_FILENO);
    (void)dup2(STDERR_FILENO, STDOUT_FILENO); // what the file prints is no result
    if (result_fd != RESULT_FD) (void)dup2(result_fd, RESULT_FD);
    (void)fcntl(RESULT_FD, F_SETFD, 0);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)execl(program, "warren-node", "-e", script, "--", request->what,
                request->env != NULL ? request->env : "",
                request->file != NULL ? request->file : "", (char *)NULL);
    _exit(127);
}

static uint64_t now_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

// 0 at its end, -ETIMEDOUT, -EFBIG.
static int read_answer(int fd, uint64_t timeout_ms, answer *out) {
    uint64_t deadline_ms = now_ms() + timeout_ms;
    for (;;) {
        uint64_t now = now_ms();
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        int count = poll(&wait, 1, now < deadline_ms ? (int)(deadline_ms - now) : 0);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return count == 0 ? -ETIMEDOUT : -errno;
        if (out->len > RESULT_LEN_MAX) return -EFBIG;
        out->bytes = mem_grow(out->bytes, 1, out->len + PIECE_LEN, &out->cap);
        ssize_t len = read(fd, out->bytes + out->len, PIECE_LEN);
        if (len < 0 && errno == EINTR) continue;
        if (len <= 0) return len == 0 ? 0 : -errno;
        out->len += (size_t)len;
    }
}

static void tell_end(const char *name, int err, int status, uint64_t timeout_ms) {
    if (err == -ETIMEDOUT)
        cli_say("%s has not given its configuration within %u ms (an endless loop, a promise that "
                "never settles?); --timeout gives it longer",
                name, (unsigned)timeout_ms);
    else if (err != 0)
        cli_say("%s: its configuration cannot be read: %s", name, strerror(-err));
    else if (WIFSIGNALED(status))
        cli_say("%s: its process was ended by signal %d before it gave a configuration", name,
                WTERMSIG(status));
    else if (WEXITSTATUS(status) == 127)
        cli_say("cannot start warren-node, which reads configurations: is it installed beside "
                "warren?");
    else
        cli_say("%s: its process ended with exit code %d before it gave a configuration", name,
                WEXITSTATUS(status));
}

json_t *cli_config_load(const cli_config_request *request) {
    char program[PATH_MAX];
    int fds[2], status = 0;
    agent_zygote_find_program(program);
    if (pipe2(fds, O_CLOEXEC) != 0) {
        cli_say("cannot read the configuration: %s", strerror(errno));
        return NULL;
    }
    pid_t pid = fork();
    if (pid == 0) become_reader(request, program, fds[1]);
    close(fds[1]);
    answer out = {0};
    int err = pid > 0 ? read_answer(fds[0], request->timeout_ms, &out) : -errno;
    close(fds[0]);
    if (pid > 0 && err != 0) (void)kill(pid, SIGKILL);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    json_t *result =
        err == 0 ? json_loadb(out.bytes != NULL ? out.bytes : "", out.len, 0, NULL) : NULL;
    free(out.bytes);
    if (result == NULL)
        tell_end(request->file != NULL ? request->file : "the configuration", err, status,
                 request->timeout_ms);
    return result;
}
