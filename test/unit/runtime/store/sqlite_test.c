// A store in a file: what the suite says, and what only a file can do.
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "depot.h"
#include "disk.h"
#include "store/hold.h"
#include "store/sqlite_backup.h"
#include "store/sqlite_file.h"

enum { PAGE_LEN = 4096 };

static depot d;
static depot_told told;
static int hold_state;
static char path[200], text[220];

static void remove_all(void) {
    char command[300];
    (void)snprintf(command, sizeof command, "rm -rf '%s'*", path);
    EXPECT_OK(system(command));
}

static void remove_directory(void) {
    char command[300];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", depot_path(""));
    (void)!system(command);
}

const char *depot_begin(void) {
    if (path[0] == '\0') {
        (void)snprintf(path, sizeof path, "%s", depot_path("store.db"));
        (void)snprintf(text, sizeof text, "sqlite:%s", path);
        atexit(remove_directory);
        disk_use();
    }
    disk_set(DISK_GOOD);
    return text;
}

void depot_end(void) {
    remove_all();
}

const store_link *depot_link(uv_loop_t *loop) {
    (void)loop;
    return NULL;
}

void depot_unlink(void) {}

static void begin(void) {
    depot_open(&d, depot_begin());
}

static void again(void) {
    depot_close(&d);
    depot_open(&d, text);
}

static void end(void) {
    depot_close(&d);
    depot_end();
}

static const char *beside(const char *suffix) {
    static char name[220];
    (void)snprintf(name, sizeof name, "%s%s", path, suffix);
    return name;
}

static unsigned mode_of(const char *name) {
    struct stat info;
    EXPECT_OK(stat(name, &info));
    return info.st_mode & 0777;
}

// All bytes of the file; gives.
static uint8_t *bytes_of(const char *name, size_t *out_len) {
    struct stat info = {.st_size = 0};
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    EXPECT_TRUE(fd >= 0 && fstat(fd, &info) == 0);
    *out_len = (size_t)info.st_size;
    uint8_t *bytes = malloc(*out_len + 1);
    EXPECT_EQ(info.st_size, read(fd, bytes, *out_len + 1));
    close(fd);
    return bytes;
}

static void overwrite(const char *name, off_t at, const void *bytes, size_t len) {
    int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    EXPECT_EQ(len, pwrite(fd, bytes, len, at));
    close(fd);
}

static void run_sql(const char *name, const char *sql) {
    sqlite3 *db;
    char *error = NULL;
    EXPECT_EQ(SQLITE_OK, sqlite3_open(name, &db));
    // The disk of these tests has no memory that processes share.
    EXPECT_EQ(SQLITE_OK, sqlite3_exec(db, "PRAGMA locking_mode = EXCLUSIVE", NULL, NULL, NULL));
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK) fail_msg("%s: %s", sql, error);
    sqlite3_close(db);
}

// ---- what is opened, and what is refused

TEST(nobody_else_may_read_the_file_nor_those_beside_it) {
    mode_t before = umask(0);
    begin();
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    EXPECT_EQ(0600, mode_of(path));
    EXPECT_EQ(0600, mode_of(beside("-wal")));
    umask(before);
    end();
}

static void expect_refused(int error, const char *part) {
    depot_open(&d, text);
    EXPECT_ERROR(error, part, depot_put(&d, "a", "1", 0));
    EXPECT_FALSE(store_status_get(d.db)->is_reachable);
    EXPECT_TEXT(d.answer.sentence, store_status_get(d.db)->sentence);
    end();
}

TEST(a_file_that_others_may_read_is_refused) {
    begin();
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    depot_close(&d);
    EXPECT_OK(chmod(path, 0640));
    expect_refused(STORE_EDENIED, "others may read it (`chmod 600` it)");
}

TEST(a_link_and_a_directory_are_no_store) {
    (void)depot_begin();
    EXPECT_OK(symlink("/tmp/elsewhere", path));
    expect_refused(STORE_EDENIED, "it is not a file");
    EXPECT_OK(mkdir(path, 0700));
    expect_refused(STORE_EDENIED, "it is not a file");
}

