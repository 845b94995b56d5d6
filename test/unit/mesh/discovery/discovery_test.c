#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "finder.h"
#include "test.h"

static finder f;

static const char *file_source(const char *path) {
    static char text[300];
    (void)snprintf(text, sizeof text, "file:%s", path);
    return text;
}

// ---- seeds

TEST(numeric_seeds_are_told_once_each_and_from_the_loop) {
    finder_init(&f, "seeds:10.0.0.1:1,10.0.0.2,10.0.0.1:1,[fd00::1]:3");
    finder_open(&f);
    EXPECT_EQ(0, f.found_count);
    finder_wait_count(&f, 3);
    EXPECT_TRUE(finder_has(&f, "10.0.0.1:1"));
    EXPECT_TRUE(finder_has(&f, "10.0.0.2:7400"));
    EXPECT_TRUE(finder_has(&f, "fd00::1:3"));
    EXPECT_EQ(3, f.found_count);
    mesh_source_status status = finder_status(&f, 0);
    EXPECT_EQ(3, status.candidate_count);
    EXPECT_TRUE(status.success_at_ms > 0);
    EXPECT_TEXT("", status.error);
    finder_close(&f);
}

TEST(two_sources_are_merged_and_each_address_is_told_once) {
    finder_init(&f, "seeds:10.0.0.1:1,10.0.0.2:2");
    finder_add(&f, "seeds:10.0.0.2:2,10.0.0.3:3");
    finder_open(&f);
    finder_wait_count(&f, 3);
    EXPECT_EQ(3, f.found_count);
    EXPECT_EQ(2, finder_status(&f, 1).candidate_count);
    mesh_source_status status;
    EXPECT_FALSE(mesh_discovery_status(f.discovery, 2, &status));
    finder_close(&f);
}

TEST(a_name_of_this_machine_is_a_seed) {
    finder_init(&f, "seeds:localhost:7400");
    finder_open(&f);
    finder_wait_has(&f, "127.0.0.1:7400");
    EXPECT_TEXT("localhost", f.found[0].host);
    finder_close(&f);
}

TEST(a_seed_that_has_no_address_does_not_keep_the_others_out) {
    finder_init(&f, "seeds:nobody.invalid:7400,10.0.0.1:1");
    f.options.dns_servers = "127.0.0.1:9"; // nobody answers there
    finder_open(&f);
    finder_wait_has(&f, "10.0.0.1:1");
    EXPECT_TRUE(strstr(finder_status(&f, 0).error, "cannot resolve nobody.invalid: ") != NULL);
    finder_close(&f);
}

TEST(nothing_is_known_when_no_seed_has_an_address) {
    finder_init(&f, "seeds:nobody.invalid:7400");
    f.options.dns_servers = "127.0.0.1:9";
    finder_open(&f);
    finder_wait_said(&f, "source seeds:nobody.invalid:7400: cannot resolve");
    EXPECT_EQ(0, finder_status(&f, 0).candidate_count);
    EXPECT_EQ(0, finder_status(&f, 0).success_at_ms);
    finder_close(&f);
}

TEST(closed_with_a_question_under_way_it_calls_no_more) {
    finder_init(&f, "seeds:nobody.invalid:7400,10.0.0.1:1");
    f.options.dns_servers = "127.0.0.1:9";
    finder_open(&f);
    uv_run(&f.loop, UV_RUN_NOWAIT);
    finder_close(&f);
    EXPECT_EQ(0, f.found_count);
}

TEST(it_may_be_closed_from_inside_of_what_it_tells) {
    finder_init(&f, "seeds:10.0.0.1:1,10.0.0.2:2");
    f.closes_at_first = true;
    finder_open(&f);
    while (f.found_count == 0)
        uv_run(&f.loop, UV_RUN_ONCE);
    f.discovery = NULL;
    finder_close(&f);
    EXPECT_EQ(1, f.found_count);
}

TEST(a_text_that_is_no_source_is_refused_with_a_sentence) {
    char sentence[MESH_SENTENCE_LEN_MAX + 1];
    finder_init(&f, "seeds:10.0.0.1");
    finder_add(&f, "dsn:x:1");
    EXPECT_EQ(MESH_EINVAL, mesh_discovery_open(&f.options, &f.discovery, sentence));
    EXPECT_TEXT("source 'dsn:x:1': a source starts with seeds:, dns:, srv:, etcd: or file:",
                sentence);
    finder_close(&f);
}

TEST(an_own_address_that_others_could_not_use_is_refused) {
    char sentence[MESH_SENTENCE_LEN_MAX + 1];
    finder_init(&f, "seeds:10.0.0.1");
    f.options.own_address = "10.0.0.1";
    EXPECT_EQ(MESH_EINVAL, mesh_discovery_open(&f.options, &f.discovery, sentence));
    EXPECT_TEXT("this host's own address '10.0.0.1' is not host:port", sentence);
    finder_close(&f);
}

