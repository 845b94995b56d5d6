#include "cli/run_words.h"

#include <signal.h>

#include "agent.pb-c.h"
#include "test.h"

TEST(words_have_the_numbers_of_the_protocol) {
    EXPECT_EQ(WARREN__AGENT__RUN__RESTART__NEVER, cli_choice_find(&cli_run_restarts, "never"));
    EXPECT_EQ(WARREN__AGENT__RUN__READY__MESSAGE, cli_choice_find(&cli_run_readies, "message"));
    EXPECT_EQ(WARREN__AGENT__RUN__READY__STARTED, cli_choice_find(&cli_run_readies, "started"));
    EXPECT_EQ(WARREN__AGENT__RUN__STALL__KILL, cli_choice_find(&cli_run_stalls, "kill"));
    EXPECT_EQ(WARREN__AGENT__RUN__STRATEGY__REST_FOR_ONE,
              1 + cli_choice_find(&cli_run_strategies, "rest_for_one"));
    EXPECT_EQ(WARREN__AGENT__RUN__STRATEGY__ANY, 1 + cli_choice_find(&cli_run_strategies, ""));
}

TEST(a_signal_has_a_name_or_a_number) {
    EXPECT_EQ(SIGTERM, cli_run_signal("SIGTERM"));
    EXPECT_EQ(SIGUSR2, cli_run_signal("usr2"));
    EXPECT_EQ(SIGINT, cli_run_signal("sigInt"));
    EXPECT_EQ(2, cli_run_signal("2"));
    EXPECT_EQ(SIGRTMAX, cli_run_signal("64"));
}

TEST(a_signal_with_two_names_is_found_by_both) {
    EXPECT_EQ(SIGIO, cli_run_signal("SIGIO"));
    EXPECT_EQ(SIGIO, cli_run_signal("SIGPOLL"));
    EXPECT_EQ(SIGABRT, cli_run_signal("iot"));
    EXPECT_EQ(SIGSYS, cli_run_signal("SIGUNUSED"));
}

TEST(what_is_no_signal_is_none) {
    static const char *const bad[] = {
        "", "SIG", "SIGNAL", "0", "-2", "2x", " 15", "65", "1e1", "+2", "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        EXPECT_EQ(0, cli_run_signal(bad[i]));
}
