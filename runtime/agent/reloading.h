// Reloads of a service under way: carries out what reload.h decides. There is one of all instances,
// or some of one instance each. The lives beside the present ones are in the second half of the
// service's slots; `at` is their place there.
#pragma once

#include "agent/reload.h"
#include "agent/service.h"

typedef struct agent_reloading agent_reloading;

// Whether one of this instance is under way, or one of all; of any (AGENT_INSTANCE_ALL).
bool agent_reloading_is_on(const agent_service *service, uint32_t instance);
// Such a one has a new life for it, which has not taken the place: what it runs (borrowed), and the
// number that it is brought by.
bool agent_reloading_is_to_come(const agent_service *service, uint32_t instance,
                                const agent_program **out_program, uint32_t *out_attempt);
bool agent_reloading_wants(const agent_service *service, uint32_t at);
void agent_reloading_launched(agent_service *service, uint32_t at);
void agent_reloading_not_launched(agent_service *service, uint32_t at, const char *why);
void agent_reloading_exited(agent_service *service, uint32_t at, agent_exit how);
void agent_reloading_sign(agent_service *service, uint32_t at, agent_sign sign);
void agent_reloading_checked(agent_service *service, uint32_t at, uint32_t number, bool is_healthy);
// It has finished, but for so many connections.
void agent_reloading_drained(agent_service *service, uint32_t at, uint32_t connections);

// The service is stopped (0: all services are),
// or one instance of it.
void agent_reloading_stop_all(agent_services *services, uint32_t service_id, uint32_t instance,
                              bool is_kill);
// All instances have ended for good: so does the service, when the lives beside them have, too.
void agent_reloading_end_service(agent_service *service, int exit_code);
void agent_reloading_destroy_all(agent_service *service);
