#include "cluster/addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"

bool mesh_addr_equal(const mesh_addr *a, const mesh_addr *b) {
    return a->family == b->family && a->port == b->port && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

static int parse_port(const char *text, uint16_t *out) {
    size_t len = strlen(text);
    if (len < 1 || len > 5 || strspn(text, "0123456789") != len) return MESH_EINVAL;
    long port = strtol(text, NULL, 10);
    if (port < 1 || port > UINT16_MAX) return MESH_EINVAL;
    *out = (uint16_t)port;
    return 0;
}

int mesh_addr_parse(const char *text, mesh_addr *out) {
    char ip[MESH_ADDR_TEXT_MAX];
    mesh_addr addr = {.family = text[0] == '[' ? 6 : 4};
    const char *begin = addr.family == 6 ? text + 1 : text;
    const char *end = strstr(begin, addr.family == 6 ? "]:" : ":");
    if (end == NULL || (size_t)(end - begin) >= sizeof ip) return MESH_EINVAL;
    memcpy(ip, begin, (size_t)(end - begin));
    ip[end - begin] = '\0';
    int err = parse_port(strchr(end, ':') + 1, &addr.port);
    if (err != 0) return err;
    if (inet_pton(addr.family == 6 ? AF_INET6 : AF_INET, ip, addr.ip) != 1) return MESH_EINVAL;
    *out = addr;
    return 0;
}

const char *mesh_addr_text(const mesh_addr *addr, char out[MESH_ADDR_TEXT_MAX]) {
    char ip[INET6_ADDRSTRLEN] = "";
    bool is_six = addr->family == 6;
    if (addr->family != 4 && !is_six) return memcpy(out, "-", 2);
    (void)inet_ntop(is_six ? AF_INET6 : AF_INET, addr->ip, ip, sizeof ip);
    (void)snprintf(out, MESH_ADDR_TEXT_MAX, is_six ? "[%s]:%u" : "%s:%u", ip, addr->port);
    return out;
}
