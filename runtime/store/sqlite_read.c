// Reads, and what a watch has not been told yet.
#include "store/sqlite_file.h"

static store_pair pair_of(sqlite3_stmt *row) {
    return (store_pair){
        .key = store_file_column(row, 0),
        .value = store_file_column(row, 1),
        .created = sqlite3_column_int64(row, 2),
        .changed = sqlite3_column_int64(row, 3),
        .lease = sqlite3_column_int64(row, 4),
    };
}

static void bind_end(sqlite3_stmt *statement, int at, mesh_bytes prefix) {
    uint8_t end[STORE_KEY_LEN_MAX];
    size_t len;
    if (store_prefix_end(prefix, end, &len))
        sqlite3_bind_blob64(statement, at, end, len, SQLITE_TRANSIENT);
}

void store_file_read(store_file *file, const store_request *request, store_reply *reply) {
    sqlite3_stmt *rows = store_file_sql(file, request->is_prefix ? STORE_SQL_LIST : STORE_SQL_GET);
    store_file_bind(rows, 1, request->key);
    if (request->is_prefix) {
        store_file_bind(rows, 2, request->after);
        bind_end(rows, 3, request->key);
        sqlite3_bind_int64(rows, 4, request->limit + 1);
    }
    int code;
    while ((code = sqlite3_step(rows)) == SQLITE_ROW) {
        reply->has_more = reply->pair_count == request->limit;
        if (reply->has_more) continue;
        store_pair pair = pair_of(rows);
        store_reply_add_pair(reply, &pair);
    }
    sqlite3_reset(rows);
    if (code != SQLITE_DONE) store_file_fail(file, code, "read", reply);
}

static size_t add_change(sqlite3_stmt *row, store_reply *reply) {
    store_change change = {
        .key = store_file_column(row, 0),
        .is_delete = sqlite3_column_type(row, 1) == SQLITE_NULL,
        .value = store_file_column(row, 1),
        .revision = sqlite3_column_int64(row, 2),
        .created = sqlite3_column_int64(row, 3),
        .lease = sqlite3_column_int64(row, 4),
    };
    reply->cursor = (store_cursor){change.revision, sqlite3_column_int64(row, 5)};
    store_reply_add_change(reply, &change);
    return change.key.len + change.value.len;
}

void store_file_changes(store_file *file, const store_request *request, store_reply *reply) {
    if (request->cursor.revision < file->compacted) {
        store_fail(reply, STORE_ECOMPACTED,
                   "the store %.200s does not remember the changes after revision %lld any more: "
                   "list again, and watch from the revision of that list",
                   file->path, (long long)request->cursor.revision);
        return;
    }
    sqlite3_stmt *rows = store_file_sql(file, STORE_SQL_NEWS);
    sqlite3_bind_int64(rows, 1, request->cursor.revision);
    sqlite3_bind_int64(rows, 2, request->cursor.position);
    store_file_bind(rows, 3, request->key);
    bind_end(rows, 4, request->key);
    sqlite3_bind_int64(rows, 5, STORE_BATCH_MAX + 1);
    size_t len = 0;
    int code;
    while ((code = sqlite3_step(rows)) == SQLITE_ROW) {
        reply->has_more = reply->change_count == STORE_BATCH_MAX || len >= STORE_BATCH_LEN_MAX;
        if (reply->has_more) break;
        len += add_change(rows, reply);
    }
    sqlite3_reset(rows);
    if (code != SQLITE_DONE && code != SQLITE_ROW) store_file_fail(file, code, "read", reply);
    if (!reply->has_more) reply->cursor = (store_cursor){file->revision, INT32_MAX};
}
