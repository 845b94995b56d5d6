// What the agent tells systemd, when it runs as one of its services (Type=notify). Without
// NOTIFY_SOCKET all of it does nothing.
#pragma once

#include <stdint.h>
#include <uv.h>

// From now on systemd hears, from the loop, that it turns (WatchdogSec=), and what runs.
typedef void (*agent_systemd_status)(void *user, char *out, size_t cap); // a line for people
void agent_systemd_open(uv_loop_t *loop, agent_systemd_status status, void *user);
void agent_systemd_close(void);

void agent_systemd_ready(void);
void agent_systemd_reloading(void); // another program takes this one's place: ready follows
void agent_systemd_stopping(void);
