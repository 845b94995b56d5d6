// Files of STATE/releases: chunks/ab/cdef..., manifests/ID (who signed it), tmp/N (not whole yet),
// and ID, which is a release that is. Only what would be taken for true is synced: a chunk is
// known to be whole by its hash, whenever it is read.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "agent/releases_state.h"
#include "core/error.h"
#include "core/mem.h"

enum { WALK_DEPTH_MAX = 256 }; // programs may make more than was unpacked

void releases_path(const char *dir, const char *name, char out[AGENT_RELEASES_PATH_MAX]) {
    int len = snprintf(out, AGENT_RELEASES_PATH_MAX, "%s/%s", dir, name);
    CHECK(len < AGENT_RELEASES_PATH_MAX); // the state directory fits a socket's address
}

void releases_temp_name(agent_releases *r, char out[RELEASES_NAME_MAX]) {
    (void)snprintf(out, RELEASES_NAME_MAX, "tmp/%lu", atomic_fetch_add(&r->number, 1));
}

static int prepare(const char *dir) {
    static const char *const names[] = {".", "chunks", "manifests", "tmp"};
    char path[AGENT_RELEASES_PATH_MAX];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        releases_path(dir, names[i], path);
        if (i == 0) path[strlen(path) - 2] = '\0'; // mkdir knows no "."
        if (mkdir(path, 0700) != 0 && errno != EEXIST) return -errno;
    }
    return 0;
}

uint64_t releases_room(const char *dir) {
    struct statvfs disk;
    return statvfs(dir, &disk) == 0 ? (uint64_t)disk.f_bavail * disk.f_frsize : 0;
}

static void say_full(release_job *job) {
    char needs[64] = "there is no room for the release";
    if (job->needed > 0)
        (void)snprintf(needs, sizeof needs, "the release needs up to %.1f MiB more there",
                       (double)job->needed / (1 << 20));
    (void)snprintf(
        job->result.text, AGENT_RELEASES_TEXT_MAX,
        "the disk with %s is full: %s, and %.1f MiB are free, though all that no release "
        "needs is gone: make room on that disk, then run this again (what came already "
        "stays)",
        releases_dir(job), needs, (double)releases_room(releases_dir(job)) / (1 << 20));
}

void releases_fail(release_job *job, int err, const char *what, const char *name) {
    bool is_full = err == -ENOSPC || err == -EDQUOT;
    job->result.err = is_full ? -ENOSPC : err;
    if (is_full)
        say_full(job);
    else
        (void)snprintf(job->result.text, AGENT_RELEASES_TEXT_MAX, "cannot %s %s in %s: %s", what,
                       name, releases_dir(job),
                       err > -10000 ? strerror(-err) : mesh_error_text(err));
}

// ---- files

static int write_all(int fd, mesh_bytes bytes) {
    while (bytes.len > 0) {
        ssize_t put = write(fd, bytes.data, bytes.len);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return -errno;
        bytes = mesh_bytes_skip(bytes, (size_t)put);
    }
    return 0;
}

static int write_new(const char *path, mesh_bytes bytes, bool is_lasting) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return -errno;
    int err = write_all(fd, bytes);
    if (err == 0 && is_lasting && fsync(fd) != 0) err = -errno;
    if (close(fd) != 0 && err == 0) err = -errno;
    return err;
}

// The directory that a name is in.
static int sync_above(const char *path) {
    char above[AGENT_RELEASES_PATH_MAX];
    (void)snprintf(above, sizeof above, "%.*s", (int)(strrchr(path, '/') - path), path);
    int fd = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return -errno;
    int err = fsync(fd) == 0 ? 0 : -errno;
    close(fd);
    return err;
}

// The directory above may not be there yet: those of chunks are made when they are needed.
static int rename_into(const char *from, const char *to) {
    char above[AGENT_RELEASES_PATH_MAX];
    if (rename(from, to) == 0) return 0;
    if (errno != ENOENT) return -errno;
    (void)snprintf(above, sizeof above, "%.*s", (int)(strrchr(to, '/') - to), to);
    if (mkdir(above, 0700) != 0 && errno != EEXIST) return -errno;
    return rename(from, to) == 0 ? 0 : -errno;
}

int releases_write(agent_releases *r, const char *name, mesh_bytes bytes, bool is_lasting) {
    char temp[RELEASES_NAME_MAX], temp_path[AGENT_RELEASES_PATH_MAX], path[AGENT_RELEASES_PATH_MAX];
    releases_temp_name(r, temp);
    releases_path(r->dir, temp, temp_path);
    releases_path(r->dir, name, path);
    int err = write_new(temp_path, bytes, is_lasting);
    if (err == 0) err = rename_into(temp_path, path);
    if (err != 0) (void)unlink(temp_path);
    if (err == 0 && is_lasting) err = sync_above(path);
    return err;
}

