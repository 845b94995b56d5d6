#include "secure/ticket.h"

#include <stdio.h>

#include "core/error.h"
#include "pki.h"
#include "test.h"

static mesh_token make(void) {
    mesh_token token = {.trust = pki_trust(),
                        .addresses = {"10.0.0.1:7400", "[fe80::1]:7400"},
                        .address_count = 2,
                        .ticket_id = 77,
                        .secret = {5, 6, 7},
                        .expires_s = PKI_NOW_S};
    mesh_cluster_id_of(token.trust.roots[0], token.cluster_id);
    return token;
}

static int parse(const char *text, mesh_token *out) {
    return mesh_token_parse(mesh_bytes_text(text), out);
}

TEST(a_token_says_what_was_put_into_it) {
    mesh_token token = make(), again;
    char text[MESH_TOKEN_LEN_MAX + 1];
    EXPECT_OK(mesh_token_write(&token, text));
    EXPECT_EQ(0, strncmp(text, "warren1:", 8));
    EXPECT_OK(parse(text, &again));
    EXPECT_EQ(2, again.address_count);
    EXPECT_TEXT("10.0.0.1:7400", again.addresses[0]);
    EXPECT_TEXT("[fe80::1]:7400", again.addresses[1]);
    EXPECT_EQ(77, again.ticket_id);
    EXPECT_EQ(PKI_NOW_S, again.expires_s);
    assert_memory_equal(token.secret, again.secret, MESH_SECRET_LEN);
    assert_memory_equal(token.cluster_id, again.cluster_id, MESH_ID_LEN);
    EXPECT_EQ(1, again.trust.root_count);
    assert_memory_equal(token.trust.roots[0], again.trust.roots[0], MESH_SIGN_KEY_LEN);
}

TEST(every_changed_missing_or_added_letter_is_noticed) {
    mesh_token token = make(), out;
    char text[MESH_TOKEN_LEN_MAX + 2], changed[MESH_TOKEN_LEN_MAX + 2];
    EXPECT_OK(mesh_token_write(&token, text));
    size_t len = strlen(text);
    for (size_t at = 0; at < len; at++) {
        memcpy(changed, text, len + 1);
        changed[at] = text[at] == 'A' ? 'B' : 'A';
        EXPECT_EQ(MESH_EINVAL, parse(changed, &out));
        memmove(changed + at, text + at + 1, len - at);
        EXPECT_TRUE(parse(changed, &out) != 0);
        EXPECT_EQ(MESH_EINVAL, mesh_token_parse((mesh_bytes){(const uint8_t *)text, at}, &out));
    }
    text[len] = 'A';
    text[len + 1] = '\0';
    EXPECT_EQ(MESH_EINVAL, parse(text, &out));
}

TEST(a_token_is_found_between_blanks_and_another_version_is_told) {
    mesh_token token = make(), out;
    char text[MESH_TOKEN_LEN_MAX + 1], padded[MESH_TOKEN_LEN_MAX + 8];
    EXPECT_OK(mesh_token_write(&token, text));
    (void)snprintf(padded, sizeof padded, " \t%s\r\n", text);
    EXPECT_OK(parse(padded, &out));
    text[6] = '2';
    EXPECT_EQ(MESH_EVERSION, parse(text, &out));
    EXPECT_EQ(MESH_EINVAL, parse("warren1:", &out));
    EXPECT_EQ(MESH_EINVAL, parse("", &out));
    EXPECT_EQ(MESH_EINVAL, parse("  \n", &out));
    EXPECT_EQ(MESH_EINVAL, parse("warren:", &out));
}

TEST(a_token_without_what_it_needs_is_not_written) {
    char text[MESH_TOKEN_LEN_MAX + 1];
    mesh_token token = make();
    token.ticket_id = 0;
    EXPECT_EQ(MESH_EINVAL, mesh_token_write(&token, text));
    token = make();
    token.expires_s = 0;
    EXPECT_EQ(MESH_EINVAL, mesh_token_write(&token, text));
    token = make();
    token.address_count = 0;
    EXPECT_EQ(MESH_EINVAL, mesh_token_write(&token, text));
    token = make();
    token.trust.root_count = 0;
    EXPECT_EQ(MESH_EINVAL, mesh_token_write(&token, text));
    token = make();
    token.cluster_id[3] ^= 1; // of another root
    EXPECT_EQ(MESH_EINVAL, mesh_token_write(&token, text));
    token = make();
    (void)snprintf(token.addresses[1], sizeof token.addresses[1], "nowhere");
    EXPECT_EQ(MESH_EINVAL, mesh_token_write(&token, text));
}

TEST(a_token_has_at_most_1024_letters) {
    mesh_token token = make(), out;
    char text[MESH_TOKEN_LEN_MAX + 1];
    token.address_count = MESH_TOKEN_ADDRESSES_MAX;
    for (size_t i = 0; i < token.address_count; i++) {
        memset(token.addresses[i], 'h', 253);
        memcpy(token.addresses[i] + 253, ":7400", 6);
    }
    EXPECT_EQ(MESH_ETOOBIG, mesh_token_write(&token, text));
    token.address_count = 2;
    EXPECT_OK(mesh_token_write(&token, text));
    uint8_t longer[MESH_TOKEN_LEN_MAX + 1] = {'w', 'a', 'r', 'r', 'e', 'n', '1', ':'};
    memset(longer + 8, 'A', sizeof longer - 8);
    EXPECT_EQ(MESH_EINVAL, mesh_token_parse((mesh_bytes){longer, sizeof longer}, &out));
}

TEST(an_address_is_a_host_and_a_port) {
    static const char *const good[] = {"h:1", "db-1.example.com:65535", "10.0.0.1:7400",
                                       "[::]:7400", "[::ffff:1.2.3.4]:80"};
    static const char *const bad[] = {
        "",      "h",        ":7400",    "h:",    "h:0",        "h:65536",   "h:07",
        "h:1 ",  "h:1:2",    "::1:7400", "[]:1",  "[::1]",      "[::1]7400", "[::1]:",
        "h h:1", "h:123456", "[x]:7400", "h/a:1", "http://h:1", "\xc3\xa4:1"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        EXPECT_TRUE(mesh_is_address(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        EXPECT_FALSE(mesh_is_address(bad[i]));
    char longest[MESH_ADDRESS_LEN_MAX + 2];
    memset(longest, 'h', 254);
    memcpy(longest + 253, ":65535", 7);
    EXPECT_TRUE(mesh_is_address(longest));
    memcpy(longest + 253, "h:6553", 7);
    EXPECT_FALSE(mesh_is_address(longest));
}

TEST(the_keys_of_a_ticket_are_its_own) {
    const uint8_t secret[MESH_SECRET_LEN] = {1}, other[MESH_SECRET_LEN] = {2};
    mesh_ticket_keys a, b;
    mesh_ticket_keys_of(9, secret, &a);
    mesh_ticket_keys_of(9, other, &b);
    EXPECT_EQ(9, a.id);
    EXPECT_TRUE(memcmp(a.link_psk, a.knock_key, MESH_SECRET_LEN) != 0);
    EXPECT_TRUE(memcmp(a.link_psk, b.link_psk, MESH_SECRET_LEN) != 0);
    EXPECT_TRUE(memcmp(a.knock_key, secret, MESH_SECRET_LEN) != 0);
}
