#include "cli/follow.h"

#include "agent/logs.h"
#include "cli/args.h"
#include "cli/attached.h"

typedef struct following {
    cli_attached terminal;
    const cli_project *project;
    size_t running;    // services that have not ended
    bool has_all_logs; // each was found, or was over before we asked
} following;

// The last ones first: they may need those before them.
static void stop_all(bool is_kill, void *user) {
    following *f = user;
    for (size_t i = f->project->count; i-- > 0;) {
        Warren__Agent__Stop body = WARREN__AGENT__STOP__INIT;
        body.target = f->project->services[i].run.name;
        body.kill = is_kill;
        CLI_REQUEST(request, STOP, stop, &body);
        (void)cli_client_send(f->terminal.client, &request, -1); // small
    }
}

static void on_reply(const Warren__Agent__Reply *reply, void *user) {
    following *f = user;
    cli_attached *terminal = &f->terminal;
    if (reply == NULL) {
        cli_say("the agent ended (`warren ps` shows whether its nodes run on)");
        cli_attached_finish(terminal, CLI_NO_AGENT);
        return;
    }
    (void)cli_attached_print(terminal, reply);
    switch (reply->kind_case) {
    case WARREN__AGENT__REPLY__KIND_ENDED:
        if (f->running > 0) f->running--;
        if (terminal->exit_code == 0) terminal->exit_code = reply->ended->exit_code;
        break;
    case WARREN__AGENT__REPLY__KIND_ERROR: cli_say("%s", reply->error->text); // fall through
    case WARREN__AGENT__REPLY__KIND_DONE: // it was over already; or the answer to a Stop
        if (!f->has_all_logs && f->running > 0) f->running--;
        break;
    case WARREN__AGENT__REPLY__KIND_SELF: f->has_all_logs = true; break;
    default: break;
    }
    terminal->is_ended = f->running == 0;
    cli_attached_look(terminal);
}

// Answers come in the order of the requests: what is done after this one's is no Logs.
static int ask_end_of_logs(const following *f) {
    Warren__Agent__About body = WARREN__AGENT__ABOUT__INIT;
    CLI_REQUEST(request, ABOUT, about, &body);
    return cli_client_send(f->terminal.client, &request, -1);
}

static int start(following *f, uint64_t since_ms) {
    int err = cli_attached_open(&f->terminal);
    for (size_t i = 0; err == 0 && i < f->project->count; i++) {
        const Warren__Agent__Run *run = &f->project->services[i].run;
        Warren__Agent__Logs body = WARREN__AGENT__LOGS__INIT;
        cli_printer_set_width(f->terminal.printer, run->name, run->instances);
        body.target = run->name;
        body.follow = true;
        body.tail_lines = AGENT_LOG_TAIL_LINES_MAX;
        body.since_ms = since_ms;
        CLI_REQUEST(request, LOGS, logs, &body);
        err = cli_client_send(f->terminal.client, &request, -1);
    }
    return err == 0 ? ask_end_of_logs(f) : err;
}

int cli_follow(const cli_project *project, uint64_t since_ms, bool is_json) {
    following f = {.terminal = {.name = project->name,
                                .stop = stop_all,
                                .on_reply = on_reply,
                                .user = &f,
                                .is_json = is_json,
                                .has_prefix = true,
                                .is_started = true},
                   .project = project,
                   .running = project->count};
    int err = start(&f, since_ms);
    if (err != 0) cli_attached_finish(&f.terminal, cli_client_explain(err));
    return cli_attached_run(&f.terminal);
}
