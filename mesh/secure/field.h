// Fields of bytes in protobuf messages.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <protobuf-c/protobuf-c.h>

// Borrows.
static inline ProtobufCBinaryData mesh_field_view(const void *data, size_t len) {
    return (ProtobufCBinaryData){len, (uint8_t *)(uintptr_t)data};
}

// False: it has not this length; `to` stays untouched.
static inline bool mesh_field_take(ProtobufCBinaryData from, uint8_t *to, size_t len) {
    if (from.len != len) return false;
    memcpy(to, from.data, len);
    return true;
}
