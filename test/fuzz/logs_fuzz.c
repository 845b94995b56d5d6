// A log file as it may be after a full disk, or after somebody wrote into it: the first byte says
// how many lines are wanted and of whom, the rest is the file. What comes back is inside the file.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/logs.h"
#include "core/mem.h"
#include "fuzz.h"

enum { LINES_MASK = 0x3f, OF_ONE = 0x80 };

static char dir[64], logs[80], path[128];
static size_t seen_count, seen_len;

static void clean_up(void) {
    (void)unlink(path);
    (void)rmdir(logs);
    (void)rmdir(dir);
}

static void set_up(void) {
    if (dir[0] != '\0') return;
    (void)snprintf(dir, sizeof dir, "/dev/shm/warren-fuzz-XXXXXX");
    CHECK(mkdtemp(dir) != NULL);
    (void)snprintf(logs, sizeof logs, "%s/logs", dir);
    CHECK(mkdir(logs, 0700) == 0);
    (void)snprintf(path, sizeof path, "%s/app.log", logs);
    (void)atexit(clean_up);
}

static void take(const agent_log_piece *piece, void *user) {
    const char *wanted = user;
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < piece->data.len; i++)
        sum ^= piece->data.data[i];
    (void)sum;
    CHECK(wanted == NULL || strcmp(wanted, piece->node) == 0);
    seen_count++;
    seen_len += piece->data.len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    set_up();
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && write(fd, data + 1, size - 1) == (ssize_t)size - 1);
    close(fd);
    char app[] = "app.0", *node = data[0] & OF_ONE ? app : NULL;
    uint32_t lines = data[0] & LINES_MASK;
    seen_count = seen_len = 0;
    agent_log_query query = {.dir = dir, .service = "app", .node = node, .line_count = lines};
    CHECK(agent_log_tail(&query, take, node) == 0);
    CHECK(seen_count <= lines && seen_len < size + lines);
    return 0;
}
