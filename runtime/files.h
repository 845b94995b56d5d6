// Files that a process has read for good: are they still what they were?
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct runtime_files runtime_files;

// `since_ns`: wall clock. What was changed later than that, before it was added, may have been read
// before: it counts as changed.
runtime_files *runtime_files_create(uint64_t since_ns);
void runtime_files_destroy(runtime_files *files);
// Remembers how the file is now; also one that is not there. `may_vanish`: its absence is no
// change.
void runtime_files_add(runtime_files *files, const char *path, bool may_vanish);
// The path of one that is another now, or NULL.
const char *runtime_files_changed(const runtime_files *files);
