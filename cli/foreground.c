#include "cli/foreground.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/client.h"
#include "cli/json.h"
#include "cli/printer.h"

enum { SIGNAL_COUNT = 3 };

typedef struct foreground {
    uv_loop_t loop;
    cli_client *client;
    cli_printer *printer;
    uv_signal_t signals[SIGNAL_COUNT];
    Warren__Agent__Run *run;
    const cli_foreground_options *options;
    char service[128];
    bool is_started, is_ended, is_over, is_paused;
    bool is_discarding; // nobody reads what nodes write any more
    int asked;          // how often we were asked to stop
    int exit_code;
    int own_exit_code; // goes before the program's: interrupted, or stdout was closed; 0: none
} foreground;

static void finish(foreground *f, int exit_code) {
    if (f->is_over) return;
    f->is_over = true;
    f->exit_code = f->own_exit_code != 0 ? f->own_exit_code : exit_code;
    cli_client_close(f->client);
    cli_printer_close(f->printer);
    for (int i = 0; i < SIGNAL_COUNT; i++)
        uv_close((uv_handle_t *)&f->signals[i], NULL);
}

static void ask_to_stop(foreground *f, bool is_kill) {
    Warren__Agent__Stop body = WARREN__AGENT__STOP__INIT;
    body.target = f->service;
    body.kill = is_kill;
    CLI_REQUEST(request, STOP, stop, &body);
    (void)cli_client_send(f->client, &request, -1); // small
}

static void set_paused(foreground *f, bool is_paused) {
    if (f->is_paused == is_paused) return;
    f->is_paused = is_paused;
    cli_client_pause(f->client, is_paused);
}

static void discard(foreground *f) {
    f->is_discarding = true;
    set_paused(f, false);
}

static void finish_if_printed(foreground *f) {
    if (f->is_ended && (f->is_discarding || cli_printer_queued(f->printer) == 0))
        finish(f, f->exit_code);
}

// Whoever read our output went away (`| head`), or it can't be written (a full disk).
static void take_broken_output(foreground *f) {
    int err = cli_printer_error(f->printer);
    if (err == 0 || f->is_discarding || f->is_over) return;
    discard(f);
    if (err == -EPIPE) {
        f->own_exit_code = 128 + SIGPIPE;
    } else {
        f->own_exit_code = CLI_FAILED;
        cli_say("cannot write the output: %s", strerror(-err));
    }
    if (f->asked++ == 0 && f->is_started && !f->is_ended) ask_to_stop(f, false);
}

static void on_printed(void *user) {
    foreground *f = user;
    if (f->is_over) return;
    take_broken_output(f);
    if (cli_printer_queued(f->printer) < CLI_OUTPUT_LOW) set_paused(f, false);
    finish_if_printed(f);
}

static void on_started(foreground *f, const Warren__Agent__Started *started) {
    f->is_started = true;
    (void)snprintf(f->service, sizeof f->service, "%s", started->service);
    cli_printer_set_width(f->printer, started->service, started->instances);
    cli_printer_json(f->printer, json_pack("{s:s, s:s, s:i, s:o}", "type", "started", "service",
                                           started->service, "instances", (int)started->instances,
                                           "limits", cli_json_limits(started->limits)));
    if (started->limits != NULL) {
        char limits[640];
        (void)snprintf(limits, sizeof limits, "each instance has %s", started->limits->text);
        cli_printer_say(f->printer, limits);
    }
    if (!f->run->detach) return;
    char text[256];
    (void)snprintf(text, sizeof text, "%s runs with %u %s (`warren logs -f %s`, `warren stop %s`)",
                   started->service, started->instances,
                   started->instances == 1 ? "instance" : "instances", started->service,
                   started->service);
    cli_printer_say(f->printer, text);
    f->is_ended = true;
}

static void on_ended(foreground *f, const Warren__Agent__Ended *ended) {
    cli_printer_json(f->printer, json_pack("{s:s, s:s, s:i}", "type", "ended", "service",
                                           ended->service, "exitCode", (int)ended->exit_code));
    f->is_ended = true;
    f->exit_code = ended->exit_code;
}

