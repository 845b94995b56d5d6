#include "cli/report.h"

#include <string.h>

#include "cli/clean.h"
#include "cli/duration.h"
#include "core/mem.h"
#include "io/wall.h"

void cli_report_print_lines(FILE *to, ProtobufCBinaryData lines) {
    char *text = mem_alloc(lines.len + 1);                  // with its end
    if (lines.len > 0) memcpy(text, lines.data, lines.len); // no data has no address
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;)
        if (rest != NULL || line[0] != '\0') (void)fprintf(to, "  %s\n", cli_clean_text(line));
    free(text);
}

void cli_report_print(FILE *to, const Warren__Agent__NodeInfo *info) {
    const Warren__Agent__ExitReport *exit = info->last_exit;
    char ago[CLI_DURATION_MAX], lasted[CLI_DURATION_MAX];
    uint64_t now_ms = mesh_wall_ms();
    if (exit == NULL) return;
    cli_duration_format(ago, now_ms > exit->at_ms ? now_ms - exit->at_ms : 0);
    cli_duration_format(lasted, exit->uptime_ms);
    // Mostly the reason says it; not when it was not ready in time, or stalled, as well.
    bool is_said = strstr(exit->reason, "out of memory") != NULL;
    (void)fprintf(to, "\n%s: its last life ended %s ago, after %s: %s%s\n", info->name, ago, lasted,
                  exit->reason, exit->is_oom && !is_said ? ", out of memory" : "");
    if (exit->last_stderr.len > 0) cli_report_print_lines(to, exit->last_stderr);
}
