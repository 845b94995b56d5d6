// The text that says where a store is.
#include "store/place.h"

#include "test.h"

static store_place place;
static char sentence[STORE_SENTENCE_LEN_MAX + 1];

static void expect_refused(const char *text, const char *part) {
    EXPECT_TRUE(store_place_parse(text, &place, sentence) != 0);
    if (strstr(sentence, part) == NULL) fail_msg("%s: '%s' has no '%s'", text, sentence, part);
}

TEST(a_file) {
    EXPECT_OK(store_place_parse("sqlite:/var/lib/warren/a b.db", &place, sentence));
    EXPECT_EQ(STORE_SQLITE, place.type);
    EXPECT_TEXT("/var/lib/warren/a b.db", place.path);
}

TEST(several_endpoints_of_etcd) {
    EXPECT_OK(store_place_parse("etcd://h1:2379,10.0.0.2,[fd00::1]:9/my/app/", &place, sentence));
    EXPECT_EQ(STORE_ETCD, place.type);
    EXPECT_FALSE(place.is_tls);
    EXPECT_EQ(3, place.endpoint_count);
    EXPECT_TEXT("h1", place.endpoints[0].host);
    EXPECT_TEXT("10.0.0.2", place.endpoints[1].host);
    EXPECT_EQ(2379, place.endpoints[1].port);
    EXPECT_TEXT("fd00::1", place.endpoints[2].host);
    EXPECT_EQ(9, place.endpoints[2].port);
    EXPECT_TEXT("/my/app", place.prefix);
    EXPECT_OK(store_place_parse("etcd://h1", &place, sentence));
    EXPECT_TEXT("/warren", place.prefix);
}

TEST(certificates_and_a_login) {
    EXPECT_OK(store_place_parse("etcds://h1/p?ca=/c&cert=/d&key=/k&login=/l", &place, sentence));
    EXPECT_TRUE(place.is_tls);
    EXPECT_TEXT("/c", place.ca_path);
    EXPECT_TEXT("/d", place.cert_path);
    EXPECT_TEXT("/k", place.key_path);
    EXPECT_TEXT("/l", place.login_path);
    EXPECT_TEXT("/p", place.prefix);
    EXPECT_OK(store_place_parse("etcds://h1?ca=/c", &place, sentence));
    EXPECT_TEXT("/c", place.ca_path);
}

TEST(a_host_is_named) {
    EXPECT_OK(store_place_parse("host:ada-1", &place, sentence));
    EXPECT_EQ(STORE_HOST, place.type);
    EXPECT_TEXT("ada-1", place.host);
}

TEST(what_is_wrong_is_told_with_what_to_write) {
    expect_refused("host:", "write host:NAME");
    expect_refused("host:a/b", "write host:NAME");
    expect_refused("host:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                   "host:NAME");
    expect_refused("", "a store is sqlite:PATH, host:NAME, etcd://HOST:2379");
    expect_refused("postgres://x", "a store is sqlite:PATH");
    expect_refused("sqlite:", "write sqlite:/PATH");
    expect_refused("sqlite:/a\nb", "no control characters");
    expect_refused("etcd://", "'' is not host:port");
    expect_refused("etcd://h1,,h2", "'' is not host:port");
    expect_refused("etcd://h1,", "'' is not host:port");
    expect_refused("etcd://h1:99999", "'h1:99999' is not host:port");
    expect_refused("etcd://u:p@h1", "but in the file of ?login=/FILE");
    expect_refused("etcd://1,2,3,4,5,6,7,8,9", "more than 8 endpoints");
    expect_refused("etcd://h1/a//b", "single '/'");
    expect_refused("etcd://h1?ca=/c", "etcds:// only");
    expect_refused("etcd://h1?login=/l", "etcds:// only");
    expect_refused("etcds://h1?ca=c", "whole path of a file, as in ca=/etc/warren/FILE");
    expect_refused("etcds://h1?cert=/c", "go together");
    expect_refused("etcds://h1?token=/c", "after '?' it has ca=/FILE");
}

TEST(what_was_refused_leaves_nothing_behind) {
    EXPECT_OK(store_place_parse("sqlite:/a", &place, sentence));
    expect_refused("etcd://", "");
    EXPECT_TEXT("/a", place.path);
}
