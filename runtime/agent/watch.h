// Somebody who wants to know what the nodes of a service write and what happens to them: the owner
// of a foreground run, a follower of logs, one who waits for a stop.
#pragma once

#include "agent/logs.h"
#include "agent/supervisor.h"

typedef struct agent_event {
    const char *node;  // "app.0"
    const char *state; // of agent.proto's NodeInfo
    const char *text;  // a whole sentence for people, or empty: nothing to say
    agent_exit how;    // when its life ended
    bool is_late;      // it was not ready in time
} agent_event;

typedef struct agent_watch agent_watch;

// Called from the loop. A callback may remove its own watch and no other.
typedef struct agent_watch_events {
    void (*on_output)(agent_watch *watch, const agent_log_piece *piece); // may be NULL
    void (*on_event)(agent_watch *watch, const agent_event *event);      // may be NULL
    // The target is over: all its output and events were told before.
    void (*on_over)(agent_watch *watch, int exit_code);
} agent_watch_events;

struct agent_watch {     // in the caller's memory; the caller sets these
    uint32_t service_id; // 0: all services, also those that come later; never over
    uint32_t instance;   // or AGENT_INSTANCE_ALL
    const agent_watch_events *events;
    agent_watch *next; // ours
};
