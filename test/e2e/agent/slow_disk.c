// Loaded before an agent's libc: fsync of a file whose name begins with $SLOW_DISK_FILE says so by
// a file `blocked` in $SLOW_DISK, and goes on when there is a file `release`.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void block(const char *dir) {
    char blocked[300], release[300];
    (void)snprintf(blocked, sizeof blocked, "%s/blocked", dir);
    (void)snprintf(release, sizeof release, "%s/release", dir);
    (void)mkdir(blocked, 0700);
    while (access(release, F_OK) != 0)
        (void)usleep(1000);
}

static void look(int fd) {
    char link[64], path[300];
    const char *dir = getenv("SLOW_DISK"), *file = getenv("SLOW_DISK_FILE"), *name;
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    if (dir == NULL || file == NULL || len <= 0) return;
    path[len] = '\0';
    name = strrchr(path, '/');
    if (name != NULL && strncmp(name + 1, file, strlen(file)) == 0) block(dir);
}

int fsync(int fd) {
    look(fd);
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd) {
    look(fd);
    return (int)syscall(SYS_fdatasync, fd);
}