TEST(a_directory_that_is_not_there_is_told_and_the_store_is_made_once_it_is) {
    char place[300], directory[250];
    (void)depot_begin();
    (void)snprintf(directory, sizeof directory, "%s", beside(".d"));
    (void)snprintf(place, sizeof place, "sqlite:%s/store.db", directory);
    depot_open(&d, place);
    EXPECT_ERROR(STORE_EDENIED, "No such file or directory", depot_put(&d, "a", "1", 0));
    EXPECT_OK(mkdir(directory, 0700));
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    EXPECT_TRUE(store_status_get(d.db)->is_reachable);
    end();
}

TEST(a_database_of_another_program_is_refused_and_stays_as_it_is) {
    size_t before_len, after_len;
    (void)depot_begin();
    run_sql(path, "CREATE TABLE mine (x); INSERT INTO mine VALUES (1)");
    EXPECT_OK(chmod(path, 0600));
    uint8_t *before = bytes_of(path, &before_len);
    depot_open(&d, text);
    EXPECT_ERROR(STORE_EDENIED, "a database of another program", depot_put(&d, "a", "1", 0));
    depot_close(&d);
    uint8_t *after = bytes_of(path, &after_len);
    EXPECT_EQ(before_len, after_len);
    EXPECT_OK(memcmp(before, after, before_len));
    free(before);
    free(after);
    depot_end();
}

TEST(a_file_of_a_newer_version_is_refused_and_stays_as_it_is) {
    size_t before_len, after_len;
    begin();
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    depot_close(&d);
    run_sql(path, "INSERT INTO schema_version VALUES (99, 'later')");
    uint8_t *before = bytes_of(path, &before_len);
    depot_open(&d, text);
    EXPECT_ERROR(STORE_EDENIED, "a newer Warren has written it (version 99, this one knows 2)",
                 depot_get(&d, "a"));
    depot_close(&d);
    uint8_t *after = bytes_of(path, &after_len);
    EXPECT_EQ(before_len, after_len);
    EXPECT_OK(memcmp(before, after, before_len));
    free(before);
    free(after);
    depot_end();
}

// As the first version wrote it, before there were leases.
TEST(a_file_of_version_1_is_brought_to_this_one_with_all_that_it_has) {
    (void)depot_begin();
    run_sql(path,
            "PRAGMA journal_mode = WAL; PRAGMA application_id = 1467117139;"
            "CREATE TABLE schema_version (version INTEGER PRIMARY KEY, at TEXT NOT NULL);"
            "INSERT INTO schema_version VALUES (1, '2026-01-01');"
            "CREATE TABLE pairs (key BLOB PRIMARY KEY, value BLOB NOT NULL, created INTEGER NOT "
            "NULL, changed INTEGER NOT NULL) WITHOUT ROWID;"
            "CREATE TABLE changes (revision INTEGER NOT NULL, position INTEGER NOT NULL, key BLOB "
            "NOT NULL, value BLOB, created INTEGER NOT NULL, PRIMARY KEY (revision, position)) "
            "WITHOUT ROWID;"
            "CREATE TABLE numbers (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
            "INSERT INTO numbers VALUES ('revision', 7), ('compacted', 1);"
            "INSERT INTO pairs VALUES (CAST('old' AS BLOB), CAST('1' AS BLOB), 5, 7);"
            "INSERT INTO changes VALUES (7, 0, CAST('old' AS BLOB), CAST('1' AS BLOB), 5);");
    EXPECT_EQ(1467117139, STORE_APPLICATION_ID);
    EXPECT_OK(chmod(path, 0600));
    depot_open(&d, text);
    EXPECT_EQ(1, depot_get(&d, "old")->pair_count);
    EXPECT_TEXT("1", d.answer.pairs[0].value);
    EXPECT_EQ(5, d.answer.pairs[0].created);
    EXPECT_EQ(7, d.answer.revision);
    depot_watch(&d, &told, "", 6);
    depot_wait_told(&d, &told, 1);
    EXPECT_DONE(depot_grant(&d, 60));
    EXPECT_DONE(depot_put(&d, "new", "2", d.answer.lease));
    EXPECT_EQ(8, d.answer.revision);
    again();
    EXPECT_EQ(2, depot_list(&d, "", "", 0)->pair_count);
    end();
}

