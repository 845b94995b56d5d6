// Datagrams of membership, and addresses as the system has them.
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>

#include "agent/cluster_state.h"

enum { DATAGRAM_LEN_MAX = 2048 }; // longer ones are none of ours

// ---- addresses

static mesh_addr addr_of(const struct sockaddr *from) {
    mesh_addr addr = {.family = from->sa_family == AF_INET ? 4 : 6};
    if (addr.family == 4) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)from;
        addr.port = ntohs(v4->sin_port);
        memcpy(addr.ip, &v4->sin_addr, sizeof v4->sin_addr);
    } else {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)from;
        addr.port = ntohs(v6->sin6_port);
        memcpy(addr.ip, &v6->sin6_addr, sizeof v6->sin6_addr);
    }
    return addr;
}

static void write_sockaddr(const mesh_addr *addr, struct sockaddr_storage *out) {
    memset(out, 0, sizeof *out);
    if (addr->family == 4) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)out;
        v4->sin_family = AF_INET;
        v4->sin_port = htons(addr->port);
        memcpy(&v4->sin_addr, addr->ip, sizeof v4->sin_addr);
    } else {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(addr->port);
        memcpy(&v6->sin6_addr, addr->ip, sizeof v6->sin6_addr);
    }
}

int cluster_resolve(const char *text, mesh_addr *out, char why[AGENT_VAULT_TEXT_MAX]) {
    char host[MESH_ADDRESS_LEN_MAX + 1];
    (void)snprintf(host, sizeof host, "%s", text);
    char *port = strrchr(host, ':'), *name = host;
    *port++ = '\0';
    if (name[0] == '[') {
        name++;
        name[strcspn(name, "]")] = '\0';
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *found;
    int err = getaddrinfo(name, port, &hints, &found);
    if (err != 0) {
        (void)snprintf(why, AGENT_VAULT_TEXT_MAX,
                       "cannot find the address of %.200s: %s (`advertise` in cluster/config.json "
                       "names it)",
                       text, gai_strerror(err));
        return -EHOSTUNREACH;
    }
    *out = addr_of(found->ai_addr);
    freeaddrinfo(found);
    return 0;
}

// ---- datagrams

void cluster_datagrams_send(agent_cluster *c, const mesh_addr *to, mesh_bytes bytes) {
    struct sockaddr_storage at;
    write_sockaddr(to, &at);
    uv_buf_t buffer = uv_buf_init((char *)(uintptr_t)bytes.data, (unsigned)bytes.len);
    // What does not go now is lost, as datagrams may be: membership asks again.
    (void)uv_udp_try_send(&c->udp, &buffer, 1, (struct sockaddr *)&at);
}

static void on_datagram(uv_udp_t *udp, ssize_t len, const uv_buf_t *buffer,
                        const struct sockaddr *from, unsigned flags) {
    agent_cluster *c = udp->data;
    if (len <= 0 || from == NULL || (flags & UV_UDP_PARTIAL) != 0) return;
    mesh_addr addr = addr_of(from);
    mesh_swim_receive(c->swim, cluster_now_ms(c), cluster_now_s(), &addr,
                      (mesh_bytes){(const uint8_t *)buffer->base, (size_t)len});
    cluster_work(c);
}

// One buffer for all: what is read is handled before the next read.
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
    static char bytes[DATAGRAM_LEN_MAX];
    (void)handle;
    (void)suggested;
    *buffer = uv_buf_init(bytes, sizeof bytes);
}

int cluster_datagrams_open(agent_cluster *c, const mesh_addr *listen,
                           char text[AGENT_VAULT_TEXT_MAX]) {
    struct sockaddr_storage at;
    write_sockaddr(listen, &at);
    int err = uv_udp_bind(&c->udp, (struct sockaddr *)&at, 0);
    if (err == 0) err = uv_udp_recv_start(&c->udp, on_alloc, on_datagram);
    if (err != 0)
        (void)snprintf(
            text, AGENT_VAULT_TEXT_MAX,
            "cannot take datagrams on %.200s: %s (`listen` in %.150s/config.json chooses "
            "the address)",
            c->identity->config.listen, strerror(-err), c->identity->vault);
    return err;
}
