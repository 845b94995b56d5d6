#include "agent/lines.h"

#include <stdlib.h>

#include "test.h"

typedef struct seen { // pieces, each with | after it
    char *text;
    size_t len, longest;
} seen;

static void on_piece(mesh_bytes piece, void *user) {
    seen *s = user;
    s->text = realloc(s->text, s->len + piece.len + 2);
    memcpy(s->text + s->len, piece.data, piece.len);
    s->len += piece.len;
    s->text[s->len++] = '|';
    s->text[s->len] = '\0';
    if (piece.len > s->longest) s->longest = piece.len;
}

static void push(agent_lines *lines, const char *text, seen *s) {
    agent_lines_push(lines, mesh_bytes_text(text), on_piece, s);
}

TEST(whole_lines_pass_together) {
    agent_lines lines = {0};
    seen s = {0};
    push(&lines, "one\ntwo\n", &s);
    EXPECT_TEXT("one\ntwo\n|", s.text);
    EXPECT_FALSE(agent_lines_is_pending(&lines));
    free(s.text);
}

TEST(an_unfinished_line_waits_for_its_end) {
    agent_lines lines = {0};
    seen s = {0};
    push(&lines, "one\ntw", &s);
    EXPECT_TEXT("one\n|", s.text);
    push(&lines, "o", &s);
    push(&lines, "\nthree\nfo", &s);
    EXPECT_TEXT("one\n|two\n|three\n|", s.text);
    EXPECT_TRUE(agent_lines_is_pending(&lines));
    agent_lines_flush(&lines, on_piece, &s);
    EXPECT_TEXT("one\n|two\n|three\n|fo|", s.text);
    agent_lines_flush(&lines, on_piece, &s);
    EXPECT_TEXT("one\n|two\n|three\n|fo|", s.text);
    free(s.text);
}

TEST(bytes_that_are_no_text_pass_as_they_are) {
    agent_lines lines = {0};
    seen s = {0};
    const uint8_t bytes[] = {0, 0xff, '\n', 0, '\n'};
    agent_lines_push(&lines, (mesh_bytes){bytes, sizeof bytes}, on_piece, &s);
    EXPECT_EQ(6, s.len);
    assert_memory_equal(bytes, s.text, sizeof bytes);
    free(s.text);
}

TEST(a_line_that_never_ends_comes_in_pieces_of_at_most_32_kib) {
    agent_lines lines = {0};
    seen s = {0};
    char *text = malloc(100001);
    memset(text, 'x', 100000);
    text[100000] = '\0';
    push(&lines, "start ", &s);
    push(&lines, text, &s);
    push(&lines, "\n", &s);
    EXPECT_EQ(AGENT_LINES_PIECE_MAX, s.longest);
    EXPECT_EQ(100000 + 7 + 4, s.len); // every byte, in four pieces
    agent_lines_deinit(&lines);
    free(text);
    free(s.text);
}

TEST(any_split_gives_the_same_bytes) {
    enum { LEN = 200000 };
    char *text = malloc(LEN), *out = malloc(LEN);
    unsigned seed = 3;
    for (int i = 0; i < LEN; i++)
        text[i] = rand_r(&seed) % 40 == 0 ? '\n' : 'a';
    for (int run = 0; run < 20; run++) {
        agent_lines lines = {0};
        seen s = {0};
        for (size_t at = 0; at < LEN;) {
            size_t len = (size_t)(rand_r(&seed) % 70000);
            if (len > LEN - at) len = LEN - at;
            agent_lines_push(&lines, (mesh_bytes){(uint8_t *)text + at, len}, on_piece, &s);
            at += len;
        }
        agent_lines_flush(&lines, on_piece, &s);
        size_t n = 0;
        for (size_t i = 0; i < s.len; i++)
            if (s.text[i] != '|') out[n++] = s.text[i];
        EXPECT_EQ(LEN, n);
        assert_memory_equal(text, out, LEN);
        EXPECT_TRUE(s.longest <= AGENT_LINES_PIECE_MAX);
        agent_lines_deinit(&lines);
        free(s.text);
    }
    free(text);
    free(out);
}
