#include "agent/descriptors.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/mem.h"

enum {
    SOFT_MAX = 1 << 17, // more than AGENT_MEMBERS_MAX nodes need
    RESERVE = 16,       // commands at once, the files and logs they read
    COUNT_MAX = 64,
};

static struct rlimit original, raised;

void agent_descriptors_raise(void) {
    if (getrlimit(RLIMIT_NOFILE, &original) != 0) return;
    raised = original;
    if (raised.rlim_cur < SOFT_MAX)
        raised.rlim_cur = raised.rlim_max < SOFT_MAX ? raised.rlim_max : SOFT_MAX;
    agent_descriptors_raise_again();
}

void agent_descriptors_lower(void) {
    if (original.rlim_max != 0) (void)setrlimit(RLIMIT_NOFILE, &original);
}

void agent_descriptors_raise_again(void) {
    if (raised.rlim_max != 0) (void)setrlimit(RLIMIT_NOFILE, &raised);
}

// Tried, not counted: some 50 system calls of 0.1 us, however many are open.
bool agent_descriptors_left(uint32_t count) {
    CHECK(count <= COUNT_MAX);
    int fds[COUNT_MAX + RESERVE];
    uint32_t wanted = count + RESERVE, got = 0;
    while (got < wanted && (fds[got] = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)) >= 0)
        got++;
    for (uint32_t i = 0; i < got; i++)
        close(fds[i]);
    return got == wanted;
}

void agent_descriptors_explain(char out[AGENT_DESCRIPTORS_TEXT_MAX]) {
    struct rlimit limit = {0};
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    (void)snprintf(out, AGENT_DESCRIPTORS_TEXT_MAX,
                   "the agent's limit of open files (%llu) is reached: start the agent with a "
                   "higher `ulimit -n`, or LimitNOFILE= in its unit",
                   (unsigned long long)limit.rlim_cur);
}
