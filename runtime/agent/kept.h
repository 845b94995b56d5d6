// What the keeper is told of services, and what is made of that by the next agent
// (proto/keeper.proto). A service of a `warren run` in the foreground is not kept: it ends with its
// owner's connection, and so with the agent.
#pragma once

#include "agent/service.h"
#include "keeper.pb-c.h"

// ---- kept.c
void agent_kept_service(agent_service *service);
void agent_kept_life(agent_service *service, uint32_t instance);  // with its descriptors, or none
void agent_kept_state(agent_service *service, uint32_t instance); // they are as they were
void agent_kept_sockets(agent_service *service);                  // those that are new
void agent_kept_forget(agent_service *service);
void agent_kept_all(agent_services *services); // to a keeper that has nothing

// ---- adoption.c
typedef struct agent_adoption agent_adoption;

agent_adoption *agent_adoption_create(void);
void agent_adoption_destroy(agent_adoption *adoption); // what was not adopted ends
// An agent_keep_cb; `user` is the adoption.
void agent_adoption_take(Warren__Keeper__Kind kind, uint64_t id, mesh_bytes state, int *fds,
                         size_t fd_count, void *user);
// The state of what is kept under this; empty: nothing.
mesh_bytes agent_adoption_find(const agent_adoption *adoption, Warren__Keeper__Kind kind,
                               uint64_t id);
void agent_services_adopt(agent_services *services, agent_adoption *adoption);
