#include "agent/limits.h"

#include <signal.h>

#include "test.h"

static agent_oom heard(const char *text) {
    agent_oom oom = {0};
    agent_oom_listen(&oom, mesh_bytes_text(text));
    return oom;
}

static const agent_limits none;

TEST(a_heap_that_is_full_is_heard_of_in_the_words_of_each_version) {
    char text[AGENT_OOM_TEXT_MAX];
    static const char *const words[] = {
        "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n",
        "FATAL ERROR: CALL_AND_RETRY_LAST Allocation failed - JavaScript heap out of memory\n",
        "# Fatal JavaScript out of memory: Reached heap limit\n",
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        agent_oom oom = heard(words[i]);
        EXPECT_TRUE(agent_oom_judge(&oom, &none, 1, SIGABRT, text));
        EXPECT_TEXT("out of memory: V8's heap was full", text);
    }
}

TEST(a_heap_that_is_full_is_told_with_what_it_had_of_the_limit) {
    char text[AGENT_OOM_TEXT_MAX];
    agent_oom oom = heard("# Fatal JavaScript out of memory: Reached heap limit\n");
    agent_limits limits = {.memory_max = 64 << 20};
    EXPECT_TRUE(agent_oom_judge(&oom, &limits, 1, SIGABRT, text));
    EXPECT_TEXT("out of memory: V8's heap was full (32 MiB of the limit of 64 MiB)", text);
    limits.memory_max = 256 << 20;
    EXPECT_TRUE(agent_oom_judge(&oom, &limits, 1, SIGABRT, text));
    EXPECT_TEXT("out of memory: V8's heap was full (144 MiB of the limit of 256 MiB)", text);
}

TEST(a_process_that_gets_no_memory_is_heard_of) {
    char text[AGENT_OOM_TEXT_MAX];
    static const char *const words[] = {
        "FATAL ERROR: Committing semi space failed. Allocation failed - process out of memory\n",
        "# Fatal process out of memory: Zone\n",
        "terminate called after throwing an instance of 'std::bad_alloc'\n",
    };
    agent_limits limits = {.memory_max = 64 << 20};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        agent_oom oom = heard(words[i]);
        EXPECT_TRUE(agent_oom_judge(&oom, &limits, 1, SIGABRT, text));
        EXPECT_TEXT("out of memory: it was given no more, with a limit of 64 MiB", text);
    }
}

TEST(a_program_that_only_speaks_of_memory_did_not_run_out_of_it) {
    char text[AGENT_OOM_TEXT_MAX];
    agent_oom oom = heard("Error: JavaScript heap out of memory, says a test\n");
    EXPECT_FALSE(agent_oom_judge(&oom, &none, 1, SIGABRT, text));
    oom = heard("FATAL ERROR: v8::FromJust Maybe value is Nothing.\n");
    EXPECT_FALSE(agent_oom_judge(&oom, &none, 1, SIGABRT, text));
    // It lived on, and ended in another way.
    oom = heard(
        "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n");
    EXPECT_FALSE(agent_oom_judge(&oom, &none, 1, 0, text));
    EXPECT_FALSE(agent_oom_judge(&oom, &none, 1, SIGKILL, text));
}

TEST(one_that_held_too_much_is_told_with_both_numbers) {
    char text[AGENT_OOM_TEXT_MAX];
    agent_limits limits = {.memory_max = 256 << 20};
    agent_oom oom = {.held = 300 << 20};
    EXPECT_TRUE(agent_oom_judge(&oom, &limits, 1, SIGKILL, text));
    EXPECT_TEXT("out of memory: it held 300 MiB, its limit is 256 MiB", text);
}

TEST(without_limits_a_launch_says_nothing_of_them) {
    Warren__Agent__Run run = WARREN__AGENT__RUN__INIT;
    Warren__Agent__Limits packed;
    agent_limits limits;
    agent_launch_limits launch;
    agent_limits_plan(&limits, &run);
    EXPECT_FALSE(agent_limits_pack(&limits, &packed));
    EXPECT_OK(agent_limits_open(&limits, 1, &launch));
    EXPECT_TRUE(launch.cgroup[0] == '\0' && launch.heap_max == 0 && launch.data_max == 0 &&
                launch.cpu_percent == 0);
}

TEST(a_heap_leaves_room_for_what_is_not_in_it) {
    agent_launch_limits launch;
    agent_limits limits = {.memory_max = 1024 << 20};
    EXPECT_OK(agent_limits_open(&limits, 1, &launch));
    EXPECT_EQ(720 << 20, launch.heap_max); // and 48 MiB of young objects
    EXPECT_TRUE(launch.data_max > limits.memory_max);
    limits.memory_max = 64 << 20;
    EXPECT_OK(agent_limits_open(&limits, 1, &launch));
    EXPECT_EQ(32 << 20, launch.heap_max);
}
