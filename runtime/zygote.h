// The fork server: a Node.js that is booted and idle, and forks a node for each Launch of
// proto/zygote.proto.
//
// It runs as `warren-node --warren-zygote=FD`, where FD is a SOCK_SEQPACKET socket to the agent.
// With
// --warren-own-zygote=FD it belongs to few services, and waits for a Boot that says what they want.
// When that closes, the nodes end by their leashes; the zygote waits for them, kills what is left
// after the grace time, and ends. Its own death leaves the nodes alone.
#pragma once

#include <stdbool.h>

typedef struct runtime_zygote_options {
    int fd;
    bool is_own;
} runtime_zygote_options;

// True for "--warren-zygote=FD" and "--warren-own-zygote=FD".
bool runtime_zygote_option(const char *arg, runtime_zygote_options *out);

// Serves until the agent is gone; the exit code of the process.
int runtime_zygote_main(runtime_zygote_options options, int argc, char **argv);