static int read_all(int fd, uint8_t *to, size_t len) {
    while (len > 0) {
        ssize_t got = read(fd, to, len);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return got < 0 ? -errno : -EIO;
        to += got;
        len -= (size_t)got;
    }
    return 0;
}

int releases_read(const char *dir, const char *name, size_t max, mesh_bytes *out) {
    char path[AGENT_RELEASES_PATH_MAX];
    struct stat info;
    releases_path(dir, name, path);
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return -errno;
    int err = fstat(fd, &info) != 0 ? -errno : 0;
    if (err == 0 && (!S_ISREG(info.st_mode) || (uint64_t)info.st_size > max)) err = MESH_EINVAL;
    size_t len = err == 0 ? (size_t)info.st_size : 0;
    uint8_t *bytes = mem_alloc(len);
    if (err == 0) err = read_all(fd, bytes, len);
    close(fd);
    if (err != 0) {
        free(bytes);
        return err;
    }
    *out = (mesh_bytes){bytes, len};
    return 0;
}

int releases_rename(const char *dir, const char *from, const char *to) {
    char from_path[AGENT_RELEASES_PATH_MAX], to_path[AGENT_RELEASES_PATH_MAX];
    releases_path(dir, from, from_path);
    releases_path(dir, to, to_path);
    if (rename(from_path, to_path) != 0) return -errno;
    return sync_above(to_path);
}