TEST(a_second_process_is_told_that_the_file_is_in_use) {
    static depot second;
    begin();
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    depot_open(&second, text);
    EXPECT_ERROR(STORE_EUNREACHABLE, "another process uses it", depot_get(&second, "a"));
    depot_close(&d);
    EXPECT_TEXT("1", depot_get(&second, "a")->pairs[0].value);
    EXPECT_TRUE(store_status_get(second.db)->is_reachable);
    depot_close(&second);
    depot_end();
}

// ---- damage

TEST(a_file_that_is_no_database_is_called_damaged) {
    (void)depot_begin();
    overwrite(path, 0,
              "this is not what was written here, by far, and long enough to be read\n"
              "this is not what was written here, by far, and long enough to be read\n",
              140);
    expect_refused(STORE_ECORRUPT, "it is damaged: stop the agent and restore a backup");
}

TEST(a_damaged_page_is_found_when_the_file_is_opened) {
    uint8_t junk[PAGE_LEN];
    begin();
    depot_fill(&d, "k", 4000);
    depot_close(&d);
    memset(junk, 0xa5, sizeof junk);
    overwrite(path, 10L * PAGE_LEN, junk, sizeof junk);
    expect_refused(STORE_ECORRUPT, "it is damaged");
}

TEST(a_file_that_was_cut_off_is_called_damaged) {
    begin();
    depot_fill(&d, "k", 4000);
    depot_close(&d);
    EXPECT_OK(truncate(path, 20L * PAGE_LEN));
    expect_refused(STORE_ECORRUPT, "it is damaged");
}

// ---- the disk

TEST(a_full_disk_is_told_and_what_follows_is_done_once_there_is_room) {
    begin();
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    int64_t revision = d.answer.revision;
    disk_set(DISK_FULL);
    EXPECT_ERROR(STORE_EFULL, "there is no room for it", depot_put(&d, "a", "2", 0));
    EXPECT_FALSE(d.answer.is_maybe_done);
    EXPECT_TEXT("1", depot_get(&d, "a")->pairs[0].value);
    EXPECT_EQ(revision, d.answer.revision);
    disk_set(DISK_GOOD);
    EXPECT_DONE(depot_put(&d, "a", "3", 0));
    EXPECT_EQ(revision + 1, d.answer.revision);
    again();
    EXPECT_TEXT("3", depot_get(&d, "a")->pairs[0].value);
    end();
}

TEST(a_disk_that_cannot_keep_a_commit_makes_it_doubtful_and_the_file_is_read_again) {
    begin();
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    disk_set(DISK_NO_SYNC);
    EXPECT_ERROR(STORE_EUNREACHABLE, "disk I/O error", depot_put(&d, "a", "2", 0));
    EXPECT_TRUE(d.answer.is_maybe_done);
    EXPECT_FALSE(store_status_get(d.db)->is_reachable);
    disk_set(DISK_GOOD);
    EXPECT_EQ(1, depot_get(&d, "a")->pair_count);
    EXPECT_TRUE(store_status_get(d.db)->is_reachable);
    EXPECT_DONE(depot_put(&d, "a", "3", 0));
    again();
    EXPECT_TEXT("3", depot_get(&d, "a")->pairs[0].value);
    end();
}

