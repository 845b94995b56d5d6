// What the store has of the releases of a project, for what is decided of them (deploy_change.h).
#pragma once

#include "agent/deploy_change.h"
#include "agent/mirror.h"

typedef struct deploy_stored {
    const agent_mirror *mirror;
    const char *project;
} deploy_stored;

agent_deploy_history deploy_stored_history(const deploy_stored *stored); // borrows it
