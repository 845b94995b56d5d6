// The list of a release, and the release itself: written under another name, and there under its
// own only when all of it is on the disk.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/releases_state.h"
#include "core/error.h"
#include "core/mem.h"

// ---- what is missing

// Room for them all was made before.
static void miss(release_job *job, const deploy_hash *hash) {
    job->hashes[job->hash_count++] = *hash;
    job->result.missing = job->hashes;
    job->result.missing_count = job->hash_count;
    job->result.err = MESH_EAGAIN;
}

static void make_room(release_job *job, size_t count) {
    free(job->hashes);
    job->hashes = mem_alloc(count * sizeof *job->hashes);
    job->hash_count = 0;
}

typedef struct chunk_ref {
    deploy_hash hash;
    uint32_t len;
} chunk_ref;

static int compare_refs(const void *a, const void *b) {
    return memcmp(a, b, sizeof(deploy_hash));
}

// Every chunk of the files. Gives (free it).
static chunk_ref *list_chunks(const deploy_bundle *bundle, size_t *out_count) {
    size_t count = 0, at = 0;
    for (size_t i = 0; i < bundle->count; i++)
        count += deploy_entry_chunk_count(&bundle->entries[i]);
    chunk_ref *refs = mem_alloc(count * sizeof *refs);
    for (size_t i = 0; i < bundle->count; i++) {
        const deploy_entry *entry = &bundle->entries[i];
        for (size_t c = 0; c < deploy_entry_chunk_count(entry); c++)
            refs[at++] = (chunk_ref){*deploy_entry_chunk(entry, c),
                                     (uint32_t)deploy_entry_chunk_len(entry, c)};
    }
    if (count > 0) qsort(refs, count, sizeof *refs, compare_refs);
    *out_count = count;
    return refs;
}

// Each once, also when many files are the same.
static void look_for_chunks(release_job *job) {
    size_t count;
    chunk_ref *refs = list_chunks(&job->bundle, &count);
    make_room(job, count);
    for (size_t i = 0; i < count && !releases_is_ending(job); i++) {
        if (i > 0 && deploy_hash_equal(&refs[i - 1].hash, &refs[i].hash)) continue;
        if (releases_has_chunk(releases_dir(job), &refs[i].hash)) continue;
        miss(job, &refs[i].hash);
        job->result.missing_len += refs[i].len;
    }
    free(refs);
}

// ---- the list

static int join_manifest(release_job *job, uint8_t *out, uint8_t *plain) {
    const deploy_record *record = &job->record;
    size_t at = 0, len;
    for (size_t i = 0; i < record->manifest_chunk_count; i++) {
        int err = releases_open_chunk(releases_dir(job), &record->manifest_chunks[i], plain, &len);
        if (err == MESH_ENOTFOUND) {
            miss(job, &record->manifest_chunks[i]);
            continue;
        }
        if (err != 0) {
            releases_fail(job, err, "read", "the list of a release");
            return err;
        }
        if (at + len > record->manifest_len) return MESH_EINVAL;
        memcpy(out + at, plain, len);
        at += len;
    }
    if (job->hash_count > 0) return MESH_EAGAIN;
    deploy_hash hash = deploy_hash_of((mesh_bytes){out, at});
    bool is_it = at == record->manifest_len && deploy_hash_equal(&hash, &record->manifest);
    return is_it ? 0 : MESH_EINVAL;
}

static bool is_record(const deploy_record *record) {
    uint64_t len = record->manifest_len;
    return len > 0 && len <= DEPLOY_MANIFEST_LEN_MAX &&
           record->manifest_chunk_count == (len + DEPLOY_CHUNK_LEN - 1) / DEPLOY_CHUNK_LEN;
}

