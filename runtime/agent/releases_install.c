// `npm ci` where a release was unpacked, before it is there under its name.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/poll.h> // not <poll.h>: runtime/poll.h is on the path
#include <unistd.h>
#include <uv.h>

#include "agent/releases_state.h"
#include "agent/spawn.h"
#include "core/mem.h"

enum { LOOK_MS = 500, TAIL_LEN = 16 << 10, SHOWN_LEN = 700, OUT_FD = 1 };

// The agent takes the ends of all its children, so that a shell tells how npm's went. What npm
// writes comes first.
static const char script[] = "cd \"$1\" && npm ci --omit=dev --no-audit --no-fund </dev/null 2>&1; "
                             "code=$?; echo; echo \"npm-ended-with $code\"";

typedef struct npm {
    pid_t pid;
    int fd; // what it writes
    char tail[TAIL_LEN + 1];
    size_t len;
} npm;

static int start(npm *n, const char *path) {
    extern char **environ;
    char *argv[] = {"sh", "-c", (char *)(uintptr_t)script, "npm", (char *)(uintptr_t)path, NULL};
    int fds[2];
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    if (pipe2(fds, O_CLOEXEC) != 0) return -errno;
    agent_spawn_attributes(&attributes);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], OUT_FD);
    int err = -posix_spawn(&n->pid, "/bin/sh", &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    close(fds[1]);
    n->fd = fds[0];
    if (err != 0) close(fds[0]);
    return err;
}

// Only the end of it is kept.
static bool take(npm *n) {
    char piece[4096];
    ssize_t got = read(n->fd, piece, sizeof piece);
    if (got < 0 && errno == EINTR) return true;
    if (got <= 0) return false;
    size_t over = n->len + (size_t)got > TAIL_LEN ? n->len + (size_t)got - TAIL_LEN : 0;
    memmove(n->tail, n->tail + over, n->len - over);
    memcpy(n->tail + n->len - over, piece, (size_t)got);
    n->len += (size_t)got - over;
    return true;
}

// False: it was ended, for the agent ends or it took too long.
static bool hear(const release_job *job, npm *n) {
    uint64_t until_ns = uv_hrtime() + AGENT_RELEASES_INSTALL_MS * UINT64_C(1000000);
    struct pollfd wait = {.fd = n->fd, .events = POLLIN};
    for (;;) {
        int count = poll(&wait, 1, LOOK_MS);
        if (count > 0 && !take(n)) return true;
        if (!releases_is_ending(job) && uv_hrtime() < until_ns) continue;
        (void)kill(-n->pid, SIGKILL); // a session of its own
        return false;
    }
}

// Where npm says what was wrong: a page about its options may come behind that.
static char *find_error(char *text, size_t len) {
    char *at = strstr(text, "npm error");
    if (at == NULL) at = strstr(text, "npm ERR!"); // before npm 10
    if (at != NULL) return at;
    return len > SHOWN_LEN ? text + len - SHOWN_LEN : text;
}

// What it said, as one line for people; NULL: all went well.
static const char *judge(npm *n, bool has_ended) {
    static const char mark[] = "\nnpm-ended-with ";
    n->tail[n->len] = '\0';
    char *end = NULL;
    for (char *at = n->tail; (at = strstr(at, mark)) != NULL; at++)
        end = at;
    if (has_ended && end != NULL && strcmp(end + sizeof mark - 1, "0\n") == 0) return NULL;
    if (!has_ended) return "it took longer than 15 minutes, or the agent ended";
    if (end == NULL) return "it was killed";
    *end = '\0';
    char *shown = find_error(n->tail, (size_t)(end - n->tail));
    if (strlen(shown) > SHOWN_LEN) shown[SHOWN_LEN] = '\0';
    for (char *at = shown; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 127) *at = ' ';
    return shown;
}

void releases_install(release_job *job) {
    char path[AGENT_RELEASES_PATH_MAX];
    npm n = {.len = 0};
    releases_path(releases_dir(job), job->temp, path);
    int err = start(&n, path);
    const char *why = err != 0 ? strerror(-err) : judge(&n, hear(job, &n));
    if (err == 0) close(n.fd);
    if (why == NULL) {
        job->then = releases_settle;
        return;
    }
    job->result.err = -EIO;
    (void)snprintf(job->result.text, AGENT_RELEASES_TEXT_MAX,
                   "`npm ci` failed on this host: %.900s", why);
    releases_remove(releases_dir(job), job->temp);
}
