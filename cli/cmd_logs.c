#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "agent/logs.h"
#include "cli/args.h"
#include "cli/client.h"
#include "cli/log_files.h"
#include "cli/printer.h"
#include "cli/resume.h"
#include "cli/since.h"
#include "core/mem.h"
#include "io/wall.h"

enum {
    OPTION_FOLLOW,
    OPTION_LINES,
    OPTION_TAIL,
    OPTION_SINCE,
    OPTION_NO_PREFIX,
    OPTION_JSON,
    LINES_DEFAULT = 100,
    AGAIN_MS = 200,      // an agent that is gone is looked for so often
    PATIENCE_MS = 30000, // and so long
    SETTLED_MS = 5000,   // one that has been there so long is back
};

static const cli_option options[] = {
    {'f', "follow", NULL, "go on with what comes, until Ctrl-C or the service ends"},
    {'n', "lines", "N", "begin with the last N lines (default 100, at most 10000)"},
    {0, "tail", "N", "the same as --lines"},
    {0, "since", "TIME", "only what was written since, e.g. 10m, or 2026-11-23T10:51:49Z"},
    {0, "no-prefix", NULL, "without the names of the nodes"},
    {0, "json", NULL, "one JSON object per line or piece of a line"},
    {0, NULL, NULL, NULL},
};

typedef struct reading {
    uv_loop_t loop;
    cli_client *client;
    cli_printer *printer;
    uv_signal_t interrupt;
    uv_timer_t again; // until an agent that is gone is looked for once more
    Warren__Agent__Logs *body;
    cli_resume *resume;
    bool is_paused, is_ended, is_over;
    bool has_reply;       // from the agent
    uint64_t lost_at_ms;  // 0: the agent is there
    uint64_t asked_at_ms; // for the last time
    int exit_code;
} reading;

static void finish(reading *r, int exit_code) {
    if (r->is_over) return;
    r->is_over = true;
    r->exit_code = exit_code;
    cli_client_close(r->client);
    cli_printer_close(r->printer);
    uv_close((uv_handle_t *)&r->interrupt, NULL);
    uv_close((uv_handle_t *)&r->again, NULL);
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
    if (r->client != NULL) cli_client_pause(r->client, r->is_paused);
}

static void on_printed(void *user) {
    look(user);
}

// ---- an agent that ends, and comes back

static void on_again(uv_timer_t *timer);

static void wait_for_agent(reading *r) {
    bool was_back = uv_now(&r->loop) - r->asked_at_ms > SETTLED_MS;
    if (r->lost_at_ms == 0 || (r->client != NULL && was_back)) {
        cli_printer_say(r->printer, "the agent is gone: waiting for it to be back");
        r->lost_at_ms = uv_now(&r->loop);
    }
    cli_client_close(r->client);
    r->client = NULL;
    if (uv_now(&r->loop) - r->lost_at_ms < PATIENCE_MS) {
        uv_timer_start(&r->again, on_again, AGAIN_MS, 0);
        return;
    }
    cli_say("the agent ended");
    end(r, CLI_NO_AGENT);
}

// What a following reader takes for the end of its service while the agent may just not have
// found it again.
static bool may_come_back(reading *r, const Warren__Agent__Reply *reply) {
    bool is_gone = reply->kind_case == WARREN__AGENT__REPLY__KIND_DONE ||
                   (reply->kind_case == WARREN__AGENT__REPLY__KIND_ERROR &&
                    reply->error->exit_code == CLI_NOT_FOUND);
    return is_gone && r->lost_at_ms != 0 && uv_now(&r->loop) - r->lost_at_ms < PATIENCE_MS;
}

static void take_reply(reading *r, const Warren__Agent__Reply *reply) {
    switch (reply->kind_case) {
    case WARREN__AGENT__REPLY__KIND_ERROR:
        if (may_come_back(r, reply)) {
            wait_for_agent(r);
            return;
        }
        cli_say("%s", reply->error->text);
        end(r, (int)reply->error->exit_code);
        return;
    case WARREN__AGENT__REPLY__KIND_OUTPUT:
        if (r->resume != NULL && !cli_resume_take(r->resume, reply->output)) return;
        cli_printer_output(r->printer, reply->output);
        return;
    case WARREN__AGENT__REPLY__KIND_SKIPPED:
        cli_printer_skipped(r->printer, reply->skipped->lines);
        return;
    case WARREN__AGENT__REPLY__KIND_DONE:
        if (may_come_back(r, reply))
            wait_for_agent(r);
        else
            end(r, CLI_DONE);
        return;
    case WARREN__AGENT__REPLY__KIND_ENDED: end(r, CLI_DONE); return;
    default: return;
    }
}

