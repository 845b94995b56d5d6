#include "discovery/dns_ttl.h"

#include <stdbool.h>

#include "core/be.h"

enum { HEAD_LEN = 12, QUESTION_LEN = 4, RECORD_HEAD_LEN = 10, POINTER = 0xc0 };

static bool skip(mesh_bytes *input, size_t len) {
    if (input->len < len) return false;
    *input = mesh_bytes_skip(*input, len);
    return true;
}

// A name ends with an empty label or with a pointer (RFC 1035, 4.1.4); where that points to is of
// no interest.
static bool skip_name(mesh_bytes *input) {
    while (input->len > 0) {
        uint8_t len = input->data[0];
        if ((len & POINTER) == POINTER) return skip(input, 2);
        if (!skip(input, (size_t)len + 1)) return false;
        if (len == 0) return true;
    }
    return false;
}

uint32_t mesh_dns_ttl(mesh_bytes message) {
    if (message.len < HEAD_LEN) return 0;
    uint16_t question_count = load_be16(message.data + 4),
             answer_count = load_be16(message.data + 6);
    mesh_bytes input = mesh_bytes_skip(message, HEAD_LEN);
    for (uint16_t i = 0; i < question_count; i++)
        if (!skip_name(&input) || !skip(&input, QUESTION_LEN)) return 0;

    uint32_t least = 0;
    for (uint16_t i = 0; i < answer_count; i++) {
        if (!skip_name(&input) || input.len < RECORD_HEAD_LEN) return 0;
        uint32_t ttl = load_be32(input.data + 4);
        if (!skip(&input, RECORD_HEAD_LEN + (size_t)load_be16(input.data + 8))) return 0;
        if (i == 0 || ttl < least) least = ttl;
    }
    return answer_count > 0 && least == 0 ? 1 : least;
}
