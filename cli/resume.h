// Where a reader of logs is in what each service wrote: an agent that comes back is asked for what
// was written since, and what had been printed is not printed again. Pure.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent.pb-c.h"

typedef struct cli_resume cli_resume;

// Nothing was read before from_ms (wall clock).
cli_resume *cli_resume_create(uint64_t from_ms);
void cli_resume_destroy(cli_resume *resume);

// What comes is asked for again from now on: cli_resume_take leaves out what it had.
void cli_resume_again(cli_resume *resume);
uint64_t cli_resume_since_ms(const cli_resume *resume); // to ask for
// False: it was taken before.
bool cli_resume_take(cli_resume *resume, const Warren__Agent__Output *output);
