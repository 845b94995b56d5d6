// The listening sockets of one service: each address is bound once and shared by all instances.
// They stay open as long as the service, so connections wait in the queue while an instance
// restarts.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { AGENT_SOCKETS_MAX = 64 }; // per service

typedef struct agent_sockets agent_sockets;

agent_sockets *agent_sockets_create(void);
void agent_sockets_destroy(agent_sockets *sockets);

typedef struct agent_listen {
    const char *address; // numeric, or empty for "all": :: where IPv6 works, else 0.0.0.0
    uint32_t port;       // 1 to 65535
    uint32_t backlog;
    bool is_ipv6_only;
} agent_listen;

// The descriptor (borrowed; the receiver gets a duplicate), or -errno.
int agent_sockets_listen(agent_sockets *sockets, const agent_listen *request);
