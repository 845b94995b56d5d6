#include "agent/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/mem.h"

enum { BACKLOG_DEFAULT = 511, BACKLOG_MAX = 65535 }; // the default is Node's

typedef struct address {
    union {
        struct sockaddr head;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } any;
    socklen_t len;
} address;

typedef struct shared_socket {
    address address;
    bool is_ipv6_only;
    int fd;
} shared_socket;

struct agent_sockets {
    uint32_t count;
    shared_socket sockets[AGENT_SOCKETS_MAX];
};

agent_sockets *agent_sockets_create(void) {
    return mem_alloc(sizeof(agent_sockets));
}

void agent_sockets_destroy(agent_sockets *s) {
    if (s == NULL) return;
    for (uint32_t i = 0; i < s->count; i++)
        close(s->sockets[i].fd);
    free(s);
}

static void set_v4(address *out, struct in_addr ip, uint32_t port) {
    *out = (address){.len = sizeof out->any.v4};
    out->any.v4.sin_family = AF_INET;
    out->any.v4.sin_port = htons((uint16_t)port);
    out->any.v4.sin_addr = ip;
}

static void set_v6(address *out, struct in6_addr ip, uint32_t port) {
    *out = (address){.len = sizeof out->any.v6};
    out->any.v6.sin6_family = AF_INET6;
    out->any.v6.sin6_port = htons((uint16_t)port);
    out->any.v6.sin6_addr = ip;
}

static int parse(const agent_listen *request, address *out) {
    const char *text = request->address[0] != '\0' ? request->address : "::";
    struct in_addr v4;
    struct in6_addr v6;
    if (request->port == 0 || request->port > 65535) return -EINVAL;
    if (inet_pton(AF_INET, text, &v4) == 1)
        set_v4(out, v4, request->port);
    else if (inet_pton(AF_INET6, text, &v6) == 1)
        set_v6(out, v6, request->port);
    else
        return -EINVAL;
    return 0;
}

static shared_socket *find(agent_sockets *s, const address *wanted, bool is_ipv6_only) {
    for (uint32_t i = 0; i < s->count; i++) {
        shared_socket *have = &s->sockets[i];
        if (have->address.len == wanted->len && have->is_ipv6_only == is_ipv6_only &&
            memcmp(&have->address.any, &wanted->any, wanted->len) == 0)
            return have;
    }
    return NULL;
}

// A listening socket, or -errno.
static int open_socket(const address *at, int backlog, bool is_ipv6_only) {
    int fd = socket(at->any.head.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -errno;
    int on = 1, only = is_ipv6_only;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if ((at->any.head.sa_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only) != 0) ||
        bind(fd, &at->any.head, at->len) != 0 || listen(fd, backlog) != 0) {
        int err = -errno;
        close(fd);
        return err;
    }
    return fd;
}

int agent_sockets_listen(agent_sockets *s, const agent_listen *request) {
    address at;
    int err = parse(request, &at);
    if (err != 0) return err;
    int backlog = request->backlog == 0            ? BACKLOG_DEFAULT
                  : request->backlog > BACKLOG_MAX ? BACKLOG_MAX
                                                   : (int)request->backlog;
    shared_socket *have = find(s, &at, request->is_ipv6_only);
    if (have != NULL) return have->fd;
    if (s->count == AGENT_SOCKETS_MAX) return -EMFILE;
    address bound = at;
    int fd = open_socket(&bound, backlog, request->is_ipv6_only);
    // A host without IPv6: "all" means all of IPv4. It is kept under the address that was asked
    // for.
    if (request->address[0] == '\0' && (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL)) {
        set_v4(&bound, (struct in_addr){.s_addr = htonl(INADDR_ANY)}, request->port);
        fd = open_socket(&bound, backlog, false);
    }
    if (fd < 0) return fd;
    s->sockets[s->count++] =
        (shared_socket){.address = at, .is_ipv6_only = request->is_ipv6_only, .fd = fd};
    return fd;
}
