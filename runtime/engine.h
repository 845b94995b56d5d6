// The engine: V8 and Node.js (libnode) in this process, behind plain C. engine*.cc alone see node.h
// and v8.h.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boot_key.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef struct runtime_engine runtime_engine;

// Cold: boots Node for one program, its options for Node included, as `node` does. argv is main's
// own. `is_launched`: by an agent, so server.listen() shares ports. `preload`: names of modules to
// load before the program, one a line, or NULL; borrowed until the program runs. 0 with *out_engine
// NULL: nothing is left to run (--version, a bad option); the exit code is in *out_exit_code.
int runtime_engine_boot_cold(int argc, char **argv, bool is_launched, const char *preload,
                             runtime_engine **out_engine, int *out_exit_code);

// Boots Node without a program, to be forked: no thread is started. argv is main's own; its memory
// and that of the environment become the room for process titles. Of `boot`, which is borrowed for
// good, the options and modules are used; the environment is this process's own. A module that
// cannot be shared by forks is an obstacle, a clause that says why; else that is empty.
int runtime_engine_boot_zygote(int argc, char **argv, const runtime_boot *boot,
                               runtime_engine **out_engine, char obstacle[RUNTIME_BOOT_TEXT_LEN]);

// Each file that the zygote has read for all its children: modules, libraries.
typedef void (*runtime_engine_file_cb)(const char *path, bool is_library, void *user);
void runtime_engine_each_file(const runtime_engine *engine, runtime_engine_file_cb each,
                              void *user);

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

// Lowers V8's limit of old objects to so many bytes, if it is higher; not below what is there now.
void runtime_engine_limit_heap(runtime_engine *engine, uint64_t len_max);

// From any thread: has `cb` called in the program's thread, with the stack of its JavaScript as
// text (borrowed), as soon as that runs. Not while the thread is in the system, or in Atomics.wait.
typedef void (*runtime_engine_stack_cb)(const char *text, size_t len);
void runtime_engine_ask_stack(runtime_engine_stack_cb cb);

// Runs the program to its end and ends Node; the engine is gone. Returns the exit code. A forked
// child then leaves by _exit: the destructors of the zygote are not its own.
int runtime_engine_run(runtime_engine *engine);

#ifdef __cplusplus
}
#endif
