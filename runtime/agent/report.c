#include "agent/report.h"

#include "io/wall.h"

void agent_report_take(agent_report *report, agent_exit how, uint64_t uptime_ms,
                       agent_last_lines *lines) {
    agent_report_deinit(report);
    *report = (agent_report){.is_there = true,
                             .how = how,
                             .uptime_ms = uptime_ms,
                             .at_ms = mesh_wall_ms(),
                             .stderr_lines = *lines};
    *lines = (agent_last_lines){0};
}

bool agent_report_pack(const agent_report *report, Warren__Agent__ExitReport *out) {
    if (!report->is_there) return false;
    *out = (Warren__Agent__ExitReport)WARREN__AGENT__EXIT_REPORT__INIT;
    out->code = report->how.code;
    out->signal = (uint32_t)report->how.signal;
    out->is_oom = report->is_oom;
    out->uptime_ms = report->uptime_ms;
    out->at_ms = report->at_ms;
    out->reason = (char *)(uintptr_t)report->reason;
    mesh_bytes lines = agent_last_lines_text(&report->stderr_lines);
    out->last_stderr = (ProtobufCBinaryData){lines.len, (uint8_t *)(uintptr_t)lines.data};
    return true;
}

void agent_report_deinit(agent_report *report) {
    agent_last_lines_clear(&report->stderr_lines);
}