TEST(a_file_that_may_only_be_read_is_told_of) {
    begin();
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    depot_close(&d);
    disk_set(DISK_READ_ONLY);
    depot_open(&d, text);
    EXPECT_ERROR(STORE_EDENIED, "it may only be read", depot_put(&d, "a", "2", 0));
    disk_set(DISK_GOOD);
    EXPECT_DONE(depot_put(&d, "a", "2", 0));
    end();
}

static void on_turn(uv_timer_t *timer) {
    if (++*(int *)timer->data == 3) disk_set(DISK_GOOD);
}

TEST(the_loop_turns_while_the_disk_stands_still) {
    int turns = 0;
    uv_timer_t timer;
    begin();
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    disk_set(DISK_STUCK);
    store_op op = {STORE_PUT, mesh_bytes_text("a"), mesh_bytes_text("2"), 0};
    d.answer.count = 0;
    store_commit(d.db, &(store_transaction){.ops = &op, .op_count = 1}, depot_on_answer, &d.answer);
    disk_wait_stuck();
    uv_timer_init(&d.loop, &timer);
    timer.data = &turns;
    uv_timer_start(&timer, on_turn, 1, 1);
    depot_wait_answer(&d, &d.answer, 1);
    EXPECT_TRUE(turns >= 3);
    EXPECT_DONE(&d.answer);
    uv_close((uv_handle_t *)&timer, NULL);
    end();
}

// ---- history

TEST(a_watch_that_was_away_for_too_many_changes_is_told_to_read_anew) {
    begin();
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    int64_t first = d.answer.revision;
    depot_fill(&d, "k", STORE_HISTORY_MAX);
    depot_watch(&d, &told, "a", first - 1);
    depot_wait_error(&d, &told, STORE_ECOMPACTED);
    EXPECT_TRUE(strstr(told.sentence, "list again, and watch from the revision of that list"));
    EXPECT_EQ(0, told.count);
    store_watch_close(told.watch);
    depot_watch(&d, &told, "a", depot_list(&d, "a", "", 0)->revision);
    EXPECT_DONE(depot_put(&d, "a", "2", 0));
    depot_wait_told(&d, &told, 1);
    end();
}

TEST(the_file_does_not_grow_with_changes_for_ever) {
    static char value[STORE_VALUE_LEN_MAX + 1];
    memset(value, 'v', STORE_VALUE_LEN_MAX);
    begin();
    for (int i = 0; i < 3 * STORE_HISTORY_LEN_MAX / STORE_VALUE_LEN_MAX; i++)
        EXPECT_DONE(depot_put(&d, "a", value, 0));
    depot_close(&d);
    struct stat info;
    EXPECT_OK(stat(path, &info));
    EXPECT_TRUE(info.st_size < 2L * STORE_HISTORY_LEN_MAX);
    depot_end();
}

TEST(a_lease_lives_on_over_a_restart_and_ends_when_nobody_keeps_it) {
    begin();
    EXPECT_DONE(depot_grant(&d, STORE_TTL_MIN_S));
    int64_t lease = d.answer.lease;
    EXPECT_DONE(depot_put(&d, "a", "1", lease));
    again();
    EXPECT_DONE(depot_keep(&d, lease));
    depot_watch(&d, &told, "a", depot_get(&d, "a")->revision);
    depot_wait_told(&d, &told, 1);
    EXPECT_TEXT("-a", told.texts[0]);
    EXPECT_DONE(depot_grant(&d, 60));
    EXPECT_TRUE(d.answer.lease > lease); // never the same again
    end();
}

static void on_hold(const store_hold_news *news, void *user) {
    *(int *)user = news->is_held ? 1 : 2;
}

static bool is_state(const depot *of, const void *state) {
    (void)of;
    return hold_state == *(const int *)state;
}

