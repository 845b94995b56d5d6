// Which releases run on this host, by where their programs are.
#pragma once

#include "agent/releases.h"
#include "agent/services.h"

// Says so to the releases of the state directory `dir`: what runs is not collected.
void agent_releases_keep_running(agent_releases *releases, const agent_services *services,
                                 const char *dir);
