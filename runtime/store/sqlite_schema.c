// Opening the file: it is made, checked, brought to the newest version, or refused.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/mem.h"
#include "store/sqlite_file.h"

enum { BUSY_MS = 2000, CACHE_KIB = 8192 };

// One step for each version. A file is taken through all that it has not had, in one transaction.
static const char *const migrations[STORE_SCHEMA_VERSION] = {
    // 1: pairs, and the changes that watches may still ask for.
    "CREATE TABLE pairs (key BLOB PRIMARY KEY, value BLOB NOT NULL, created INTEGER NOT NULL,"
    " changed INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE changes (revision INTEGER NOT NULL, position INTEGER NOT NULL, key BLOB NOT NULL,"
    " value BLOB, created INTEGER NOT NULL, PRIMARY KEY (revision, position)) WITHOUT ROWID;"
    "CREATE TABLE numbers (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "INSERT INTO numbers VALUES ('revision', 1), ('compacted', 1);",
    // 2: leases.
    "CREATE TABLE leases (id INTEGER PRIMARY KEY AUTOINCREMENT, ttl_s INTEGER NOT NULL);"
    "ALTER TABLE pairs ADD COLUMN lease INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE changes ADD COLUMN lease INTEGER NOT NULL DEFAULT 0;"
    "CREATE INDEX pairs_of_lease ON pairs (lease) WHERE lease != 0;",
};

static const char *const texts[STORE_SQL_COUNT] = {
    [STORE_SQL_BEGIN] = "BEGIN IMMEDIATE",
    [STORE_SQL_COMMIT] = "COMMIT",
    [STORE_SQL_ROLLBACK] = "ROLLBACK",
    [STORE_SQL_GET] = "SELECT key, value, created, changed, lease FROM pairs WHERE key = ?1",
    [STORE_SQL_LIST] = "SELECT key, value, created, changed, lease FROM pairs WHERE key >= ?1 AND"
                       " key > ?2 AND (?3 IS NULL OR key < ?3) ORDER BY key LIMIT ?4",
    [STORE_SQL_PUT] = "INSERT INTO pairs (key, value, created, changed, lease)"
                      " VALUES (?1, ?2, ?3, ?3, ?4) ON CONFLICT (key) DO UPDATE SET"
                      " value = ?2, changed = ?3, lease = ?4 RETURNING created",
    [STORE_SQL_DELETE] = "DELETE FROM pairs WHERE key = ?1 RETURNING created, lease",
    [STORE_SQL_LOG] = "INSERT INTO changes (revision, position, key, value, created, lease)"
                      " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [STORE_SQL_SET] = "UPDATE numbers SET value = ?2 WHERE name = ?1",
    [STORE_SQL_NEWS] = "SELECT key, value, revision, created, lease, position FROM changes"
                       " WHERE (revision, position) > (?1, ?2) AND key >= ?3"
                       " AND (?4 IS NULL OR key < ?4) ORDER BY revision, position LIMIT ?5",
    [STORE_SQL_OLDEST] = "SELECT revision, count(*), sum(length(key) + coalesce(length(value), 0))"
                         " FROM changes WHERE revision = (SELECT min(revision) FROM changes)",
    [STORE_SQL_FORGET] = "DELETE FROM changes WHERE revision = ?1",
    [STORE_SQL_GRANT] = "INSERT INTO leases (ttl_s) VALUES (?1)",
    [STORE_SQL_REVOKE] = "DELETE FROM leases WHERE id = ?1",
    [STORE_SQL_BOUND] = "SELECT key FROM pairs WHERE lease = ?1 AND lease != 0 ORDER BY key",
};

sqlite3_stmt *store_file_sql(store_file *file, store_sql which) {
    sqlite3_stmt *statement = file->statements[which];
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return statement;
}

int store_file_run(store_file *file, store_sql which) {
    sqlite3_stmt *statement = store_file_sql(file, which);
    int code = sqlite3_step(statement);
    sqlite3_reset(statement);
    return code == SQLITE_DONE || code == SQLITE_ROW ? SQLITE_OK : code;
}

void store_file_bind(sqlite3_stmt *statement, int at, mesh_bytes bytes) {
    sqlite3_bind_blob64(statement, at, bytes.len > 0 ? (const void *)bytes.data : "", bytes.len,
                        SQLITE_STATIC);
}

mesh_bytes store_file_column(sqlite3_stmt *statement, int at) {
    const uint8_t *data = sqlite3_column_blob(statement, at);
    return (mesh_bytes){data, (size_t)sqlite3_column_bytes(statement, at)};
}

// ---- errors

