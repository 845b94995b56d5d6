// The keeper: a small process that holds what an agent that dies would take with it, so that its
// nodes do not notice: the ends of their pipes, sockets and leashes, the sockets they listen on,
// those of zygotes, and what the next agent must know about them (proto/keeper.proto). It decides
// nothing, and of what it holds it looks only at pidfds.
//
// It ends when an agent says that nothing is left; and without an agent when there is no service,
// when no node has lived for WARREN_KEEP_ENDED seconds (60), when its directory is gone, or when
// WARREN_ORPHAN_TIMEOUT seconds are over (none: it waits for ever). Nodes end with their leashes
// then.
#pragma once

enum {
    AGENT_KEEPER_FD = 3, // the socket it listens on, in its process
    AGENT_KEEPER_RECORDS_MAX = 1 << 17,
};

// Serves; the exit code of the process.
#define AGENT_KEEPER_WORD "--keeper" // `warren agent` with it is one

int agent_keeper_main(const char *dir);
