// An agent that dies at a chosen moment, for LD_PRELOAD: the file HALFWAY says after how many Link
// or Down packets (node.proto), and how many of them after those never left the agent's memory; one
// more is sent then ("link 3 1", "down 1 0"). It dies once: the file goes with it.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct plan {
    bool is_of_downs;
    unsigned sent, dropped;
} plan;

static unsigned count; // since the file was there

static bool read_plan(const char *path, plan *out) {
    char text[32] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    (void)!read(fd, text, sizeof text - 1);
    (void)close(fd);
    char *end;
    out->is_of_downs = strncmp(text, "down ", 5) == 0;
    out->sent = (unsigned)strtoul(text + 5, &end, 10);
    out->dropped = (unsigned)strtoul(end, NULL, 10);
    return true;
}

// ToNode.link, with the id of a node and a socket.
static bool is_link(const struct msghdr *message) {
    const unsigned char *bytes = message->msg_iovlen == 1 ? message->msg_iov[0].iov_base : NULL;
    return message->msg_controllen > 0 && bytes != NULL && message->msg_iov[0].iov_len == 11 &&
           bytes[0] == (6 << 3 | 2) && bytes[2] == (1 << 3 | 1);
}

// ToNode.down, with the id of a node.
static bool is_down(const struct msghdr *message) {
    const unsigned char *bytes = message->msg_iovlen == 1 ? message->msg_iov[0].iov_base : NULL;
    return message->msg_controllen == 0 && bytes != NULL && message->msg_iov[0].iov_len > 11 &&
           bytes[0] == (4 << 3 | 2) && bytes[2] == (1 << 3 | 1);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    static ssize_t (*real)(int, const struct msghdr *, int);
    if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, "sendmsg");
    const char *path = getenv("HALFWAY");
    bool is_agent = path != NULL && strcmp(program_invocation_short_name, "warren") == 0;
    plan now;
    if (!is_agent || !(is_link(message) || is_down(message)) || !read_plan(path, &now) ||
        now.is_of_downs != is_down(message))
        return real(fd, message, flags);
    count++;
    bool is_dropped = count > now.sent && count <= now.sent + now.dropped;
    ssize_t len = is_dropped ? (ssize_t)message->msg_iov[0].iov_len : real(fd, message, flags);
    bool is_last = now.dropped == 0 ? count >= now.sent : count > now.sent + now.dropped;
    if (!is_last) return len;
    (void)unlink(path);
    (void)kill(getpid(), SIGKILL);
    return len;
}
