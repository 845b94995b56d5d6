#include "cli/foreground.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/attached.h"
#include "cli/json.h"

typedef struct foreground {
    cli_attached terminal;
    Warren__Agent__Run *run;
    char service[128];
} foreground;

static void ask_to_stop(bool is_kill, void *user) {
    foreground *f = user;
    Warren__Agent__Stop body = WARREN__AGENT__STOP__INIT;
    body.target = f->service;
    body.kill = is_kill;
    CLI_REQUEST(request, STOP, stop, &body);
    (void)cli_client_send(f->terminal.client, &request, -1); // small
}

static void on_started(foreground *f, const Warren__Agent__Started *started) {
    cli_printer *printer = f->terminal.printer;
    f->terminal.is_started = true;
    (void)snprintf(f->service, sizeof f->service, "%s", started->service);
    cli_printer_set_width(printer, started->service, started->instances);
    cli_printer_json(printer, json_pack("{s:s, s:s, s:i, s:o}", "type", "started", "service",
                                        started->service, "instances", (int)started->instances,
                                        "limits", cli_json_limits(started->limits)));
    if (started->limits != NULL) {
        char limits[640];
        (void)snprintf(limits, sizeof limits, "each instance has %s", started->limits->text);
        cli_printer_say(printer, limits);
    }
    if (!f->run->detach) return;
    char text[256];
    (void)snprintf(text, sizeof text, "%s runs with %u %s (`warren logs -f %s`, `warren stop %s`)",
                   started->service, started->instances,
                   started->instances == 1 ? "instance" : "instances", started->service,
                   started->service);
    cli_printer_say(printer, text);
    f->terminal.is_ended = true;
}

static void on_ended(foreground *f, const Warren__Agent__Ended *ended) {
    cli_printer_json(f->terminal.printer,
                     json_pack("{s:s, s:s, s:i}", "type", "ended", "service", ended->service,
                               "exitCode", (int)ended->exit_code));
    f->terminal.is_ended = true;
    f->terminal.exit_code = ended->exit_code;
}

static void on_lost(foreground *f) {
    if (!f->terminal.is_started) {
        cli_attached_finish(&f->terminal, CLI_FOREGROUND_AGAIN);
        return;
    }
    cli_say("the agent died, and its nodes with it");
    cli_attached_finish(&f->terminal, CLI_NO_AGENT);
}

static void on_reply(const Warren__Agent__Reply *reply, void *user) {
    foreground *f = user;
    if (reply == NULL) {
        on_lost(f);
        return;
    }
    (void)cli_attached_print(&f->terminal, reply);
    switch (reply->kind_case) {
    case WARREN__AGENT__REPLY__KIND_ERROR:
        cli_say("%s", reply->error->text);
        cli_attached_finish(&f->terminal, (int)reply->error->exit_code);
        return;
    case WARREN__AGENT__REPLY__KIND_STARTED: on_started(f, reply->started); break;
    case WARREN__AGENT__REPLY__KIND_ENDED: on_ended(f, reply->ended); break;
    default: break; // Done, of a stop
    }
    cli_attached_look(&f->terminal);
}

static int start(foreground *f) {
    int err = cli_attached_open(&f->terminal);
    if (err != 0) return err;
    bool has_stdin = f->run->instances == 1 && !f->run->detach;
    CLI_REQUEST(request, RUN, run, f->run);
    return cli_client_send(f->terminal.client, &request, has_stdin ? STDIN_FILENO : -1);
}

int cli_foreground_run(Warren__Agent__Run *run, const cli_foreground_options *options) {
    foreground f = {.terminal = {.name = f.service,
                                 .stop = ask_to_stop,
                                 .on_reply = on_reply,
                                 .user = &f,
                                 .is_json = options->is_json,
                                 .has_prefix = options->has_prefix,
                                 .ends_on_hangup = true},
                    .run = run};
    int err = start(&f);
    if (err == -ENOENT || err == -ECONNREFUSED) // it ended since we looked
        cli_attached_finish(&f.terminal, CLI_FOREGROUND_AGAIN);
    else if (err != 0)
        cli_attached_finish(&f.terminal, cli_client_explain(err));
    return cli_attached_run(&f.terminal);
}
