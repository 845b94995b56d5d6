// The engine: V8 and Node.js (libnode) in this process, behind plain C. engine*.cc alone see node.h and v8.h.
#pragma once

#include <stdbool.h>
#ifdef __cplusplus
extern "C" {
#endif

typedef struct runtime_engine runtime_engine;

// Boots Node for one program (cold): argv as main got it, options for Node included. Returns the
// exit code through *out_exit_code at once for what Node answers itself (--version, bad options).
int runtime_engine_boot_cold(int argc, char **argv, runtime_engine **out_engine, int *out_exit_code);

// Boots Node without a program, to be forked: no thread is started.
int runtime_engine_boot_zygote(int argc, char **argv, runtime_engine **out_engine);

// What a forked child must be told; borrowed until runtime_engine_run returns (it does not come back
// to the zygote).
typedef struct runtime_identity {
    char *const *argv; // entry and arguments, NULL-terminated
    char *const *env;  // whole environment, NULL-terminated
    const char *cwd;
    const char *title;
} runtime_identity;

// In the child, right after fork: makes this process differ from its siblings in all it must.
void runtime_engine_after_fork(runtime_engine *engine, const runtime_identity *identity);

// Runs the program to its end; returns its exit code.
int runtime_engine_run(runtime_engine *engine);

// True when forking is safe now; else *out_reason is a sentence (more than one thread ...).
bool runtime_engine_can_fork(const runtime_engine *engine, const char **out_reason);

#ifdef __cplusplus
}
#endif
