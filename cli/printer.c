#include "cli/printer.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/json.h"
#include "cli/prefix.h"
#include "core/mem.h"

struct cli_printer {
    cli_output *out, *err;
    cli_prefix out_prefix, err_prefix;
    bool is_json;
};

static bool has_color(int fd) {
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    if (no_color != NULL && no_color[0] != '\0') return false;
    return isatty(fd) && (term == NULL || strcmp(term, "dumb") != 0);
}

int cli_printer_open(uv_loop_t *loop, const cli_printer_options *options, cli_printer **out) {
    cli_printer *printer = mem_alloc(sizeof *printer);
    printer->is_json = options->is_json;
    int err =
        cli_output_open(loop, STDOUT_FILENO, options->on_change, options->user, &printer->out);
    if (err == 0)
        err =
            cli_output_open(loop, STDERR_FILENO, options->on_change, options->user, &printer->err);
    if (err != 0) {
        cli_printer_close(printer);
        return err;
    }
    printer->out_prefix =
        (cli_prefix){.is_off = !options->has_prefix, .is_colored = has_color(STDOUT_FILENO)};
    printer->err_prefix =
        (cli_prefix){.is_off = !options->has_prefix, .is_colored = has_color(STDERR_FILENO)};
    *out = printer;
    return 0;
}

void cli_printer_set_width(cli_printer *printer, const char *service, uint32_t instances) {
    int width = snprintf(NULL, 0, "%s.%u", service, instances > 0 ? instances - 1 : 0);
    printer->out_prefix.width = printer->err_prefix.width =
        width < CLI_PREFIX_NAME_MAX ? width : CLI_PREFIX_NAME_MAX;
}

static void write_bytes(mesh_bytes bytes, void *user) {
    cli_output_write(user, bytes);
}

void cli_printer_json(cli_printer *printer, json_t *object) {
    if (!printer->is_json) {
        json_decref(object);
        return;
    }
    char *line = cli_json_line(object);
    cli_output_write(printer->out, mesh_bytes_text(line));
    free(line);
}

void cli_printer_output(cli_printer *printer, const Warren__Agent__Output *output) {
    if (printer->is_json) {
        cli_printer_json(printer, cli_json_output(output));
        return;
    }
    cli_prefix_push(output->is_stderr ? &printer->err_prefix : &printer->out_prefix, output->node,
                    (mesh_bytes){output->data.data, output->data.len}, write_bytes,
                    output->is_stderr ? printer->err : printer->out);
}

void cli_printer_say(cli_printer *printer, const char *text) {
    if (printer->is_json) return;
    if (printer->err_prefix.is_in_line) write_bytes(mesh_bytes_text("\n"), printer->err);
    printer->err_prefix.is_in_line = false;
    write_bytes(mesh_bytes_text("warren: "), printer->err);
    write_bytes(mesh_bytes_text(text), printer->err);
    write_bytes(mesh_bytes_text("\n"), printer->err);
}

void cli_printer_event(cli_printer *printer, const Warren__Agent__NodeEvent *event) {
    if (printer->is_json)
        cli_printer_json(printer, cli_json_event(event));
    else if (event->text[0] != '\0')
        cli_printer_say(printer, event->text);
}

void cli_printer_skipped(cli_printer *printer, uint64_t lines) {
    char text[128];
    (void)snprintf(text, sizeof text,
                   "%" PRIu64 " lines are left out here: they came faster than they were read",
                   lines);
    cli_printer_json(printer,
                     json_pack("{s:s, s:I}", "type", "skipped", "lines", (json_int_t)lines));
    cli_printer_say(printer, text);
}

size_t cli_printer_queued(const cli_printer *printer) {
    size_t out = cli_output_queued(printer->out), err = cli_output_queued(printer->err);
    return out > err ? out : err;
}

int cli_printer_error(const cli_printer *printer) {
    return cli_output_error(printer->out);
}

void cli_printer_close(cli_printer *printer) {
    if (printer == NULL) return;
    cli_output_close(printer->out);
    cli_output_close(printer->err);
    free(printer);
}
