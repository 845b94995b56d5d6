// Nodes that start by exec: `warren-node app.js`, and launches that a fork of the zygote cannot
// serve.
#pragma once

#include <stddef.h>

// Boots Node with main's arguments and runs the program. When a zygote started this process
// (runtime_cold_exec), its control socket and leash are in the environment; they are taken out of
// it first.
int runtime_cold_main(int argc, char **argv);

// What Node or libc read while they boot, so that a forked node could not follow it: NULL, or the
// name of a variable that has one value in `env` and another in this process.
const char *runtime_cold_variable(char *const *env, size_t env_count);

// Takes those variables out of this process's environment that would change how the zygote itself
// boots.
void runtime_cold_scrub(void);

typedef struct runtime_cold_options {
    char *const *exec_argv; // options for Node
    size_t exec_argv_count;
    char *const *argv; // entry and arguments
    size_t argv_count;
    char *const *env;
    size_t env_count;
    const char *title;
    int control_fd, leash_fd;
} runtime_cold_options;

// Replaces this process by a cold node; the two descriptors may be close-on-exec. Returns -errno
// when it cannot.
int runtime_cold_exec(const runtime_cold_options *options);
