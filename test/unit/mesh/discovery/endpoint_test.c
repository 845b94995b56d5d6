#include "core/error.h"
#include "discovery/endpoint.h"
#include "test.h"

static int parse(const char *text, uint16_t port_default, mesh_endpoint *out) {
    return mesh_endpoint_parse(mesh_bytes_text(text), port_default, out);
}

TEST(names_and_addresses_have_a_host_and_a_port) {
    mesh_endpoint one;
    EXPECT_OK(parse("db-1.example.com:65535", 0, &one));
    EXPECT_TEXT("db-1.example.com", one.host);
    EXPECT_EQ(65535, one.port);
    EXPECT_OK(parse("10.0.0.1:80", 0, &one));
    EXPECT_TEXT("10.0.0.1", one.host);
    EXPECT_OK(parse("[fd00::1]:7", 0, &one));
    EXPECT_TEXT("fd00::1", one.host);
    EXPECT_EQ(7, one.port);
}

TEST(a_port_that_is_not_there_is_the_one_of_the_caller) {
    mesh_endpoint one;
    EXPECT_OK(parse("h2", 7400, &one));
    EXPECT_EQ(7400, one.port);
    EXPECT_OK(parse("[::1]", 7400, &one));
    EXPECT_EQ(7400, one.port);
    EXPECT_EQ(MESH_EINVAL, parse("h2", 0, &one));
}

TEST(what_is_no_endpoint_is_refused_and_changes_nothing) {
    static const char *const wrong[] = {
        "",           ":1",    "h:",       "h:0",        "h:65536",   "h:07",   "h:1 ",
        " h:1",       "h:1:2", "::1:7400", "[]:1",       "[::1]7400", "[::1]:", "[::1",
        "[h]:1",      "h h:1", "h/a:1",    "a..b:1",     ".a:1",      "-h:1",   "[fe80::1%lo]:1",
        "http://h:1", "h:+1",  "h\n:1",    "\xc3\xa4:1", "h:123456",  "h:1,g:2"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        mesh_endpoint one = {.port = 9};
        EXPECT_EQ(MESH_EINVAL, parse(wrong[i], 7400, &one));
        EXPECT_EQ(9, one.port);
    }
    mesh_endpoint one;
    EXPECT_EQ(MESH_EINVAL,
              mesh_endpoint_parse((mesh_bytes){(const uint8_t *)"a\0b:1", 5}, 0, &one));
}

TEST(a_name_has_at_most_253_bytes) {
    char text[300];
    mesh_endpoint one;
    memset(text, 'a', sizeof text);
    memcpy(text + 253, ":1", 3);
    EXPECT_OK(parse(text, 0, &one));
    EXPECT_EQ(253, strlen(one.host));
    memset(text, 'a', sizeof text);
    memcpy(text + 254, ":1", 3);
    EXPECT_EQ(MESH_EINVAL, parse(text, 0, &one));
}

TEST(what_was_written_is_parsed_to_the_same) {
    static const char *const texts[] = {"[fd00::1]:7400", "10.0.0.1:1", "a.b:65535"};
    for (size_t i = 0; i < 3; i++) {
        mesh_endpoint one;
        char text[MESH_ENDPOINT_LEN_MAX + 1];
        EXPECT_OK(parse(texts[i], 0, &one));
        mesh_endpoint_write(&one, text);
        EXPECT_TEXT(texts[i], text);
    }
}
