// A payload and the shapes it uses, as a peer in C gets them: `u8 count`, then count times `u8 len`
// and a SHAPE body, then the payload. What comes out plain is a value without shapes, and stays the
// same when it is read again.
#include "core/mem.h"
#include "core/payload.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static mesh_payload_buffer buffer, again;
    mesh_bytes rest = {data, size}, out, second;
    mesh_shapes shapes = {0};
    size_t len, second_len;
    uint8_t count = 0;
    if (rest.len > 0) {
        count = rest.data[0];
        rest = mesh_bytes_skip(rest, 1);
    }
    for (; count > 0 && rest.len > 0 && rest.len > rest.data[0]; count--) {
        (void)mesh_shapes_add(&shapes, (mesh_bytes){rest.data + 1, rest.data[0]});
        rest = mesh_bytes_skip(rest, 1u + rest.data[0]);
    }
    (void)mesh_payload_check_headers(rest);
    if (mesh_payload_plain(rest, &shapes, &buffer, &out, &len) == 0) {
        CHECK(len <= rest.len);
        CHECK(mesh_payload_check(out) == 0);
        CHECK(mesh_payload_plain(out, NULL, &again, &second, &second_len) == 0);
        CHECK(second.data == out.data && second.len == out.len);
    }
    mesh_shapes_deinit(&shapes);
    return 0;
}
