#include "cli/resume.h"

#include <string.h>

#include "test.h"

static bool take(cli_resume *resume, const char *node, uint64_t at_ms, const char *text) {
    Warren__Agent__Output output = WARREN__AGENT__OUTPUT__INIT;
    output.node = (char *)(uintptr_t)node;
    output.at_ms = at_ms;
    output.data.data = (uint8_t *)(uintptr_t)text;
    output.data.len = strlen(text);
    return cli_resume_take(resume, &output);
}

TEST(what_was_read_is_not_taken_again) {
    cli_resume *r = cli_resume_create(100);
    EXPECT_TRUE(take(r, "app.0", 110, "one\n"));
    EXPECT_TRUE(take(r, "app.1", 120, "two\nthree\n")); // one piece here, two lines of the file
    EXPECT_EQ(120, cli_resume_since_ms(r));
    cli_resume_again(r);
    EXPECT_TRUE(!take(r, "app.0", 110, "one\n"));
    EXPECT_TRUE(!take(r, "app.1", 120, "two\n"));
    EXPECT_TRUE(!take(r, "app.1", 120, "three\n"));
    EXPECT_TRUE(take(r, "app.0", 120, "four\n")); // of the same millisecond
    EXPECT_TRUE(take(r, "app.0", 130, "five"));
    cli_resume_again(r);
    EXPECT_TRUE(!take(r, "app.0", 130, "five"));
    EXPECT_TRUE(take(r, "app.0", 130, "six\n"));
    cli_resume_destroy(r);
}

TEST(each_service_has_a_place_of_its_own) {
    cli_resume *r = cli_resume_create(100);
    EXPECT_TRUE(take(r, "a.0", 500, "one\n"));
    EXPECT_TRUE(take(r, "b.0", 300, "two\n"));
    EXPECT_TRUE(take(r, "b.0", 400, "three\n"));
    EXPECT_EQ(400, cli_resume_since_ms(r));
    cli_resume_again(r);
    EXPECT_TRUE(!take(r, "a.0", 450, "of before\n"));
    EXPECT_TRUE(!take(r, "a.0", 500, "one\n"));
    EXPECT_TRUE(!take(r, "b.0", 400, "three\n"));
    EXPECT_TRUE(take(r, "b.0", 450, "new\n"));
    EXPECT_TRUE(take(r, "c.0", 410, "new\n"));
    cli_resume_destroy(r);
}

TEST(a_clock_that_was_set_back_hides_nothing_while_the_agent_is_there) {
    cli_resume *r = cli_resume_create(100);
    EXPECT_TRUE(take(r, "app.0", 500, "one\n"));
    EXPECT_TRUE(take(r, "app.0", 200, "two\n"));
    cli_resume_destroy(r);
}

TEST(before_anything_came_all_since_the_beginning_is_asked_for) {
    cli_resume *r = cli_resume_create(100);
    EXPECT_EQ(100, cli_resume_since_ms(r));
    cli_resume_destroy(r);
}
