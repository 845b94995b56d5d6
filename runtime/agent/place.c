#include "agent/place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/packet.h"

#define RUN_MARK " run" // after the pid in the lock file: brought by a `warren run`

static int fail(char text[AGENT_PLACE_TEXT_MAX], int err, const char *what, const char *path,
                const char *hint) {
    (void)snprintf(text, AGENT_PLACE_TEXT_MAX, "cannot %s %.200s: %s%s", what, path, strerror(err),
                   hint);
    return -err;
}

// A link of somebody else's could lead anywhere: it is not followed.
static int refuse_other(const char *path, bool is_inner, int err, char text[AGENT_PLACE_TEXT_MAX]) {
    struct stat info;
    if (lstat(path, &info) != 0 || S_ISDIR(info.st_mode))
        return fail(text, err, "open the state directory", path, "");
    if (is_inner)
        (void)snprintf(text, AGENT_PLACE_TEXT_MAX,
                       "will not use %.200s: it is %s (remove it, or put a directory there)", path,
                       S_ISLNK(info.st_mode) ? "a symbolic link" : "not a directory");
    else
        (void)snprintf(text, AGENT_PLACE_TEXT_MAX,
                       S_ISLNK(info.st_mode)
                           ? "will not use %.200s: it is a symbolic link (set WARREN_DIR to the "
                             "directory that it leads to)"
                           : "%.200s is not a directory: choose another WARREN_DIR",
                       path);
    return -ENOTDIR;
}

// `is_inner`: it is one that we make in the state directory.
static int look(const char *path, bool is_inner, char text[AGENT_PLACE_TEXT_MAX]) {
    struct stat info;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return -ENOENT;
    if (fd < 0) return refuse_other(path, is_inner, errno, text);
    int err = fstat(fd, &info) != 0 ? errno : 0;
    close(fd);
    if (err != 0) return fail(text, err, "look at", path, "");
    if (info.st_uid != geteuid()) {
        (void)snprintf(text, AGENT_PLACE_TEXT_MAX,
                       "will not use %.200s: it belongs to user %u, not to user %u (choose another "
                       "WARREN_DIR)",
                       path, info.st_uid, geteuid());
        return -EPERM;
    }
    if ((info.st_mode & 077) != 0) {
        (void)snprintf(
            text, AGENT_PLACE_TEXT_MAX,
            "will not use %.200s: others may enter it (`chmod 700` it, or choose another "
            "WARREN_DIR)",
            path);
        return -EPERM;
    }
    return 0;
}

int agent_place_look(const char *path, char text[AGENT_PLACE_TEXT_MAX]) {
    return look(path, false, text);
}

static int prepare_one(const char *path, bool is_inner, char text[AGENT_PLACE_TEXT_MAX]) {
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return fail(text, errno, "make the state directory", path, " (WARREN_DIR chooses it)");
    return look(path, is_inner, text);
}

int agent_place_prepare(const char *dir, char text[AGENT_PLACE_TEXT_MAX]) {
    char logs[PATH_MAX];
    int err = prepare_one(dir, false, text);
    if (err != 0) return err;
    (void)snprintf(logs, sizeof logs, "%s/logs", dir); // dir fits in a socket's address
    return prepare_one(logs, true, text);
}

// Why the lock cannot be had: the file says who has it.
static int explain_busy(const char *dir, int fd, char text[AGENT_PLACE_TEXT_MAX]) {
    char owner[32] = "";
    ssize_t len = pread(fd, owner, sizeof owner - 1, 0);
    owner[len > 0 ? strcspn(owner, "\n") : 0] = '\0';
    bool is_ephemeral = strstr(owner, RUN_MARK) != NULL;
    owner[strcspn(owner, " ")] = '\0';
    (void)snprintf(text, AGENT_PLACE_TEXT_MAX,
                   is_ephemeral ? "the agent of a `warren run` is running in %.200s (pid %s) and "
                                  "ends with it: stop that first, or choose another WARREN_DIR"
                                : "an agent is running already in %.200s (pid %s): `warren agent "
                                  "--stop` ends it",
                   dir, owner[0] != '\0' ? owner : "unknown");
    return is_ephemeral ? -EBUSY : -EWOULDBLOCK;
}

int agent_place_lock(const char *dir, bool is_ephemeral, char text[AGENT_PLACE_TEXT_MAX]) {
    char path[PATH_MAX], owner[32];
    (void)snprintf(path, sizeof path, "%s/agent.lock", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return fail(text, errno, "open", path, "");
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int err = errno == EWOULDBLOCK ? explain_busy(dir, fd, text)
                                       : fail(text, errno, "lock", path, "");
        close(fd);
        return err;
    }
    int len = snprintf(owner, sizeof owner, "%d%s\n", (int)getpid(), is_ephemeral ? RUN_MARK : "");
    // Only for those sentences: a full disk is no reason not to run.
    if (ftruncate(fd, 0) == 0) (void)!pwrite(fd, owner, (size_t)len, 0);
    return fd;
}

static void socket_path(char out[PATH_MAX], const char *dir) {
    (void)snprintf(out, PATH_MAX, "%s/agent.sock", dir); // too long: said by listen
}

int agent_place_listen(const char *dir, char text[AGENT_PLACE_TEXT_MAX]) {
    char path[PATH_MAX];
    int fd;
    socket_path(path, dir);
    (void)unlink(path); // we hold the lock: whose socket it was is dead
    int err = mesh_packet_listen(path, &fd);
    if (err == -ENAMETOOLONG)
        return fail(text, ENAMETOOLONG, "listen on", path,
                    " (the path of a socket has at most 107 bytes: choose a shorter WARREN_DIR)");
    if (err != 0) return fail(text, -err, "listen on", path, "");
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

agent_place_mark agent_place_mark_of(const char *path) {
    struct stat info;
    if (lstat(path, &info) != 0) return (agent_place_mark){0};
    return (agent_place_mark){info.st_dev, info.st_ino, info.st_mtim};
}

bool agent_place_mark_fits(const char *path, const agent_place_mark *mark) {
    agent_place_mark now = agent_place_mark_of(path);
    return now.inode != 0 && now.inode == mark->inode && now.device == mark->device &&
           now.at.tv_sec == mark->at.tv_sec && now.at.tv_nsec == mark->at.tv_nsec;
}
