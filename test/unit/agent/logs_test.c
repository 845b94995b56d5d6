#include "agent/logs.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

static char dir[64];
static uint64_t since_ms;
static uint64_t at_ms = 1782864000123;

static void make_dir(void) {
    char logs[80];
    strcpy(dir, "/tmp/warren-logs-XXXXXX");
    assert_non_null(mkdtemp(dir));
    (void)snprintf(logs, sizeof logs, "%s/logs", dir);
    EXPECT_OK(mkdir(logs, 0700));
}

static void remove_dir(void) {
    char path[160];
    static const char *const names[] = {"/logs/app.log", "/logs/app.log.1", "/logs", ""};
    for (size_t i = 0; i < 4; i++) {
        (void)snprintf(path, sizeof path, "%s%s", dir, names[i]);
        (void)remove(path);
    }
}

static void write_text(agent_log *log, const char *node, bool is_stderr, const char *text) {
    agent_log_write(log, &(agent_log_piece){.node = node,
                                            .is_stderr = is_stderr,
                                            .at_ms = at_ms,
                                            .data = mesh_bytes_text(text)});
}

static char seen[4096];

static void on_piece(const agent_log_piece *piece, void *user) {
    (void)user;
    size_t len = strlen(seen);
    (void)snprintf(seen + len, sizeof seen - len, "%s %s%.*s|", piece->node,
                   piece->is_stderr ? "! " : "", (int)piece->data.len, (char *)piece->data.data);
    EXPECT_TRUE(piece->at_ms == 1782864000123 || piece->at_ms == at_ms);
}

static const char *tail(const char *node, uint32_t lines) {
    seen[0] = '\0';
    agent_log_query query = {
        .dir = dir, .service = "app", .node = node, .line_count = lines, .since_ms = since_ms};
    EXPECT_OK(agent_log_tail(&query, on_piece, NULL));
    return seen;
}

TEST(the_last_lines_come_back_as_they_were_written) {
    make_dir();
    agent_log *log = agent_log_create(dir, "app", &(agent_log_rules){0});
    write_text(log, "app.0", false, "one\ntwo\n");
    write_text(log, "app.1", true, "half ");
    write_text(log, "app.1", true, "line\n");
    EXPECT_TEXT("app.0 one\n|app.0 two\n|app.1 ! half |app.1 ! line\n|", tail(NULL, 10));
    EXPECT_TEXT("app.1 ! half |app.1 ! line\n|", tail(NULL, 2));
    EXPECT_TEXT("app.0 two\n|", tail("app.0", 1));
    EXPECT_TEXT("", tail("app.7", 5));
    EXPECT_TEXT("", tail(NULL, 0));
    agent_log_destroy(log);
    remove_dir();
}

TEST(a_log_is_for_its_owner_alone) {
    make_dir();
    char path[160];
    struct stat info;
    agent_log *log = agent_log_create(dir, "app", &(agent_log_rules){0});
    write_text(log, "app.0", false, "secret\n");
    (void)snprintf(path, sizeof path, "%s/logs/app.log", dir);
    EXPECT_OK(stat(path, &info));
    EXPECT_EQ(0600, info.st_mode & 0777);
    agent_log_destroy(log);
    remove_dir();
}

TEST(a_full_file_becomes_the_old_one_and_both_are_read) {
    make_dir();
    char path[160], line[1001];
    struct stat info;
    memset(line, 'x', 999);
    line[999] = '\n';
    line[1000] = '\0';
    agent_log *log = agent_log_create(dir, "app", &(agent_log_rules){0});
    write_text(log, "app.0", false, "first\n");
    for (int i = 0; i < 10300; i++) // some more than 10 MiB
        write_text(log, "app.1", false, line);
    write_text(log, "app.0", false, "last\n");
    (void)snprintf(path, sizeof path, "%s/logs/app.log.1", dir);
    EXPECT_OK(stat(path, &info));
    EXPECT_TRUE(info.st_size <= AGENT_LOG_LEN_DEFAULT &&
                info.st_size > AGENT_LOG_LEN_DEFAULT - (1 << 16));
    EXPECT_TEXT("app.0 first\n|app.0 last\n|", tail("app.0", 10));
    agent_log_destroy(log);
    remove_dir();
}

TEST(no_more_files_are_kept_than_was_said_and_none_is_longer) {
    make_dir();
    char path[PATH_MAX], line[1001];
    struct stat info;
    memset(line, 'x', 999);
    line[999] = '\n';
    line[1000] = '\0';
    agent_log_rules rules = {.file_len_max = AGENT_LOG_LEN_MIN, .file_count = 4};
    agent_log *log = agent_log_create(dir, "app", &rules);
    for (int i = 0; i < 2000; i++)
        write_text(log, "app.1", false, line);
    for (uint32_t i = 0; i < 4; i++) {
        agent_log_path(path, dir, "app", i);
        EXPECT_OK(stat(path, &info));
        EXPECT_TRUE(info.st_size <= AGENT_LOG_LEN_MIN);
    }
    agent_log_path(path, dir, "app", 4);
    EXPECT_TRUE(stat(path, &info) != 0);
    agent_log_destroy(log);
    // The next run keeps fewer.
    rules.file_count = 1;
    log = agent_log_create(dir, "app", &rules);
    for (int i = 0; i < 200; i++)
        write_text(log, "app.1", false, line);
    agent_log_path(path, dir, "app", 1);
    EXPECT_TRUE(stat(path, &info) != 0);
    agent_log_destroy(log);
    remove_dir();
}

