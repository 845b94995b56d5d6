#include "store/sqlite_backup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/sqlite_file.h"

enum {
    NAME_LEN_MAX = STORE_PATH_LEN_MAX + 20,
    APPLICATION_AT = 68, // in a file of SQLite
    HEAD_LEN = 72,
};

// More than a store does between two copies.
static const int64_t restore_step = 1000000000;

// A file that nobody else may read. It must not exist.
static int make(const char *path, store_reply *reply) {
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        int why = errno;
        store_fail(reply, why == ENOSPC ? STORE_EFULL : STORE_EDENIED,
                   "cannot make the copy %.200s: %s (choose another name)", path, strerror(why));
        return reply->error;
    }
    close(fd);
    return 0;
}

static int copy(sqlite3 *from, const char *path, store_reply *reply) {
    sqlite3 *to;
    store_file file = {.path = path};
    int code = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, NULL);
    // Nobody else looks at it, so it needs no memory that processes share.
    if (code == SQLITE_OK)
        code = sqlite3_exec(to, "PRAGMA locking_mode = EXCLUSIVE", NULL, NULL, NULL);
    sqlite3_backup *backup =
        code == SQLITE_OK ? sqlite3_backup_init(to, "main", from, "main") : NULL;
    if (backup != NULL) {
        (void)sqlite3_backup_step(backup, -1); // its error is told again by finish
        code = sqlite3_backup_finish(backup);
    } else if (code == SQLITE_OK) {
        code = sqlite3_errcode(to);
    }
    // One file alone, and on the disk: what follows may trust it.
    if (code == SQLITE_OK)
        code = sqlite3_exec(to, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
    int closed = sqlite3_close(to);
    if (code == SQLITE_OK) code = closed;
    return code == SQLITE_OK ? 0 : store_file_fail(&file, code, "write the copy of", reply);
}

void store_file_backup(store_file *file, const store_request *request, store_reply *reply) {
    const char *path = (const char *)request->key.data;
    char partial[NAME_LEN_MAX];
    (void)snprintf(partial, sizeof partial, "%s.partial", path);
    if (access(path, F_OK) == 0) {
        store_fail(reply, STORE_EDENIED, "%.200s is there already: choose another name", path);
        return;
    }
    (void)unlink(partial); // of a backup that was cut off
    if (make(partial, reply) != 0) return;
    if (copy(file->db, partial, reply) == 0 && rename(partial, path) != 0)
        store_fail(reply, STORE_EDENIED, "cannot make %.200s: %s", path, strerror(errno));
    if (reply->error != 0) (void)unlink(partial);
}

// ---- restore

