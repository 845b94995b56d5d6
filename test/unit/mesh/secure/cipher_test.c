#include "secure/cipher.h"

#include <sodium.h>

#include "core/error.h"
#include "secure/cipher_openssl.h"
#include "test.h"

static const uint8_t key[MESH_CIPHER_KEY_LEN] = {7};
static const mesh_bytes nothing = {0};

static void sealed_pair(mesh_cipher *send, mesh_cipher *receive) {
    mesh_cipher_init(send, key);
    mesh_cipher_init(receive, key);
}

TEST(what_was_sealed_opens_in_order_and_only_once) {
    mesh_cipher send, receive;
    sealed_pair(&send, &receive);
    uint8_t first[2 + MESH_CIPHER_TAG_LEN] = "hi", second[2 + MESH_CIPHER_TAG_LEN] = "ho",
                      copy[sizeof first];
    EXPECT_OK(mesh_cipher_seal(&send, nothing, first, 2));
    EXPECT_OK(mesh_cipher_seal(&send, nothing, second, 2));
    memcpy(copy, second, sizeof copy);
    EXPECT_EQ(MESH_ESEAL, mesh_cipher_open(&receive, nothing, copy, sizeof copy)); // out of order
    memcpy(copy, first, sizeof copy);
    EXPECT_OK(mesh_cipher_open(&receive, nothing, copy, sizeof copy));
    assert_memory_equal("hi", copy, 2);
    memcpy(copy, first, sizeof copy);
    EXPECT_EQ(MESH_ESEAL, mesh_cipher_open(&receive, nothing, copy, sizeof copy)); // again
    EXPECT_OK(mesh_cipher_open(&receive, nothing, second, sizeof second));
    assert_memory_equal("ho", second, 2);
}

// Five libraries moved the counter before they knew (RUSTSEC-2024-0011 and kin): one forged message
// made all true ones unreadable.
TEST(a_forged_message_leaves_the_counter_where_it_was) {
    mesh_cipher send, receive;
    sealed_pair(&send, &receive);
    uint8_t good[3 + MESH_CIPHER_TAG_LEN] = "abc", bad[sizeof good];
    EXPECT_OK(mesh_cipher_seal(&send, nothing, good, 3));
    for (size_t bit = 0; bit < 8 * sizeof good; bit++) {
        memcpy(bad, good, sizeof bad);
        bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
        EXPECT_EQ(MESH_ESEAL, mesh_cipher_open(&receive, nothing, bad, sizeof bad));
        EXPECT_EQ(0, receive.count);
    }
    EXPECT_OK(mesh_cipher_open(&receive, nothing, good, sizeof good));
    assert_memory_equal("abc", good, 3);
}

TEST(what_it_is_bound_to_must_be_the_same) {
    mesh_cipher send, receive;
    sealed_pair(&send, &receive);
    uint8_t data[1 + MESH_CIPHER_TAG_LEN] = "x", copy[sizeof data];
    EXPECT_OK(mesh_cipher_seal(&send, mesh_bytes_text("head"), data, 1));
    memcpy(copy, data, sizeof copy);
    EXPECT_EQ(MESH_ESEAL, mesh_cipher_open(&receive, mesh_bytes_text("heat"), copy, sizeof copy));
    EXPECT_OK(mesh_cipher_open(&receive, mesh_bytes_text("head"), data, sizeof data));
}

TEST(a_message_shorter_than_a_tag_is_refused) {
    mesh_cipher receive;
    mesh_cipher_init(&receive, key);
    uint8_t data[MESH_CIPHER_TAG_LEN] = {0};
    for (size_t len = 0; len <= sizeof data; len++)
        EXPECT_EQ(MESH_ESEAL, mesh_cipher_open(&receive, nothing, data, len));
}

TEST(a_key_seals_and_opens_no_more_than_its_limit) {
    mesh_cipher cipher;
    mesh_cipher_init(&cipher, key);
    uint8_t data[MESH_CIPHER_TAG_LEN];
    cipher.count = MESH_CIPHER_COUNT_MAX - 1;
    EXPECT_OK(mesh_cipher_seal(&cipher, nothing, data, 0));
    EXPECT_EQ(MESH_EQUOTA, mesh_cipher_seal(&cipher, nothing, data, 0));
    EXPECT_EQ(MESH_ESEAL, mesh_cipher_open(&cipher, nothing, data, sizeof data));
}

