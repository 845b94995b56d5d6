// A release that this host is to run, from its record to a directory (docs/releases.md): what is
// missing of its manifest and its files is fetched from other hosts, then it is unpacked. What is
// here already is not fetched, so that it may be tried again after whatever went wrong.
#pragma once

#include "agent/fetching.h"

typedef struct agent_preparing agent_preparing;

typedef struct agent_prepare_options {
    agent_releases *releases; // both outlive it
    agent_fetching *fetching;
    mesh_bytes record; // the SignedRelease of proto/bundle.proto; copies
    const char *host;  // the name of the one that took it in, copies; or NULL
    // Once, later from the loop: where it lies unpacked, or NULL and why not, in a sentence.
    // Borrowed.
    void (*cb)(const char *dir, const char *why, void *user);
    // Or NULL. `len`: bytes that came from other hosts, compressed.
    void (*on_progress)(size_t done, size_t count, uint64_t len, void *user);
    void *user;
} agent_prepare_options;

agent_preparing *agent_prepare(const agent_prepare_options *options);
// Before the call back, which does not come then. What was fetched stays. NULL is fine.
void agent_prepare_cancel(agent_preparing *preparing);
