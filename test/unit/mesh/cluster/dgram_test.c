#include "cluster/dgram.h"

#include <sodium.h>

#include "core/error.h"
#include "core/rng.h"
#include "test.h"

static const uint8_t key[MESH_DGRAM_KEY_LEN] = {1}, other_key[MESH_DGRAM_KEY_LEN] = {2};
static const uint8_t salt[MESH_DGRAM_SALT_LEN] = {3};
static const mesh_dgram_head head = {.psk_id = 1, .source = 2, .target = 3, .counter = 4};

TEST(a_datagram_opens_to_what_was_sealed) {
    uint8_t wire[MESH_DATAGRAM_LEN_MAX], body[MESH_DGRAM_BODY_MAX];
    size_t body_len;
    mesh_dgram_head got;
    size_t len = mesh_dgram_seal(&head, salt, key, mesh_bytes_text("hello"), wire);
    EXPECT_EQ(60 + 5, len);
    EXPECT_OK(mesh_dgram_parse((mesh_bytes){wire, len}, &got));
    EXPECT_EQ(2, got.source);
    EXPECT_EQ(3, got.target);
    EXPECT_EQ(4, got.counter);
    EXPECT_OK(mesh_dgram_open((mesh_bytes){wire, len}, key, body, &body_len));
    EXPECT_BYTES("hello", ((mesh_bytes){body, body_len}));
    EXPECT_EQ(MESH_ESEAL, mesh_dgram_open((mesh_bytes){wire, len}, other_key, body, &body_len));
}

TEST(a_changed_or_cut_datagram_does_not_open) {
    uint8_t wire[MESH_DATAGRAM_LEN_MAX], body[MESH_DGRAM_BODY_MAX];
    size_t body_len, len = mesh_dgram_seal(&head, salt, key, mesh_bytes_text("hello"), wire);
    for (size_t i = 0; i < len; i++) {
        wire[i] ^= 0x10;
        EXPECT_TRUE(mesh_dgram_open((mesh_bytes){wire, len}, key, body, &body_len) != 0);
        wire[i] ^= 0x10;
        EXPECT_TRUE(mesh_dgram_open((mesh_bytes){wire, i}, key, body, &body_len) != 0);
    }
}

TEST(both_ends_of_a_pair_have_the_same_two_keys_and_no_others) {
    const uint8_t gossip[32] = {9}, a_secret[32] = {8}, b_secret[32] = {16};
    uint8_t a[32], b[32], shared_a[32], shared_b[32], there[2][32], back[32];
    (void)crypto_scalarmult_base(a, a_secret);
    (void)crypto_scalarmult_base(b, b_secret);
    EXPECT_OK(crypto_scalarmult(shared_a, a_secret, b));
    EXPECT_OK(crypto_scalarmult(shared_b, b_secret, a));
    mesh_dgram_key(gossip, shared_a, a, b, there[0]);
    mesh_dgram_key(gossip, shared_b, a, b, there[1]);
    mesh_dgram_key(gossip, shared_a, b, a, back);
    assert_memory_equal(there[0], there[1], 32);
    EXPECT_TRUE(memcmp(there[0], back, 32) != 0);
}

// Against a plain list of what was seen, for 10 million counters.
TEST(the_window_takes_each_counter_once_in_any_order) {
    enum { SPAN = 6000, DRAWS = 10000000 };
    static uint8_t seen[SPAN + DRAWS / 10 + 2 * MESH_WINDOW_LEN];
    mesh_window window = {.top = 0};
    mesh_rng rng;
    mesh_rng_init(&rng, 1);
    uint64_t top = 0;
    memset(seen, 0, sizeof seen);
    for (uint32_t i = 0; i < DRAWS; i++) {
        uint64_t base = i / 10, counter = base + mesh_rng_below(&rng, 2 * MESH_WINDOW_LEN);
        bool is_old = counter == 0 || counter + MESH_WINDOW_LEN <= top;
        bool is_new = !is_old && !seen[counter];
        EXPECT_EQ(is_new, mesh_window_is_new(&window, counter));
        if (!is_new) continue;
        mesh_window_take(&window, counter);
        seen[counter] = 1;
        if (counter > top) top = counter;
    }
}

TEST(the_window_jumps_far) {
    mesh_window window = {.top = 0};
    mesh_window_take(&window, 5);
    mesh_window_take(&window, UINT64_C(1) << 60);
    EXPECT_FALSE(mesh_window_is_new(&window, 5));
    EXPECT_FALSE(mesh_window_is_new(&window, UINT64_C(1) << 60));
    EXPECT_TRUE(mesh_window_is_new(&window, (UINT64_C(1) << 60) - 1));
    EXPECT_TRUE(mesh_window_is_new(&window, UINT64_MAX));
}