// Noise 11.3, with libsodium's stream cipher alone: the first 32 bytes of ENCRYPT(k, 2^64-1, "",
// zeros) are its key stream from block 1 on (RFC 8439, 2.8).
TEST(a_new_key_is_the_key_stream_of_the_reserved_nonce) {
    static const uint8_t nonce[12] = {0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255},
                         zeros[32];
    uint8_t want[MESH_CIPHER_KEY_LEN];
    EXPECT_OK(crypto_stream_chacha20_ietf_xor_ic(want, zeros, sizeof want, nonce, 1, key));
    mesh_cipher cipher;
    mesh_cipher_init(&cipher, key);
    cipher.count = 5;
    mesh_cipher_rekey(&cipher);
    assert_memory_equal(want, cipher.key, sizeof want);
    EXPECT_EQ(5, cipher.count);
}

TEST(after_rekey_on_one_side_alone_nothing_opens) {
    mesh_cipher send, receive;
    sealed_pair(&send, &receive);
    uint8_t data[MESH_CIPHER_TAG_LEN], copy[sizeof data];
    mesh_cipher_rekey(&send);
    EXPECT_OK(mesh_cipher_seal(&send, nothing, data, 0));
    memcpy(copy, data, sizeof copy);
    EXPECT_EQ(MESH_ESEAL, mesh_cipher_open(&receive, nothing, copy, sizeof copy));
    mesh_cipher_rekey(&receive);
    EXPECT_OK(mesh_cipher_open(&receive, nothing, data, sizeof data));
}

// ---- one after the other, and each reading what the other wrote

enum { LONG = 65535 - MESH_CIPHER_TAG_LEN };

static void seal_with(const mesh_aead *aead, uint64_t count, mesh_bytes bound, uint8_t *data,
                      size_t len) {
    mesh_cipher cipher;
    mesh_cipher_init(&cipher, key);
    cipher.count = count;
    mesh_cipher_use(aead);
    EXPECT_OK(mesh_cipher_seal(&cipher, bound, data, len));
    mesh_cipher_use(&mesh_aead_sodium);
}

TEST(openssl_seals_byte_for_byte_what_libsodium_does) {
    static const size_t lens[] = {0, 1, 15, 16, 17, 63, 64, 65, 255, 1024, 16384, LONG};
    static uint8_t ours[LONG + MESH_CIPHER_TAG_LEN], theirs[sizeof ours];
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        for (size_t bound_len = 0; bound_len <= 4; bound_len += 4) {
            mesh_bytes bound = {(const uint8_t *)"head", bound_len};
            randombytes_buf(ours, lens[i]);
            memcpy(theirs, ours, lens[i]);
            seal_with(&mesh_aead_sodium, i << 40, bound, ours, lens[i]);
            seal_with(&mesh_aead_openssl, i << 40, bound, theirs, lens[i]);
            assert_memory_equal(ours, theirs, lens[i] + MESH_CIPHER_TAG_LEN);
        }
    }
}

TEST(openssl_opens_what_libsodium_sealed_and_nothing_that_was_changed) {
    mesh_bytes bound = mesh_bytes_text("head");
    uint8_t good[100 + MESH_CIPHER_TAG_LEN] = "abc", bad[sizeof good];
    seal_with(&mesh_aead_sodium, 0, bound, good, 100);
    mesh_cipher receive;
    mesh_cipher_init(&receive, key);
    mesh_cipher_use(&mesh_aead_openssl);
    for (size_t bit = 0; bit < 8 * sizeof good; bit++) {
        memcpy(bad, good, sizeof bad);
        bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
        EXPECT_EQ(MESH_ESEAL, mesh_cipher_open(&receive, bound, bad, sizeof bad));
        EXPECT_EQ(0, receive.count);
    }
    memcpy(bad, good, sizeof bad);
    EXPECT_EQ(MESH_ESEAL, mesh_cipher_open(&receive, mesh_bytes_text("heat"), bad, sizeof bad));
    memcpy(bad, good, sizeof bad);
    EXPECT_EQ(MESH_ESEAL, mesh_cipher_open(&receive, bound, bad, sizeof bad - 1));
    EXPECT_OK(mesh_cipher_open(&receive, bound, good, sizeof good));
    assert_memory_equal("abc", good, 4);
    mesh_cipher_use(&mesh_aead_sodium);
}
