#include "io/sockaddr.h"

#include <netinet/in.h>
#include <string.h>

socklen_t mesh_sockaddr_of(const mesh_addr *addr, struct sockaddr_storage *out) {
    *out = (struct sockaddr_storage){0};
    if (addr->family == 6) {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(addr->port);
        memcpy(&v6->sin6_addr, addr->ip, sizeof v6->sin6_addr);
        return sizeof *v6;
    }
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    v4->sin_family = AF_INET;
    v4->sin_port = htons(addr->port);
    memcpy(&v4->sin_addr, addr->ip, sizeof v4->sin_addr);
    return sizeof *v4;
}

mesh_addr mesh_sockaddr_addr(const struct sockaddr *from) {
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