static void on_lost(foreground *f) {
    if (!f->is_started) {
        f->exit_code = CLI_FOREGROUND_AGAIN;
        finish(f, CLI_FOREGROUND_AGAIN);
        return;
    }
    cli_say("the agent died, and its nodes with it");
    finish(f, CLI_NO_AGENT);
}

static void on_reply(const Warren__Agent__Reply *reply, void *user) {
    foreground *f = user;
    if (reply == NULL) {
        on_lost(f);
        return;
    }
    switch (reply->kind_case) {
    case WARREN__AGENT__REPLY__KIND_ERROR:
        cli_say("%s", reply->error->text);
        finish(f, (int)reply->error->exit_code);
        return;
    case WARREN__AGENT__REPLY__KIND_STARTED: on_started(f, reply->started); break;
    case WARREN__AGENT__REPLY__KIND_OUTPUT:
        if (!f->is_discarding) cli_printer_output(f->printer, reply->output);
        break;
    case WARREN__AGENT__REPLY__KIND_EVENT:
        if (!f->is_discarding) cli_printer_event(f->printer, reply->event);
        break;
    case WARREN__AGENT__REPLY__KIND_ENDED: on_ended(f, reply->ended); break;
    default: break; // Done, of a stop
    }
    take_broken_output(f);
    if (!f->is_discarding && cli_printer_queued(f->printer) > CLI_OUTPUT_HIGH) set_paused(f, true);
    finish_if_printed(f);
}

static void on_signal(uv_signal_t *handle, int number) {
    foreground *f = handle->data;
    char text[256];
    f->own_exit_code = 128 + number;
    if (!f->is_started || f->is_ended || f->asked > 1) { // nothing to wait for, or waited enough
        finish(f, 0);
        return;
    }
    if (f->asked++ > 0) {
        cli_printer_say(f->printer, "killing");
        discard(f);
        ask_to_stop(f, true);
        return;
    }
    (void)snprintf(text, sizeof text, "stopping %s (%s kills it)", f->service,
                   number == SIGINT ? "Ctrl-C again" : "a second signal");
    cli_printer_say(f->printer, text);
    ask_to_stop(f, false);
}

static int start(foreground *f) {
    static const int numbers[SIGNAL_COUNT] = {SIGINT, SIGTERM, SIGHUP};
    for (int i = 0; i < SIGNAL_COUNT; i++) {
        uv_signal_init(&f->loop, &f->signals[i]);
        f->signals[i].data = f;
        // nohup: a hang-up that was ignored stays ignored
        struct sigaction old;
        bool is_ignored =
            numbers[i] == SIGHUP && sigaction(SIGHUP, NULL, &old) == 0 && old.sa_handler == SIG_IGN;
        if (!is_ignored) (void)uv_signal_start(&f->signals[i], on_signal, numbers[i]);
    }
    cli_printer_options options = {.is_json = f->options->is_json,
                                   .has_prefix = f->options->has_prefix,
                                   .on_change = on_printed,
                                   .user = f};
    int err = cli_printer_open(&f->loop, &options, &f->printer);
    if (err == 0) err = cli_client_open(&f->loop, on_reply, f, &f->client);
    if (err != 0) return err;
    bool has_stdin = f->run->instances == 1 && !f->run->detach;
    CLI_REQUEST(request, RUN, run, f->run);
    return cli_client_send(f->client, &request, has_stdin ? STDIN_FILENO : -1);
}

int cli_foreground_run(Warren__Agent__Run *run, const cli_foreground_options *options) {
    foreground f = {.run = run, .options = options};
    uv_loop_init(&f.loop);
    int err = start(&f);
    if (err == -ENOENT || err == -ECONNREFUSED) // it ended since we looked
        finish(&f, CLI_FOREGROUND_AGAIN);
    else if (err != 0)
        finish(&f, cli_client_explain(err));
    uv_run(&f.loop, UV_RUN_DEFAULT);
    uv_loop_close(&f.loop);
    return f.exit_code;
}
