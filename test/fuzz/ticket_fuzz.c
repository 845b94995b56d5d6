// Join tokens. The first byte chooses: the text as it comes, or the message in it with a right
// checksum and in base64, so that what stands behind these is reached.
#include <sodium.h>

#include "core/mem.h"
#include "fuzz.h"
#include "secure/ticket.h"

enum { CHECK_LEN = 4, HASH_LEN = 32, TEXT_MAX = 4096, PREFIX_LEN = 8 };

static void parse(mesh_bytes text) {
    mesh_token token;
    char again[MESH_TOKEN_LEN_MAX + 1];
    if (mesh_token_parse(text, &token) != 0) return;
    for (size_t i = 0; i < token.address_count; i++)
        CHECK(mesh_is_address(token.addresses[i]));
    // What was taken could have been written, and says the same again.
    mesh_token same;
    CHECK(mesh_token_write(&token, again) == 0);
    CHECK(mesh_token_parse(mesh_bytes_text(again), &same) == 0);
    CHECK(same.ticket_id == token.ticket_id && same.address_count == token.address_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    mesh_bytes input = {data + 1, size - 1};
    if (data[0] & 1) {
        parse(input);
        return 0;
    }
    uint8_t binary[TEXT_MAX / 2], check[HASH_LEN];
    char text[TEXT_MAX] = "warren1:";
    if (input.len > sizeof binary - CHECK_LEN) return 0;
    if (input.len > 0) memcpy(binary, input.data, input.len);
    (void)crypto_generichash(check, HASH_LEN, binary, input.len, NULL, 0);
    memcpy(binary + input.len, check, CHECK_LEN);
    (void)sodium_bin2base64(text + PREFIX_LEN, sizeof text - PREFIX_LEN, binary,
                            input.len + CHECK_LEN, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    parse(mesh_bytes_text(text));
    return 0;
}