TEST(a_hold_is_lost_while_the_disk_stands_still) {
    int held = 1, lost = 2;
    hold_state = 0;
    begin();
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    store_hold *hold = store_hold_open(d.db, STORE_TTL_MIN_S, on_hold, &hold_state);
    depot_wait(&d, is_state, &held);
    disk_set(DISK_STUCK);
    store_op op = {STORE_PUT, mesh_bytes_text("a"), mesh_bytes_text("2"), 0};
    store_commit(d.db, &(store_transaction){.ops = &op, .op_count = 1}, NULL, NULL);
    depot_wait(&d, is_state, &lost);
    EXPECT_FALSE(store_hold_is_valid(hold));
    disk_set(DISK_GOOD);
    store_hold_close(hold);
    end();
}

// ---- killed

// Puts the pair of numbers i again and again, and says each that was said to be done.
static _Noreturn void write_for_ever(int says) {
    char number[16];
    depot_open(&d, text);
    for (uint32_t i = 1;; i++) {
        (void)snprintf(number, sizeof number, "%u", i);
        store_op ops[] = {{STORE_PUT, mesh_bytes_text("x"), mesh_bytes_text(number), 0},
                          {STORE_PUT, mesh_bytes_text("y"), mesh_bytes_text(number), 0}};
        if (depot_commit(&d, &(store_transaction){.ops = ops, .op_count = 2})->error != 0) _exit(1);
        if (write(says, &i, sizeof i) != sizeof i) _exit(1);
    }
}

static uint32_t number_at(const char *key) {
    return depot_get(&d, key)->pair_count == 1
               ? (uint32_t)strtoul(d.answer.pairs[0].value, NULL, 10)
               : 0;
}

TEST(nothing_that_was_said_to_be_done_is_lost_when_the_process_is_killed) {
    enum { KILLS = 30 };
    (void)depot_begin();
    for (uint32_t round = 0; round < KILLS; round++) {
        int pipe_fds[2];
        uint32_t said = 0, one;
        EXPECT_OK(pipe(pipe_fds));
        pid_t pid = fork();
        if (pid == 0) write_for_ever(pipe_fds[1]);
        close(pipe_fds[1]);
        // In the midst of one that follows this one.
        while (said < 1 + round % 7 && read(pipe_fds[0], &one, sizeof one) == sizeof one)
            said = one;
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        while (read(pipe_fds[0], &one, sizeof one) == sizeof one)
            said = one;
        close(pipe_fds[0]);
        depot_open(&d, text);
        uint32_t x = number_at("x"), y = number_at("y");
        EXPECT_TRUE(said >= 1 && x >= said && x <= said + 1);
        EXPECT_EQ(x, y);
        depot_close(&d);
    }
    depot_end();
}

// ---- copies

static const depot_answer *backup(const char *to) {
    d.answer.count = 0;
    store_backup(d.db, to, depot_on_answer, &d.answer);
    depot_wait_answer(&d, &d.answer, 1);
    return &d.answer;
}

TEST(a_backup_made_in_use_has_what_was_done_before_it_and_nothing_half) {
    static depot_answer during[20];
    char sentence[STORE_SENTENCE_LEN_MAX + 1], copy[220];
    begin();
    depot_fill(&d, "k", 500);
    (void)snprintf(copy, sizeof copy, "%s", beside(".copy"));
    d.answer.count = 0;
    for (size_t i = 0; i < 20; i++) {
        store_op ops[] = {{STORE_PUT, mesh_bytes_text("x"), mesh_bytes_text(i % 2 ? "1" : "2"), 0},
                          {STORE_PUT, mesh_bytes_text("y"), mesh_bytes_text(i % 2 ? "1" : "2"), 0}};
        store_commit(d.db, &(store_transaction){.ops = ops, .op_count = 2}, depot_on_answer,
                     &during[i]);
        if (i == 10) store_backup(d.db, copy, depot_on_answer, &d.answer);
    }
    depot_wait_answer(&d, &d.answer, 1);
    EXPECT_DONE(&d.answer);
    EXPECT_EQ(0600, mode_of(copy));
    depot_wait_answer(&d, &during[19], 1);
    int64_t last = during[19].revision;
    EXPECT_DONE(depot_put(&d, "k00000", "later", 0));
    EXPECT_ERROR(STORE_EDENIED, "is there already", backup(copy));
    depot_close(&d);

    EXPECT_EQ(0, store_restore(copy, path, sentence));
    depot_open(&d, text);
    EXPECT_TEXT("k00000", depot_get(&d, "k00000")->pairs[0].value);
    EXPECT_TRUE(d.answer.revision > last); // no token twice
    EXPECT_TEXT(depot_get(&d, "x")->pairs[0].value, depot_get(&d, "y")->pairs[0].value);
    EXPECT_EQ(STORE_PAGE_MAX, depot_list(&d, "k", "", 0)->pair_count);
    depot_watch(&d, &told, "", last);
    depot_wait_error(&d, &told, STORE_ECOMPACTED);
    EXPECT_EQ(0600, mode_of(path));
    EXPECT_EQ(0600, mode_of(beside(".replaced")));
    depot_close(&d);
    EXPECT_EQ(STORE_EDENIED, store_restore(copy, path, sentence)); // what is aside stays there
    EXPECT_TRUE(strstr(sentence, "move it elsewhere") != NULL);
    depot_open(&d, text);
    end();
}

