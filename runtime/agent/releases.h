// Releases on this host (docs/releases.md): pieces of them, each once, and releases that are
// unpacked and ready to run, in STATE/releases. Disks are slow: all that touches files is done by
// threads, in the order it was asked for; `cb` is called later, from the loop. Nothing half is ever
// taken for whole: a chunk is what its name says, a release is there with all that is in it or not
// at all, whenever this process is killed.
//
// How a release comes to a host, from a command line or from another host:
//   1. agent_releases_missing(manifest chunks) tells which of them are not here; agent_releases_put
//      each of those;
//   2. agent_releases_plan(record) reads the manifest and tells which chunks of files are missing;
//      agent_releases_put each;
//   3. agent_releases_commit signs it (it came from a command line), or agent_releases_adopt
//      keeps the record that another host has signed: then it is unpacked.
// Each step may be repeated, by whoever, at any time: what is there is not asked for again. Keep an
// agent_releases_hold from 1 to 3, so that what came is not collected meanwhile.
#pragma once

#include <uv.h>

#include "deploy/bundle_record.h"

enum {
    AGENT_RELEASES_TEXT_MAX = 1024,
    AGENT_RELEASES_PATH_MAX = 256,
    AGENT_RELEASES_MAX = 1000, // on one host
    AGENT_RELEASES_KEEPERS_MAX = 8,
    AGENT_RELEASES_INSTALL_MS = 900000, // for `npm ci`
};
static const uint64_t AGENT_RELEASES_BUDGET = UINT64_C(4) << 30; // bytes of disk

typedef struct agent_releases agent_releases;

typedef struct agent_releases_options {
    uv_loop_t *loop;
    const char *dir; // the state directory
    // Who signs what command lines bring; called in agent_releases_commit. False: nobody can now.
    bool (*signer)(void *user, deploy_signer *out);
    void *user;
    void (*on_collect)(void *user); // before each agent_releases_collect: keep what runs; or NULL
} agent_releases_options;

// Reads what is there (it blocks for so long), and begins to clear up what a killed agent has left.
// Trouble with the disk is told by whatever is asked first.
agent_releases *agent_releases_create(const agent_releases_options *options);
// Waits for what is under way (it ends early), calls nobody back, and frees all, later from the
// loop. NULL is fine.
void agent_releases_destroy(agent_releases *releases);

// `err`: 0, or a negative error and a sentence. -ENOSPC: the disk is full. MESH_ENOTFOUND: there is
// no such thing here. MESH_EAGAIN of commit and adopt: chunks are missing (again: one was damaged
// and is gone): go back to step 1.
typedef struct agent_releases_result {
    int err;
    char text[AGENT_RELEASES_TEXT_MAX];
    deploy_hash hash;           // of put and get: which chunk
    mesh_bytes bytes;           // of get: the sealed chunk; borrowed
    const deploy_hash *missing; // of missing and plan; borrowed
    size_t missing_count;
    uint64_t missing_len; // of plan: plain bytes
    char id[DEPLOY_ID_MAX];
    char path[AGENT_RELEASES_PATH_MAX]; // of commit, adopt, unpack: where it lies unpacked
    uint32_t file_count;
    uint64_t len;
    uint64_t freed; // of collect: bytes
} agent_releases_result;
typedef void (*agent_releases_cb)(const agent_releases_result *result, void *user);

// Whoever waits with this `user` is gone: it is not called any more. What was asked is done.
void agent_releases_forget(agent_releases *releases, const void *user);
// Bytes that were put and are not on the disk yet: whoever brings them waits while there are many.
size_t agent_releases_queued(const agent_releases *releases);

// ---- chunks
void agent_releases_missing(agent_releases *releases, const deploy_hash *hashes, size_t count,
                            agent_releases_cb cb, void *user); // copies
// Checks that it is what its name says (MESH_EINVAL: it is not). Copies.
void agent_releases_put(agent_releases *releases, const deploy_hash *hash, mesh_bytes sealed,
                        agent_releases_cb cb, void *user);
// For another host. Not behind what else is asked: it can be done beside it.
void agent_releases_get(agent_releases *releases, const deploy_hash *hash, agent_releases_cb cb,
                        void *user);

// ---- releases
// Which chunks of its files are not here. Of `record` it looks at the manifest's hash, length and
// chunks. MESH_EAGAIN: chunks of the manifest are missing, and `missing` tells which.
void agent_releases_plan(agent_releases *releases, const deploy_record *record,
                         agent_releases_cb cb, void *user);
// Signs what a command line brought, for `project`, and unpacks it.
void agent_releases_commit(agent_releases *releases, const deploy_record *record,
                           agent_releases_cb cb, void *user);
// The same with the record of another host of the cluster, whose roots are `trust`.
void agent_releases_adopt(agent_releases *releases, mesh_bytes record, const mesh_trust *trust,
                          agent_releases_cb cb, void *user);
// One that is known here and perhaps not unpacked (any more).
void agent_releases_unpack(agent_releases *releases, const char *id, agent_releases_cb cb,
                           void *user);
// Where it lies unpacked, whole; NULL: it does not. Borrowed until the next call.
const char *agent_releases_dir(const agent_releases *releases, const char *id);

typedef struct agent_release {
    deploy_record record;
    char id[DEPLOY_ID_MAX];
    bool is_unpacked;
    mesh_bytes bytes; // the SignedRelease, for another host
} agent_release;
typedef void (*agent_release_cb)(const agent_release *release, void *user);
void agent_releases_each(const agent_releases *releases, agent_release_cb each, void *user);
const agent_release *agent_releases_find(const agent_releases *releases, const char *id); // or NULL

// These are not collected, whatever it costs: what runs, and what somebody may go back to. `who`
// (a literal) replaces what it said before; count 0: it keeps none any more. Copies.
void agent_releases_keep(agent_releases *releases, const char *who, const char *const *ids,
                         size_t count);
// Brings what is here down to `budget` bytes of disk: chunks that belong to no release first
// (unless somebody holds), then releases that nobody keeps, the oldest first, with what only they
// need.
void agent_releases_collect(agent_releases *releases, uint64_t budget, agent_releases_cb cb,
                            void *user);
// Nothing that no release needs is collected while somebody holds: it belongs to one that is on its
// way. Count them up and down.
void agent_releases_hold(agent_releases *releases, int delta);
