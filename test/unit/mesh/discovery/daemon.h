// Real servers for tests, one at a time. It ends with this process.
#pragma once

#include <stdint.h>
#include <sys/types.h>

typedef struct daemon_process {
    pid_t pid;
    uint16_t port;
} daemon_process;

// Starts the program argv[0] (found along the PATH) with its output in `log`, and waits until it
// accepts connections at 127.0.0.1:port.
daemon_process daemon_start(char *const argv[], uint16_t port, const char *log);
// Does not wait: of several that wait for each other.
daemon_process daemon_launch(char *const argv[], uint16_t port, const char *log);
void daemon_stop(
    daemon_process *process); // kills it, and waits until nobody listens; fine when it is stopped
