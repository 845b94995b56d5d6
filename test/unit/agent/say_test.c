#include "agent/say.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

static off_t len_of(const char *dir, const char *name) {
    char path[100];
    struct stat info;
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    int err = stat(path, &info);
    (void)remove(path);
    return err == 0 ? info.st_size : 0;
}

TEST(a_file_has_a_limit_and_what_was_said_last_is_there) {
    char dir[] = "/tmp/warren-say-XXXXXX", path[100], text[901] = "";
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/agent.log", dir);
    memset(text, 'x', sizeof text - 1);
    int kept[] = {dup(STDOUT_FILENO), dup(STDERR_FILENO)};
    FILE *file = fopen(path, "a");
    (void)dup2(fileno(file), STDERR_FILENO);
    (void)fclose(file);
    agent_say_to_file(dir);
    for (int i = 0; i < AGENT_SAY_EVENTS_MAX; i++)
        agent_say_event("%d %s", i, text);
    (void)dup2(kept[0], STDOUT_FILENO);
    (void)dup2(kept[1], STDERR_FILENO);
    off_t len = len_of(dir, "agent.log"), old_len = len_of(dir, "agent.log.1");
    EXPECT_TRUE(old_len > AGENT_SAY_FILE_MAX - 1000 && old_len <= AGENT_SAY_FILE_MAX);
    EXPECT_TRUE(len > 0 && len <= AGENT_SAY_FILE_MAX);
    EXPECT_TRUE(len + old_len > (off_t)AGENT_SAY_EVENTS_MAX * 900); // none is lost
    EXPECT_OK(rmdir(dir));
    close(kept[0]);
    close(kept[1]);
}