static void on_reply(const Warren__Agent__Reply *reply, void *user) {
    reading *r = user;
    if (r->is_ended) return;
    if (reply != NULL) {
        r->has_reply = true;
        take_reply(r, reply);
    } else if (r->body->follow) {
        wait_for_agent(r);
    } else if (!r->has_reply) {
        end(r, CLI_NO_AGENT); // the files are read, as if it had not been there
    } else {
        cli_say("the agent ended");
        end(r, CLI_NO_AGENT);
    }
    look(r);
}

static int ask(reading *r) {
    int err = cli_client_open(&r->loop, on_reply, r, &r->client);
    if (err != 0) return err;
    r->asked_at_ms = uv_now(&r->loop);
    CLI_REQUEST(request, LOGS, logs, r->body);
    if (r->is_paused) cli_client_pause(r->client, true);
    return cli_client_send(r->client, &request, -1);
}

static void on_again(uv_timer_t *timer) {
    reading *r = timer->data;
    r->body->since_ms = cli_resume_since_ms(r->resume);
    r->body->tail_lines = AGENT_LOG_TAIL_LINES_MAX;
    cli_resume_again(r->resume);
    if (ask(r) != 0) wait_for_agent(r);
    look(r);
}

static void on_interrupt(uv_signal_t *handle, int number) {
    finish(handle->data, 128 + number);
}

static int read_logs(Warren__Agent__Logs *body, const cli_printer_options *printer) {
    reading r = {.body = body};
    cli_printer_options own = *printer;
    own.on_change = on_printed;
    own.user = &r;
    uv_loop_init(&r.loop);
    int err = ask(&r);
    if (r.client == NULL) {
        uv_loop_close(&r.loop);
        bool is_absent = err == -ENOENT || err == -ECONNREFUSED;
        return is_absent ? cli_log_files_print(body, printer, err) : cli_client_explain(err);
    }
    if (body->follow) r.resume = cli_resume_create(mesh_wall_ms());
    uv_signal_init(&r.loop, &r.interrupt);
    uv_timer_init(&r.loop, &r.again);
    r.interrupt.data = r.again.data = &r;
    (void)uv_signal_start(&r.interrupt, on_interrupt, SIGINT); // without it Ctrl-C just ends us
    if (err == 0) err = cli_printer_open(&r.loop, &own, &r.printer);
    if (err != 0) {
        cli_say("the request is too long");
        finish(&r, CLI_USAGE);
    }
    uv_run(&r.loop, UV_RUN_DEFAULT);
    uv_loop_close(&r.loop);
    cli_resume_destroy(r.resume);
    bool is_unanswered = !body->follow && !r.has_reply && r.exit_code == CLI_NO_AGENT;
    return is_unanswered ? cli_log_files_print(body, printer, -ECONNREFUSED) : r.exit_code;
}

static int run(int argc, char **argv) {
    cli_args args = {.command = &cli_logs, .argc = argc, .argv = argv};
    Warren__Agent__Logs body = WARREN__AGENT__LOGS__INIT;
    cli_printer_options printer = {.has_prefix = true};
    body.tail_lines = LINES_DEFAULT;
    const char *target = NULL;
    bool has_lines = false;
    for (int arg; (arg = cli_args_next(&args)) != CLI_ARG_END;) {
        switch (arg) {
        case CLI_ARG_BAD: return cli_args_exit_code(&args);
        case CLI_ARG_WORD:
            if (!cli_args_target(&args, &target)) return CLI_USAGE;
            break;
        case OPTION_FOLLOW: body.follow = true; break;
        case OPTION_LINES:
        case OPTION_TAIL:
            has_lines = true;
            if (!cli_args_number(&args, "lines", 0, AGENT_LOG_TAIL_LINES_MAX, &body.tail_lines))
                return CLI_USAGE;
            break;
        case OPTION_SINCE:
            if (!cli_since_parse(args.value, &body.since_ms)) return CLI_USAGE;
            break;
        case OPTION_NO_PREFIX: printer.has_prefix = false; break;
        default: printer.is_json = true;
        }
    }
    if (body.since_ms != 0 && !has_lines) body.tail_lines = AGENT_LOG_TAIL_LINES_MAX;
    body.target = (char *)(uintptr_t)(target != NULL ? target : "all");
    return read_logs(&body, &printer);
}

const cli_command cli_logs = {
    .name = "logs",
    .usage = "[TARGET] [-f] [-n N | --tail N] [--since TIME] [--no-prefix] [--json]",
    .summary = "Prints what nodes wrote",
    .example = "  warren logs -f app\n  warren logs app.2 -n 1000 --no-prefix\n"
               "  warren logs --since 10m --json\n",
    .options = options,
    .run = run,
};
