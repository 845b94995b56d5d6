#include "agent/say.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

// What `talk` says, read back from where stderr went meanwhile.
static size_t hear(void (*talk)(void), char out[16384]) {
    FILE *file = tmpfile();
    int kept = dup(STDERR_FILENO);
    (void)dup2(fileno(file), STDERR_FILENO);
    talk();
    (void)dup2(kept, STDERR_FILENO);
    close(kept);
    rewind(file);
    size_t len = fread(out, 1, 16383, file);
    out[len] = '\0';
    (void)fclose(file);
    return len;
}

static size_t count_lines(const char *text) {
    size_t count = 0;
    for (; *text != '\0'; text++)
        count += *text == '\n';
    return count;
}

static void flood(void) {
    for (int i = 0; i < 10000; i++)
        agent_say("garbage number %d", i);
    agent_say("something else");
    agent_say_close();
}

TEST(sentences_of_one_kind_are_said_a_few_times_and_then_counted) {
    char text[16384];
    (void)hear(flood, text);
    EXPECT_EQ(AGENT_SAY_MAX + 2, count_lines(text));
    EXPECT_TRUE(strstr(text, "garbage number 4\n") != NULL);
    EXPECT_TRUE(strstr(text, "something else\n") != NULL);
    EXPECT_TRUE(strstr(text, "9995 more like this: garbage number 9999\n") != NULL);
}

static void start_many(void) {
    for (int i = 0; i < 200; i++)
        agent_say_event("app.%d started", i);
    agent_say_close();
}

TEST(the_lives_of_nodes_are_all_told) {
    char text[16384];
    (void)hear(start_many, text);
    EXPECT_EQ(200, count_lines(text));
}

static void say_lines(void) {
    agent_say("first\n2026-01-01T00:00:00.000Z second");
}

TEST(a_sentence_is_one_line_whatever_is_in_it) {
    char text[16384];
    (void)hear(say_lines, text);
    EXPECT_EQ(1, count_lines(text));
    EXPECT_TRUE(strstr(text, "first?2026") != NULL);
}
