// A disk that fails, for LD_PRELOAD: while the file BADFS_ERROR has the number of an error,
// whatever changes something below the directory BADFS_DIR fails with it. What was opened before is
// no exception.
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PATH_LEN_MAX = 4096 };

static int error_now(void) {
    const char *path = getenv("BADFS_ERROR");
    char text[16] = "";
    if (path == NULL) return 0;
    long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    (void)!read((int)fd, text, sizeof text - 1);
    (void)close((int)fd);
    return (int)strtol(text, NULL, 10);
}

static bool is_below(const char *path) {
    const char *dir = getenv("BADFS_DIR");
    return dir != NULL && path != NULL && strncmp(path, dir, strlen(dir)) == 0;
}

// True: errno says why.
static bool fails(const char *path) {
    int err = is_below(path) ? error_now() : 0;
    if (err == 0) return false;
    errno = err;
    return true;
}

static bool fails_fd(int fd) {
    char link[64], path[PATH_LEN_MAX];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    if (len < 0) return false;
    path[len] = '\0';
    return fails(path);
}

static bool is_for_writing(int flags) {
    return (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)) != 0;
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    if (is_for_writing(flags) && fails(path)) return -1;
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) __attribute__((alias("open")));

ssize_t write(int fd, const void *bytes, size_t len) {
    if (fails_fd(fd)) return -1;
    return syscall(SYS_write, fd, bytes, len);
}

int fsync(int fd) {
    if (fails_fd(fd)) return -1;
    return (int)syscall(SYS_fsync, fd);
}

int ftruncate(int fd, off_t len) {
    if (fails_fd(fd)) return -1;
    return (int)syscall(SYS_ftruncate, fd, len);
}

int rename(const char *from, const char *to) {
    if (fails(to)) return -1;
    return (int)syscall(SYS_rename, from, to);
}

int unlink(const char *path) {
    if (fails(path)) return -1;
    return (int)syscall(SYS_unlink, path);
}

int mkdir(const char *path, mode_t mode) {
    if (fails(path)) return -1;
    return (int)syscall(SYS_mkdir, path, mode);
}
