// The last good answer of each source, on disk, so that a host finds its cluster when it starts
// while its sources are down:
//   warren candidates 1
//   source dns:cluster.example:7400
//   10.0.0.1:7400 cluster.example
//   end 1 0123456789abcdef0123456789abcdef
// `end` has the count of candidates and the BLAKE2b-128 of all bytes before that line.
#pragma once

#include "discovery/candidate.h"
#include "discovery/spec.h"

enum { MESH_CACHE_LEN_MAX = 4 << 20 };

typedef struct mesh_cached { // of one source
    const char *text;
    mesh_candidate *candidates;
    size_t count;
} mesh_cached;

// Gives the bytes of the file: free().
char *mesh_cache_write(const mesh_cached *sources, size_t source_count, size_t *out_len);
// Gives to each of `sources`, by its text, the candidates that the file has of it (free());
// sources the file does not know keep none. MESH_EPROTO: damaged; nothing is given.
int mesh_cache_parse(mesh_bytes bytes, mesh_cached *sources, size_t source_count);

// Replaces the file: another process, or a crash of this one, finds the old or the new. 0 or
// -errno.
int mesh_cache_save(const char *path, const mesh_cached *sources, size_t source_count);
// 0, -ENOENT, MESH_EPROTO, MESH_ETOOBIG or -errno.
int mesh_cache_load(const char *path, mesh_cached *sources, size_t source_count);
