#include "core/subject.h"
#include "test.h"

static bool matches(const char *pattern, const char *subject) {
    return mesh_subject_matches(mesh_bytes_text(pattern), mesh_bytes_text(subject));
}
static bool is_valid(const char *subject) {
    return mesh_subject_is_valid(mesh_bytes_text(subject));
}
static bool is_pattern(const char *pattern) {
    return mesh_subject_is_pattern(mesh_bytes_text(pattern));
}

TEST(a_subject_matches_itself_and_nothing_longer_or_shorter) {
    EXPECT_TRUE(matches("orders.eu", "orders.eu"));
    EXPECT_FALSE(matches("orders.eu", "orders"));
    EXPECT_FALSE(matches("orders", "orders.eu"));
    EXPECT_FALSE(matches("orders.eu", "orders.e"));
}

TEST(a_star_is_exactly_one_token) {
    EXPECT_TRUE(matches("orders.*", "orders.eu"));
    EXPECT_TRUE(matches("*.*.created", "orders.eu.created"));
    EXPECT_FALSE(matches("orders.*", "orders"));
    EXPECT_FALSE(matches("orders.*", "orders.eu.created"));
}

TEST(a_greater_sign_is_one_or_more_tokens) {
    EXPECT_TRUE(matches(">", "orders"));
    EXPECT_TRUE(matches("orders.>", "orders.eu.created"));
    EXPECT_FALSE(matches("orders.>", "orders"));
}

TEST(wildcards_stand_only_as_whole_tokens_and_the_greater_sign_last) {
    EXPECT_TRUE(is_pattern("a.*.b.>"));
    EXPECT_FALSE(is_pattern("a.b*"));
    EXPECT_FALSE(is_pattern("a.*b"));
    EXPECT_FALSE(is_pattern("a.>.b"));
    EXPECT_FALSE(is_pattern("a>"));
}

TEST(a_wildcard_cannot_be_published_to) {
    EXPECT_TRUE(is_valid("a.b"));
    EXPECT_FALSE(is_valid("a.*"));
    EXPECT_FALSE(is_valid(">"));
}

TEST(empty_tokens_blanks_and_control_characters_are_refused) {
    const char *const bad[] = {"", ".", "a.", ".a", "a..b", "a b", "a\tb", "a\x7f"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        EXPECT_FALSE(is_valid(bad[i]));
    EXPECT_TRUE(is_valid("gr\xc3\xbc\xc3\x9f"
                         "e"));
}

TEST(sixteen_tokens_and_255_bytes_are_the_most) {
    EXPECT_TRUE(is_valid("1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16"));
    EXPECT_FALSE(is_valid("1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17"));
    char text[258] = {0};
    memset(text, 'a', 256);
    EXPECT_FALSE(is_valid(text));
    text[255] = 0;
    EXPECT_TRUE(is_valid(text));
}
