// Nodes that start by exec: `warren-node app.js`, and launches that a fork of the zygote cannot
// serve.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Boots Node with main's arguments and runs the program. When a zygote started this process
// (runtime_cold_exec), its control socket and leash are in the environment; they are taken out of
// it first.
int runtime_cold_main(int argc, char **argv);

// Takes those variables out of this process's environment that a zygote for everybody boots
// without.
void runtime_cold_scrub(void);

typedef struct runtime_cold_options {
    char *const *exec_argv; // options for Node
    size_t exec_argv_count;
    char *const *argv; // entry and arguments
    size_t argv_count;
    char *const *env;
    size_t env_count;
    char *const *preload; // modules to load before the program; no name has a line's end in it
    size_t preload_count;
    const char *title;
    uint64_t heap_max;    // of V8; 0: as it is
    uint32_t cpu_percent; // to keep to; 0: no limit
    int control_fd, leash_fd;
    int heartbeat_fd; // -1: none
} runtime_cold_options;

// Replaces this process by a cold node; the two descriptors may be close-on-exec. Returns -errno
// when it cannot.
int runtime_cold_exec(const runtime_cold_options *options);
