// A discovery on a loop of its own, for tests: it keeps what was found and said, and runs until
// something is so. Each test that waits longer than 20 s fails.
#pragma once

#include "discovery/discovery.h"

typedef struct finder {
    uv_loop_t loop;
    uv_timer_t limit;
    mesh_discovery *discovery;
    mesh_discovery_options options; // change before finder_open
    const char *texts[MESH_SOURCES_MAX];
    mesh_candidate found[2 * MESH_ENDPOINTS_MAX];
    size_t found_count;
    char said[16][512];
    size_t said_count;
    bool closes_at_first;
} finder;

void finder_init(finder *finder, const char *text); // one source; NULL none
void finder_add(finder *finder, const char *text);
void finder_open(finder *finder);
void finder_close(finder *finder); // and the loop, which must be empty then

bool finder_has(const finder *finder,
                const char *address_and_port); // "10.0.0.1:80", among those told
void finder_wait_has(finder *finder, const char *address_and_port);
void finder_wait_count(finder *finder, size_t count);     // candidates of now, of all sources
void finder_wait_error(finder *finder, const char *part); // of source 0; "" waits for none
void finder_wait_success(finder *finder, size_t index, uint64_t after_ms);
void finder_wait_said(finder *finder, const char *part);
mesh_source_status finder_status(const finder *finder, size_t index);

// A path in a directory of this process's own, that is made; static storage until the next call.
const char *finder_path(const char *name);
void finder_write(const char *path, const char *text); // at once: through another name
