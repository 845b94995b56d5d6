// A reload that brings another program (program.h): what that changes besides the processes.
#pragma once

#include "agent/service.h"

// Gives the program that `run` is (taken, also on failure), held: one that instances of the service
// run already when it is equal.
int agent_changing_begin(agent_service *service, Warren__Agent__Run *run, agent_program **out_next,
                         agent_refusal *refusal);
// All of the service has been brought to service->trying, or nothing of it is wanted any more.
void agent_changing_end(agent_service *service, bool is_good);
// One instance was: the service runs that program when all of its instances that run do.
void agent_changing_settle(agent_service *service);
