// A reload that brings another program (program.h): what that changes besides the processes.
#pragma once

#include "agent/service.h"

// service->next_program is `run` (taken, also on failure), and its rules hold from now on. The
// number of instances and the group stay.
int agent_changing_begin(agent_service *service, Warren__Agent__Run *run, bool *out_is_same_program,
                         agent_refusal *refusal);
void agent_changing_undo(agent_service *service); // the rules of before hold again
// It is over: the next program is the present one, or nothing is left of it.
void agent_changing_end(agent_service *service, bool is_good);
