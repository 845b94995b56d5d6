// How large a release may be: checked where one is packed, and where bytes of one come in.
#pragma once

#include <stdint.h>

enum {
    DEPLOY_HASH_LEN = 32,                      // BLAKE2b-256
    DEPLOY_CHUNK_LEN = 1 << 20,                // plain; a file up to this is one chunk
    DEPLOY_SEALED_MAX = (1 << 20) + (8 << 10), // compressed, at the worst
    DEPLOY_ENTRIES_MAX = 100000,               // files, links and directories
    DEPLOY_PATH_LEN_MAX = 4000,
    DEPLOY_PART_LEN_MAX = 255, // between two slashes
    DEPLOY_DEPTH_MAX = 64,     // of such parts
    DEPLOY_FILE_LEN_MAX = 1 << 30,
    DEPLOY_FILE_CHUNKS_MAX = DEPLOY_FILE_LEN_MAX / DEPLOY_CHUNK_LEN,
    DEPLOY_MANIFEST_LEN_MAX = 32 << 20,
    DEPLOY_MANIFEST_CHUNKS_MAX = DEPLOY_MANIFEST_LEN_MAX / DEPLOY_CHUNK_LEN,
    DEPLOY_MANIFEST_MEMORY_MAX = 128 << 20, // while it is decoded
    DEPLOY_PLATFORM_MAX = 64,               // with its end
    DEPLOY_PROJECT_MAX = 64,                // with its end
    DEPLOY_RECORD_LEN_MAX = 8 << 10,        // a SignedRelease
    DEPLOY_ID_MAX = 17,                     // 16 hex digits and an end
};
static const uint64_t DEPLOY_BUNDLE_LEN_MAX = UINT64_C(4) << 30; // all files of one release
