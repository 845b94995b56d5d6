// The engine: V8 and Node.js (libnode) in this process, behind plain C. engine*.cc alone see node.h
// and v8.h.
#pragma once

#include <stdbool.h>
#ifdef __cplusplus
extern "C" {
#endif

typedef struct runtime_engine runtime_engine;

// Cold: boots Node for one program, its options for Node included, as `node` does. argv is main's
// own. `is_launched`: by an agent, so server.listen() shares ports. 0 with *out_engine NULL:
// nothing is left to run (--version, a bad option); the exit code is in *out_exit_code.
int runtime_engine_boot_cold(int argc, char **argv, bool is_launched, runtime_engine **out_engine,
                             int *out_exit_code);

// Boots Node without a program, to be forked: no thread is started. argv is main's own; its memory
// and that of the environment become the room for process titles.
int runtime_engine_boot_zygote(int argc, char **argv, runtime_engine **out_engine);

// True when forking is safe now; else *out_reason is a sentence (more than one thread ...).
bool runtime_engine_can_fork(const runtime_engine *engine, const char **out_reason);

// What makes a forked child the node it is; borrowed for the rest of the process.
typedef struct runtime_identity {
    char *const *argv; // entry and arguments, NULL-terminated
    char **env;        // whole environment, NULL-terminated
    const char *cwd;
    const char *title; // what ps shows
} runtime_identity;

// In the child, right after fork: makes this process differ from its siblings in all it must.
void runtime_engine_after_fork(runtime_engine *engine, const runtime_identity *identity);

// Runs the program to its end and ends Node; the engine is gone. Returns the exit code. A forked
// child then leaves by _exit: the destructors of the zygote are not its own.
int runtime_engine_run(runtime_engine *engine);

#ifdef __cplusplus
}
#endif
