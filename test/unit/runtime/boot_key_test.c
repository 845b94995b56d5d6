#include "boot_key.h"

#include "test.h"

#define LIST(...)                                                                                  \
    { (char *const[]){__VA_ARGS__, NULL}, SIZE_MAX }
static const runtime_strings NONE = {(char *const[]){NULL}, SIZE_MAX};

static const runtime_strings ENV = LIST("PATH=/bin", "LANG=C.UTF-8");
static const runtime_strings ARGV = LIST("/app.js");

static runtime_boot plain(void) {
    return (runtime_boot){NONE, ENV, NONE, ARGV, "/"};
}

static const char *refusal(const runtime_boot *zygote, const runtime_boot *wanted) {
    static char reason[RUNTIME_BOOT_TEXT_LEN];
    return runtime_boot_can_serve(zygote, wanted, reason) ? "" : reason;
}

static const char *obstacle(const runtime_boot *boot) {
    static char reason[RUNTIME_BOOT_TEXT_LEN];
    return runtime_boot_is_shareable(boot, reason) ? "" : reason;
}

TEST(what_a_program_reads_later_is_no_part_of_the_key) {
    runtime_boot zygote = plain(), wanted = plain();
    wanted.env = (runtime_strings)LIST("PATH=/usr/bin", "HOME=/root", "TZ=Asia/Tokyo", "LANG=C");
    wanted.argv = (runtime_strings)LIST("/other.js", "a");
    wanted.cwd = "/tmp";
    EXPECT_TEXT("", refusal(&zygote, &wanted));
}

TEST(options_and_variables_that_a_boot_reads_are_named) {
    runtime_boot zygote = plain(), wanted = plain();
    wanted.exec_argv = (runtime_strings)LIST("--max-old-space-size=64");
    EXPECT_TEXT("--max-old-space-size=64 is read when Node boots", refusal(&zygote, &wanted));
    EXPECT_TEXT("--max-old-space-size=64 is read when Node boots", refusal(&wanted, &zygote));
    wanted = plain();
    wanted.env = (runtime_strings)LIST("NODE_EXTRA_CA_CERTS=/ca.pem");
    EXPECT_TEXT("NODE_EXTRA_CA_CERTS is read when Node boots", refusal(&zygote, &wanted));
    wanted.env = (runtime_strings)LIST("LANG=de_DE.UTF-8");
    EXPECT_TEXT("LANG is read when Node boots", refusal(&zygote, &wanted));
    wanted.env = (runtime_strings)LIST("LD_PRELOAD=");
    EXPECT_TEXT("LD_PRELOAD is read when Node boots", refusal(&zygote, &wanted));
}

TEST(a_zygote_serves_what_it_booted_with) {
    runtime_boot zygote = plain();
    zygote.exec_argv = (runtime_strings)LIST("--expose-gc", "--stack-size=500");
    zygote.env = (runtime_strings)LIST("NODE_OPTIONS=--no-warnings");
    runtime_boot wanted = zygote;
    EXPECT_TEXT("", refusal(&zygote, &wanted));
    wanted.exec_argv = (runtime_strings)LIST("--stack-size=500", "--expose-gc");
    EXPECT_TRUE(refusal(&zygote, &wanted)[0] != '\0');
}

TEST(modules_that_are_loaded_first_may_have_read_everything) {
    runtime_boot zygote = plain(), wanted;
    zygote.preload = (runtime_strings)LIST("express");
    wanted = zygote;
    EXPECT_TEXT("", refusal(&zygote, &wanted));
    wanted.env = (runtime_strings)LIST("PATH=/bin", "LANG=C.UTF-8", "PORT=80");
    EXPECT_TEXT("modules loaded before the fork may have read PORT", refusal(&zygote, &wanted));
    wanted = zygote;
    wanted.argv = (runtime_strings)LIST("/app.js", "--color");
    EXPECT_TRUE(refusal(&zygote, &wanted)[0] != '\0');
    wanted = plain();
    EXPECT_TEXT("express is loaded before the fork", refusal(&zygote, &wanted));
    EXPECT_TEXT("express is loaded before the fork", refusal(&wanted, &zygote));
}

TEST(only_options_that_start_nothing_are_shared) {
    runtime_boot boot = plain();
    boot.exec_argv = (runtime_strings)LIST("--max_old_space_size=64", "--conditions=development");
    EXPECT_TEXT("", obstacle(&boot));
    boot.exec_argv = (runtime_strings)LIST("--expose-gc", "--inspect");
    EXPECT_TEXT("--inspect is read when Node boots", obstacle(&boot));
    boot.exec_argv = (runtime_strings)LIST("--max-old-space-size-of-something");
    EXPECT_TRUE(obstacle(&boot)[0] != '\0');
    boot.exec_argv = (runtime_strings)LIST("--conditions", "development"); // a value by itself
    EXPECT_TRUE(obstacle(&boot)[0] != '\0');
}

TEST(node_options_are_judged_word_by_word) {
    runtime_boot boot = plain();
    boot.env = (runtime_strings)LIST("NODE_OPTIONS=  --no-warnings   --max-old-space-size=64 ");
    EXPECT_TEXT("", obstacle(&boot));
    boot.env = (runtime_strings)LIST("NODE_OPTIONS=");
    EXPECT_TEXT("", obstacle(&boot));
    boot.env = (runtime_strings)LIST("NODE_OPTIONS=--no-warnings --require ./a.js");
    EXPECT_TEXT("NODE_OPTIONS is read when Node boots", obstacle(&boot));
    boot.env = (runtime_strings)LIST("NODE_OPTIONS=\"--no-warnings\"");
    EXPECT_TRUE(obstacle(&boot)[0] != '\0');
}

TEST(what_each_process_needs_for_itself_is_never_shared) {
    static const char *const variables[] = {"NODE_CHANNEL_FD=3", "NODE_V8_COVERAGE=/tmp",
                                            "NODE_UNIQUE_ID=1", "NODE_DEBUG=net"};
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        runtime_boot boot = plain();
        boot.env = (runtime_strings)LIST((char *)(uintptr_t)variables[i]);
        EXPECT_TRUE(obstacle(&boot)[0] != '\0');
        EXPECT_TRUE(runtime_boot_is_private(variables[i]));
    }
    EXPECT_TRUE(runtime_boot_is_private("NODE_OPTIONS=--no-warnings"));
    EXPECT_FALSE(runtime_boot_is_private("NODE_OPTIONS_OF_MINE=1"));
    EXPECT_FALSE(runtime_boot_is_private("LD_PRELOAD=x"));
}
