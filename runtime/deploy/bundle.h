// What is in a release (proto/bundle.proto): a sorted list of files, links and directories, each
// file by the hash of its content. Pure: reads and writes no files. Made by the command line,
// judged by whoever unpacks it; nothing in a list that was decoded or finished leads out of the
// directory that it is unpacked into. docs/releases.md has the rules.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/bytes.h"
#include "deploy/bundle_limits.h"

typedef struct deploy_hash {
    uint8_t bytes[DEPLOY_HASH_LEN];
} deploy_hash;

typedef enum deploy_kind { DEPLOY_DIRECTORY, DEPLOY_FILE, DEPLOY_LINK } deploy_kind;

typedef struct deploy_entry {
    const char *path; // "lib/index.js"
    deploy_kind kind;
    bool is_executable;
    uint64_t len;              // of a FILE
    deploy_hash hash;          // of a FILE
    const deploy_hash *chunks; // of a FILE above DEPLOY_CHUNK_LEN
    size_t chunk_count;
    const char *target; // of a LINK, else NULL
} deploy_entry;

typedef struct deploy_bundle {
    char platform[DEPLOY_PLATFORM_MAX]; // that its addons need; "": none
    bool needs_install;                 // `npm ci` where it is unpacked
    deploy_entry *entries;              // in ascending order once it is finished
    size_t count, cap;
    uint32_t file_count;
    uint64_t len; // of all files
} deploy_bundle;

enum { DEPLOY_TEXT_MAX = 512 }; // a sentence; a path in it is cut

// The platform of this build: "linux-x64-node108".
extern const char deploy_platform[];

void deploy_bundle_init(deploy_bundle *bundle);
void deploy_bundle_deinit(deploy_bundle *bundle);
// Copies. Nothing is judged before deploy_bundle_finish.
void deploy_bundle_add(deploy_bundle *bundle, const deploy_entry *entry);
// Sorts and judges all of it: 0, or MESH_EINVAL (MESH_ETOOBIG: over a limit) and a sentence that
// names the entry.
int deploy_bundle_finish(deploy_bundle *bundle, char text[DEPLOY_TEXT_MAX]);
// Of a finished one. Gives (free it).
mesh_bytes deploy_bundle_encode(const deploy_bundle *bundle);
// Initialises `out`: 0 (deinit it), or MESH_EINVAL, MESH_ETOOBIG and a sentence: `out` is empty
// then. What is not canonical is no manifest.
int deploy_bundle_decode(mesh_bytes bytes, deploy_bundle *out, char text[DEPLOY_TEXT_MAX]);
const deploy_entry *deploy_bundle_find(const deploy_bundle *bundle, const char *path); // or NULL

// Whether a link at `path` may point there.
bool deploy_bundle_is_inside(const char *path, const char *target);

// Chunks of a FILE: its own hash up to DEPLOY_CHUNK_LEN, none when it is empty.
size_t deploy_entry_chunk_count(const deploy_entry *entry);
const deploy_hash *deploy_entry_chunk(const deploy_entry *entry, size_t index);
size_t deploy_entry_chunk_len(const deploy_entry *entry, size_t index); // plain

// The id of the release with this manifest: 16 hex digits.
void deploy_bundle_id(const deploy_hash *manifest, char out[DEPLOY_ID_MAX]);
bool deploy_bundle_is_id(const char *text);