static int explain(int code, const char **out_why) {
    switch (code & 0xff) {
    case SQLITE_FULL:
        *out_why = "there is no room for it on its disk: make some, then try again";
        return STORE_EFULL;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN:
        *out_why = "it may only be read: give the agent's user the right to write it, or mount its "
                   "file system for writing";
        return STORE_EDENIED;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        *out_why = "it is damaged: stop the agent and restore a backup (docs/store.md)";
        return STORE_ECORRUPT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        *out_why = "another process uses it: end that, or choose another file";
        return STORE_EUNREACHABLE;
    default: *out_why = NULL; return STORE_EUNREACHABLE;
    }
}

int store_file_fail(store_file *file, int code, const char *what, store_reply *reply) {
    const char *why;
    char other[120];
    int error = explain(code, &why);
    if (why == NULL) {
        (void)snprintf(other, sizeof other, "%s (SQLite %d): look at its disk, then try again",
                       sqlite3_errstr(code & 0xff), code);
        why = other;
        file->is_doubtful = true;
    }
    store_fail(reply, error, "cannot %s the store %.200s: %s", what, file->path, why);
    return error;
}

// ---- opening

// SQLite makes files that others may read, and gives those beside it the rights of the first.
static int make(store_file *file, store_reply *reply) {
    char restoring[STORE_PATH_LEN_MAX + 16];
    (void)snprintf(restoring, sizeof restoring, "%s.restoring", file->path);
    if (access(file->path, F_OK) != 0 && access(restoring, F_OK) == 0) {
        store_fail(reply, STORE_EDENIED,
                   "will not make a new store %.200s: a restore of it was cut off, so run that "
                   "again, or remove %.200s",
                   file->path, restoring);
        return reply->error;
    }
    int fd = open(file->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0) close(fd);
    struct stat info;
    if (lstat(file->path, &info) != 0) {
        int why = errno;
        store_fail(reply, why == ENOSPC ? STORE_EFULL : STORE_EDENIED,
                   "cannot make the store %.200s: %s (--store chooses another place)", file->path,
                   strerror(why));
    } else if (!S_ISREG(info.st_mode)) {
        store_fail(reply, STORE_EDENIED,
                   "will not use %.200s as a store: it is not a file (--store chooses another)",
                   file->path);
    } else if ((info.st_mode & 077) != 0) {
        store_fail(reply, STORE_EDENIED,
                   "will not use the store %.200s: others may read it (`chmod 600` it)",
                   file->path);
    }
    return reply->error;
}

static int number(sqlite3 *db, const char *sql, int64_t *out) {
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (code != SQLITE_OK) return code;
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW) *out = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

static int check_integrity(sqlite3 *db) {
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &statement, NULL);
    if (code != SQLITE_OK) return code;
    code = sqlite3_step(statement);
    const char *said = code == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    if (said != NULL) code = strcmp(said, "ok") == 0 ? SQLITE_OK : SQLITE_CORRUPT;
    sqlite3_finalize(statement);
    return code;
}

// Before anything is written to a file that may be somebody else's, or a later version's.
static int judge(store_file *file, int64_t *out_version, store_reply *reply) {
    int64_t application = 0, tables = 0;
    int code = number(file->db, "PRAGMA application_id", &application);
    if (code == SQLITE_OK) code = number(file->db, "SELECT count(*) FROM sqlite_schema", &tables);
    if (code != SQLITE_OK) return store_file_fail(file, code, "read", reply);
    *out_version = 0;
    if (tables == 0 && application == 0) return 0; // new
    if (application != STORE_APPLICATION_ID) {
        store_fail(reply, STORE_EDENIED,
                   "will not use %.200s as a store: it is a database of another program (--store "
                   "chooses another file)",
                   file->path);
        return reply->error;
    }
    code = number(file->db, "SELECT max(version) FROM schema_version", out_version);
    if (code != SQLITE_OK) return store_file_fail(file, code, "read", reply);
    if (*out_version > STORE_SCHEMA_VERSION) {
        store_fail(reply, STORE_EDENIED,
                   "will not use the store %.200s: a newer Warren has written it (version %lld, "
                   "this one knows %d), so run that one, or restore an older backup",
                   file->path, (long long)*out_version, STORE_SCHEMA_VERSION);
        return reply->error;
    }
    code = check_integrity(file->db);
    return code == SQLITE_OK ? 0 : store_file_fail(file, code, "use", reply);
}