bool releases_load(release_job *job) {
    char why[DEPLOY_TEXT_MAX] = "the list of the release is not what it is called";
    if (!is_record(&job->record)) {
        job->result.err = MESH_EINVAL;
        (void)snprintf(job->result.text, AGENT_RELEASES_TEXT_MAX, "%s", why);
        return false;
    }
    make_room(job, DEPLOY_MANIFEST_CHUNKS_MAX);
    uint8_t *bytes = mem_alloc((size_t)job->record.manifest_len),
            *plain = mem_alloc(DEPLOY_CHUNK_LEN);
    int err = join_manifest(job, bytes, plain);
    if (err == 0)
        err = deploy_bundle_decode((mesh_bytes){bytes, (size_t)job->record.manifest_len},
                                   &job->bundle, why);
    free(plain);
    free(bytes);
    if (err == 0) return true;
    if (job->result.err == 0) {
        job->result.err = err;
        (void)snprintf(job->result.text, AGENT_RELEASES_TEXT_MAX, "%s", why);
    }
    return false;
}

void releases_plan(release_job *job) {
    if (!releases_load(job)) return;
    look_for_chunks(job);
    if (job->result.err == MESH_EAGAIN) job->result.err = 0; // that is the answer, and no error
    job->result.file_count = job->bundle.file_count;
    job->result.len = job->bundle.len;
}

// ---- writing it

static int write_all(int fd, mesh_bytes bytes) {
    while (bytes.len > 0) {
        ssize_t put = write(fd, bytes.data, bytes.len);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return -errno;
        bytes = mesh_bytes_skip(bytes, (size_t)put);
    }
    return 0;
}

static int write_chunks(release_job *job, const deploy_entry *entry, int fd, uint8_t *plain) {
    deploy_hasher hasher;
    size_t len, count = deploy_entry_chunk_count(entry);
    deploy_hasher_init(&hasher);
    for (size_t i = 0; i < count; i++) {
        const deploy_hash *hash = deploy_entry_chunk(entry, i);
        int err = releases_open_chunk(releases_dir(job), hash, plain, &len);
        if (err == MESH_ENOTFOUND) miss(job, hash); // of power that was lost: it comes again
        if (err == 0 && len != deploy_entry_chunk_len(entry, i)) err = MESH_EINVAL;
        if (err == 0) err = write_all(fd, (mesh_bytes){plain, len});
        if (err != 0) return err;
        if (count > 1) deploy_hasher_add(&hasher, (mesh_bytes){plain, len});
    }
    if (count == 1) return 0; // its hash is the chunk's
    deploy_hash hash = deploy_hasher_end(&hasher);
    return deploy_hash_equal(&hash, &entry->hash) ? 0 : MESH_EINVAL;
}

