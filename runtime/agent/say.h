// The agent's own log: one line per event on stderr (the terminal of `warren agent`, or
// STATE/agent.log), with the time in front.
//
// Sentences of one kind are those of one format. Whoever can make the agent say something can make
// it say that all day: after the first few of a kind in 10 s the rest are counted, and the last of
// them is told with their number when the 10 s are over.
#pragma once

#include <uv.h>

enum {
    AGENT_SAY_EVERY_MS = 10000,
    AGENT_SAY_MAX = 5, // of one kind in that time
    AGENT_SAY_FILE_MAX = 1 << 20,
    AGENT_SAY_EVENTS_MAX = 2000, // of the lives of nodes: supervised, so bounded by themselves
};

__attribute__((format(printf, 1, 2))) void agent_say(const char *format, ...);
__attribute__((format(printf, 1, 2))) void agent_say_event(const char *format, ...);

// Between the two, numbers are told in time; else with the next sentence.
void agent_say_open(uv_loop_t *loop);
void agent_say_close(void); // tells what is left

// stderr is this file, DIR/agent.log: at AGENT_SAY_FILE_MAX it becomes agent.log.1, and the older
// agent.log.1 goes.
void agent_say_to_file(const char *dir);