static int migrate(store_file *file, int64_t version, store_reply *reply) {
    char sql[200];
    if (version == STORE_SCHEMA_VERSION) return 0;
    int code = sqlite3_exec(file->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    (void)snprintf(sql, sizeof sql,
                   "PRAGMA application_id = %d; CREATE TABLE IF NOT EXISTS schema_version (version "
                   "INTEGER PRIMARY KEY, at TEXT NOT NULL)",
                   STORE_APPLICATION_ID);
    if (code == SQLITE_OK) code = sqlite3_exec(file->db, sql, NULL, NULL, NULL);
    for (int64_t v = version; code == SQLITE_OK && v < STORE_SCHEMA_VERSION; v++) {
        code = sqlite3_exec(file->db, migrations[v], NULL, NULL, NULL);
        (void)snprintf(sql, sizeof sql, "INSERT INTO schema_version VALUES (%d, datetime('now'))",
                       (int)v + 1);
        if (code == SQLITE_OK) code = sqlite3_exec(file->db, sql, NULL, NULL, NULL);
    }
    if (code == SQLITE_OK) code = sqlite3_exec(file->db, "COMMIT", NULL, NULL, NULL);
    return code == SQLITE_OK ? 0 : store_file_fail(file, code, "bring to this version", reply);
}

// One process alone, and no commit is said to be done before the disk has it.
static int set_up(store_file *file) {
    char sql[300];
    int64_t page_len = 4096;
    int code = number(file->db, "PRAGMA page_size", &page_len);
    (void)snprintf(sql, sizeof sql,
                   "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
                   "PRAGMA cache_size = -%d; PRAGMA max_page_count = %lld",
                   CACHE_KIB, (long long)(STORE_FILE_LEN_MAX / page_len));
    return code == SQLITE_OK ? sqlite3_exec(file->db, sql, NULL, NULL, NULL) : code;
}

static int load_leases(store_file *file, uint64_t now_ms) {
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(file->db, "SELECT id, ttl_s FROM leases", -1, &statement, NULL);
    if (code != SQLITE_OK) return code;
    file->lease_count = 0;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        file->leases =
            mem_grow(file->leases, sizeof *file->leases, file->lease_count + 1, &file->lease_cap);
        uint32_t ttl_s = (uint32_t)sqlite3_column_int(statement, 1);
        file->leases[file->lease_count++] =
            (store_file_lease){sqlite3_column_int64(statement, 0), ttl_s, now_ms + 1000ULL * ttl_s};
    }
    sqlite3_finalize(statement);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

int store_file_load(store_file *file) {
    const struct {
        const char *sql;
        int64_t *to;
    } numbers[] = {
        {"SELECT value FROM numbers WHERE name = 'revision'", &file->revision},
        {"SELECT value FROM numbers WHERE name = 'compacted'", &file->compacted},
        {"SELECT count(*) FROM pairs", &file->pair_count},
        {"SELECT count(*) FROM changes", &file->history_count},
        {"SELECT coalesce(sum(length(key) + coalesce(length(value), 0)), 0) FROM changes",
         &file->history_len},
    };
    int code = SQLITE_OK;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && code == SQLITE_OK; i++)
        code = number(file->db, numbers[i].sql, numbers[i].to);
    return code;
}

static int prepare(store_file *file) {
    int code = SQLITE_OK;
    for (int i = 0; i < STORE_SQL_COUNT && code == SQLITE_OK; i++)
        code = sqlite3_prepare_v3(file->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                  &file->statements[i], NULL);
    return code;
}

static int open_db(store_file *file, uint64_t now_ms, store_reply *reply) {
    int64_t version;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX;
    int code = sqlite3_open_v2(file->path, &file->db, flags, NULL);
    // SQLite opens for reading what it may not write; then there is no way to be its only user.
    if (code == SQLITE_OK && sqlite3_db_readonly(file->db, "main") == 1) code = SQLITE_READONLY;
    if (code != SQLITE_OK) return store_file_fail(file, code, "open", reply);
    sqlite3_extended_result_codes(file->db, 1);
    sqlite3_busy_timeout(file->db, BUSY_MS);
    // A file that is refused stays as it is: not even its write-ahead log is put into it.
    sqlite3_db_config(file->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    code = sqlite3_exec(file->db, "PRAGMA locking_mode = EXCLUSIVE", NULL, NULL, NULL);
    if (code != SQLITE_OK) return store_file_fail(file, code, "open", reply);
    if (judge(file, &version, reply) != 0) return reply->error;
    code = set_up(file);
    if (code != SQLITE_OK) return store_file_fail(file, code, "open", reply);
    if (migrate(file, version, reply) != 0) return reply->error;
    sqlite3_db_config(file->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    code = store_file_load(file);
    if (code == SQLITE_OK) code = load_leases(file, now_ms);
    if (code == SQLITE_OK) code = prepare(file);
    return code == SQLITE_OK ? 0 : store_file_fail(file, code, "read", reply);
}

int store_file_open(store_file *file, uint64_t now_ms, store_reply *reply) {
    if (make(file, reply) != 0) return reply->error;
    if (open_db(file, now_ms, reply) == 0) return 0;
    store_file_close(file);
    return reply->error;
}

void store_file_close(store_file *file) {
    for (int i = 0; i < STORE_SQL_COUNT; i++) {
        sqlite3_finalize(file->statements[i]);
        file->statements[i] = NULL;
    }
    sqlite3_close(file->db);
    file->db = NULL;
    free(file->leases);
    file->leases = NULL;
    file->lease_count = file->lease_cap = 0;
    file->is_doubtful = false;
}
