#include "cli/prefix.h"

#include <stdint.h>
#include <stdio.h>

static void put_head(const cli_prefix *prefix, const char *node, cli_prefix_cb on_bytes,
                     void *user) {
    static const int colors[] = {36, 33, 32, 35, 34, 31};
    char head[CLI_PREFIX_NAME_MAX + 64];
    const char *dot = strrchr(node, '.');
    unsigned instance = 0;
    if (dot != NULL) (void)sscanf(dot + 1, "%u", &instance);
    if (prefix->is_colored)
        (void)snprintf(head, sizeof head, "\033[%dm%-*.*s |\033[0m ",
                       colors[instance % (sizeof colors / sizeof colors[0])], prefix->width,
                       CLI_PREFIX_NAME_MAX, node);
    else
        (void)snprintf(head, sizeof head, "%-*.*s | ", prefix->width, CLI_PREFIX_NAME_MAX, node);
    on_bytes(mesh_bytes_text(head), user);
}

void cli_prefix_push(cli_prefix *prefix, const char *node, mesh_bytes data, cli_prefix_cb on_bytes,
                     void *user) {
    if (prefix->is_off) {
        on_bytes(data, user);
        return;
    }
    while (data.len > 0) {
        bool is_same = prefix->is_in_line && strcmp(prefix->node, node) == 0;
        // Another node was in the middle of a line: its rest will come with a prefix of its own.
        if (prefix->is_in_line && !is_same) on_bytes(mesh_bytes_text("\n"), user);
        if (!is_same) put_head(prefix, node, on_bytes, user);
        const uint8_t *newline = memchr(data.data, '\n', data.len);
        size_t len = newline != NULL ? (size_t)(newline - data.data) + 1 : data.len;
        on_bytes((mesh_bytes){data.data, len}, user);
        data = mesh_bytes_skip(data, len);
        prefix->is_in_line = newline == NULL;
        (void)snprintf(prefix->node, sizeof prefix->node, "%s", node);
    }
}
