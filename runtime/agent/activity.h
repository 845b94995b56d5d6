// What the system knows of a process that runs no JavaScript.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

// By a signal or a debugger, as long as it lasts. False also when the process is gone.
bool agent_activity_is_stopped(pid_t pid);
// One line, ended.
void agent_activity_describe(pid_t pid, char *out, size_t cap);
