// Brings a directory as a release into the agent of this host: packs it, and sends what that has
// not yet. May be run again whenever it was cut off: what came stays.
#pragma once

#include "cli/client.h"
#include "cli/pack.h"

typedef struct cli_ship_options {
    const char *dir;
    const char *project;
    const cli_pack_need *needs; // see cli/pack.h
    size_t need_count;
    bool installs;
    bool is_quiet; // no progress, and nothing about what was left out
} cli_ship_options;

typedef struct cli_release {
    char id[DEPLOY_ID_MAX];
    char path[256]; // where it is unpacked on this host
    deploy_hash manifest;
    uint32_t file_count;
    uint64_t len;         // of all files
    uint32_t chunks_sent; // pieces that the agent had not
    uint64_t bytes_sent;  // compressed
    size_t secret_count;  // files with secrets that were left out
    char secret[256];     // the first of them
    char secrets[600];    // some more
} cli_release;

// An exit code; a sentence was printed unless it is CLI_DONE (or CLI_INTERRUPTED).
int cli_ship(cli_session *session, const cli_ship_options *options, cli_release *out);

// Says on stderr which files with secrets were left out, if there are any.
void cli_ship_say_left_out(const cli_release *release);

// The name of a project for people who did not give one: that of the directory.
void cli_ship_project_of(const char *dir, char out[DEPLOY_PROJECT_MAX]);
