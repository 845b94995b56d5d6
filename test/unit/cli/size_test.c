#include "cli/size.h"

#include "test.h"

static uint64_t parse(const char *text) {
    uint64_t size = 0;
    return cli_size_parse("memory", text, 16, 1ULL << 40, &size) ? size : 0;
}

TEST(a_size_is_a_number_with_a_unit) {
    EXPECT_EQ(200 << 20, parse("200M"));
    EXPECT_EQ(200 << 20, parse("200MiB"));
    EXPECT_EQ(200 << 20, parse("200mB"));
    EXPECT_EQ(1 << 30, parse("1G"));
    EXPECT_EQ(512 << 10, parse("512k"));
    EXPECT_EQ(4096, parse("4096"));
    EXPECT_EQ(1ULL << 40, parse("1T"));
}

TEST(what_is_no_size_is_refused) {
    static const char *const bad[] = {"",
                                      "M",
                                      "200X",
                                      "200 M",
                                      "-1M",
                                      "1.5G",
                                      "200M+",
                                      "15",
                                      "2T",
                                      "99999999999999",
                                      "18446744073709551615",
                                      "9999999999999T",
                                      "1iB"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        EXPECT_EQ(0, parse(bad[i]));
}

TEST(a_size_is_shown_in_the_unit_that_has_few_digits) {
    static const struct {
        uint64_t size;
        const char *shown;
    } cases[] = {{0, "0 bytes"},         {1, "1 byte"},          {1023, "1023 bytes"},
                 {1024, "1.0 KiB"},      {1 << 20, "1.0 MiB"},   {(1 << 20) - 1, "1.0 MiB"},
                 {35914645, "34.3 MiB"}, {1ull << 40, "1.0 TiB"}};
    char out[CLI_SIZE_MAX];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cli_size_print(cases[i].size, out);
        EXPECT_TEXT(cases[i].shown, out);
    }
}
