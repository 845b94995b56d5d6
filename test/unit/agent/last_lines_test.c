#include "agent/last_lines.h"

#include <stdio.h>
#include <stdlib.h>

#include "test.h"

static agent_last_lines lines;

static const char *text(void) {
    static char out[AGENT_LAST_LEN_MAX + 1];
    mesh_bytes bytes = agent_last_lines_text(&lines);
    EXPECT_TRUE(bytes.len <= AGENT_LAST_LEN_MAX);
    if (bytes.len > 0) memcpy(out, bytes.data, bytes.len);
    out[bytes.len] = '\0';
    return out;
}

static void push(const char *piece) {
    agent_last_lines_push(&lines, mesh_bytes_text(piece));
}

TEST(what_was_written_last_is_kept_in_its_order) {
    EXPECT_TEXT("", text());
    push("one\n");
    push("tw");
    push("o\nthree");
    EXPECT_TEXT("one\ntwo\nthree", text());
    agent_last_lines_clear(&lines);
    EXPECT_TEXT("", text());
}

TEST(of_many_lines_the_last_are_shown) {
    char line[16], last[16];
    for (int i = 0; i < 100000; i++) {
        (void)snprintf(line, sizeof line, "%d\n", i);
        push(line);
    }
    (void)snprintf(last, sizeof last, "%d\n", 100000 - AGENT_LAST_LINES_MAX);
    EXPECT_TRUE(strncmp(text(), last, strlen(last)) == 0);
    EXPECT_TRUE(strcmp(text() + strlen(text()) - 6, "99999\n") == 0);
    agent_last_lines_clear(&lines);
}

TEST(a_line_that_does_not_fit_is_left_out_whole) {
    char *piece = calloc(1, 3001);
    memset(piece, 'a', 2999);
    piece[2999] = '\n';
    push(piece);
    memset(piece, 'b', 2999);
    push(piece);
    EXPECT_EQ('b', text()[0]);
    EXPECT_EQ(3000, strlen(text()));
    free(piece);
    agent_last_lines_clear(&lines);
}

TEST(a_line_that_alone_is_too_long_is_cut_at_its_front) {
    char *piece = calloc(1, 32769);
    memset(piece, 'a', 32768);
    for (int i = 0; i < 3; i++)
        push(piece);
    push("end\n");
    EXPECT_EQ(AGENT_LAST_LEN_MAX, strlen(text()));
    EXPECT_TEXT("aend\n", text() + AGENT_LAST_LEN_MAX - 5);
    free(piece);
    agent_last_lines_clear(&lines);
}

TEST(a_line_of_just_the_room_there_is_stays_whole) {
    char *piece = calloc(1, AGENT_LAST_LEN_MAX + 1);
    memset(piece, 'a', AGENT_LAST_LEN_MAX);
    push("before\n");
    push(piece);
    EXPECT_TEXT(piece, text());
    free(piece);
    agent_last_lines_clear(&lines);
}
