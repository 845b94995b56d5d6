// What changes the file: transactions, and the ends of leases.
#include "core/mem.h"
#include "store/sqlite_file.h"

typedef struct change { // one transaction of SQLite
    store_file *file;
    store_reply *reply;
    int64_t revision; // that it makes
    int64_t position; // of its next change
    int64_t pairs, logged_len;
    int code; // of SQLite
} change;

static bool is_going(const change *c) {
    return c->code == SQLITE_OK && c->reply->error == 0;
}

static change begin(store_file *file, store_reply *reply) {
    change c = {.file = file, .reply = reply, .revision = file->revision + 1};
    c.code = store_file_run(file, STORE_SQL_BEGIN);
    return c;
}

// Runs to its end what has at most one row. True: it had one, and the statement is at it.
static bool step(change *c, sqlite3_stmt *statement) {
    int code = sqlite3_step(statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE) c->code = code;
    return code == SQLITE_ROW;
}

static void set_number(change *c, const char *name, int64_t value) {
    sqlite3_stmt *statement = store_file_sql(c->file, STORE_SQL_SET);
    sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, value);
    (void)step(c, statement);
    sqlite3_reset(statement);
}

// ---- the steps

static void compare(change *c, const store_compare *compare) {
    sqlite3_stmt *row = store_file_sql(c->file, STORE_SQL_GET);
    store_file_bind(row, 1, compare->key);
    int64_t found = 0;
    if (step(c, row)) found = sqlite3_column_int64(row, compare->kind == STORE_CREATED ? 2 : 3);
    sqlite3_reset(row);
    if (!is_going(c) || found == compare->revision) return;
    store_fail(c->reply, STORE_ECONFLICT,
               "'%.*s' has revision %lld and not %lld: read it again, and decide anew",
               (int)(compare->key.len < 80 ? compare->key.len : 80),
               (const char *)compare->key.data, (long long)found, (long long)compare->revision);
}

static void log_change(change *c, const store_op *op, int64_t created) {
    sqlite3_stmt *statement = store_file_sql(c->file, STORE_SQL_LOG);
    sqlite3_bind_int64(statement, 1, c->revision);
    sqlite3_bind_int64(statement, 2, c->position++);
    store_file_bind(statement, 3, op->key);
    if (op->kind == STORE_PUT) store_file_bind(statement, 4, op->value);
    sqlite3_bind_int64(statement, 5, created);
    sqlite3_bind_int64(statement, 6, op->lease);
    (void)step(c, statement);
    sqlite3_reset(statement);
    c->logged_len += (int64_t)(op->key.len + (op->kind == STORE_PUT ? op->value.len : 0));
}

static store_file_lease *find_lease(store_file *file, int64_t id) {
    for (size_t i = 0; i < file->lease_count; i++)
        if (file->leases[i].id == id) return &file->leases[i];
    return NULL;
}

static void fail_gone(store_reply *reply, int64_t lease) {
    store_fail(reply, STORE_EGONE,
               "lease %lld has ended: what it bound is gone, so ask for another", (long long)lease);
}

static void put(change *c, const store_op *op) {
    if (op->lease != 0 && find_lease(c->file, op->lease) == NULL) {
        fail_gone(c->reply, op->lease);
        return;
    }
    sqlite3_stmt *statement = store_file_sql(c->file, STORE_SQL_PUT);
    store_file_bind(statement, 1, op->key);
    store_file_bind(statement, 2, op->value);
    sqlite3_bind_int64(statement, 3, c->revision);
    sqlite3_bind_int64(statement, 4, op->lease);
    int64_t created = 0;
    if (step(c, statement)) created = sqlite3_column_int64(statement, 0);
    if (is_going(c)) (void)step(c, statement);
    sqlite3_reset(statement);
    c->pairs += created == c->revision;
    if (is_going(c)) log_change(c, op, created);
}

