// Lines of ignore files; e2e/releases/ignore compares many more with git.
#include "cli/ignore.h"

#include "test.h"

static cli_verdict judge(const char *lines, const char *path, bool is_directory) {
    cli_ignore *ignore = cli_ignore_parse(mesh_bytes_text(lines));
    cli_verdict verdict = cli_ignore_judge(ignore, path, is_directory);
    cli_ignore_free(ignore);
    return verdict;
}

static cli_verdict of_file(const char *lines, const char *path) {
    return judge(lines, path, false);
}

TEST(a_name_fits_at_any_depth_and_a_path_from_its_directory_only) {
    EXPECT_EQ(CLI_LEFT_OUT, of_file("*.log\n", "a/b/c.log"));
    EXPECT_EQ(CLI_LEFT_OUT, of_file("/c.log", "c.log"));
    EXPECT_EQ(CLI_UNSAID, of_file("/c.log\n", "a/c.log"));
    EXPECT_EQ(CLI_UNSAID, of_file("a/*.log\n", "a/b/c.log"));
    EXPECT_EQ(CLI_LEFT_OUT, of_file("a/**/c.log\n", "a/c.log"));
    EXPECT_EQ(CLI_LEFT_OUT, of_file("a/**/c.log\n", "a/b/b/c.log"));
    EXPECT_EQ(CLI_UNSAID, of_file("a/**\n", "a"));
}

TEST(a_slash_at_the_end_is_for_directories) {
    EXPECT_EQ(CLI_UNSAID, judge("build/\n", "build", false));
    EXPECT_EQ(CLI_LEFT_OUT, judge("build/\n", "x/build", true));
}

TEST(the_last_line_that_fits_counts) {
    EXPECT_EQ(CLI_TAKEN, of_file("*.log\r\n!keep.log\r\n", "keep.log"));
    EXPECT_EQ(CLI_LEFT_OUT, of_file("!keep.log\n*.log\n", "keep.log"));
}

TEST(what_is_no_pattern_fits_nothing) {
    EXPECT_EQ(CLI_UNSAID, of_file("# c\n\n/\n!\n", "# c"));
    EXPECT_EQ(CLI_UNSAID, of_file("a[\n", "a["));
    EXPECT_EQ(CLI_UNSAID, of_file("a\\\n", "a\\"));
    EXPECT_EQ(CLI_LEFT_OUT, of_file("\\#c\\ \n", "#c "));
}

TEST(the_line_that_counts_is_told_as_it_stands_with_its_number) {
    size_t number = 0;
    cli_ignore *ignore = cli_ignore_parse(mesh_bytes_text("# c\n*.log\n\n!/keep.log  \nb/"));
    EXPECT_TEXT("!/keep.log", cli_ignore_line_of(ignore, "keep.log", false, &number));
    EXPECT_EQ(4, number);
    EXPECT_TEXT("b/", cli_ignore_line_of(ignore, "a/b", true, &number));
    EXPECT_EQ(5, number);
    EXPECT_EQ(NULL, cli_ignore_line_of(ignore, "b", false, &number));
    cli_ignore_free(ignore);
}