TEST(a_tail_looks_into_older_files) {
    make_dir();
    char line[201];
    memset(line, 'x', 199);
    line[199] = '\n';
    line[200] = '\0';
    agent_log_rules rules = {.file_len_max = AGENT_LOG_LEN_MIN, .file_count = 5};
    agent_log *log = agent_log_create(dir, "app", &rules);
    write_text(log, "app.0", false, "first\n");
    for (int i = 0; i < 2000; i++) // three files
        write_text(log, "app.1", false, line);
    write_text(log, "app.0", false, "last\n");
    EXPECT_TEXT("app.0 first\n|app.0 last\n|", tail("app.0", 2));
    agent_log_destroy(log);
    for (uint32_t i = 2; i < 5; i++) {
        char path[PATH_MAX];
        agent_log_path(path, dir, "app", i);
        (void)remove(path);
    }
    remove_dir();
}

TEST(only_what_was_written_since_is_told) {
    make_dir();
    agent_log *log = agent_log_create(dir, "app", &(agent_log_rules){0});
    write_text(log, "app.0", false, "before\n");
    at_ms += 1;
    write_text(log, "app.0", false, "then\n");
    since_ms = at_ms;
    EXPECT_TEXT("app.0 then\n|", tail(NULL, 10));
    since_ms = at_ms + 1;
    EXPECT_TEXT("", tail(NULL, 10));
    since_ms = 0;
    at_ms -= 1;
    agent_log_destroy(log);
    remove_dir();
}

TEST(a_file_that_somebody_removed_is_made_again) {
    make_dir();
    char path[PATH_MAX];
    agent_log *log = agent_log_create(dir, "app", &(agent_log_rules){0});
    write_text(log, "app.0", false, "one\n");
    agent_log_path(path, dir, "app", 0);
    EXPECT_OK(unlink(path));
    write_text(log, "app.0", false, "two\n");
    EXPECT_TEXT("app.0 two\n|", tail(NULL, 10));
    agent_log_destroy(log);
    remove_dir();
}

TEST(lines_that_are_not_ours_are_skipped) {
    make_dir();
    char path[160];
    agent_log *log = agent_log_create(dir, "app", &(agent_log_rules){0});
    write_text(log, "app.0", false, "good\n");
    (void)snprintf(path, sizeof path, "%s/logs/app.log", dir);
    FILE *file = fopen(path, "a");
    (void)fputs(
        "\n2026-07-01T00:00\ngarbage of a torn line app.0 out: no\n2026-07-01T00:00:00.123Z "
        "app.0 out\n\xff\xfe",
        file);
    (void)fclose(file);
    EXPECT_TEXT("app.0 good\n|", tail(NULL, 10));
    agent_log_destroy(log);
    remove_dir();
}

TEST(a_service_that_never_ran_has_no_log) {
    make_dir();
    agent_log_query query = {.dir = dir, .service = "app", .line_count = 5};
    EXPECT_EQ(-ENOENT, agent_log_tail(&query, on_piece, NULL));
    remove_dir();
}

TEST(a_log_goes_on_when_there_is_room_again) {
    make_dir();
    struct rlimit before, none;
    EXPECT_OK(getrlimit(RLIMIT_FSIZE, &before));
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
    (void)signal(SIGXFSZ, SIG_IGN); // as the agent has it
    agent_log *log = agent_log_create(dir, "app", &(agent_log_rules){0});
    write_text(log, "app.0", false, "one\n");
    EXPECT_OK(setrlimit(RLIMIT_FSIZE, &none)); // nothing can be written, as on a full disk
    write_text(log, "app.0", false, "two\n");
    write_text(log, "app.0", false, "three\n");
    EXPECT_OK(setrlimit(RLIMIT_FSIZE, &before));
    at_ms += 999;
    write_text(log, "app.0", false,
               "too early\n"); // a disk that is full is not asked for each line
    at_ms += 1;
    write_text(log, "app.0", false, "four\n");
    EXPECT_TEXT("app.0 one\n|app ! 3 lines are missing here: File too large\n|app.0 four\n|",
                tail(NULL, 10));
    EXPECT_EQ(3, agent_log_lost_lines(log));
    agent_log_destroy(log);
    remove_dir();
}

TEST(a_log_with_room_for_the_note_alone_is_not_written_again) {
    make_dir();
    at_ms = 1782864000123;
    struct rlimit before, little;
    EXPECT_OK(getrlimit(RLIMIT_FSIZE, &before));
    little = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
    (void)signal(SIGXFSZ, SIG_IGN);
    agent_log *log = agent_log_create(dir, "app", &(agent_log_rules){0});
    write_text(log, "app.0", false, "one\n");
    EXPECT_OK(setrlimit(RLIMIT_FSIZE, &little));
    write_text(log, "app.0", false, "two\n");
    little.rlim_cur = 200;
    EXPECT_OK(setrlimit(RLIMIT_FSIZE, &little));
    char line[502] = "";
    memset(line, 'x', 500);
    line[500] = '\n';
    at_ms += 1000;
    write_text(log, "app.0", false, line);
    EXPECT_TEXT("app.0 one\n|", tail(NULL, 10));
    EXPECT_OK(setrlimit(RLIMIT_FSIZE, &before));
    at_ms += 1000;
    write_text(log, "app.0", false, "four\n");
    EXPECT_TEXT("app.0 one\n|app ! 2 lines are missing here: File too large\n|app.0 four\n|",
                tail(NULL, 10));
    agent_log_destroy(log);
    remove_dir();
}
