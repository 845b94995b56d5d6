#include "cli/duration.h"

#include "test.h"

enum { MAX_MS = 3600000 };

// UINT64_MAX: it is refused.
static uint64_t parse(const char *text) {
    uint64_t ms;
    return cli_duration_parse("grace", text, MAX_MS, &ms) ? ms : UINT64_MAX;
}

TEST(a_duration_is_a_number_with_a_unit) {
    EXPECT_EQ(500, parse("500ms"));
    EXPECT_EQ(5000, parse("5s"));
    EXPECT_EQ(120000, parse("2m"));
    EXPECT_EQ(MAX_MS, parse("1h"));
    EXPECT_EQ(0, parse("0"));
}

TEST(what_is_no_duration_or_too_long_is_refused) {
    static const char *const bad[] = {"",     "5",   "s",  "5 s",   "-5s",       "5sec",
                                      "1.5s", "61m", "1d", "0005x", "3600001ms", "9999999999s"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        EXPECT_TRUE(parse(bad[i]) == UINT64_MAX);
}

TEST(a_duration_is_shown_in_two_parts_at_most) {
    char text[CLI_DURATION_MAX];
    cli_duration_format(text, 7400);
    EXPECT_TEXT("7s", text);
    cli_duration_format(text, 185000);
    EXPECT_TEXT("3m05s", text);
    cli_duration_format(text, 2 * 3600000 + 600000);
    EXPECT_TEXT("2h10m", text);
    cli_duration_format(text, (uint64_t)99 * 3600000);
    EXPECT_TEXT("4d03h", text);
}
