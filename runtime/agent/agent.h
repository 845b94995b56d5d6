// The agent: one per user and state directory. Everything it does is wired together here.
#pragma once

#include <stdbool.h>

typedef struct agent_options {
    const char *dir;    // the state directory, made when it is not there
    const char *store;  // as after --store, and kept from then on; NULL: what is kept
    const char *labels; // as after --label, and kept likewise
    bool is_ephemeral;  // ends when the last service and the last client are gone
    // Gets one byte, AGENT_READY, when the socket is there; else AGENT_BUSY or AGENT_FAILED and a
    // sentence; then it is closed. -1: nobody waits.
    int ready_fd;
} agent_options;

enum { AGENT_READY = 'r', AGENT_BUSY = 'b', AGENT_FAILED_TO_START = 'f' };

// Runs until it is told to stop; returns the exit code.
int agent_run(const agent_options *options);
