// The functions of libsodium and OpenSSL that our cryptography stands on, against cases of an
// implementation that shares nothing with libsodium (test/vectors/make_crypto.py): of each what
// must come out, and above all what must be refused. Whatever versions of the libraries are there.
#include <stdbool.h>

#include <jansson.h>
#include <sodium.h>

#include "secure/cipher_openssl.h"
#include "test.h"

enum { BYTES_MAX = 1024 };

typedef struct hex {
    uint8_t bytes[BYTES_MAX];
    size_t len;
} hex;

// Item `at` of a case.
static hex item(const json_t *one, size_t at) {
    const char *digits = json_string_value(json_array_get(one, at));
    hex out = {.len = 0};
    assert_non_null(digits);
    EXPECT_OK(
        sodium_hex2bin(out.bytes, sizeof out.bytes, digits, strlen(digits), NULL, &out.len, NULL));
    return out;
}

// Runs `check` on each case; how many there are is known, so that none is lost on the way.
static void each(const char *name, size_t count, void (*check)(const json_t *one)) {
    json_t *all = json_load_file(VECTORS, 0, NULL);
    const json_t *cases = json_object_get(all, name), *one;
    size_t i;
    EXPECT_OK(sodium_init() < 0);
    EXPECT_EQ(count, json_array_size(cases));
    json_array_foreach(cases, i, one) {
        check(one);
    }
    json_decref(all);
}

#define EXPECT_CASE(ONE, WANT, GOT)                                                                \
    if ((WANT) != (GOT)) fail_msg("%s", json_dumps(ONE, 0))

static void check_x25519(const json_t *one) {
    hex secret = item(one, 1), public = item(one, 2), want = item(one, 3);
    uint8_t shared[32];
    int err = crypto_scalarmult(shared, secret.bytes, public.bytes);
    EXPECT_CASE(one, want.len > 0, err == 0);
    EXPECT_CASE(one, 0, err == 0 ? memcmp(want.bytes, shared, 32) : 0);
}

TEST(x25519_gives_the_shared_secret_and_refuses_points_of_small_order) {
    each("x25519", 192, check_x25519);
}

// As links seal their records, by either library; `data` is worked on in place.
static void check_record(const json_t *one, const mesh_aead *aead) {
    hex key = item(one, 1), nonce = item(one, 2), aad = item(one, 3), sealed = item(one, 5);
    mesh_bytes bound = {aad.bytes, aad.len};
    bool has_text = json_is_string(json_array_get(one, 4));
    if (sealed.len < MESH_CIPHER_TAG_LEN) { // refused before (cipher_test.c)
        EXPECT_FALSE(has_text);
        return;
    }
    hex data = sealed;
    size_t len = sealed.len - MESH_CIPHER_TAG_LEN;
    EXPECT_CASE(one, has_text, aead->open(key.bytes, nonce.bytes, bound, data.bytes, len));
    if (!has_text) return;
    hex want = item(one, 4);
    EXPECT_CASE(one, want.len, len);
    EXPECT_CASE(one, 0, memcmp(want.bytes, data.bytes, len));
    aead->seal(key.bytes, nonce.bytes, bound, data.bytes, len);
    EXPECT_CASE(one, 0, memcmp(sealed.bytes, data.bytes, sealed.len));
}

static void check_sodium(const json_t *one) {
    check_record(one, &mesh_aead_sodium);
}

TEST(chacha20_poly1305_of_libsodium_opens_what_was_sealed_and_nothing_else) {
    each("chacha20_poly1305", 297, check_sodium);
}

static void check_openssl(const json_t *one) {
    check_record(one, &mesh_aead_openssl);
}

TEST(chacha20_poly1305_of_openssl_opens_what_was_sealed_and_nothing_else) {
    each("chacha20_poly1305", 297, check_openssl);
}

// As datagrams are sealed.
static void check_datagram(const json_t *one) {
    hex key = item(one, 1), nonce = item(one, 2), aad = item(one, 3), sealed = item(one, 5);
    uint8_t text[BYTES_MAX], again[BYTES_MAX];
    unsigned long long len, again_len;
    bool has_text = json_is_string(json_array_get(one, 4));
    int err = crypto_aead_xchacha20poly1305_ietf_decrypt(
        text, &len, NULL, sealed.bytes, sealed.len, aad.bytes, aad.len, nonce.bytes, key.bytes);
    EXPECT_CASE(one, has_text, err == 0);
    if (!has_text) return;
    hex want = item(one, 4);
    EXPECT_CASE(one, want.len, len);
    EXPECT_CASE(one, 0, memcmp(want.bytes, text, len));
    EXPECT_OK(crypto_aead_xchacha20poly1305_ietf_encrypt(again, &again_len, text, len, aad.bytes,
                                                         aad.len, NULL, nonce.bytes, key.bytes));
    EXPECT_CASE(one, sealed.len, again_len);
    EXPECT_CASE(one, 0, memcmp(sealed.bytes, again, again_len));
}

TEST(xchacha20_poly1305_opens_what_was_sealed_and_nothing_else) {
    each("xchacha20_poly1305", 311, check_datagram);
}

static void check_ed25519(const json_t *one) {
    hex public = item(one, 1), message = item(one, 2), signature = item(one, 3);
    int err =
        crypto_sign_verify_detached(signature.bytes, message.bytes, message.len, public.bytes);
    EXPECT_CASE(one, json_is_true(json_array_get(one, 4)), err == 0);
}

TEST(ed25519_takes_one_form_of_a_signature_under_a_key_of_large_order) {
    each("ed25519", 550, check_ed25519);
}
