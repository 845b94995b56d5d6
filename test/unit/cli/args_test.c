#include "cli/args.h"

#include "test.h"

enum { OPTION_INSTANCES, OPTION_DETACH };

static const cli_option options[] = {{'i', "instances", "N", ""}, {'d', "detach", NULL, ""}, {0}};
static const cli_command command = {.name = "run", .options = options};

static cli_args walk(char **words) {
    int argc = 0;
    while (words[argc] != NULL)
        argc++;
    return (cli_args){.command = &command, .argc = argc, .argv = words};
}

static void expect_next(cli_args *args, int arg, const char *value) {
    EXPECT_EQ(arg, cli_args_next(args));
    EXPECT_TEXT(value, args->value);
}

TEST(options_may_stand_before_and_after_words) {
    char *words[] = {"-i", "4", "app.js", "--detach", "x", NULL};
    cli_args args = walk(words);
    expect_next(&args, OPTION_INSTANCES, "4");
    expect_next(&args, CLI_ARG_WORD, "app.js");
    EXPECT_EQ(OPTION_DETACH, cli_args_next(&args));
    expect_next(&args, CLI_ARG_WORD, "x");
    EXPECT_EQ(CLI_ARG_END, cli_args_next(&args));
}

TEST(values_come_in_all_usual_shapes) {
    char *words[] = {"-i4", "--instances=5", "--instances", "6", "-di", "7", NULL};
    cli_args args = walk(words);
    expect_next(&args, OPTION_INSTANCES, "4");
    expect_next(&args, OPTION_INSTANCES, "5");
    expect_next(&args, OPTION_INSTANCES, "6");
    EXPECT_EQ(OPTION_DETACH, cli_args_next(&args));
    expect_next(&args, OPTION_INSTANCES, "7");
    EXPECT_EQ(CLI_ARG_END, cli_args_next(&args));
}

TEST(after_two_dashes_everything_is_a_word) {
    char *words[] = {"app.js", "--", "-i", "--", "-", NULL};
    cli_args args = walk(words);
    expect_next(&args, CLI_ARG_WORD, "app.js");
    expect_next(&args, CLI_ARG_WORD, "-i");
    expect_next(&args, CLI_ARG_WORD, "--");
    expect_next(&args, CLI_ARG_WORD, "-");
    EXPECT_EQ(CLI_ARG_END, cli_args_next(&args));
}

TEST(what_is_wrong_is_bad_usage) {
    char *wrong[] = {"--instnaces", "-x", "-i", "--instances", "--detach=1", "--", NULL};
    for (int i = 0; i < 5; i++) {
        char *words[] = {wrong[i], NULL};
        cli_args args = walk(words);
        EXPECT_EQ(CLI_ARG_BAD, cli_args_next(&args));
        EXPECT_EQ(CLI_USAGE, cli_args_exit_code(&args));
    }
}

TEST(a_number_has_bounds) {
    static const char *const wrong[] = {"", "0", "1001", "x", "4x", "-1", "+4", "99999999999999"};
    cli_args args = {.command = &command, .value = "1000"};
    uint32_t value = 7;
    EXPECT_TRUE(cli_args_number(&args, "instances", 1, 1000, &value));
    EXPECT_EQ(1000, value);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        args.value = wrong[i];
        EXPECT_FALSE(cli_args_number(&args, "instances", 1, 1000, &value));
    }
    EXPECT_EQ(1000, value);
}
