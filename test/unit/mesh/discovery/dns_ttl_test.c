#include "discovery/dns_ttl.h"
#include "test.h"

// One question for "a.", then answers with a pointer to it; TTLs of 300 and 60.
static const uint8_t answer[] = {0,  1, 0x81, 0x80, 0,  1, 0,  2, 0, 0, 0, 0, 1,  'a', 0, 0,
                                 33, 0, 1,    0xc0, 12, 0, 33, 0, 1, 0, 0, 1, 44, 0,   3, 1,
                                 2,  3, 1,    'b',  0,  0, 33, 0, 1, 0, 0, 0, 60, 0,   0};

TEST(the_least_of_all_answers_counts) {
    EXPECT_EQ(60, mesh_dns_ttl((mesh_bytes){answer, sizeof answer}));
}

TEST(a_message_cut_anywhere_has_none) {
    for (size_t len = 0; len < sizeof answer; len++)
        EXPECT_EQ(0, mesh_dns_ttl((mesh_bytes){answer, len}));
}

TEST(a_ttl_of_zero_is_a_ttl) {
    uint8_t bytes[sizeof answer];
    memcpy(bytes, answer, sizeof answer);
    bytes[sizeof answer - 3] = 0;
    EXPECT_EQ(1, mesh_dns_ttl((mesh_bytes){bytes, sizeof bytes}));
}
