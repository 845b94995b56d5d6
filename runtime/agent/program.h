// What the instances of a service run: a Run and what is made of it. A reload may bring another
// one.
#pragma once

#include "agent/limits.h"

typedef struct agent_program {
    Warren__Agent__Run *run;
    char **argv; // run's entry and arguments; borrows from it
    char **env;  // borrows from it
    agent_limits limits;
} agent_program;

void agent_program_init(agent_program *program, Warren__Agent__Run *run); // takes run
void agent_program_deinit(agent_program *program);
// Whether a process of the one can do for the other: they differ in nothing that a process has from
// its beginning.
bool agent_program_is_same(const Warren__Agent__Run *a, const Warren__Agent__Run *b);
