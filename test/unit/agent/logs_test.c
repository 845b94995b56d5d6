#include "agent/logs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

static char dir[64];

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
                                            .at_ms = 1782864000123,
                                            .data = mesh_bytes_text(text)});
}

static char seen[4096];

static void on_piece(const agent_log_piece *piece, void *user) {
    (void)user;
    size_t len = strlen(seen);
    (void)snprintf(seen + len, sizeof seen - len, "%s %s%.*s|", piece->node,
                   piece->is_stderr ? "! " : "", (int)piece->data.len, (char *)piece->data.data);
    EXPECT_TRUE(piece->at_ms == 1782864000123);
}

static const char *tail(const char *node, uint32_t lines) {
    seen[0] = '\0';
    EXPECT_OK(agent_log_tail(dir, "app", node, lines, on_piece, NULL));
    return seen;
}

TEST(the_last_lines_come_back_as_they_were_written) {
    make_dir();
    agent_log *log = agent_log_create(dir, "app");
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
    agent_log *log = agent_log_create(dir, "app");
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
    agent_log *log = agent_log_create(dir, "app");
    write_text(log, "app.0", false, "first\n");
    for (int i = 0; i < 10300; i++) // some more than 10 MiB
        write_text(log, "app.1", false, line);
    write_text(log, "app.0", false, "last\n");
    (void)snprintf(path, sizeof path, "%s/logs/app.log.1", dir);
    EXPECT_OK(stat(path, &info));
    EXPECT_TRUE(info.st_size >= AGENT_LOG_LEN_MAX && info.st_size < AGENT_LOG_LEN_MAX + (1 << 16));
    EXPECT_TEXT("app.0 first\n|app.0 last\n|", tail("app.0", 10));
    agent_log_destroy(log);
    remove_dir();
}

TEST(lines_that_are_not_ours_are_skipped) {
    make_dir();
    char path[160];
    agent_log *log = agent_log_create(dir, "app");
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
    EXPECT_EQ(-ENOENT, agent_log_tail(dir, "app", NULL, 5, on_piece, NULL));
    remove_dir();
}
