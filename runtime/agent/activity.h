// What the system knows of a process that runs no JavaScript.
#pragma once

#include <stddef.h>
#include <sys/types.h>

// One line, ended.
void agent_activity_describe(pid_t pid, char *out, size_t cap);
