#include <stdlib.h>

#include "discovery/lines.h"
#include "test.h"

static mesh_endpoint found[MESH_ENDPOINTS_MAX];
static char sentence[MESH_SENTENCE_LEN_MAX + 1];

static size_t parse(const char *text) {
    return mesh_lines_parse(mesh_bytes_text(text), found, sentence);
}

TEST(one_endpoint_a_line_with_comments_and_blanks) {
    EXPECT_EQ(3, parse("# hosts\n\n  h1:1 # the first\r\nh2\n\t[::1]:3\n"));
    EXPECT_TEXT("", sentence);
    EXPECT_TEXT("h1", found[0].host);
    EXPECT_EQ(MESH_PORT_DEFAULT, found[1].port);
    EXPECT_TEXT("::1", found[2].host);
}

TEST(a_wrong_line_costs_only_itself) {
    EXPECT_EQ(2, parse("h1:1\nnot a host\nh2:2\nh3:99999\n"));
    EXPECT_TEXT("line 2 is not host:port: it was left out", sentence);
}

TEST(a_half_written_last_line_is_left_out) {
    EXPECT_EQ(1, parse("h1:7400\nh2:74"));
    EXPECT_TEXT("line 2 has no newline at its end and may be half-written: it was left out",
                sentence);
    EXPECT_EQ(1, parse("h1:7400\n# a comment may end so"));
    EXPECT_TEXT("", sentence);
}

TEST(an_empty_file_has_nobody_and_nothing_wrong) {
    EXPECT_EQ(0, parse(""));
    EXPECT_TEXT("", sentence);
}

TEST(bytes_that_are_no_text_are_lines_that_are_wrong) {
    static const uint8_t bytes[] = {'h', 0, ':', '1', '\n', 0xff, 0xfe, '\n', 'h', '\n'};
    EXPECT_EQ(1, mesh_lines_parse((mesh_bytes){bytes, sizeof bytes}, found, sentence));
}

TEST(there_are_at_most_256) {
    char *text = malloc(300 * 3 + 1);
    for (int i = 0; i < 300; i++)
        memcpy(text + (ptrdiff_t)3 * i, "h1\n", 4);
    EXPECT_EQ(256, parse(text));
    EXPECT_TRUE(strstr(sentence, "line 257 ") == sentence);
    free(text);
}
