// What instances of a service run: a Run and what is made of it. A reload may bring another one, to
// all of them or to some; so each instance holds the one that it runs, and it is freed with its
// last holder.
#pragma once

#include "agent/limits.h"
#include "agent/supervisor.h"

typedef struct agent_program {
    uint32_t holders;
    uint32_t number;  // among those of its service; never reused
    uint64_t kept_id; // the keeper has it under this (kept.h); 0: it does not
    Warren__Agent__Run *run;
    char **argv; // run's entry and arguments; borrows from it
    char **env;  // borrows from it
    agent_limits limits;
} agent_program;

agent_program *agent_program_create(Warren__Agent__Run *run); // takes run; it has one holder
agent_program *agent_program_hold(agent_program *program);    // one more; NULL is fine
void agent_program_release(agent_program *program);           // one less; NULL is fine
// `place` holds this one from now on, and not what it held before. NULL: none.
void agent_program_set(agent_program **place, agent_program *program);
// What it asks of the supervisor.
agent_rules agent_program_rules(const agent_program *program);
int agent_program_stop_signal(const agent_program *program);
// Whether a process of the one can do for the other: they differ in nothing that a process has from
// its beginning.
bool agent_program_is_same(const Warren__Agent__Run *a, const Warren__Agent__Run *b);
// They differ in nothing at all.
bool agent_program_is_equal(const Warren__Agent__Run *a, const Warren__Agent__Run *b);
