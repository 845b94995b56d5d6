// The file of a store of SQLite, and what is done with it: by one thread, which may wait for the
// disk. sqlite_schema.c: opening; sqlite_change.c: transactions and leases; sqlite_read.c: reads
// and what watches missed; sqlite_backup.c: copies.
#pragma once

#include <sqlite3.h>

#include "store/request.h"

typedef enum store_sql {
    STORE_SQL_BEGIN,
    STORE_SQL_COMMIT,
    STORE_SQL_ROLLBACK,
    STORE_SQL_GET,
    STORE_SQL_LIST,
    STORE_SQL_PUT,
    STORE_SQL_DELETE,
    STORE_SQL_LOG,
    STORE_SQL_SET,
    STORE_SQL_NEWS,
    STORE_SQL_OLDEST,
    STORE_SQL_FORGET,
    STORE_SQL_GRANT,
    STORE_SQL_REVOKE,
    STORE_SQL_BOUND,
    STORE_SQL_COUNT,
} store_sql;

typedef struct store_file_lease {
    int64_t id;
    uint32_t ttl_s;
    uint64_t ends_at_ms;
} store_file_lease;

typedef struct store_file {
    const char *path;
    sqlite3 *db; // NULL: not open
    sqlite3_stmt *statements[STORE_SQL_COUNT];
    int64_t revision, compacted; // as the file has them
    int64_t pair_count, history_count, history_len;
    store_file_lease *leases;
    size_t lease_count, lease_cap;
    bool is_doubtful; // its disk has failed: what the file has must be read again
} store_file;

enum { STORE_SCHEMA_VERSION = 2, STORE_APPLICATION_ID = 0x57726e53 }; // "WrnS"

// 0, or an error of the reply, with its sentence. What leases have left begins anew: nobody could
// keep them alive meanwhile.
int store_file_open(store_file *file, uint64_t now_ms, store_reply *reply);
void store_file_close(store_file *file);
int store_file_load(store_file *file); // what it has in memory, from the disk; an SQLite code
// An SQLite code as an error of the reply. Always an error.
int store_file_fail(store_file *file, int code, const char *what, store_reply *reply);

// Carries out a request; the reply is its own.
void store_file_do(store_file *file, store_request *request);
void store_file_read(store_file *file, const store_request *request, store_reply *reply);
void store_file_changes(store_file *file, const store_request *request, store_reply *reply);
void store_file_commit(store_file *file, const store_request *request, store_reply *reply);
void store_file_grant(store_file *file, const store_request *request, store_reply *reply);
void store_file_keep(store_file *file, const store_request *request, store_reply *reply);
void store_file_revoke(store_file *file, const store_request *request, store_reply *reply);
void store_file_expire(store_file *file, const store_request *request, store_reply *reply);
void store_file_backup(store_file *file, const store_request *request, store_reply *reply);
uint64_t store_file_expiry_ms(const store_file *file); // of the first lease; UINT64_MAX: none

// A statement, reset, without values.
sqlite3_stmt *store_file_sql(store_file *file, store_sql which);
int store_file_run(store_file *file, store_sql which); // one without values or rows
void store_file_bind(sqlite3_stmt *statement, int at, mesh_bytes bytes);
mesh_bytes store_file_column(sqlite3_stmt *statement, int at); // borrowed until the next step
