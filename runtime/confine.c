#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static int join_group(const char *dir) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/cgroup.procs", dir) >= PATH_MAX) return -ENAMETOOLONG;
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    int err = write(fd, "0", 1) == 1 ? 0 : -errno; // 0: whoever writes it
    close(fd);
    return err;
}

// What RLIMIT_DATA counts of this process. 0: unknown.
static uint64_t data_len(void) {
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    uint64_t kib = 0;
    if (file == NULL) return 0;
    while (fgets(line, sizeof line, file) != NULL && sscanf(line, "VmData: %" SCNu64, &kib) != 1)
        continue;
    fclose(file);
    return kib * 1024;
}

// Lowers it only, and so does nothing where it cannot.
static void limit_data(uint64_t more) {
    struct rlimit limit;
    uint64_t now = data_len();
    if (now == 0 || getrlimit(RLIMIT_DATA, &limit) != 0 || now + more >= limit.rlim_cur) return;
    limit.rlim_cur = now + more;
    (void)setrlimit(RLIMIT_DATA, &limit);
}

int runtime_confine(const Warren__Zygote__Launch *request) {
    int err = request->cgroup[0] != '\0' ? join_group(request->cgroup) : 0;
    if (err != 0)
        fprintf(stderr, "cannot start a node within its limits: %s: %s\n", request->cgroup,
                strerror(-err));
    if (err == 0 && request->data_max > 0) limit_data(request->data_max);
    return err;
}
