#include "disk.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

// A file of ours is this in front of one of the system's.
typedef struct file {
    sqlite3_file base;
    sqlite3_file *real;
    sqlite3_io_methods methods;
} file;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t is_changed = PTHREAD_COND_INITIALIZER;
static disk_fault fault;
static bool is_stuck;
static sqlite3_vfs *real, ours;

void disk_set(disk_fault next) {
    pthread_mutex_lock(&mutex);
    fault = next;
    pthread_cond_broadcast(&is_changed);
    pthread_mutex_unlock(&mutex);
}

void disk_wait_stuck(void) {
    pthread_mutex_lock(&mutex);
    while (!is_stuck)
        pthread_cond_wait(&is_changed, &mutex);
    pthread_mutex_unlock(&mutex);
}

static disk_fault look(void) {
    pthread_mutex_lock(&mutex);
    disk_fault now = fault;
    pthread_mutex_unlock(&mutex);
    return now;
}

static sqlite3_file *real_of(sqlite3_file *f) {
    return ((file *)f)->real;
}

static int write_it(sqlite3_file *f, const void *data, int len, sqlite3_int64 at) {
    if (look() == DISK_FULL) return SQLITE_FULL;
    return real_of(f)->pMethods->xWrite(real_of(f), data, len, at);
}

static int sync_it(sqlite3_file *f, int flags) {
    pthread_mutex_lock(&mutex);
    while (fault == DISK_STUCK) {
        is_stuck = true;
        pthread_cond_broadcast(&is_changed);
        pthread_cond_wait(&is_changed, &mutex);
    }
    is_stuck = false;
    bool fails = fault == DISK_NO_SYNC;
    pthread_mutex_unlock(&mutex);
    return fails ? SQLITE_IOERR_FSYNC : real_of(f)->pMethods->xSync(real_of(f), flags);
}

static int close_it(sqlite3_file *f) {
    int code = real_of(f)->pMethods->xClose(real_of(f));
    free(real_of(f));
    return code;
}

static int read_it(sqlite3_file *f, void *to, int len, sqlite3_int64 at) {
    return real_of(f)->pMethods->xRead(real_of(f), to, len, at);
}

static int truncate_it(sqlite3_file *f, sqlite3_int64 len) {
    return real_of(f)->pMethods->xTruncate(real_of(f), len);
}

static int size_of_it(sqlite3_file *f, sqlite3_int64 *out) {
    return real_of(f)->pMethods->xFileSize(real_of(f), out);
}

static int lock_it(sqlite3_file *f, int how) {
    return real_of(f)->pMethods->xLock(real_of(f), how);
}

static int unlock_it(sqlite3_file *f, int how) {
    return real_of(f)->pMethods->xUnlock(real_of(f), how);
}

static int check_lock(sqlite3_file *f, int *out) {
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}

static int control(sqlite3_file *f, int what, void *with) {
    return real_of(f)->pMethods->xFileControl(real_of(f), what, with);
}

static int sector_size(sqlite3_file *f) {
    return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int features(sqlite3_file *f) {
    return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = close_it,
    .xRead = read_it,
    .xWrite = write_it,
    .xTruncate = truncate_it,
    .xSync = sync_it,
    .xFileSize = size_of_it,
    .xLock = lock_it,
    .xUnlock = unlock_it,
    .xCheckReservedLock = check_lock,
    .xFileControl = control,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = features,
};

static int open_it(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out) {
    (void)vfs;
    file *opened = (file *)f;
    if (look() == DISK_READ_ONLY && (flags & SQLITE_OPEN_MAIN_DB))
        flags = (flags & ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)) | SQLITE_OPEN_READONLY;
    opened->real = calloc(1, (size_t)real->szOsFile);
    int code = real->xOpen(real, name, opened->real, flags, out);
    f->pMethods = code == SQLITE_OK ? &methods : NULL;
    if (code != SQLITE_OK) free(opened->real);
    return code;
}

void disk_use(void) {
    if (real != NULL) return;
    real = sqlite3_vfs_find(NULL);
    ours = *real;
    ours.zName = "disk";
    ours.szOsFile = sizeof(file);
    ours.xOpen = open_it;
    EXPECT_EQ(SQLITE_OK, sqlite3_vfs_register(&ours, 1));
}
