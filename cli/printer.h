// What nodes wrote, on our own stdout and stderr: with prefixes, as it came, or as JSON lines.
#pragma once

#include <jansson.h>

#include "agent.pb-c.h"
#include "cli/output.h"

typedef struct cli_printer cli_printer;

typedef struct cli_printer_options {
    bool is_json, has_prefix;
    cli_output_cb on_change; // a queue got shorter, or a reader is gone
    void *user;
} cli_printer_options;

int cli_printer_open(uv_loop_t *loop, const cli_printer_options *options, cli_printer **out);
// The names to come, so that all lines begin in one column.
void cli_printer_set_width(cli_printer *printer, const char *service, uint32_t instances);
void cli_printer_output(cli_printer *printer, const Warren__Agent__Output *output);
void cli_printer_skipped(cli_printer *printer, uint64_t lines); // ... which are not printed
void cli_printer_event(cli_printer *printer, const Warren__Agent__NodeEvent *event);
// A sentence of our own, on stderr; nothing when JSON is printed.
void cli_printer_say(cli_printer *printer, const char *text);
void cli_printer_json(cli_printer *printer, json_t *object); // takes it; nothing without --json
size_t cli_printer_queued(const cli_printer *printer);       // the fuller of both
int cli_printer_error(const cli_printer *printer);           // of stdout
void cli_printer_close(cli_printer *printer);                // NULL is fine