// All files of a release are of the moment it was taken in, on every host: servers make ETags of
// that. A copy, and no link to the chunk: a program may write to its own files.
static int write_file(release_job *job, const deploy_entry *entry, int root, uint8_t *plain) {
    struct timespec at = {.tv_sec = (time_t)(job->record.at_ms / 1000)};
    int fd = openat(root, entry->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return -errno;
    int err = write_chunks(job, entry, fd, plain);
    if (err == 0 && fchmod(fd, entry->is_executable ? 0555 : 0444) != 0) err = -errno;
    if (err == 0 && futimens(fd, (struct timespec[2]){at, at}) != 0) err = -errno;
    if (close(fd) != 0 && err == 0) err = -errno;
    return err;
}

static int write_entry(release_job *job, const deploy_entry *entry, int root, uint8_t *plain) {
    switch (entry->kind) {
    case DEPLOY_DIRECTORY: return mkdirat(root, entry->path, 0755) == 0 ? 0 : -errno;
    case DEPLOY_FILE: return write_file(job, entry, root, plain);
    default: return symlinkat(entry->target, root, entry->path) == 0 ? 0 : -errno;
    }
}

// Links come last: nothing is ever written through one, whatever the list says.
static bool write_kind(release_job *job, bool are_links, int root, uint8_t *plain) {
    for (size_t i = 0; i < job->bundle.count; i++) {
        const deploy_entry *entry = &job->bundle.entries[i];
        if ((entry->kind == DEPLOY_LINK) != are_links) continue;
        int err = releases_is_ending(job) ? -ECANCELED : write_entry(job, entry, root, plain);
        if (err == MESH_ENOTFOUND) continue; // what else is damaged is told in the same answer
        if (err != 0) {
            releases_fail(job, err, "unpack", entry->path);
            return false;
        }
    }
    return job->result.err == 0;
}

static bool write_tree(release_job *job) {
    char path[AGENT_RELEASES_PATH_MAX];
    releases_temp_name(job->releases, job->temp);
    releases_path(releases_dir(job), job->temp, path);
    int err = mkdir(path, 0755) == 0 ? 0 : -errno;
    int root = err == 0 ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (err == 0 && root < 0) err = -errno;
    if (err != 0) {
        releases_fail(job, err, "unpack", "a release");
        return false;
    }
    uint8_t *plain = mem_alloc(DEPLOY_CHUNK_LEN);
    bool is_whole = write_kind(job, false, root, plain) && write_kind(job, true, root, plain);
    free(plain);
    close(root);
    return is_whole;
}

// ---- the whole of it

static bool judge_platform(release_job *job) {
    const char *wanted = job->bundle.platform;
    if (wanted[0] == '\0' || strcmp(wanted, deploy_platform) == 0) return true;
    job->result.err = MESH_EINVAL;
    (void)snprintf(
        job->result.text, AGENT_RELEASES_TEXT_MAX,
        "the release has native addons for %s, and this host is %s: pack it on a machine "
        "like this one, or with --npm-ci, which installs them here",
        wanted, deploy_platform);
    return false;
}

static bool open_record(release_job *job) {
    mesh_bytes bytes = {job->bytes, job->len};
    int err = deploy_record_open(bytes, job->has_trust ? &job->trust : NULL, &job->record);
    if (err == 0) return true;
    job->result.err = err;
    (void)snprintf(job->result.text, AGENT_RELEASES_TEXT_MAX,
                   "the release is not signed by a host of this cluster: %s", mesh_error_text(err));
    return false;
}

static bool is_unpacked(const release_job *job) {
    char path[AGENT_RELEASES_PATH_MAX];
    releases_path(releases_dir(job), job->result.id, path);
    return access(path, F_OK) == 0;
}

static void give_up(release_job *job) {
    if (job->temp[0] != '\0') releases_remove(releases_dir(job), job->temp);
    if (job->result.err == -ENOSPC) releases_fail(job, -ENOSPC, "", ""); // says what is free now
}

void releases_unpack(release_job *job) {
    if (!job->is_signed_here && !open_record(job)) return;
    deploy_bundle_id(&job->record.manifest, job->result.id);
    if (!releases_load(job) || !judge_platform(job)) return;
    job->is_there = is_unpacked(job);
    job->record.file_count = job->bundle.file_count;
    job->record.len = job->bundle.len;
    look_for_chunks(job); // all at once, before anything is written
    if (job->result.err != 0) return;
    if (!job->is_there && !write_tree(job)) {
        give_up(job);
        return;
    }
    bool installs = job->bundle.needs_install && !job->is_there;
    job->then = installs ? releases_install : releases_settle;
}

static int put_record(release_job *job) {
    char name[RELEASES_NAME_MAX];
    uint8_t signed_here[DEPLOY_RECORD_LEN_MAX];
    if (job->is_signed_here) {
        job->len = deploy_record_sign(&job->record, &job->signer, signed_here);
        free(job->bytes);
        job->bytes = mem_copy(signed_here, job->len);
        CHECK(deploy_record_open((mesh_bytes){job->bytes, job->len}, NULL, &job->record) == 0);
    }
    (void)snprintf(name, sizeof name, "manifests/%s", job->result.id);
    return releases_write(job->releases, name, (mesh_bytes){job->bytes, job->len}, true);
}

// The record is the last that is written: with it the release is there, and without it nothing is.
void releases_settle(release_job *job) {
    int err = releases_sync(releases_dir(job));
    if (err == 0 && !job->is_there)
        err = releases_rename(releases_dir(job), job->temp, job->result.id);
    if (err == 0) err = put_record(job);
    if (err != 0) {
        releases_fail(job, err, "keep", "a release");
        give_up(job);
        return;
    }
    releases_path(releases_dir(job), job->result.id, job->result.path);
    job->result.file_count = job->record.file_count;
    job->result.len = job->record.len;
}