static void delete (change *c, mesh_bytes key) {
    sqlite3_stmt *statement = store_file_sql(c->file, STORE_SQL_DELETE);
    store_file_bind(statement, 1, key);
    store_op op = {.kind = STORE_DELETE, .key = key};
    bool was_there = step(c, statement);
    int64_t created = was_there ? sqlite3_column_int64(statement, 0) : 0;
    if (was_there) op.lease = sqlite3_column_int64(statement, 1);
    if (was_there && is_going(c)) (void)step(c, statement);
    sqlite3_reset(statement);
    if (!was_there) return;
    c->pairs--;
    if (is_going(c)) log_change(c, &op, created);
}

// Old changes go, so that the file does not grow with every change for ever.
static void forget(change *c, int64_t *count, int64_t *len) {
    while (is_going(c) && (*count > STORE_HISTORY_MAX || *len > STORE_HISTORY_LEN_MAX)) {
        sqlite3_stmt *oldest = store_file_sql(c->file, STORE_SQL_OLDEST);
        if (!step(c, oldest)) return;
        int64_t revision = sqlite3_column_int64(oldest, 0);
        *count -= sqlite3_column_int64(oldest, 1);
        *len -= sqlite3_column_int64(oldest, 2);
        sqlite3_reset(oldest);
        sqlite3_stmt *statement = store_file_sql(c->file, STORE_SQL_FORGET);
        sqlite3_bind_int64(statement, 1, revision);
        (void)step(c, statement);
        sqlite3_reset(statement);
        c->file->compacted = revision;
        set_number(c, "compacted", revision);
    }
}

// ---- the end of it

static void roll_back(change *c, bool is_maybe_done) {
    store_file *file = c->file;
    if (!sqlite3_get_autocommit(file->db)) (void)store_file_run(file, STORE_SQL_ROLLBACK);
    if (c->reply->error == 0) store_file_fail(file, c->code, "write", c->reply);
    // Whether a disk that failed at the very end has it or not says only the disk.
    c->reply->is_maybe_done = is_maybe_done && file->is_doubtful;
    if (store_file_load(file) != SQLITE_OK) file->is_doubtful = true;
}

static void end(change *c) {
    store_file *file = c->file;
    int64_t count = file->history_count + c->position, len = file->history_len + c->logged_len;
    if (is_going(c) && c->pairs > 0 && file->pair_count + c->pairs > STORE_PAIRS_MAX)
        store_fail(c->reply, STORE_EFULL,
                   "the store %.200s has %d pairs, the most that it takes (`warren down --project "
                   "NAME --forget` removes those of a project that is over)",
                   file->path, STORE_PAIRS_MAX);
    if (is_going(c) && c->position > 0) {
        set_number(c, "revision", c->revision);
        forget(c, &count, &len);
    }
    if (!is_going(c)) {
        roll_back(c, false);
        return;
    }
    c->code = store_file_run(file, STORE_SQL_COMMIT);
    if (c->code != SQLITE_OK) {
        roll_back(c, true);
        return;
    }
    if (c->position > 0) file->revision = c->revision;
    file->pair_count += c->pairs;
    file->history_count = count;
    file->history_len = len;
}

void store_file_commit(store_file *file, const store_request *request, store_reply *reply) {
    change c = begin(file, reply);
    for (size_t i = 0; is_going(&c) && i < request->compare_count; i++)
        compare(&c, &request->compares[i]);
    for (size_t i = 0; is_going(&c) && i < request->op_count; i++) {
        const store_op *op = &request->ops[i];
        if (op->kind == STORE_PUT)
            put(&c, op);
        else
            delete (&c, op->key);
    }
    end(&c);
}

// ---- leases

