#include "agent/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "balance.h"
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
    bool is_all;       // no address was asked for
    int fd, memory_fd; // memory_fd -1: none
    balance *balance;  // what is in it; NULL: none
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
    for (uint32_t i = 0; i < s->count; i++) {
        shared_socket *have = &s->sockets[i];
        close(have->fd);
        if (have->balance == NULL) continue;
        close(have->memory_fd);
        munmap(have->balance, sizeof(balance));
    }
    free(s);
}

void agent_sockets_forget(agent_sockets *s, uint32_t pid) {
    if (s == NULL) return;
    for (uint32_t i = 0; i < s->count; i++)
        if (s->sockets[i].balance != NULL) balance_free(s->sockets[i].balance, pid);
}

// Its memory is `memory_fd`, of the right size.
static void map_balance(shared_socket *socket) {
    void *memory = MAP_FAILED;
    if (ftruncate(socket->memory_fd, sizeof(balance)) == 0)
        memory =
            mmap(NULL, sizeof(balance), PROT_READ | PROT_WRITE, MAP_SHARED, socket->memory_fd, 0);
    if (memory != MAP_FAILED) {
        socket->balance = memory;
        return;
    }
    close(socket->memory_fd);
    socket->memory_fd = -1;
}

// Without it the socket is shared as ever: by who wakes first.
static void open_balance(shared_socket *socket) {
    socket->memory_fd = memfd_create("warren-balance", MFD_CLOEXEC);
    if (socket->memory_fd < 0) return;
    map_balance(socket);
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
    if (have != NULL) {
        if (request->out_memory_fd != NULL) *request->out_memory_fd = have->memory_fd;
        return have->fd;
    }
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
    have = &s->sockets[s->count++];
    *have = (shared_socket){.address = at,
                            .is_ipv6_only = request->is_ipv6_only,
                            .is_all = request->address[0] == '\0',
                            .fd = fd};
    open_balance(have);
    if (request->out_memory_fd != NULL) *request->out_memory_fd = have->memory_fd;
    return fd;
}

static uint32_t port_of(const shared_socket *socket) {
    bool is_v4 = socket->address.any.head.sa_family == AF_INET;
    return ntohs(is_v4 ? socket->address.any.v4.sin_port : socket->address.any.v6.sin6_port);
}

bool agent_sockets_has_port(const agent_sockets *s, uint32_t port) {
    for (uint32_t i = 0; s != NULL && i < s->count; i++)
        if (port_of(&s->sockets[i]) == port) return true;
    return false;
}

bool agent_sockets_look(const agent_sockets *s, uint32_t number, agent_listen *out,
                        char out_address[AGENT_SOCKETS_ADDRESS_MAX], int out_fds[2]) {
    if (number >= s->count) return false;
    const shared_socket *have = &s->sockets[number];
    bool is_v4 = have->address.any.head.sa_family == AF_INET;
    const void *ip = is_v4 ? (const void *)&have->address.any.v4.sin_addr
                           : (const void *)&have->address.any.v6.sin6_addr;
    out_address[0] = '\0';
    if (!have->is_all)
        (void)inet_ntop(have->address.any.head.sa_family, ip, out_address,
                        AGENT_SOCKETS_ADDRESS_MAX);
    *out = (agent_listen){
        .address = out_address, .port = port_of(have), .is_ipv6_only = have->is_ipv6_only};
    out_fds[0] = have->fd;
    out_fds[1] = have->balance != NULL ? have->memory_fd : -1;
    return true;
}

int agent_sockets_adopt(agent_sockets *s, const agent_listen *request, int fd, int memory_fd) {
    shared_socket *have = &s->sockets[s->count];
    address at;
    int err = s->count == AGENT_SOCKETS_MAX ? -EMFILE : parse(request, &at);
    if (err != 0) {
        close(fd);
        if (memory_fd >= 0) close(memory_fd);
        return err;
    }
    s->count++;
    *have = (shared_socket){.address = at,
                            .is_ipv6_only = request->is_ipv6_only,
                            .is_all = request->address[0] == '\0',
                            .fd = fd,
                            .memory_fd = memory_fd};
    if (memory_fd >= 0) map_balance(have);
    return 0;
}