// ---- a file

TEST(a_file_that_is_replaced_is_read_again_at_once) {
    const char *path = finder_path("hosts");
    finder_write(path, "10.0.0.1:1\n");
    finder_init(&f, file_source(path));
    finder_open(&f);
    finder_wait_has(&f, "10.0.0.1:1");
    // From the second look on it would be read after 30 s, which is longer than this waits.
    mesh_discovery_search(f.discovery, false);
    finder_write(path, "10.0.0.2:2\n");
    finder_wait_has(&f, "10.0.0.2:2");
    finder_write(path, "10.0.0.3:3\n");
    finder_wait_has(&f, "10.0.0.3:3");
    EXPECT_EQ(1, finder_status(&f, 0).candidate_count);
    finder_close(&f);
}

TEST(a_file_that_is_missing_half_written_or_gone_removes_nobody) {
    const char *path = finder_path("later");
    finder_init(&f, file_source(path));
    finder_open(&f);
    finder_wait_error(&f, "later: it cannot be read: No such file or directory");
    finder_write(path, "10.0.0.1:1\n10.0.0.2:2\n");
    finder_wait_count(&f, 2);
    finder_write(path, "10.0.0.3:");
    finder_wait_error(&f, "has no newline at its end");
    EXPECT_EQ(2, finder_status(&f, 0).candidate_count);
    finder_write(path, "");
    finder_wait_error(&f, "it has no host");
    EXPECT_EQ(2, finder_status(&f, 0).candidate_count);
    EXPECT_OK(unlink(finder_path("later")));
    finder_wait_error(&f, "No such file");
    EXPECT_EQ(2, finder_status(&f, 0).candidate_count);
    finder_write(path, "10.0.0.3:3\n");
    finder_wait_has(&f, "10.0.0.3:3");
    finder_wait_said(&f, "it works again");
    finder_close(&f);
}

TEST(a_pipe_is_not_waited_for) {
    const char *path = finder_path("pipe");
    EXPECT_OK(mkfifo(path, 0600));
    finder_init(&f, file_source(path));
    finder_open(&f);
    finder_wait_error(&f, "it is not a plain file");
    finder_close(&f);
}

TEST(a_long_file_is_refused) {
    const char *path = finder_path("long");
    finder_write(path, "10.0.0.1:1\n");
    EXPECT_OK(truncate(path, (64 << 10) + 1));
    finder_init(&f, file_source(path));
    finder_open(&f);
    finder_wait_error(&f, "it has more than 65536 bytes");
    finder_close(&f);
}

// ---- what is on disk

// One run that finds 10.0.0.1:1 in a file, which is removed after it.
static void run_once(void) {
    const char *path = finder_path("hosts");
    finder_write(path, "10.0.0.1:1\n");
    finder_init(&f, file_source(path));
    f.options.cache_path = finder_path("cache");
    finder_open(&f);
    finder_wait_has(&f, "10.0.0.1:1");
    finder_close(&f);
    EXPECT_OK(unlink(finder_path("hosts")));
}

TEST(what_was_found_is_there_after_a_restart_though_its_source_is_not) {
    run_once();
    finder_init(&f, file_source(finder_path("hosts")));
    f.options.cache_path = finder_path("cache");
    finder_open(&f);
    finder_wait_has(&f, "10.0.0.1:1");
    finder_wait_error(&f, "No such file");
    EXPECT_TRUE(finder_status(&f, 0).is_from_disk);
    EXPECT_EQ(0, finder_status(&f, 0).success_at_ms);
    finder_write(finder_path("hosts"), "10.0.0.2:2\n");
    finder_wait_has(&f, "10.0.0.2:2");
    EXPECT_FALSE(finder_status(&f, 0).is_from_disk);
    EXPECT_EQ(1, finder_status(&f, 0).candidate_count);
    finder_close(&f);
}

TEST(a_damaged_file_is_told_of_and_done_without) {
    run_once();
    finder_write(finder_path("cache"), "warren candidates 1\nsource file:/x\n10.0.0.1:1 a\n");
    finder_init(&f, "seeds:10.0.0.9:9");
    f.options.cache_path = finder_path("cache");
    finder_open(&f);
    finder_wait_said(&f, "cache: it is damaged (they are asked for anew)");
    finder_wait_has(&f, "10.0.0.9:9");
    finder_close(&f);
}

TEST(a_place_that_cannot_be_written_is_told_of_once) {
    finder_init(&f, "seeds:10.0.0.9:9");
    f.options.cache_path = "/nonexistent/cache";
    finder_open(&f);
    finder_wait_has(&f, "10.0.0.9:9");
    finder_wait_said(
        &f, "cannot write the addresses of other hosts to /nonexistent/cache: No such file");
    EXPECT_EQ(1, f.said_count);
    finder_close(&f);
}
