#include "secure/keys.h"

#include "test.h"

enum { USE_COUNT = MESH_KEY_TICKET_KNOCK + 1 };

TEST(each_use_has_a_key_of_its_own_and_each_secret_others) {
    const uint8_t secrets[2][MESH_SECRET_LEN] = {{1}, {2}};
    uint8_t keys[2 * USE_COUNT][MESH_SECRET_LEN];
    for (int i = 0; i < 2 * USE_COUNT; i++) {
        mesh_key_derive(secrets[i % 2], (mesh_key_use)(i / 2), keys[i]);
        for (int j = 0; j < i; j++)
            EXPECT_TRUE(memcmp(keys[i], keys[j], MESH_SECRET_LEN) != 0);
    }
}

// From Python: hashlib.blake2b(b"warren-link-v1", key=bytes(range(32)), digest_size=32)
TEST(a_key_is_what_another_program_makes_of_the_secret) {
    static const uint8_t wanted[MESH_SECRET_LEN] = {0x26, 0x98, 0xb8, 0x65, 0x8f, 0x2b, 0x38, 0x8a,
                                                    0x31, 0x98, 0x41, 0xa2, 0x59, 0x65, 0x81, 0xaa,
                                                    0x2d, 0xa1, 0x92, 0x02, 0x8c, 0x5b, 0x60, 0x4b,
                                                    0xb7, 0x62, 0x0b, 0x71, 0x00, 0xbb, 0xbe, 0x32};
    uint8_t secret[MESH_SECRET_LEN], key[MESH_SECRET_LEN];
    for (int i = 0; i < MESH_SECRET_LEN; i++)
        secret[i] = (uint8_t)i;
    mesh_key_derive(secret, MESH_KEY_LINK, key);
    assert_memory_equal(wanted, key, MESH_SECRET_LEN);
}
