// The agent is replaced in place (successor.h): when that may be, and what is finished first.
#pragma once

#include "agent/services.h"
#include "agent/successor.h"

typedef struct agent_replacing_options {
    uv_loop_t *loop;
    agent_services *services;
    int lock_fd, listen_fd; // borrowed
} agent_replacing_options;

// May it be now? 0, or a sentence. `is_forced`: also when runs in the foreground end with it.
int agent_replacing_judge(bool is_forced, char text[AGENT_SUCCESSOR_TEXT_MAX]);

typedef struct agent_replacing_events {
    void (*on_failed)(const char *text, void *user); // the agent goes on as it was
    void (*on_start)(void *user);                    // the next thing is the other program
} agent_replacing_events;

void agent_replacing_open(const agent_replacing_options *options);
void agent_replacing_close(void); // nothing is told any more
// One of the two follows, from the loop. `events` is borrowed.
void agent_replacing_begin(bool is_forced, const agent_replacing_events *events, void *user);
// Whoever began is gone; it goes on.
void agent_replacing_forget(const void *user);
const char *agent_replacing_trouble(void); // the program did not start after on_start; or ""
