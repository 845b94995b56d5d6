// How the last life of an instance ended: kept until the next one has ended too.
#pragma once

#include "agent.pb-c.h"
#include "agent/last_lines.h"
#include "agent/supervisor.h"

typedef struct agent_report { // zeroed at first: no life has ended yet
    bool is_there;
    agent_exit how;
    bool is_oom;
    uint64_t uptime_ms, at_ms; // at: wall clock
    char reason[128];
    agent_last_lines stderr_lines;
} agent_report;

// A life has ended; takes the lines out of `lines`. What its reason is comes later.
void agent_report_take(agent_report *report, agent_exit how, uint64_t uptime_ms,
                       agent_last_lines *lines);
// Borrows from the report. False: there is none.
bool agent_report_pack(const agent_report *report, Warren__Agent__ExitReport *out);
void agent_report_deinit(agent_report *report);
