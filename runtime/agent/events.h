// What was done to services, by whom, and what became of them: a line of JSON each in
// DIR/events.jsonl, for `warren events` (docs/events.md). At AGENT_EVENTS_LEN_MAX it becomes
// events.jsonl.1, that .2, and so on. Who did it is kept as a number: who reads it asks for the
// name, which may come from far away.
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

enum {
    AGENT_EVENTS_LEN_MAX = 4 << 20, // bytes of one file
    AGENT_EVENTS_FILES = 4,
    AGENT_EVENTS_LINE_MAX = 8 << 10,
    AGENT_EVENTS_PATH_MAX = 4096 + 32,
};

typedef struct agent_entry {
    const char *type;    // one of docs/events.md
    const char *service; // or NULL, also below
    const char *project, *node;
    pid_t by;        // of the command that asked for it; 0: nobody did
    const char *who; // the name of who asked for it on another host; or NULL
} agent_entry;

void agent_events_open(const char *dir);
// Writes it, and says it in the agent's log. What cannot be written is told there, once.
__attribute__((format(printf, 2, 3))) void agent_events_add(const agent_entry *entry,
                                                            const char *format, ...);
// The path of the newest file (0), the one before (1), ...
void agent_events_path(char out[AGENT_EVENTS_PATH_MAX], const char *dir, uint32_t index);