static void sync_directory_of(const char *path) {
    char directory[NAME_LEN_MAX];
    (void)snprintf(directory, sizeof directory, "%s", path);
    char *slash = strrchr(directory, '/');
    if (slash != NULL) slash[1] = '\0';
    int fd = open(slash != NULL ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    (void)fsync(fd);
    close(fd);
}

// The copy of the copy is opened as any store, which checks it, and gets its new revision.
static int move_on(const char *path, store_reply *reply) {
    char sql[300];
    store_file file = {.path = path};
    if (store_file_open(&file, 0, reply) != 0) return reply->error;
    (void)snprintf(sql, sizeof sql,
                   "BEGIN; UPDATE numbers SET value = %" PRId64
                   " WHERE name IN ('revision', 'compacted');"
                   "DELETE FROM changes; COMMIT; PRAGMA journal_mode = DELETE",
                   file.revision + restore_step);
    int code = sqlite3_exec(file.db, sql, NULL, NULL, NULL);
    if (code != SQLITE_OK) store_file_fail(&file, code, "write", reply);
    store_file_close(&file);
    return reply->error;
}

// Nobody uses it; what its log has is in it. One that is damaged is used by nobody either.
static int check_unused(const char *path, store_reply *reply) {
    sqlite3 *db;
    store_file file = {.path = path};
    int code = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(db, "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; ROLLBACK", NULL,
                            NULL, NULL);
    bool is_used = (code & 0xff) == SQLITE_BUSY;
    if (is_used) store_file_fail(&file, code, "replace", reply);
    sqlite3_close(db);
    return reply->error;
}

static int put_aside(const char *path, const char *suffix, store_reply *reply) {
    char from[NAME_LEN_MAX], to[NAME_LEN_MAX];
    (void)snprintf(from, sizeof from, "%s%s", path, suffix);
    (void)snprintf(to, sizeof to, "%s.replaced%s", path, suffix);
    (void)unlink(to);
    if (rename(from, to) == 0 || errno == ENOENT) return 0;
    store_fail(reply, STORE_EDENIED, "cannot put %.200s aside: %s", from, strerror(errno));
    return reply->error;
}

// What a restore before this one put aside may be the only whole store there is.
static int check_free(const char *path, store_reply *reply) {
    char aside[NAME_LEN_MAX];
    (void)snprintf(aside, sizeof aside, "%s.replaced", path);
    if (access(path, F_OK) == 0 && access(aside, F_OK) == 0)
        store_fail(reply, STORE_EDENIED,
                   "%.200s is what a restore before this one has put aside: move it elsewhere, or "
                   "remove it, then restore again",
                   aside);
    return reply->error;
}

// When this is cut off between the two there is no store, and the next open says so.
static int replace(const char *path, const char *by, store_reply *reply) {
    if (check_unused(path, reply) != 0 || check_free(path, reply) != 0) return reply->error;
    if (put_aside(path, "", reply) != 0 || put_aside(path, "-wal", reply) != 0) return reply->error;
    if (rename(by, path) != 0)
        store_fail(reply, STORE_EDENIED, "cannot make %.200s: %s (it is in %.200s)", path,
                   strerror(errno), by);
    sync_directory_of(path);
    return reply->error;
}

static bool is_backup(const uint8_t *head, size_t len) {
    static const char magic[] = "SQLite format 3"; // with its end
    const uint8_t *id = head + APPLICATION_AT;
    if (len < HEAD_LEN || memcmp(head, magic, sizeof magic) != 0) return false;
    return ((uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | id[3]) ==
           STORE_APPLICATION_ID;
}

// To SQLite an empty file is an empty database, and any other one is damaged.
static int check_backup(const char *path, store_reply *reply) {
    uint8_t head[HEAD_LEN];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t len = fd >= 0 ? pread(fd, head, sizeof head, 0) : -1;
    int why = errno;
    if (fd >= 0) close(fd);
    if (len < 0)
        store_fail(reply, STORE_EDENIED,
                   "cannot read the backup %.200s: %s (name a file that `warren store backup FILE` "
                   "has made)",
                   path, strerror(why));
    else if (!is_backup(head, (size_t)len))
        store_fail(reply, STORE_ECORRUPT,
                   "%.200s is no backup of a store, and nothing was done: name a file that `warren "
                   "store backup FILE` has made",
                   path);
    return reply->error;
}

static int copy_from(const char *from, const char *to, store_reply *reply) {
    sqlite3 *db;
    store_file file = {.path = from};
    (void)unlink(to); // of a restore that was cut off
    int code = sqlite3_open_v2(from, &db, SQLITE_OPEN_READONLY, NULL);
    if (code == SQLITE_OK && make(to, reply) == 0) (void)copy(db, to, reply);
    if (code != SQLITE_OK) store_file_fail(&file, code, "read", reply);
    sqlite3_close(db);
    return reply->error;
}

static void restore(const char *from, const char *restoring, const char *path, store_reply *reply) {
    bool is_there = copy_from(from, restoring, reply) == 0 && move_on(restoring, reply) == 0;
    if (is_there)
        (void)replace(path, restoring, reply);
    else if (reply->error == STORE_ECORRUPT)
        store_fail(
            reply, STORE_ECORRUPT,
            "the backup %.200s is damaged, and the store stays as it is: restore another one",
            from);
}

int store_restore(const char *from, const char *path,
                  char out_sentence[STORE_SENTENCE_LEN_MAX + 1]) {
    char restoring[NAME_LEN_MAX];
    store_reply reply = {.error = 0};
    (void)snprintf(restoring, sizeof restoring, "%s.restoring", path);
    if (check_backup(from, &reply) == 0) restore(from, restoring, path, &reply);
    // Once the old one is aside, this is the only one under its name.
    if (reply.error != 0 && access(path, F_OK) == 0) (void)unlink(restoring);
    (void)snprintf(out_sentence, STORE_SENTENCE_LEN_MAX + 1, "%s", reply.sentence);
    return reply.error;
}
