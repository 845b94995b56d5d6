#include "discovery/endpoint.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "core/error.h"

static bool is_name_byte(uint8_t byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '_' || byte == '.';
}

bool mesh_is_host_name(mesh_bytes text) {
    if (text.len == 0 || text.len > MESH_HOST_LEN_MAX) return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!is_name_byte(text.data[i])) return false;
        bool is_label_empty = text.data[i] == '.' && (i == 0 || text.data[i - 1] == '.');
        if (is_label_empty) return false;
    }
    return text.data[0] != '-'; // what looks like an option is not handed on
}

bool mesh_is_host_address(const char *text) {
    struct in6_addr address;
    return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

// 0: it is no port.
static uint16_t parse_port(mesh_bytes text) {
    if (text.len == 0 || text.len > 5 || text.data[0] == '0') return 0;
    uint32_t port = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return 0;
        port = port * 10 + (text.data[i] - '0');
    }
    return port <= UINT16_MAX ? (uint16_t)port : 0;
}

// Cuts "[v6]" or a name off the front; what is left is empty or starts with a colon.
static int take_host(mesh_bytes *text, mesh_endpoint *out) {
    bool has_brackets = text->len > 0 && text->data[0] == '[';
    mesh_bytes inside = has_brackets ? mesh_bytes_skip(*text, 1) : *text;
    const uint8_t *end =
        inside.len > 0 ? memchr(inside.data, has_brackets ? ']' : ':', inside.len) : NULL;
    if (end == NULL && has_brackets) return MESH_EINVAL;
    size_t len = end != NULL ? (size_t)(end - inside.data) : inside.len;
    if (len > MESH_HOST_LEN_MAX || memchr(inside.data, 0, len) != NULL) return MESH_EINVAL;

    memcpy(out->host, inside.data, len);
    out->host[len] = '\0';
    *text = mesh_bytes_skip(inside, len + (has_brackets ? 1 : 0));
    struct in6_addr address;
    if (has_brackets) return inet_pton(AF_INET6, out->host, &address) == 1 ? 0 : MESH_EINVAL;
    return mesh_is_host_name((mesh_bytes){(const uint8_t *)out->host, len}) ? 0 : MESH_EINVAL;
}

int mesh_endpoint_parse(mesh_bytes text, uint16_t port_default, mesh_endpoint *out) {
    if (text.len > MESH_ENDPOINT_LEN_MAX) return MESH_EINVAL;
    mesh_endpoint endpoint = {.port = port_default};
    if (take_host(&text, &endpoint) != 0) return MESH_EINVAL;
    if (text.len > 0)
        endpoint.port = text.data[0] == ':' ? parse_port(mesh_bytes_skip(text, 1)) : 0;
    if (endpoint.port == 0) return MESH_EINVAL;
    *out = endpoint;
    return 0;
}

void mesh_endpoint_write(const mesh_endpoint *endpoint, char out[MESH_ENDPOINT_LEN_MAX + 1]) {
    bool is_v6 = strchr(endpoint->host, ':') != NULL;
    (void)snprintf(out, MESH_ENDPOINT_LEN_MAX + 1, is_v6 ? "[%s]:%u" : "%s:%u", endpoint->host,
                   endpoint->port);
}

// Keys are seen by people and by other programs: plain segments only.
bool mesh_is_key_prefix(mesh_bytes text) {
    for (size_t i = 0; i < text.len; i++) {
        mesh_bytes one = {text.data + i, 1};
        bool is_slash = one.data[0] == '/';
        if (!is_slash && one.data[0] != '.' && one.data[0] != '-' && !mesh_is_host_name(one))
            return false;
        if (is_slash && i + 1 < text.len && text.data[i + 1] == '/') return false;
    }
    return true;
}
