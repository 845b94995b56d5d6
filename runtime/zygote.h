// The fork server: a Node.js that is booted and idle, and forks a node for each Launch of
// proto/zygote.proto.
//
// It runs as `warren-node --warren-zygote=FD`, where FD is a SOCK_SEQPACKET socket to the agent.
// When that closes, the nodes end by their leashes; the zygote waits for them, kills what is left
// after the grace time, and ends. Its own death leaves the nodes alone.
#pragma once

#include <stdbool.h>

// True for "--warren-zygote=FD".
bool runtime_zygote_option(const char *arg, int *out_fd);

// Serves until the agent is gone; the exit code of the process.
int runtime_zygote_main(int fd, int argc, char **argv);
