#include "cli/script.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

static char dir[PATH_MAX], old_dir[PATH_MAX];

// A directory with a/package.json (main: lib/start), a/lib/start.js, b/index.mjs, c/, app.js; it is
// the current one.
static void enter(void) {
    static const char *const folders[] = {"a", "a/lib", "b", "c", "d"};
    static const char *const files[][2] = {{"app.js", ""},
                                           {"a/package.json", "{\"main\": \"lib/start\"}"},
                                           {"a/lib/start.js", ""},
                                           {"b/index.mjs", ""},
                                           {"d/package.json", "{nonsense"}};
    char name[] = "/tmp/warren-script-XXXXXX";
    assert_non_null(getcwd(old_dir, sizeof old_dir));
    assert_non_null(mkdtemp(name));
    assert_non_null(realpath(name, dir));
    EXPECT_OK(chdir(dir));
    for (size_t i = 0; i < 5; i++)
        EXPECT_OK(mkdir(folders[i], 0700));
    for (size_t i = 0; i < 5; i++) {
        FILE *file = fopen(files[i][0], "w");
        assert_non_null(file);
        (void)fputs(files[i][1], file);
        (void)fclose(file);
    }
}

static void leave(void) {
    static const char *const all[] = {"app.js",
                                      "a/package.json",
                                      "a/lib/start.js",
                                      "b/index.mjs",
                                      "d/package.json",
                                      "a/lib",
                                      "a",
                                      "b",
                                      "c",
                                      "d"};
    for (size_t i = 0; i < 10; i++)
        EXPECT_OK(remove(all[i]));
    EXPECT_OK(chdir(old_dir));
    EXPECT_OK(rmdir(dir));
}

static void expect_found(const char *word, const char *want) {
    char out[PATH_MAX], text[CLI_SCRIPT_TEXT_MAX], whole[2 * PATH_MAX];
    EXPECT_OK(cli_script_find(word, out, text));
    (void)snprintf(whole, sizeof whole, "%s/%s", dir, want);
    EXPECT_TEXT(whole, out);
}

static void expect_sentence(const char *word, const char *why) {
    char out[PATH_MAX], text[CLI_SCRIPT_TEXT_MAX], whole[2 * PATH_MAX];
    EXPECT_EQ(-1, cli_script_find(word, out, text));
    (void)snprintf(whole, sizeof whole, "cannot run %s: %s (in %s)", word, why, dir);
    EXPECT_TEXT(whole, text);
}

TEST(programs_are_found_as_node_finds_them) {
    enter();
    expect_found("app.js", "app.js");
    expect_found("./app", "app.js");
    expect_found("b/../a/./../app.js", "app.js");
    expect_found("a", "a/lib/start.js");
    expect_found("a/", "a/lib/start.js");
    expect_found("b", "b/index.mjs");
    leave();
}

TEST(what_cannot_be_run_says_why) {
    enter();
    expect_sentence("nope.js", "no such file");
    expect_sentence("c", "it is a directory without a package.json \"main\" or an index.js");
    char out[PATH_MAX], text[CLI_SCRIPT_TEXT_MAX];
    EXPECT_EQ(-1, cli_script_find("d", out, text));
    assert_non_null(strstr(text, "its package.json is not JSON"));
    EXPECT_EQ(-1, cli_script_find("/dev/null", out, text));
    EXPECT_TEXT("cannot run /dev/null: it is not a regular file", text);
    leave();
}