TEST(a_damaged_store_is_replaced_by_its_backup) {
    char sentence[STORE_SENTENCE_LEN_MAX + 1], copy[220];
    begin();
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    (void)snprintf(copy, sizeof copy, "%s", beside(".copy"));
    EXPECT_DONE(backup(copy));
    depot_close(&d);
    overwrite(path, 0, "garbage garbage garbage", 23);
    EXPECT_EQ(0, store_restore(copy, path, sentence));
    depot_open(&d, text);
    EXPECT_TEXT("1", depot_get(&d, "a")->pairs[0].value);
    end();
}

TEST(what_is_no_backup_is_not_restored_and_the_store_stays) {
    char sentence[STORE_SENTENCE_LEN_MAX + 1], copy[220];
    begin();
    EXPECT_DONE(depot_put(&d, "a", "1", 0));
    (void)snprintf(copy, sizeof copy, "%s", beside(".copy"));
    EXPECT_DONE(backup(copy));
    EXPECT_EQ(STORE_EUNREACHABLE, store_restore(copy, path, sentence)); // it is in use
    EXPECT_TRUE(strstr(sentence, "another process uses it") != NULL);
    depot_close(&d);
    for (off_t at = 4096; at < 20000; at += 64)
        overwrite(copy, at, "garbage garbage garbage", 23);
    EXPECT_EQ(STORE_ECORRUPT, store_restore(copy, path, sentence));
    EXPECT_TRUE(strstr(sentence, ".copy is damaged, and the store stays as it is: restore another "
                                 "one") != NULL);
    overwrite(copy, 0, "garbage garbage garbage", 23);
    EXPECT_EQ(STORE_ECORRUPT, store_restore(copy, path, sentence));
    EXPECT_TRUE(strstr(sentence, ".copy is no backup of a store, and nothing was done: name a file "
                                 "that `warren store backup FILE` has made") != NULL);
    EXPECT_EQ(0, truncate(copy, 0));
    EXPECT_EQ(STORE_ECORRUPT, store_restore(copy, path, sentence)); // no empty store is made of it
    EXPECT_EQ(STORE_EDENIED, store_restore("/nowhere/at/all", path, sentence));
    EXPECT_TEXT("cannot read the backup /nowhere/at/all: No such file or directory (name a file "
                "that `warren store backup FILE` has made)",
                sentence);
    EXPECT_TRUE(access(beside(".restoring"), F_OK) != 0);
    depot_open(&d, text);
    EXPECT_TEXT("1", depot_get(&d, "a")->pairs[0].value);
    end();
}

TEST(after_a_restore_that_was_cut_off_no_empty_store_is_made) {
    (void)depot_begin();
    overwrite(beside(".restoring"), 0, "x", 1);
    expect_refused(STORE_EDENIED, "a restore of it was cut off, so run that again");
}
