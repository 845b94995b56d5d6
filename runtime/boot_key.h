// What Node, OpenSSL, the loader and libc read while a process boots, so that a fork cannot follow
// it: the one place that knows which launches a zygote can serve. Pure; for the agent and for
// warren-node.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#ifdef __cplusplus
extern "C" {
#endif

enum { RUNTIME_BOOT_TEXT_LEN = 1024 };

typedef struct runtime_strings { // ends after `count`, or at a NULL before that
    char *const *at;
    size_t count;
} runtime_strings;

// What a process boots with; borrowed.
typedef struct runtime_boot {
    runtime_strings exec_argv; // options for Node
    runtime_strings env;       // "NAME=value"
    runtime_strings preload;   // modules to load before the program
    // Modules that are loaded before the program may read these two: they count with `preload`.
    runtime_strings argv; // entry and arguments
    const char *cwd;
} runtime_boot;

// True when a fork of a zygote that booted with `zygote` is what `wanted` asks for; else *reason is
// why not.
bool runtime_boot_can_serve(const runtime_boot *zygote, const runtime_boot *wanted,
                            char reason[RUNTIME_BOOT_TEXT_LEN]);

// True when several nodes may be forked from one zygote that boots with `boot`; else *reason names
// what each process has to read for itself.
bool runtime_boot_is_shareable(const runtime_boot *boot, char reason[RUNTIME_BOOT_TEXT_LEN]);

// True for a variable ("NAME=value") that a zygote for everybody boots without.
bool runtime_boot_is_private(const char *variable);

// The value of the variable, or NULL.
const char *runtime_boot_variable(runtime_strings env, const char *name);

#ifdef __cplusplus
}
#endif
