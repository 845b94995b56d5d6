// No node outlives its agent: the agent keeps the write end of a pipe, its nodes the read end. When
// the pipe ends, the node gets SIGTERM from itself and, RUNTIME_LEASH_GRACE_MS later, SIGKILL. A
// byte in it says that the agent has asked something (watchdog.h).
#pragma once

enum { RUNTIME_LEASH_GRACE_MS = 5000 };

// Takes fd. Starts a thread, so that a node whose loop is stuck ends too. 0, or -errno with a
// sentence on stderr.
int runtime_leash_start(int fd);
