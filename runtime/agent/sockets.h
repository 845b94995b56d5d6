// The listening sockets of one service: each address is bound once and shared by all instances.
// They stay open as long as the service, so connections wait in the queue while an instance
// restarts.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { AGENT_SOCKETS_MAX = 64, AGENT_SOCKETS_ADDRESS_MAX = 64 }; // the first: per service

typedef struct agent_sockets agent_sockets;

agent_sockets *agent_sockets_create(void);
void agent_sockets_destroy(agent_sockets *sockets);

typedef struct agent_listen {
    const char *address; // numeric, or empty for "all": :: where IPv6 works, else 0.0.0.0
    uint32_t port;       // 1 to 65535
    uint32_t backlog;
    bool is_ipv6_only;
    // Set where it is not NULL: the memory (balance.h, borrowed) by which those who listen on the
    // socket share its connections; -1: there is none.
    int *out_memory_fd;
} agent_listen;

// The descriptor (borrowed; the receiver gets a duplicate), or -errno.
int agent_sockets_listen(agent_sockets *sockets, const agent_listen *request);
// The one of this number (0, 1 ... in the order in which they were opened), as it was asked for.
// `out_fds`: the socket and the memory, borrowed; -1: none. False: there are not so many.
bool agent_sockets_look(const agent_sockets *sockets, uint32_t number, agent_listen *out,
                        char out_address[AGENT_SOCKETS_ADDRESS_MAX], int out_fds[2]);
// One that is there already: another agent opened it. Takes the descriptors, also on failure.
// -EINVAL, -EMFILE.
int agent_sockets_adopt(agent_sockets *sockets, const agent_listen *request, int fd, int memory_fd);
// The process has ended: what it had on each socket is no load any more.
void agent_sockets_forget(agent_sockets *sockets, uint32_t pid);
// Whether one of them listens on this port, at whatever address.
bool agent_sockets_has_port(const agent_sockets *sockets, uint32_t port);
