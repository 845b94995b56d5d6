#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "agent/logs.h"
#include "cli/args.h"
#include "cli/client.h"
#include "cli/printer.h"

enum { OPTION_FOLLOW, OPTION_LINES, OPTION_NO_PREFIX, OPTION_JSON, LINES_DEFAULT = 100 };

static const cli_option options[] = {
    {'f', "follow", NULL, "go on with what comes, until Ctrl-C or the service ends"},
    {'n', "lines", "N", "begin with the last N lines (default 100, at most 10000)"},
    {0, "no-prefix", NULL, "without the names of the nodes"},
    {0, "json", NULL, "one JSON object per line or piece of a line"},
    {0, NULL, NULL, NULL},
};

typedef struct reading {
    uv_loop_t loop;
    cli_client *client;
    cli_printer *printer;
    uv_signal_t interrupt;
    bool is_paused, is_ended, is_over;
    int exit_code;
} reading;

static void finish(reading *r, int exit_code) {
    if (r->is_over) return;
    r->is_over = true;
    r->exit_code = exit_code;
    cli_client_close(r->client);
    cli_printer_close(r->printer);
    uv_close((uv_handle_t *)&r->interrupt, NULL);
}

static void end(reading *r, int exit_code) {
    r->is_ended = true;
    r->exit_code = exit_code;
}

static void look(reading *r) {
    if (r->is_over) return;
    size_t queued = cli_printer_queued(r->printer);
    int err = cli_printer_error(r->printer);
    if (err != 0) {
        if (err != -EPIPE) cli_say("cannot write the log: %s", strerror(-err));
        finish(r, err == -EPIPE ? 128 + SIGPIPE : CLI_FAILED);
        return;
    }
    if (r->is_ended && queued == 0) {
        finish(r, r->exit_code);
        return;
    }
    if (r->is_ended || (r->is_paused ? queued >= CLI_OUTPUT_LOW : queued <= CLI_OUTPUT_HIGH))
        return;
    r->is_paused = !r->is_paused;
    cli_client_pause(r->client, r->is_paused);
}

static void on_printed(void *user) {
    look(user);
}

static void on_reply(const Warren__Agent__Reply *reply, void *user) {
    reading *r = user;
    if (r->is_ended) return;
    if (reply == NULL) {
        cli_say("the agent ended");
        end(r, CLI_NO_AGENT);
    } else if (reply->kind_case == WARREN__AGENT__REPLY__KIND_ERROR) {
        cli_say("%s", reply->error->text);
        end(r, (int)reply->error->exit_code);
    } else if (reply->kind_case == WARREN__AGENT__REPLY__KIND_OUTPUT) {
        cli_printer_output(r->printer, reply->output);
    } else if (reply->kind_case == WARREN__AGENT__REPLY__KIND_DONE ||
               reply->kind_case == WARREN__AGENT__REPLY__KIND_ENDED) {
        end(r, CLI_DONE);
    }
    look(r);
}

static void on_interrupt(uv_signal_t *handle, int number) {
    finish(handle->data, 128 + number);
}

static int read_logs(Warren__Agent__Logs *body, const cli_printer_options *printer) {
    reading r = {0};
    cli_printer_options own = *printer;
    own.on_change = on_printed;
    own.user = &r;
    uv_loop_init(&r.loop);
    int err = cli_client_open(&r.loop, on_reply, &r, &r.client);
    if (err != 0) {
        uv_loop_close(&r.loop);
        return cli_client_explain(err);
    }
    uv_signal_init(&r.loop, &r.interrupt);
    r.interrupt.data = &r;
    (void)uv_signal_start(&r.interrupt, on_interrupt, SIGINT); // without it Ctrl-C just ends us
    CLI_REQUEST(request, LOGS, logs, body);
    err = cli_printer_open(&r.loop, &own, &r.printer);
    if (err == 0) err = cli_client_send(r.client, &request, -1);
    if (err != 0) {
        cli_say("the request is too long");
        finish(&r, CLI_USAGE);
    }
    uv_run(&r.loop, UV_RUN_DEFAULT);
    uv_loop_close(&r.loop);
    return r.exit_code;
}

static int run(int argc, char **argv) {
    cli_args args = {.command = &cli_logs, .argc = argc, .argv = argv};
    Warren__Agent__Logs body = WARREN__AGENT__LOGS__INIT;
    cli_printer_options printer = {.has_prefix = true};
    body.tail_lines = LINES_DEFAULT;
    const char *target = NULL;
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        switch (arg) {
        case CLI_ARG_BAD: return cli_args_exit_code(&args);
        case CLI_ARG_WORD:
            if (!cli_args_target(&args, &target)) return CLI_USAGE;
            break;
        case OPTION_FOLLOW: body.follow = true; break;
        case OPTION_LINES:
            if (!cli_args_number(&args, "lines", 0, AGENT_LOG_TAIL_LINES_MAX, &body.tail_lines))
                return CLI_USAGE;
            break;
        case OPTION_NO_PREFIX: printer.has_prefix = false; break;
        default: printer.is_json = true;
        }
    }
    body.target = (char *)(uintptr_t)(target != NULL ? target : "all");
    return read_logs(&body, &printer);
}

const cli_command cli_logs = {
    .name = "logs",
    .usage = "[TARGET] [-f] [-n N] [--no-prefix] [--json]",
    .summary = "Prints what nodes wrote",
    .example = "  warren logs -f app\n  warren logs app.2 -n 1000 --no-prefix\n",
    .options = options,
    .run = run,
};
