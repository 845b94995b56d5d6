// What goes when there is too little room: pieces of nothing first, then the oldest releases.
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/releases_state.h"
#include "core/mem.h"

typedef struct chunk {
    deploy_hash hash;
    uint32_t len;   // of disk
    uint32_t users; // releases
    uint64_t at_s;
} chunk;

typedef struct chunks {
    chunk *list; // by hash
    size_t count, cap;
} chunks;

// ---- what is there

static bool take_hex(const char *text, uint8_t *out, size_t len) {
    for (size_t i = 0; i < len; i++) {
        unsigned byte;
        if (!isxdigit((unsigned char)text[2 * i]) || sscanf(text + 2 * i, "%2x", &byte) != 1)
            return false;
        out[i] = (uint8_t)byte;
    }
    return text[2 * len] == '\0';
}

static void add_chunk(chunks *all, uint8_t first, const char *name, const struct stat *info) {
    chunk one = {.len = (uint32_t)info->st_blocks * 512, .at_s = (uint64_t)info->st_mtim.tv_sec};
    one.hash.bytes[0] = first;
    if (!take_hex(name, one.hash.bytes + 1, DEPLOY_HASH_LEN - 1)) return;
    all->list = mem_grow(all->list, sizeof one, all->count + 1, &all->cap);
    all->list[all->count++] = one;
}

static int compare_chunks(const void *a, const void *b) {
    return memcmp(a, b, sizeof(deploy_hash));
}