void store_file_grant(store_file *file, const store_request *request, store_reply *reply) {
    if (file->lease_count >= STORE_LEASES_MAX) {
        store_fail(reply, STORE_EFULL, "the store %.200s has %d leases, the most that it gives",
                   file->path, STORE_LEASES_MAX);
        return;
    }
    change c = begin(file, reply);
    sqlite3_stmt *statement = store_file_sql(file, STORE_SQL_GRANT);
    sqlite3_bind_int64(statement, 1, request->ttl_s);
    if (is_going(&c)) (void)step(&c, statement);
    sqlite3_reset(statement);
    int64_t id = sqlite3_last_insert_rowid(file->db);
    end(&c);
    if (reply->error != 0) return;
    file->leases =
        mem_grow(file->leases, sizeof *file->leases, file->lease_count + 1, &file->lease_cap);
    file->leases[file->lease_count++] =
        (store_file_lease){id, request->ttl_s, request->now_ms + 1000ULL * request->ttl_s};
    reply->lease = id;
    reply->ttl_s = request->ttl_s;
}

void store_file_keep(store_file *file, const store_request *request, store_reply *reply) {
    store_file_lease *lease = find_lease(file, request->lease);
    if (lease == NULL) {
        fail_gone(reply, request->lease);
        return;
    }
    lease->ends_at_ms = request->now_ms + 1000ULL * lease->ttl_s;
    reply->lease = lease->id;
    reply->ttl_s = lease->ttl_s;
}

// All keys first: a statement that reads what is being deleted may skip.
static size_t bound_keys(change *c, int64_t lease, mesh_bytes **out) {
    size_t count = 0, cap = 0;
    mesh_bytes *keys = NULL;
    sqlite3_stmt *rows = store_file_sql(c->file, STORE_SQL_BOUND);
    sqlite3_bind_int64(rows, 1, lease);
    while (step(c, rows)) {
        mesh_bytes key = store_file_column(rows, 0);
        keys = mem_grow(keys, sizeof *keys, count + 1, &cap);
        keys[count++] = (mesh_bytes){mem_copy(key.data, key.len), key.len};
    }
    sqlite3_reset(rows);
    *out = keys;
    return count;
}

static void end_lease(store_file *file, int64_t id, store_reply *reply) {
    change c = begin(file, reply);
    mesh_bytes *keys = NULL;
    size_t count = is_going(&c) ? bound_keys(&c, id, &keys) : 0;
    for (size_t i = 0; i < count; i++) {
        if (is_going(&c)) delete (&c, keys[i]);
        free((void *)(uintptr_t)keys[i].data);
    }
    free(keys);
    sqlite3_stmt *statement = store_file_sql(file, STORE_SQL_REVOKE);
    sqlite3_bind_int64(statement, 1, id);
    if (is_going(&c)) (void)step(&c, statement);
    sqlite3_reset(statement);
    end(&c);
    if (reply->error != 0) return;
    store_file_lease *lease = find_lease(file, id);
    *lease = file->leases[--file->lease_count];
}

void store_file_revoke(store_file *file, const store_request *request, store_reply *reply) {
    if (find_lease(file, request->lease) == NULL)
        fail_gone(reply, request->lease);
    else
        end_lease(file, request->lease, reply);
}

void store_file_expire(store_file *file, const store_request *request, store_reply *reply) {
    for (size_t i = file->lease_count; i > 0 && reply->error == 0; i--)
        if (file->leases[i - 1].ends_at_ms <= request->now_ms)
            end_lease(file, file->leases[i - 1].id, reply);
}

uint64_t store_file_expiry_ms(const store_file *file) {
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < file->lease_count; i++)
        if (file->leases[i].ends_at_ms < first) first = file->leases[i].ends_at_ms;
    return first;
}

void store_file_do(store_file *file, store_request *request) {
    store_reply *reply = &request->reply;
    switch (request->kind) {
    case STORE_READ: store_file_read(file, request, reply); break;
    case STORE_COMMIT: store_file_commit(file, request, reply); break;
    case STORE_GRANT: store_file_grant(file, request, reply); break;
    case STORE_KEEP: store_file_keep(file, request, reply); break;
    case STORE_REVOKE: store_file_revoke(file, request, reply); break;
    case STORE_BACKUP: store_file_backup(file, request, reply); break;
    case STORE_CHANGES: store_file_changes(file, request, reply); break;
    case STORE_EXPIRE: store_file_expire(file, request, reply); break;
    }
    reply->revision = file->revision;
}
