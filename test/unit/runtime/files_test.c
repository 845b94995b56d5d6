#include "files.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

static const uint64_t LATER_NS = UINT64_MAX; // of everything here

static void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fputs(text, file);
    (void)fclose(file);
}

// A directory to work in, with a file "a".
static void enter(char dir[32]) {
    (void)snprintf(dir, 32, "/tmp/warren-files-XXXXXX");
    assert_non_null(mkdtemp(dir));
    EXPECT_OK(chdir(dir));
    write_file("a", "1");
}

static void leave(const char *dir) {
    (void)unlink("a");
    EXPECT_OK(chdir("/"));
    EXPECT_OK(rmdir(dir));
}

TEST(a_file_that_is_written_to_or_replaced_has_changed) {
    char dir[32];
    enter(dir);
    runtime_files *files = runtime_files_create(LATER_NS);
    runtime_files_add(files, "a", false);
    assert_null(runtime_files_changed(files));
    write_file("a", "12");
    EXPECT_TEXT("a", runtime_files_changed(files));
    runtime_files_destroy(files);

    files = runtime_files_create(LATER_NS);
    runtime_files_add(files, "a", false);
    struct stat before;
    EXPECT_OK(stat("a", &before));
    write_file("b", "21"); // as long, and as old
    EXPECT_OK(utimensat(AT_FDCWD, "b", (struct timespec[]){before.st_atim, before.st_mtim}, 0));
    EXPECT_OK(rename("b", "a"));
    EXPECT_TEXT("a", runtime_files_changed(files));
    runtime_files_destroy(files);
    leave(dir);
}

TEST(a_file_that_comes_or_goes_has_changed_unless_it_may_vanish) {
    char dir[32];
    enter(dir);
    runtime_files *files = runtime_files_create(LATER_NS);
    runtime_files_add(files, "b", false);
    assert_null(runtime_files_changed(files));
    write_file("b", "");
    EXPECT_TEXT("b", runtime_files_changed(files));
    runtime_files_destroy(files);

    files = runtime_files_create(LATER_NS);
    runtime_files_add(files, "a", true);
    runtime_files_add(files, "b", false);
    (void)unlink("a");
    assert_null(runtime_files_changed(files));
    (void)unlink("b");
    EXPECT_TEXT("b", runtime_files_changed(files));
    runtime_files_destroy(files);
    leave(dir);
}

TEST(a_file_that_changed_while_it_was_being_read_has_changed) {
    char dir[32];
    enter(dir);
    struct stat now;
    EXPECT_OK(stat("a", &now));
    runtime_files *files = runtime_files_create((uint64_t)now.st_mtim.tv_sec * 1000000000);
    runtime_files_add(files, "a", false);
    EXPECT_TEXT("a", runtime_files_changed(files));

    // A clock that was wrong once is no reason to read it again and again.
    struct timespec far = {now.st_mtim.tv_sec + 86400, 0};
    EXPECT_OK(utimensat(AT_FDCWD, "a", (struct timespec[]){far, far}, 0));
    runtime_files_destroy(files);
    files = runtime_files_create((uint64_t)now.st_mtim.tv_sec * 1000000000);
    runtime_files_add(files, "a", false);
    assert_null(runtime_files_changed(files));
    runtime_files_destroy(files);
    leave(dir);
}
