#include "cli/follow.h"

#include <signal.h>
#include <stdio.h>

#include "agent/logs.h"
#include "cli/args.h"
#include "cli/client.h"
#include "cli/printer.h"

enum { SIGNAL_COUNT = 2 };

typedef struct following {
    uv_loop_t loop;
    cli_client *client;
    cli_printer *printer;
    uv_signal_t signals[SIGNAL_COUNT];
    const cli_project *project;
    size_t running;    // services that have not ended
    bool has_all_logs; // each was found, or was over before we asked
    bool is_over, is_paused, is_discarding;
    int asked; // how often we were asked to stop
    int exit_code;
    int own_exit_code; // goes before the programs': interrupted, or stdout was closed; 0: none
} following;

static void finish(following *f, int exit_code) {
    if (f->is_over) return;
    f->is_over = true;
    f->exit_code = f->own_exit_code != 0 ? f->own_exit_code : exit_code;
    cli_client_close(f->client);
    cli_printer_close(f->printer);
    for (int i = 0; i < SIGNAL_COUNT; i++)
        uv_close((uv_handle_t *)&f->signals[i], NULL);
}

// The last ones first: they may need those before them.
static void stop_all(following *f, bool is_kill) {
    for (size_t i = f->project->count; i-- > 0;) {
        Warren__Agent__Stop body = WARREN__AGENT__STOP__INIT;
        body.target = f->project->services[i].run.name;
        body.kill = is_kill;
        CLI_REQUEST(request, STOP, stop, &body);
        (void)cli_client_send(f->client, &request, -1); // small
    }
}

static void set_paused(following *f, bool is_paused) {
    if (f->is_paused == is_paused) return;
    f->is_paused = is_paused;
    cli_client_pause(f->client, is_paused);
}

static void discard(following *f) {
    f->is_discarding = true;
    set_paused(f, false);
}

// Whoever read our output went away (`| head`), or it can't be written (a full disk).
static void take_broken_output(following *f) {
    int err = cli_printer_error(f->printer);
    if (err == 0 || f->is_discarding || f->is_over) return;
    discard(f);
    f->own_exit_code = err == -EPIPE ? 128 + SIGPIPE : CLI_FAILED;
    if (err != -EPIPE) cli_say("cannot write the output: %s", strerror(-err));
    if (f->asked++ == 0) stop_all(f, false);
}

static void look(following *f) {
    if (f->is_over) return;
    take_broken_output(f);
    size_t queued = cli_printer_queued(f->printer);
    if (!f->is_discarding && queued > CLI_OUTPUT_HIGH) set_paused(f, true);
    if (queued < CLI_OUTPUT_LOW) set_paused(f, false);
    if (f->running == 0 && (f->is_discarding || queued == 0)) finish(f, f->exit_code);
}

static void on_printed(void *user) {
    look(user);
}

static void on_ended(following *f, int exit_code) {
    if (f->running > 0) f->running--;
    if (f->exit_code == 0) f->exit_code = exit_code;
}

static void on_reply(const Warren__Agent__Reply *reply, void *user) {
    following *f = user;
    if (reply == NULL) {
        cli_say("the agent ended (`warren ps` shows whether its nodes run on)");
        finish(f, CLI_NO_AGENT);
        return;
    }
    switch (reply->kind_case) {
    case WARREN__AGENT__REPLY__KIND_OUTPUT:
        if (!f->is_discarding) cli_printer_output(f->printer, reply->output);
        break;
    case WARREN__AGENT__REPLY__KIND_SKIPPED:
        cli_printer_skipped(f->printer, reply->skipped->lines);
        break;
    case WARREN__AGENT__REPLY__KIND_EVENT:
        if (!f->is_discarding) cli_printer_event(f->printer, reply->event);
        break;
    case WARREN__AGENT__REPLY__KIND_ENDED: on_ended(f, reply->ended->exit_code); break;
    case WARREN__AGENT__REPLY__KIND_ERROR: cli_say("%s", reply->error->text); // fall through
    case WARREN__AGENT__REPLY__KIND_DONE: // it was over already; or the answer to a Stop
        if (!f->has_all_logs && f->running > 0) f->running--;
        break;
    case WARREN__AGENT__REPLY__KIND_SELF: f->has_all_logs = true; break;
    default: break;
    }
    look(f);
}

static void on_signal(uv_signal_t *handle, int number) {
    following *f = handle->data;
    f->own_exit_code = 128 + number;
    if (f->asked > 1) { // waited enough
        finish(f, 0);
        return;
    }
    bool is_kill = f->asked++ > 0;
    char text[256];
    (void)snprintf(text, sizeof text, is_kill ? "killing" : "stopping %s (%s kills it)",
                   f->project->name, number == SIGINT ? "Ctrl-C again" : "a second signal");
    cli_printer_say(f->printer, text);
    if (is_kill) discard(f);
    stop_all(f, is_kill);
}

// Answers come in the order of the requests: what is done after this one's is no Logs.
static int ask_end_of_logs(following *f) {
    Warren__Agent__About body = WARREN__AGENT__ABOUT__INIT;
    CLI_REQUEST(request, ABOUT, about, &body);
    return cli_client_send(f->client, &request, -1);
}

static int start(following *f, uint64_t since_ms, bool is_json) {
    static const int numbers[SIGNAL_COUNT] = {SIGINT, SIGTERM};
    for (int i = 0; i < SIGNAL_COUNT; i++) {
        uv_signal_init(&f->loop, &f->signals[i]);
        f->signals[i].data = f;
        (void)uv_signal_start(&f->signals[i], on_signal, numbers[i]);
    }
    cli_printer_options options = {
        .is_json = is_json, .has_prefix = true, .on_change = on_printed, .user = f};
    int err = cli_printer_open(&f->loop, &options, &f->printer);
    if (err == 0) err = cli_client_open(&f->loop, on_reply, f, &f->client);
    for (size_t i = 0; err == 0 && i < f->project->count; i++) {
        const Warren__Agent__Run *run = &f->project->services[i].run;
        Warren__Agent__Logs body = WARREN__AGENT__LOGS__INIT;
        cli_printer_set_width(f->printer, run->name, run->instances);
        body.target = run->name;
        body.follow = true;
        body.tail_lines = AGENT_LOG_TAIL_LINES_MAX;
        body.since_ms = since_ms;
        CLI_REQUEST(request, LOGS, logs, &body);
        err = cli_client_send(f->client, &request, -1);
    }
    return err == 0 ? ask_end_of_logs(f) : err;
}

int cli_follow(const cli_project *project, uint64_t since_ms, bool is_json) {
    following f = {.project = project, .running = project->count};
    uv_loop_init(&f.loop);
    int err = start(&f, since_ms, is_json);
    if (err != 0) finish(&f, cli_client_explain(err));
    uv_run(&f.loop, UV_RUN_DEFAULT);
    uv_loop_close(&f.loop);
    return f.exit_code;
}
