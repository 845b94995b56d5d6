// What the system knows of a process that runs no JavaScript.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// By a signal or a debugger, as long as it lasts. False also when the process is gone.
bool agent_activity_is_stopped(pid_t pid);
bool agent_activity_is_running(pid_t pid); // on a processor, or about to
// One line, ended. `asked_ms`: for so long it has not answered.
void agent_activity_describe(pid_t pid, uint64_t asked_ms, char *out, size_t cap);
