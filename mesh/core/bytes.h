// A borrowed view of memory someone else owns. Passed by value; never freed through.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct mesh_bytes {
    const uint8_t *data;
    size_t len;
} mesh_bytes;

static inline mesh_bytes mesh_bytes_skip(mesh_bytes bytes, size_t len) {
    return (mesh_bytes){bytes.data + len, bytes.len - len};
}

static inline mesh_bytes mesh_bytes_text(const char *text) {
    return (mesh_bytes){(const uint8_t *)text, strlen(text)};
}
