#include "cli/unit_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/agent_unit.h"
#include "cli/args.h"
#include "core/mem.h"

enum { HEAD_LEN = 64 }; // of a unit: enough to know our own

static bool find_dir(bool is_user, char out[PATH_MAX]) {
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    int len = PATH_MAX;
    if (!is_user)
        len = snprintf(out, PATH_MAX, "/etc/systemd/system");
    else if (config != NULL && config[0] == '/')
        len = snprintf(out, PATH_MAX, "%s/systemd/user", config);
    else if (home != NULL && home[0] == '/')
        len = snprintf(out, PATH_MAX, "%s/.config/systemd/user", home);
    return len < PATH_MAX;
}

int cli_unit_file_find(bool is_user, cli_unit_file *out) {
    out->is_user = is_user;
    const char *target = is_user ? "default" : "multi-user";
    if (find_dir(is_user, out->dir) &&
        snprintf(out->path, PATH_MAX, "%s/" CLI_AGENT_UNIT_NAME, out->dir) < PATH_MAX &&
        snprintf(out->wants, PATH_MAX, "%s/%s.target.wants/" CLI_AGENT_UNIT_NAME, out->dir,
                 target) < PATH_MAX)
        return CLI_DONE;
    cli_say("where this user's units are is not known: HOME is not set, no absolute path, or too "
            "long");
    return CLI_FAILED;
}

static int explain(const cli_unit_file *file, const char *what, int err) {
    const char *hint = "";
    if ((err == EACCES || err == EPERM) && !file->is_user)
        hint = " (only root may; `--user` is for a service of your own)";
    if (err == ENOENT && !file->is_user) hint = " (is systemd installed here?)";
    cli_say("cannot %s %s: %s%s", what, file->path, strerror(err), hint);
    return CLI_FAILED;
}

cli_unit_owner cli_unit_file_owner(const cli_unit_file *file) {
    struct stat info;
    char head[HEAD_LEN];
    if (lstat(file->path, &info) != 0)
        return errno == ENOENT || errno == ENOTDIR ? CLI_UNIT_NONE : CLI_UNIT_OTHERS;
    if (!S_ISREG(info.st_mode)) return CLI_UNIT_OTHERS;
    int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t len = fd < 0 ? 0 : read(fd, head, HEAD_LEN - 1);
    if (fd >= 0) close(fd);
    head[len > 0 ? len : 0] = '\0';
    return cli_agent_unit_is_ours(head) ? CLI_UNIT_OURS : CLI_UNIT_OTHERS;
}

bool cli_unit_file_has(const cli_unit_file *file, const char *text) {
    size_t len = strlen(text);
    char *old = mem_alloc(len + 1);
    FILE *in = fopen(file->path, "re");
    bool is_same = in != NULL && fread(old, 1, len + 1, in) == len && memcmp(old, text, len) == 0;
    if (in != NULL) (void)fclose(in);
    free(old);
    return is_same;
}

static int make_dirs(const char *dir) {
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s", dir);
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, 0755) != 0 && errno != EEXIST) return errno;
        *slash = '/';
    }
    return mkdir(path, 0755) != 0 && errno != EEXIST ? errno : 0;
}

static int write_all(int fd, const char *text) {
    for (size_t len = strlen(text); len > 0;) {
        ssize_t written = write(fd, text, len);
        if (written < 0) return errno;
        text += written;
        len -= (size_t)written;
    }
    return fchmod(fd, 0644) != 0 || fsync(fd) != 0 ? errno : 0;
}

// Beside it, then renamed: systemd sees the whole of it, or what was there.
static int put(const char *path, const char *text) {
    char fresh[PATH_MAX + 8];
    (void)snprintf(fresh, sizeof fresh, "%s.XXXXXX", path);
    int fd = mkostemp(fresh, O_CLOEXEC);
    if (fd < 0) return errno;
    int err = write_all(fd, text);
    if (close(fd) != 0 && err == 0) err = errno;
    if (err == 0 && rename(fresh, path) != 0) err = errno;
    if (err != 0) (void)unlink(fresh);
    return err;
}

int cli_unit_file_write(const cli_unit_file *file, const char *text) {
    int err = file->is_user ? make_dirs(file->dir) : 0;
    if (err == 0) err = put(file->path, text);
    return err == 0 ? CLI_DONE : explain(file, "write", err);
}

int cli_unit_file_remove(const cli_unit_file *file) {
    struct stat info;
    if (lstat(file->wants, &info) == 0 && S_ISLNK(info.st_mode)) (void)unlink(file->wants);
    return unlink(file->path) == 0 ? CLI_DONE : explain(file, "remove", errno);
}