// Links are removed, and never what they point to. By descriptors: a path in there may be longer
// than the system takes one.
static void walk(int above, const char *name, int depth, bool removes, uint64_t *used) {
    struct stat info;
    if (fstatat(above, name, &info, AT_SYMLINK_NOFOLLOW) != 0) return;
    *used += (uint64_t)info.st_blocks * 512;
    bool is_dir = S_ISDIR(info.st_mode);
    int fd = is_dir ? openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    DIR *dir = fd >= 0 && depth < WALK_DEPTH_MAX ? fdopendir(fd) : NULL;
    if (fd >= 0 && dir == NULL) close(fd);
    for (const struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            walk(fd, entry->d_name, depth + 1, removes, used);
    if (dir != NULL) closedir(dir);
    // What cannot be removed is tried again when an agent starts next.
    if (removes) (void)unlinkat(above, name, is_dir ? AT_REMOVEDIR : 0);
}

void releases_remove(const char *dir, const char *name) {
    char path[AGENT_RELEASES_PATH_MAX];
    uint64_t used = 0;
    releases_path(dir, name, path);
    walk(AT_FDCWD, path, 0, true, &used);
}

uint64_t releases_usage(const char *dir, const char *name) {
    char path[AGENT_RELEASES_PATH_MAX];
    uint64_t used = 0;
    releases_path(dir, name, path);
    walk(AT_FDCWD, path, 0, false, &used);
    return used;
}

void releases_discard(agent_releases *r, const char *name) {
    char temp[RELEASES_NAME_MAX];
    releases_temp_name(r, temp);
    if (releases_rename(r->dir, name, temp) == 0) releases_remove(r->dir, temp);
}

int releases_sync(const char *dir) {
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return -errno;
    int err = syncfs(fd) == 0 ? 0 : -errno;
    close(fd);
    return err;
}

// ---- chunks

void releases_chunk_name(const deploy_hash *hash, char out[RELEASES_NAME_MAX]) {
    size_t len = (size_t)snprintf(out, RELEASES_NAME_MAX, "chunks/%02x/", hash->bytes[0]);
    for (size_t i = 1; i < DEPLOY_HASH_LEN; i++, len += 2)
        (void)snprintf(out + len, RELEASES_NAME_MAX - len, "%02x", hash->bytes[i]);
}

bool releases_has_chunk(const char *dir, const deploy_hash *hash) {
    char name[RELEASES_NAME_MAX], path[AGENT_RELEASES_PATH_MAX];
    releases_chunk_name(hash, name);
    releases_path(dir, name, path);
    return access(path, F_OK) == 0;
}

static int read_sealed(const char *dir, const deploy_hash *hash, mesh_bytes *out) {
    char name[RELEASES_NAME_MAX];
    releases_chunk_name(hash, name);
    int err = releases_read(dir, name, DEPLOY_SEALED_MAX, out);
    return err == -ENOENT ? MESH_ENOTFOUND : err;
}

// A machine that lost power may have left a name without what belongs to it.
static int judge_sealed(const char *dir, const deploy_hash *hash, mesh_bytes sealed, uint8_t *plain,
                        size_t *out_len) {
    char name[RELEASES_NAME_MAX], path[AGENT_RELEASES_PATH_MAX];
    if (deploy_chunk_open(sealed, hash, plain, out_len) == 0) return 0;
    releases_chunk_name(hash, name);
    releases_path(dir, name, path);
    (void)unlink(path);
    return MESH_ENOTFOUND;
}

int releases_open_chunk(const char *dir, const deploy_hash *hash, uint8_t *plain, size_t *out_len) {
    mesh_bytes sealed = {NULL, 0};
    int err = read_sealed(dir, hash, &sealed);
    if (err != 0) return err;
    err = judge_sealed(dir, hash, sealed, plain, out_len);
    free((void *)(uintptr_t)sealed.data);
    return err;
}

void releases_look(release_job *job) {
    size_t missing = 0;
    for (size_t i = 0; i < job->hash_count && !releases_is_ending(job); i++)
        if (!releases_has_chunk(releases_dir(job), &job->hashes[i]))
            job->hashes[missing++] = job->hashes[i];
    job->result.missing = job->hashes;
    job->result.missing_count = missing;
}

// The first thing that comes makes the directory. Puts are never beside each other.
static int prepare_once(agent_releases *r) {
    int err = r->is_prepared ? 0 : prepare(r->dir);
    r->is_prepared = err == 0;
    return err;
}

void releases_put(release_job *job) {
    char name[RELEASES_NAME_MAX];
    size_t len;
    mesh_bytes sealed = {job->bytes, job->len};
    if (job->releases->plain == NULL) job->releases->plain = mem_alloc(DEPLOY_CHUNK_LEN);
    int err = deploy_chunk_open(sealed, job->hashes, job->releases->plain, &len);
    releases_chunk_name(job->hashes, name);
    if (err != 0) {
        job->result.err = err;
        (void)snprintf(
            job->result.text, sizeof job->result.text,
            "a piece of the release is not what it is called: it was damaged on its way, "
            "or changed");
    } else if (!releases_has_chunk(releases_dir(job), job->hashes)) {
        err = prepare_once(job->releases);
        if (err == 0) err = releases_write(job->releases, name, sealed, false);
        if (err != 0) releases_fail(job, err, "keep", name);
    }
}

void releases_get(release_job *job) {
    mesh_bytes sealed = {NULL, 0};
    size_t len;
    int err = read_sealed(releases_dir(job), job->hashes, &sealed);
    if (err == 0) {
        uint8_t *plain = mem_alloc(DEPLOY_CHUNK_LEN);
        err = judge_sealed(releases_dir(job), job->hashes, sealed, plain, &len);
        free(plain);
    }
    job->bytes = (uint8_t *)(uintptr_t)sealed.data;
    if (err == 0) job->result.bytes = sealed;
    if (err == MESH_ENOTFOUND) {
        job->result.err = err;
        (void)snprintf(job->result.text, sizeof job->result.text,
                       "this host has no such piece of a release");
    } else if (err != 0) {
        releases_fail(job, err, "read", "a piece of a release");
    }
}

// ---- after a life that was cut short

static bool has_record(const char *dir, const char *id) {
    char name[RELEASES_NAME_MAX], path[AGENT_RELEASES_PATH_MAX];
    (void)snprintf(name, sizeof name, "manifests/%.32s", id);
    releases_path(dir, name, path);
    return access(path, F_OK) == 0;
}

static void each_name(release_job *job, const char *sub,
                      void (*take)(release_job *, const char *)) {
    char path[AGENT_RELEASES_PATH_MAX];
    releases_path(releases_dir(job), sub, path);
    DIR *dir = opendir(path);
    if (dir == NULL) return;
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL && !releases_is_ending(job);)
        if (entry->d_name[0] != '.') take(job, entry->d_name);
    closedir(dir);
}

static void clear_temp(release_job *job, const char *name) {
    char whole[RELEASES_NAME_MAX];
    (void)snprintf(whole, sizeof whole, "tmp/%.100s", name);
    releases_remove(releases_dir(job), whole);
}

// The record comes last: without one it was not finished, or was being collected.
static void clear_unsigned(release_job *job, const char *name) {
    if (deploy_bundle_is_id(name) && !has_record(releases_dir(job), name))
        releases_discard(job->releases, name);
}

void releases_clear(release_job *job) {
    each_name(job, ".", clear_unsigned);
    each_name(job, "tmp", clear_temp);
}
