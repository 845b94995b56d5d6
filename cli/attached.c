#include "cli/attached.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/args.h"

void cli_attached_finish(cli_attached *a, int exit_code) {
    if (a->is_over) return;
    a->is_over = true;
    a->exit_code = a->own_exit_code != 0 ? a->own_exit_code : exit_code;
    cli_client_close(a->client);
    cli_printer_close(a->printer);
    for (int i = 0; i < CLI_ATTACHED_SIGNALS; i++)
        uv_close((uv_handle_t *)&a->signals[i], NULL);
}

static void set_paused(cli_attached *a, bool is_paused) {
    if (a->is_paused == is_paused) return;
    a->is_paused = is_paused;
    cli_client_pause(a->client, is_paused);
}

static void discard(cli_attached *a) {
    a->is_discarding = true;
    set_paused(a, false);
}

// Whoever read our output went away (`| head`), or it can't be written (a full disk).
static void take_broken_output(cli_attached *a) {
    int err = cli_printer_error(a->printer);
    if (err == 0 || a->is_discarding) return;
    discard(a);
    a->own_exit_code = err == -EPIPE ? 128 + SIGPIPE : CLI_FAILED;
    if (err != -EPIPE) cli_say("cannot write the output: %s", strerror(-err));
    if (a->asked++ == 0 && a->is_started && !a->is_ended) a->stop(false, a->user);
}

void cli_attached_look(cli_attached *a) {
    if (a->is_over) return;
    take_broken_output(a);
    size_t queued = cli_printer_queued(a->printer);
    if (!a->is_discarding && queued > CLI_OUTPUT_HIGH) set_paused(a, true);
    if (queued < CLI_OUTPUT_LOW) set_paused(a, false);
    if (a->is_ended && (a->is_discarding || queued == 0)) cli_attached_finish(a, a->exit_code);
}

static void on_printed(void *user) {
    cli_attached_look(user);
}

bool cli_attached_print(cli_attached *a, const Warren__Agent__Reply *reply) {
    switch (reply->kind_case) {
    case WARREN__AGENT__REPLY__KIND_OUTPUT:
        if (!a->is_discarding) cli_printer_output(a->printer, reply->output);
        return true;
    case WARREN__AGENT__REPLY__KIND_SKIPPED:
        if (!a->is_discarding) cli_printer_skipped(a->printer, reply->skipped->lines);
        return true;
    case WARREN__AGENT__REPLY__KIND_EVENT:
        if (!a->is_discarding) cli_printer_event(a->printer, reply->event);
        return true;
    default: return false;
    }
}

static void on_signal(uv_signal_t *handle, int number) {
    cli_attached *a = handle->data;
    char text[256];
    a->own_exit_code = 128 + number;
    if (!a->is_started || a->is_ended || a->asked > 1) { // nothing to wait for, or waited enough
        cli_attached_finish(a, 0);
        return;
    }
    bool is_kill = a->asked++ > 0;
    (void)snprintf(text, sizeof text, is_kill ? "killing" : "stopping %s (%s kills it)", a->name,
                   number == SIGINT ? "Ctrl-C again" : "a second signal");
    cli_printer_say(a->printer, text);
    if (is_kill) discard(a);
    a->stop(is_kill, a->user);
}

// nohup: a hang-up that was ignored stays ignored.
static bool is_meant(const cli_attached *a, int number) {
    struct sigaction old;
    if (number != SIGHUP) return true;
    return a->ends_on_hangup && sigaction(SIGHUP, NULL, &old) == 0 && old.sa_handler != SIG_IGN;
}

int cli_attached_open(cli_attached *a) {
    static const int numbers[CLI_ATTACHED_SIGNALS] = {SIGINT, SIGTERM, SIGHUP};
    uv_loop_init(&a->loop);
    for (int i = 0; i < CLI_ATTACHED_SIGNALS; i++) {
        uv_signal_init(&a->loop, &a->signals[i]);
        a->signals[i].data = a;
        if (is_meant(a, numbers[i])) (void)uv_signal_start(&a->signals[i], on_signal, numbers[i]);
    }
    cli_printer_options options = {
        .is_json = a->is_json, .has_prefix = a->has_prefix, .on_change = on_printed, .user = a};
    int err = cli_printer_open(&a->loop, &options, &a->printer);
    return err == 0 ? cli_client_open(&a->loop, a->on_reply, a->user, &a->client) : err;
}

int cli_attached_run(cli_attached *a) {
    uv_run(&a->loop, UV_RUN_DEFAULT);
    uv_loop_close(&a->loop);
    return a->exit_code;
}
