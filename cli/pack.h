// What of an application's directory goes into a release (docs/releases.md): all but .git, what
// .warrenignore says (without one: .gitignore, which is not asked about node_modules), and .env
// files and .npmrc, which have secrets in them.
#pragma once

#include "deploy/bundle.h"

enum { CLI_PACK_SECRETS_MAX = 16 };

typedef struct cli_pack_need { // what a service cannot run without
    const char *service;
    const char *what; // "its entry"
    const char *path; // in the directory
} cli_pack_need;

typedef struct cli_pack_options {
    const char *dir;
    const cli_pack_need *needs; // where one of them is left out, that is an error
    size_t need_count;
    bool installs;              // node_modules stays here, and the host runs `npm ci`
    bool has_progress;          // on a terminal, when it takes a while
    int (*is_over)(void *user); // asked now and then; NULL: never. An exit code ends it silently
    void *user;
} cli_pack_options;

typedef struct cli_pack {
    deploy_bundle bundle;
    mesh_bytes manifest;                 // its bytes
    deploy_hash hash;                    // of these
    int root_fd;                         // the directory
    char *secrets[CLI_PACK_SECRETS_MAX]; // paths of the first of these files that were left out
    size_t secret_count;                 // of all
} cli_pack;

// Reads every file once. 0 (deinit it), or an exit code after a sentence was printed.
int cli_pack_make(const cli_pack_options *options, cli_pack *out);
void cli_pack_deinit(cli_pack *pack);

// A piece of what was packed, read again; to `out` of DEPLOY_CHUNK_LEN bytes. An exit code after a
// sentence: it has changed since, or cannot be read any more.
int cli_pack_read(const cli_pack *pack, const deploy_entry *entry, size_t chunk, uint8_t *out);
