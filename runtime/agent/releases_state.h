// The inside of agent_releases: releases.c (the loop's side: what was asked, what is here),
// releases_disk.c (files), releases_unpack.c, releases_install.c and releases_collect.c (what the
// threads do).
#pragma once

#include <stdatomic.h>

#include "agent/releases.h"
#include "deploy/bundle_chunk.h"

enum {
    RELEASES_NAME_MAX = 128,  // of a file of ours, below the directory
    RELEASES_COMING_MAX = 16, // what is over is not protected: it is asked for again
};

typedef struct release_job release_job;

// What a thread does; it leaves what came of it in job->result. Sets job->then when there is more.
typedef void (*release_work)(release_job *job);

typedef struct kept_list {
    const char *who;
    char (*ids)[DEPLOY_ID_MAX];
    size_t count;
} kept_list;

struct agent_releases {
    agent_releases_options options;
    char dir[AGENT_RELEASES_PATH_MAX];  // STATE/releases
    char path[AGENT_RELEASES_PATH_MAX]; // that agent_releases_dir gave last
    agent_release *list;
    size_t count, cap;
    kept_list keepers[AGENT_RELEASES_KEEPERS_MAX];
    release_job *first, **last; // in their order, the first under way
    release_job *beside;        // done at the same time as those
    size_t queued;              // bytes of puts
    int holds;
    deploy_record coming[RELEASES_COMING_MAX]; // that were planned while somebody holds
    size_t coming_count;
    bool is_full; // also without what nobody needs: that was tried since somebody began to hold
    bool is_closing, is_telling;
    atomic_bool is_ending; // read by the threads
    atomic_ulong number;   // of temporary names
    bool is_prepared;      // the threads': the directory was made
    uint8_t *plain;        // theirs, for puts: room for a chunk
};

struct release_job {
    uv_work_t work;
    agent_releases *releases;
    release_work run;
    release_work then; // of another thread, when run has ended well
    bool is_beside;
    bool is_put;                      // of a chunk, whatever run is
    void (*finish)(release_job *job); // on the loop, before cb; or NULL
    agent_releases_cb cb;             // NULL: nobody waits
    void *user;
    agent_releases_result result;
    release_job *next;
    // What it is about:
    deploy_hash *hashes; // asked for; then those that are missing
    size_t hash_count;
    uint8_t *bytes; // a sealed chunk, or a SignedRelease
    size_t len;
    deploy_record record;
    bool is_signed_here, has_trust;
    deploy_signer signer;
    uint8_t certs[2][MESH_CERT_LEN_MAX];
    mesh_trust trust;
    deploy_bundle bundle;
    char temp[RELEASES_NAME_MAX]; // where it is unpacked for now
    bool is_there;                // it was unpacked before
    // Of collect, and of what found the disk full:
    agent_release *known; // copies, without their bytes
    bool *are_kept;
    size_t known_count;
    uint64_t budget;
    bool is_held;
    char (*gone)[DEPLOY_ID_MAX];
    size_t gone_count;
    // Of what found the disk full:
    release_work again;    // what it is tried with once more; NULL: it did not
    deploy_record *coming; // pieces of these stay
    size_t coming_count;
    uint64_t needed; // bytes, for these; 0: not known
    uint64_t freed;
};

static inline const char *releases_dir(const release_job *job) {
    return job->releases->dir;
}
static inline bool releases_is_ending(const release_job *job) {
    return atomic_load(&job->releases->is_ending);
}

// ---- releases_disk.c: of any thread. `name` is below the directory. 0 or -errno.
void releases_path(const char *dir, const char *name, char out[AGENT_RELEASES_PATH_MAX]);
void releases_temp_name(agent_releases *releases, char out[RELEASES_NAME_MAX]);
// Written beside its place and renamed. `is_lasting`: on the disk when it returns.
int releases_write(agent_releases *releases, const char *name, mesh_bytes bytes, bool is_lasting);
// Gives up to `max` bytes (free them).
int releases_read(const char *dir, const char *name, size_t max, mesh_bytes *out);
int releases_rename(const char *dir, const char *from, const char *to); // and the disk knows
void releases_remove(const char *dir, const char *name); // a file, or all that is in a directory
// Away at once, and then removed.
void releases_discard(agent_releases *releases, const char *name);
uint64_t releases_usage(const char *dir, const char *name); // bytes of disk of all in it
uint64_t releases_room(const char *dir);                    // bytes that are free on its disk
int releases_sync(const char *dir);                         // all that was written to this disk
// Why, in job->result: err is -errno or one of ours.
void releases_fail(release_job *job, int err, const char *what, const char *name);

bool releases_has_chunk(const char *dir, const deploy_hash *hash);
void releases_chunk_name(const deploy_hash *hash, char out[RELEASES_NAME_MAX]);
// To `plain` of DEPLOY_CHUNK_LEN bytes. One that is damaged is removed, as if it had never come.
int releases_open_chunk(const char *dir, const deploy_hash *hash, uint8_t *plain, size_t *out_len);

// ---- what the threads do
void releases_look(release_job *job);  // which of job->hashes are not here
void releases_put(release_job *job);   // job->bytes, as job->hashes[0]
void releases_get(release_job *job);   // to job->bytes
void releases_plan(release_job *job);  // what of job->record is missing
void releases_clear(release_job *job); // what a killed agent left
// releases_unpack.c: the list of job->record, to job->bundle. False: missing, or result has why.
bool releases_load(release_job *job);
void releases_unpack(release_job *job);
// releases_install.c: `npm ci` in job->temp; then releases_settle.
void releases_install(release_job *job);
void releases_settle(release_job *job); // to its name, with its record
void releases_collect(release_job *job);
// The disk was full: lets what no release needs go, then does job->again.
void releases_collect_again(release_job *job);