static void list_chunks(release_job *job, chunks *all) {
    for (unsigned first = 0; first < 256 && !releases_is_ending(job); first++) {
        char name[RELEASES_NAME_MAX], path[AGENT_RELEASES_PATH_MAX];
        struct stat info;
        (void)snprintf(name, sizeof name, "chunks/%02x", first);
        releases_path(releases_dir(job), name, path);
        DIR *dir = opendir(path);
        for (const struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;)
            if (fstatat(dirfd(dir), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0)
                add_chunk(all, (uint8_t)first, entry->d_name, &info);
        if (dir != NULL) closedir(dir);
    }
    if (all->count > 0) qsort(all->list, all->count, sizeof(chunk), compare_chunks);
}

// ---- who needs what

typedef void (*hash_cb)(chunks *all, const deploy_hash *hash);

static chunk *find(const chunks *all, const deploy_hash *hash) {
    return all->count > 0 ? bsearch(hash, all->list, all->count, sizeof(chunk), compare_chunks)
                          : NULL;
}

static void need(chunks *all, const deploy_hash *hash) {
    chunk *found = find(all, hash);
    if (found != NULL) found->users++;
}

static void need_no_more(chunks *all, const deploy_hash *hash) {
    chunk *found = find(all, hash);
    if (found != NULL && found->users > 0) found->users--;
}

// A list that cannot be read any more needs no chunks: what is unpacked runs on without them.
static void each_chunk(release_job *job, const agent_release *release, chunks *all, hash_cb each) {
    release_job look = {.releases = job->releases, .record = release->record};
    if (releases_load(&look)) {
        for (size_t i = 0; i < look.bundle.count; i++)
            for (size_t c = 0; c < deploy_entry_chunk_count(&look.bundle.entries[i]); c++)
                each(all, deploy_entry_chunk(&look.bundle.entries[i], c));
    }
    for (size_t i = 0; i < release->record.manifest_chunk_count; i++)
        each(all, &release->record.manifest_chunks[i]);
    deploy_bundle_deinit(&look.bundle);
    free(look.hashes);
}

// ---- what goes

static uint64_t remove_chunk(release_job *job, chunk *one) {
    char name[RELEASES_NAME_MAX], path[AGENT_RELEASES_PATH_MAX];
    uint64_t len = one->len;
    releases_chunk_name(&one->hash, name);
    releases_path(releases_dir(job), name, path);
    if (unlink(path) != 0) return 0;
    one->len = 0;
    return len;
}

static int by_age(const void *a, const void *b) {
    const chunk *one = *(chunk *const *)a, *other = *(chunk *const *)b;
    return one->at_s < other->at_s ? -1 : one->at_s > other->at_s;
}

// Down to `budget`, the oldest first.
static uint64_t remove_unused(release_job *job, chunks *all, uint64_t used) {
    chunk **unused = mem_alloc(all->count * sizeof(void *));
    size_t count = 0;
    for (size_t i = 0; i < all->count; i++)
        if (all->list[i].users == 0 && all->list[i].len > 0) unused[count++] = &all->list[i];
    if (count > 0) qsort(unused, count, sizeof(void *), by_age);
    for (size_t i = 0; i < count && used > job->budget; i++)
        used -= remove_chunk(job, unused[i]);
    free(unused);
    return used;
}

static const agent_release *oldest(const release_job *job) {
    const agent_release *found = NULL;
    for (size_t i = 0; i < job->known_count; i++) {
        const agent_release *release = &job->known[i];
        if (job->are_kept[i]) continue; // also those that have gone
        if (found == NULL || release->record.at_ms < found->record.at_ms) found = release;
    }
    return found;
}

// The record goes first: what is left of a release without one is cleared up at the next start.
static uint64_t remove_release(release_job *job, const agent_release *release, chunks *all) {
    char name[RELEASES_NAME_MAX], path[AGENT_RELEASES_PATH_MAX];
    each_chunk(job, release, all, need_no_more);
    (void)snprintf(name, sizeof name, "manifests/%s", release->id);
    releases_path(releases_dir(job), name, path);
    (void)unlink(path);
    uint64_t len = releases_usage(releases_dir(job), release->id);
    releases_discard(job->releases, release->id);
    memcpy(job->gone[job->gone_count++], release->id, DEPLOY_ID_MAX);
    job->are_kept[release - job->known] = true;
    return len;
}

// Whether releases have to go that somebody could still have use for.
static bool is_short(const release_job *job, uint64_t used) {
    uint64_t needed = job->needed + job->needed / 8; // directories, and blocks that are not full
    if (job->again != NULL) return releases_room(releases_dir(job)) < needed;
    return used > job->budget;
}

static uint64_t collect(release_job *job, chunks *all, uint64_t used) {
    for (size_t i = 0; i < job->known_count; i++)
        each_chunk(job, &job->known[i], all, need);
    for (size_t i = 0; i < job->coming_count; i++)
        each_chunk(job, &(agent_release){.record = job->coming[i]}, all, need);
    if (!job->is_held) used = remove_unused(job, all, used);
    const agent_release *release;
    while (is_short(job, used) && !releases_is_ending(job) && (release = oldest(job)) != NULL) {
        used -= remove_release(job, release, all);
        if (!job->is_held) used = remove_unused(job, all, used);
    }
    return used;
}

static uint64_t collect_all(release_job *job) {
    chunks all = {.count = 0};
    uint64_t used = 0, freed = 0;
    list_chunks(job, &all);
    for (size_t i = 0; i < all.count; i++)
        used += all.list[i].len;
    for (size_t i = 0; i < job->known_count; i++)
        used += releases_usage(releases_dir(job), job->known[i].id);
    bool is_over = used > job->budget && !releases_is_ending(job);
    if (is_over) freed = used - collect(job, &all, used);
    free(all.list);
    return freed;
}

void releases_collect(release_job *job) {
    job->result.freed = collect_all(job);
}

// ---- a disk that is full

static bool is_unpacked(const release_job *job, const deploy_record *record) {
    for (size_t i = 0; i < job->known_count; i++)
        if (deploy_hash_equal(&job->known[i].record.manifest, &record->manifest))
            return job->known[i].is_unpacked;
    return false;
}

// What is missing of a release, and what it takes to unpack it.
static uint64_t needed_by(release_job *job, const deploy_record *record) {
    release_job look = {.releases = job->releases, .record = *record};
    uint64_t len = 0;
    releases_plan(&look);
    len = look.result.missing_len + (is_unpacked(job, record) ? 0 : look.result.len);
    deploy_bundle_deinit(&look.bundle);
    free(look.hashes);
    return len;
}

// As it was before it was tried first.
static void begin_again(release_job *job) {
    deploy_bundle_deinit(&job->bundle);
    job->bundle = (deploy_bundle){0};
    job->temp[0] = '\0';
    job->result = (agent_releases_result){.err = 0};
    if (job->hash_count > 0) job->result.hash = job->hashes[0];
}

void releases_collect_again(release_job *job) {
    for (size_t i = 0; job->is_put && i < job->coming_count; i++)
        job->needed += needed_by(job, &job->coming[i]);
    if (!job->is_put) job->needed = needed_by(job, &job->record);
    job->freed = collect_all(job);
    begin_again(job);
    if (!releases_is_ending(job)) job->again(job);
}
