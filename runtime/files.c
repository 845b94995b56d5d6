#include "files.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "core/mem.h"

typedef struct file_state {
    bool is_there;
    dev_t device;
    ino_t inode;
    off_t len;
    uint64_t changed_at_ns;
} file_state;

typedef struct file {
    char *path;
    bool may_vanish, is_suspect;
    file_state state;
} file;

struct runtime_files {
    uint64_t since_ns;
    file *all;
    size_t count, cap;
};

static file_state look(const char *path) {
    struct stat status;
    if (stat(path, &status) != 0) return (file_state){0};
    uint64_t changed_at_ns =
        (uint64_t)status.st_mtim.tv_sec * 1000000000 + (uint64_t)status.st_mtim.tv_nsec;
    return (file_state){true, status.st_dev, status.st_ino, status.st_size, changed_at_ns};
}

static bool is_same(const file_state *a, const file_state *b) {
    return a->is_there == b->is_there && a->device == b->device && a->inode == b->inode &&
           a->len == b->len && a->changed_at_ns == b->changed_at_ns;
}

runtime_files *runtime_files_create(uint64_t since_ns) {
    runtime_files *files = mem_alloc(sizeof *files);
    files->since_ns = since_ns;
    return files;
}

void runtime_files_destroy(runtime_files *files) {
    for (size_t i = 0; i < files->count; i++)
        free(files->all[i].path);
    free(files->all);
    free(files);
}

static uint64_t wall_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void runtime_files_add(runtime_files *files, const char *path, bool may_vanish) {
    files->all = mem_grow(files->all, sizeof *files->all, files->count + 1, &files->cap);
    file_state state = look(path);
    // A time that is yet to come says nothing.
    bool is_suspect = state.changed_at_ns >= files->since_ns && state.changed_at_ns <= wall_ns();
    files->all[files->count++] =
        (file){mem_copy(path, strlen(path) + 1), may_vanish, is_suspect, state};
}

const char *runtime_files_changed(const runtime_files *files) {
    for (size_t i = 0; i < files->count; i++) {
        const file *f = &files->all[i];
        file_state now = look(f->path);
        if (!now.is_there && f->may_vanish) continue;
        if (f->is_suspect || !is_same(&f->state, &now)) return f->path;
    }
    return NULL;
}
